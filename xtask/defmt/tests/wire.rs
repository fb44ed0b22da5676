//! Packets, their numbers and their errors in a log.

use memlet_core::connection::client::{ReplyError, StageError};
use memlet_core::wire::extras::StoreExtras;
use memlet_core::wire::{
    Allowed, DataType, EmitError, Escaped, Field, Header, Limits, Magic, Opcode, Packet,
    PacketView, ParseError, Parsed, Request, Response, ServerOpcode, Status,
};
use memlet_defmt::text;

#[test]
fn numbers_are_shown_by_the_names_that_they_have_elsewhere() {
    for number in 0..=u8::MAX {
        assert_eq!(text(&Opcode(number)), Opcode(number).to_string());
        assert_eq!(
            text(&ServerOpcode(number)),
            ServerOpcode(number).to_string()
        );
        assert_eq!(text(&Magic(number)), Magic(number).to_string());
        assert_eq!(text(&DataType(number)), DataType(number).to_string());
    }
    for number in (0..0x200).chain([0xfffe, 0xffff]) {
        assert_eq!(text(&Status(number)), Status(number).to_string());
    }
    for field in [Field::Magic, Field::FramingExtras, Field::EngineBytes] {
        assert_eq!(text(&field), format!("{field:?}"));
    }
}

#[test]
fn what_is_allowed_is_shown_as_elsewhere() {
    for allowed in [
        Allowed::AtMost(250),
        Allowed::AtLeast(1),
        Allowed::MultipleOf(16),
        Allowed::OneOf(&[0x80, 0x08]),
        Allowed::Bits(1 | 1 << 4 | 1 << 63),
    ] {
        assert_eq!(text(&allowed), allowed.to_string());
    }
}

#[test]
fn a_parse_error_tells_field_place_what_was_found_and_what_is_allowed() {
    let error = Header::parse(b"\x47ET / HTTP/1.1\r\nHost: a\r\n").unwrap_err();
    assert_eq!(
        text(&error),
        "ParseError { kind: UnknownMagic, field: Magic, offset: 0, found: 71, \
         allowed: 0x80 or 0x81 or 0x08 or 0x18 or 0x82 or 0x83 }"
    );
    let error = StoreExtras::parse(b"four").unwrap_err();
    assert_eq!(
        text(&error),
        "ParseError { kind: ExtrasLength, field: Extras, offset: 0, found: 4, allowed: 8 }"
    );
    let error = Request::new(Opcode::NOOP).emit(&mut [0; 10]).unwrap_err();
    assert_eq!(text(&error), format!("{error:?}"));
    assert_eq!(text(&EmitError::Magic(Magic(0x99))), "Magic(0x99)");
    assert_eq!(
        text(&StageError::Emit(error)),
        format!("{:?}", StageError::Emit(error))
    );
}

#[test]
fn requests_and_responses_are_shown_as_elsewhere() {
    let request = Request {
        key: b"Hello",
        value: b"World",
        ..Request::new(Opcode::SET)
    };
    assert_eq!(
        text(&request),
        request.to_string().replace("'Hello'", "b\"Hello\"")
    );
    let notice = Request {
        magic: Magic::SERVER_REQUEST,
        ..Request::new(Opcode(4))
    };
    assert_eq!(text(&notice), notice.to_string().replace("''", "b\"\""));
    let response = Response {
        extras: &[0; 4],
        opaque: 3,
        ..Response::new(Opcode::GET, Status::KEY_ENOENT)
    };
    assert_eq!(text(&response), response.to_string());
    let response = Response {
        value: b"Not found",
        ..response
    };
    let error = response.as_error();
    assert_eq!(
        text(&error),
        error.to_string().replace("Not found", "b\"Not found\"")
    );
    let (request, response) = (
        Request::new(Opcode(0x6f)),
        Response::new(Opcode::GET, Status(0x99)),
    );
    assert_eq!(
        text(&request),
        "{MCRequest opcode=0x6f, bodylen=0, key=b\"\"}"
    );
    assert_eq!(
        text(&response),
        "{MCResponse status=0x99 keylen=0, extralen=0, bodylen=0}"
    );
}

#[test]
fn packets_and_headers_show_every_field() {
    let packet = Packet {
        opcode: Opcode::APPEND,
        vbucket_or_status: 1,
        opaque: 2,
        cas: 3,
        key: b"k\n\xff\"",
        value: b"value",
        ..Packet::default()
    };
    let shown = "Packet { magic: 0x80, opcode: APPEND, datatype: raw, vbucket_or_status: 1, opaque: 2, cas: 3, \
                 framing_extras: 0 bytes, extras: 0 bytes, key: b\"k\\n\\xff\\\"\", value: 5 bytes }";
    assert_eq!(text(&packet), shown);
    let mut bytes = [0; 64];
    let len = packet.emit(&mut bytes).unwrap();
    let Ok(Parsed::Complete { value: view, .. }) = PacketView::parse(&bytes[..len], &Limits::NONE)
    else {
        panic!("the packet is whole");
    };
    assert_eq!(text(&view), shown);
    assert_eq!(
        text(&view.header()),
        "Header { magic: 0x80, opcode: APPEND, framing_extras_len: 0, key_len: 4, extras_len: 0, datatype: raw, \
         vbucket_or_status: 1, body_len: 9, opaque: 2, cas: 3 }"
    );
    let parsed: Result<Parsed<Header>, ParseError> = Header::parse(&bytes[..20]);
    assert_eq!(text(&parsed), "Ok(NeedMore { missing: 4 })");
}

#[test]
fn a_long_key_is_cut_and_its_length_told() {
    let key = [b'k'; 250];
    let request = Request {
        key: &key,
        ..Request::new(Opcode::GET)
    };
    let shown = text(&request);
    let front = "k".repeat(64);
    assert!(
        shown.ends_with(&format!("key=b\"{front}\"... (250 bytes)}}")),
        "{shown}"
    );
    assert_eq!(text(&Escaped(&key[..64])), format!("b\"{front}\""));
}

#[test]
fn no_credentials_get_into_a_log() {
    let mut bytes = [0; 128];
    for opcode in [Opcode::SASL_AUTH, Opcode::SASL_STEP] {
        let request = Request {
            key: b"PLAIN",
            value: b"\0user\0secret",
            ..Request::new(opcode)
        };
        let packet = request.to_packet().unwrap();
        let len = packet.emit(&mut bytes).unwrap();
        let view = PacketView::parse(&bytes[..len], &Limits::NONE);
        for shown in [text(&request), text(&packet), text(&view)] {
            assert!(shown.contains("PLAIN"), "{shown}");
            assert!(
                !shown.contains("secret") && !shown.contains("115, 101"),
                "{shown}"
            );
        }
    }
    let seed = memlet_core::store::Seed([0x7365_6372, 0x6574]);
    assert_eq!(text(&seed), "Seed(..)");
}

#[test]
fn a_poisoned_reply_tells_what_was_expected_and_what_came() {
    use memlet_core::connection::client::{ClientConnection, ClientOptions};

    let mut client = ClientConnection::<4>::new(ClientOptions::default(), ());
    let mut out = [0; 64];
    client.stage(&Request::new(Opcode::NOOP), &mut out).unwrap();
    let mut reply = [0; 64];
    let foreign = Response {
        opaque: 77,
        ..Response::new(Opcode::GET, Status::SUCCESS)
    };
    let len = foreign.emit(&mut reply).unwrap();
    let error: ReplyError = client.handle_input(&reply[..len]).unwrap_err();
    let shown = text(&error);
    assert!(
        shown.contains("expected: Some(Expected { opcode: NOOP, opaque: 1"),
        "{shown}"
    );
    assert!(
        shown.contains("found: Some(Found {") && shown.contains("opaque: 77"),
        "{shown}"
    );
}
