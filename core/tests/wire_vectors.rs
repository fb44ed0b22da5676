//! Packets that a memcached server really sent and received, byte by byte, and gomemcached's own facts.

#![allow(missing_docs)]

use memlet_core::wire::extras::{
    CounterExtras, FlagsExtras, FlushExtras, StoreExtras, TouchExtras,
};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// The request has exactly these bytes, in both directions.
fn assert_request(request: &Request<'_>, bytes: &str) {
    let bytes = hex(bytes);
    let mut out = vec![0xee; bytes.len()];
    assert_eq!(request.encoded_len(), Ok(bytes.len()));
    assert_eq!(request.emit(&mut out), Ok(bytes.len()));
    assert_eq!(out, bytes);
    let complete = Parsed::Complete {
        value: *request,
        consumed: bytes.len(),
    };
    assert_eq!(Request::parse(&bytes, &Limits::default()), Ok(complete));
}

/// The response has exactly these bytes, in both directions.
fn assert_response(response: &Response<'_>, bytes: &str) {
    let bytes = hex(bytes);
    let mut out = vec![0xee; bytes.len()];
    assert_eq!(response.encoded_len(), Ok(bytes.len()));
    assert_eq!(response.emit(&mut out), Ok(bytes.len()));
    assert_eq!(out, bytes);
    let complete = Parsed::Complete {
        value: *response,
        consumed: bytes.len(),
    };
    assert_eq!(Response::parse(&bytes, &Limits::default()), Ok(complete));
}

#[test]
fn flush() {
    let extras = FlushExtras { expiration: None };
    assert_eq!(extras.emit(&mut []), Ok(0));
    assert_request(
        &Request {
            opaque: 1,
            ..Request::new(Opcode::FLUSH)
        },
        "800800000000000000000000000000010000000000000000",
    );
    assert_response(
        &Response {
            opaque: 1,
            ..Response::new(Opcode::FLUSH, Status::SUCCESS)
        },
        "810800000000000000000000000000010000000000000000",
    );
}

#[test]
fn set() {
    let extras = StoreExtras {
        flags: 0xdead_beef,
        expiration: 3600,
    }
    .to_bytes();
    assert_request(
        &Request {
            opaque: 2,
            extras: &extras,
            key: b"Hello",
            value: b"World",
            ..Request::new(Opcode::SET)
        },
        "800100050800000000000012000000020000000000000000deadbeef00000e1048656c6c6f576f726c64",
    );
    assert_response(
        &Response {
            opaque: 2,
            cas: 0x116,
            ..Response::new(Opcode::SET, Status::SUCCESS)
        },
        "810100000000000000000000000000020000000000000116",
    );
}

#[test]
fn get_hit() {
    let extras = FlagsExtras { flags: 0xdead_beef }.to_bytes();
    assert_request(
        &Request {
            opaque: 3,
            key: b"Hello",
            ..Request::new(Opcode::GET)
        },
        "80000005000000000000000500000003000000000000000048656c6c6f",
    );
    assert_response(
        &Response {
            opaque: 3,
            cas: 0x116,
            extras: &extras,
            value: b"World",
            ..Response::new(Opcode::GET, Status::SUCCESS)
        },
        "810000000400000000000009000000030000000000000116deadbeef576f726c64",
    );
}

#[test]
fn getk_hit() {
    let extras = FlagsExtras { flags: 0xdead_beef }.to_bytes();
    assert_request(
        &Request {
            opaque: 3,
            key: b"Hello",
            ..Request::new(Opcode::GETK)
        },
        "800c0005000000000000000500000003000000000000000048656c6c6f",
    );
    assert_response(
        &Response {
            opaque: 3,
            cas: 0x116,
            extras: &extras,
            key: b"Hello",
            value: b"World",
            ..Response::new(Opcode::GETK, Status::SUCCESS)
        },
        "810c0005040000000000000e000000030000000000000116deadbeef48656c6c6f576f726c64",
    );
}

#[test]
fn get_miss() {
    assert_request(
        &Request {
            opaque: 4,
            key: b"nope",
            ..Request::new(Opcode::GET)
        },
        "8000000400000000000000040000000400000000000000006e6f7065",
    );
    assert_response(
        &Response {
            opaque: 4,
            value: Status::KEY_ENOENT.text().as_bytes(),
            ..Response::new(Opcode::GET, Status::KEY_ENOENT)
        },
        "8100000000000001000000090000000400000000000000004e6f7420666f756e64",
    );
}

#[test]
fn getk_miss() {
    assert_request(
        &Request {
            opaque: 4,
            key: b"nope",
            ..Request::new(Opcode::GETK)
        },
        "800c000400000000000000040000000400000000000000006e6f7065",
    );
    assert_response(
        &Response {
            opaque: 4,
            key: b"nope",
            ..Response::new(Opcode::GETK, Status::KEY_ENOENT)
        },
        "810c000400000001000000040000000400000000000000006e6f7065",
    );
}

#[test]
fn touch() {
    let extras = TouchExtras { expiration: 0 }.to_bytes();
    assert_request(
        &Request {
            opaque: 5,
            extras: &extras,
            key: b"Hello",
            ..Request::new(Opcode::TOUCH)
        },
        "801c000504000000000000090000000500000000000000000000000048656c6c6f",
    );
    let extras = FlagsExtras { flags: 0xdead_beef }.to_bytes();
    assert_response(
        &Response {
            opaque: 5,
            cas: 0x116,
            extras: &extras,
            ..Response::new(Opcode::TOUCH, Status::SUCCESS)
        },
        "811c00000400000000000004000000050000000000000116deadbeef",
    );
}

#[test]
fn increment_creates() {
    let extras = CounterExtras {
        delta: 1,
        initial: 0,
        expiration: 3600,
    }
    .to_bytes();
    assert_request(
        &Request {
            opaque: 6,
            extras: &extras,
            key: b"counter",
            ..Request::new(Opcode::INCREMENT)
        },
        "80050007140000000000001b0000000600000000000000000000000000000001000000000000000000000e10636f756e746572",
    );
    assert_response(
        &Response {
            opaque: 6,
            cas: 0x117,
            value: &0u64.to_be_bytes(),
            ..Response::new(Opcode::INCREMENT, Status::SUCCESS)
        },
        "8105000000000000000000080000000600000000000001170000000000000000",
    );
}

#[test]
fn increment_misses() {
    let extras = CounterExtras {
        delta: 1,
        initial: 0,
        expiration: CounterExtras::NO_CREATE,
    }
    .to_bytes();
    assert_request(
        &Request {
            opaque: 6,
            extras: &extras,
            key: b"zz",
            ..Request::new(Opcode::INCREMENT)
        },
        "80050002140000000000001600000006000000000000000000000000000000010000000000000000ffffffff7a7a",
    );
    assert_response(
        &Response {
            opaque: 6,
            value: b"Not found",
            ..Response::new(Opcode::INCREMENT, Status::KEY_ENOENT)
        },
        "8105000000000001000000090000000600000000000000004e6f7420666f756e64",
    );
}

#[test]
fn version() {
    assert_request(
        &Request {
            opaque: 8,
            ..Request::new(Opcode::VERSION)
        },
        "800b00000000000000000000000000080000000000000000",
    );
    assert_response(
        &Response {
            opaque: 8,
            value: b"1.6.99",
            ..Response::new(Opcode::VERSION, Status::SUCCESS)
        },
        "810b00000000000000000006000000080000000000000000312e362e3939",
    );
}

#[test]
fn delete() {
    assert_request(
        &Request {
            opaque: 9,
            key: b"Hello",
            ..Request::new(Opcode::DELETE)
        },
        "80040005000000000000000500000009000000000000000048656c6c6f",
    );
    assert_response(
        &Response {
            opaque: 9,
            ..Response::new(Opcode::DELETE, Status::SUCCESS)
        },
        "810400000000000000000000000000090000000000000000",
    );
}

#[test]
fn display_forms_are_gomemcacheds() {
    let request = Request {
        key: b"Hello",
        value: b"World",
        ..Request::new(Opcode::SET)
    };
    assert_eq!(
        request.to_string(),
        "{MCRequest opcode=SET, bodylen=5, key='Hello'}"
    );
    let request = Request {
        key: b"a'b\\\x00\xff\xc3\xa9",
        ..Request::new(Opcode(0x4f))
    };
    assert_eq!(
        request.to_string(),
        r"{MCRequest opcode=0x4f, bodylen=0, key='a\'b\\\0\xffé'}"
    );

    let response = Response {
        opaque: 3,
        extras: &[0; 4],
        value: b"Not found",
        ..Response::new(Opcode::GET, Status::KEY_ENOENT)
    };
    assert_eq!(
        response.to_string(),
        "{MCResponse status=KEY_ENOENT keylen=0, extralen=4, bodylen=9}"
    );
    let error = response.as_error();
    assert_eq!(
        error.to_string(),
        "MCResponse status=KEY_ENOENT, opcode=GET, opaque=3, msg: Not found"
    );
    assert_eq!(Status(0x7fff).to_string(), "0x7fff");
    assert_eq!(Status(0x7f).to_string(), "0x7f");
    assert_eq!(Opcode(0x7f).to_string(), "0x7f");
    assert_eq!(Opcode::SASL_LIST_MECHS.to_string(), "SASL_LIST_MECHS");
}

#[test]
fn fatal_and_not_found_are_gomemcacheds() {
    for status in Status::ALL
        .iter()
        .copied()
        .chain([Status(0x7f), Status(0xffff)])
    {
        let harmless = matches!(status.0, 0x01 | 0x02 | 0x05 | 0x86);
        assert_eq!(status.is_fatal(), !harmless, "{status}");
        assert_eq!(status.is_not_found(), status.0 == 0x01, "{status}");
    }
}

#[test]
fn quiet_opcodes_are_gomemcacheds_and_the_touching_gets() {
    let gomemcached = [
        0x09, 0x0d, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x32, 0x34, 0x36,
        0x38, 0x3a, 0x3c,
    ];
    for number in 0..=u8::MAX {
        let expected = gomemcached.contains(&number) || matches!(number, 0x1e | 0x24);
        assert_eq!(Opcode(number).is_quiet(), expected, "{number:#04x}");
    }
}
