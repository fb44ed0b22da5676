//! How long it takes to read and write one packet, beside the crate memcache-proto in the same run.
//!
//! Every pair does the same work: from bytes to the fields a server needs (key, value, flags, expiration, CAS, opaque),
//! or from those fields to bytes. Each side runs in a function of its own, whose input the compiler knows nothing about
//! and whose result depends on every field. memlet checks more on the way: limits, and extras of exactly the right
//! length.
//!
//! memlet is measured twice: "view" decodes the fields that are asked for, "memlet" every field of the packet at once.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use memcache_proto::binary as peer;
use memlet_core::wire::extras::{FlagsExtras, StoreExtras};
use memlet_core::wire::{
    Limits, Magic, Opcode, PacketView, ParseError, Parsed, Request, Response, Status,
};

const KEY: &[u8] = b"user:1234567:value";

/// What a server wants to know of a GET or SET.
#[derive(Clone, Copy, Default)]
struct Fields<'a> {
    key: &'a [u8],
    value: &'a [u8],
    flags: u32,
    expiration: u32,
    cas: u64,
    opaque: u32,
    consumed: usize,
}

impl Fields<'_> {
    /// Every field, folded into one number as cheaply as can be.
    fn fold(&self) -> u64 {
        let lens = self.key.len() ^ self.value.len() ^ self.consumed;
        lens as u64 ^ u64::from(self.flags ^ self.expiration ^ self.opaque) ^ self.cas
    }
}

#[inline(never)]
fn memlet_request(input: &[u8]) -> u64 {
    let Ok(Parsed::Complete {
        value: request,
        consumed,
    }) = Request::parse(input, &Limits::MEMCACHED)
    else {
        return 0;
    };
    let Request {
        key,
        value,
        cas,
        opaque,
        extras,
        ..
    } = request;
    match request.opcode {
        Opcode::GET => Fields {
            key,
            opaque,
            consumed,
            ..Fields::default()
        }
        .fold(),
        Opcode::SET => match StoreExtras::parse(extras) {
            Ok(StoreExtras { flags, expiration }) => Fields {
                key,
                value,
                flags,
                expiration,
                cas,
                opaque,
                consumed,
            }
            .fold(),
            Err(_) => 0,
        },
        _ => 0,
    }
}

#[inline(never)]
fn view_request(input: &[u8]) -> u64 {
    let Ok(Parsed::Complete {
        value: view,
        consumed,
    }) = PacketView::parse(input, &Limits::MEMCACHED)
    else {
        return 0;
    };
    let header = view.header();
    match (header.magic, header.opcode) {
        (Magic::CLIENT_REQUEST, Opcode::GET) => Fields {
            key: view.key(),
            opaque: header.opaque,
            consumed,
            ..Fields::default()
        }
        .fold(),
        (Magic::CLIENT_REQUEST, Opcode::SET) => match StoreExtras::parse(view.extras()) {
            Ok(StoreExtras { flags, expiration }) => Fields {
                key: view.key(),
                value: view.value(),
                flags,
                expiration,
                cas: header.cas,
                opaque: header.opaque,
                consumed,
            }
            .fold(),
            Err(_) => 0,
        },
        _ => 0,
    }
}

#[inline(never)]
fn peer_request(input: &[u8]) -> u64 {
    let Ok((command, consumed)) = peer::BinaryCommand::parse(input) else {
        return 0;
    };
    match command {
        peer::BinaryCommand::Get { key, opaque } => Fields {
            key,
            opaque,
            consumed,
            ..Fields::default()
        }
        .fold(),
        peer::BinaryCommand::Set {
            key,
            value,
            flags,
            expiration,
            cas,
            opaque,
        } => Fields {
            key,
            value,
            flags,
            expiration,
            cas,
            opaque,
            consumed,
        }
        .fold(),
        _ => 0,
    }
}

#[inline(never)]
fn memlet_response(input: &[u8]) -> u64 {
    let Ok(Parsed::Complete {
        value: response,
        consumed,
    }) = Response::parse(input, &Limits::MEMCACHED)
    else {
        return 0;
    };
    let Response {
        value,
        cas,
        opaque,
        extras,
        ..
    } = response;
    let (Status::SUCCESS, Ok(FlagsExtras { flags })) =
        (response.status, FlagsExtras::parse(extras))
    else {
        return 0;
    };
    Fields {
        value,
        flags,
        cas,
        opaque,
        consumed,
        ..Fields::default()
    }
    .fold()
}

#[inline(never)]
fn view_response(input: &[u8]) -> u64 {
    let Ok(Parsed::Complete {
        value: view,
        consumed,
    }) = PacketView::parse(input, &Limits::MEMCACHED)
    else {
        return 0;
    };
    let header = view.header();
    let (Magic::CLIENT_RESPONSE, Status::SUCCESS, Ok(FlagsExtras { flags })) = (
        header.magic,
        Status(header.vbucket_or_status),
        FlagsExtras::parse(view.extras()),
    ) else {
        return 0;
    };
    Fields {
        value: view.value(),
        flags,
        cas: header.cas,
        opaque: header.opaque,
        consumed,
        ..Fields::default()
    }
    .fold()
}

#[inline(never)]
fn peer_response(input: &[u8]) -> u64 {
    let Ok((
        peer::ParsedBinaryResponse::Value {
            value,
            flags,
            cas,
            opaque,
            ..
        },
        consumed,
    )) = peer::ParsedBinaryResponse::parse(input)
    else {
        return 0;
    };
    Fields {
        value,
        flags,
        cas,
        opaque,
        consumed,
        ..Fields::default()
    }
    .fold()
}

#[inline(never)]
fn memlet_emit_get(key: &[u8], opaque: u32, out: &mut [u8]) -> usize {
    Request {
        key,
        opaque,
        ..Request::new(Opcode::GET)
    }
    .emit(out)
    .expect("the output is long enough")
}

#[inline(never)]
fn peer_emit_get(key: &[u8], opaque: u32, out: &mut [u8]) -> usize {
    peer::BinaryRequest::encode_get(out, key, opaque)
}

#[inline(never)]
fn memlet_emit_set(fields: Fields<'_>, out: &mut [u8]) -> usize {
    let Fields {
        key,
        value,
        flags,
        expiration,
        cas,
        opaque,
        ..
    } = fields;
    let extras = StoreExtras { flags, expiration }.to_bytes();
    let request = Request {
        key,
        value,
        cas,
        opaque,
        extras: &extras,
        ..Request::new(Opcode::SET)
    };
    request.emit(out).expect("the output is long enough")
}

#[inline(never)]
fn peer_emit_set(fields: Fields<'_>, out: &mut [u8]) -> usize {
    let Fields {
        key,
        value,
        flags,
        expiration,
        cas,
        opaque,
        ..
    } = fields;
    peer::BinaryRequest::encode_set(out, key, value, flags, expiration, cas, opaque)
}

#[inline(never)]
fn memlet_emit_response(fields: Fields<'_>, out: &mut [u8]) -> usize {
    let Fields {
        value,
        flags,
        cas,
        opaque,
        ..
    } = fields;
    let extras = FlagsExtras { flags }.to_bytes();
    let response = Response {
        value,
        cas,
        opaque,
        extras: &extras,
        ..Response::new(Opcode::GET, Status::SUCCESS)
    };
    response.emit(out).expect("the output is long enough")
}

#[inline(never)]
fn peer_emit_response(fields: Fields<'_>, out: &mut [u8]) -> usize {
    let Fields {
        value,
        flags,
        cas,
        opaque,
        ..
    } = fields;
    peer::BinaryResponse::encode_get(out, peer::Opcode::Get, opaque, cas, flags, value)
}

/// One group that times the same work of each side.
macro_rules! measure {
    ($criterion:expr, $name:expr, $($side:literal => $work:expr,)+) => {
        let mut group = $criterion.benchmark_group($name);
        $( group.bench_function($side, |bencher| bencher.iter(|| $work)); )+
        group.finish();
    };
}

/// The packet, which is all there.
#[inline(always)]
fn complete<T>(answer: Result<Parsed<T>, ParseError>) -> T {
    match answer {
        Ok(Parsed::Complete { value, .. }) => value,
        _ => panic!("a whole packet"),
    }
}

/// Reading: what every request that a server gets costs before it is looked up.
fn parse(criterion: &mut Criterion) {
    let value = [b'v'; 100];
    let fields = Fields {
        key: KEY,
        value: &value,
        flags: 7,
        expiration: 3600,
        cas: 0,
        opaque: 9,
        consumed: 0,
    };
    let mut get = [0; 256];
    let get_len = memlet_emit_get(KEY, 9, &mut get);
    let mut set = [0; 256];
    let set_len = memlet_emit_set(fields, &mut set);
    let mut response = [0; 256];
    let response_len = memlet_emit_response(fields, &mut response);

    type Parse = fn(&[u8]) -> u64;
    for (name, input, view, ours, theirs) in [
        (
            "parse GET",
            &get[..get_len],
            view_request as Parse,
            memlet_request as Parse,
            peer_request as Parse,
        ),
        (
            "parse SET 100 B",
            &set[..set_len],
            view_request,
            memlet_request,
            peer_request,
        ),
        (
            "parse response 100 B",
            &response[..response_len],
            view_response,
            memlet_response,
            peer_response,
        ),
    ] {
        assert_eq!([view(input), ours(input)], [theirs(input); 2]);
        measure!(criterion, name,
            "view" => view(black_box(input)),
            "memlet" => ours(black_box(input)),
            "memcache-proto" => theirs(black_box(input)),
        );
    }

    // The same when what was parsed has to go through memory, as to a function that is not inlined: a view keeps where
    // the packet lies, a request every field of it, the peer the fields of the command. Whether the answer is moved
    // ("keep"), taken apart and its packet moved ("unwrap") or left where it is ("lend") decides how much each copies.
    for (name, input) in [("GET", &get[..get_len]), ("SET 100 B", &set[..set_len])] {
        measure!(criterion, format!("parse and keep {name}"),
            "view" => PacketView::parse(black_box(input), &Limits::MEMCACHED),
            "memlet" => Request::parse(black_box(input), &Limits::MEMCACHED),
            "memcache-proto" => peer::BinaryCommand::parse(black_box(input)),
        );
        measure!(criterion, format!("parse and unwrap {name}"),
            "view" => complete(PacketView::parse(black_box(input), &Limits::MEMCACHED)),
            "memlet" => complete(Request::parse(black_box(input), &Limits::MEMCACHED)),
            "memcache-proto" => peer::BinaryCommand::parse(black_box(input)).expect("a whole request").0,
        );
        measure!(criterion, format!("parse and lend {name}"),
            "view" => { black_box(&PacketView::parse(black_box(input), &Limits::MEMCACHED)); },
            "memlet" => { black_box(&Request::parse(black_box(input), &Limits::MEMCACHED)); },
            "memcache-proto" => { black_box(&peer::BinaryCommand::parse(black_box(input))); },
        );
    }
}

/// Writing: what every answer costs before it is sent.
fn emit(criterion: &mut Criterion) {
    let value = [b'v'; 100];
    let fields = Fields {
        key: KEY,
        value: &value,
        flags: 7,
        expiration: 3600,
        cas: 5,
        opaque: 9,
        consumed: 0,
    };
    let mut out = [0; 256];

    measure!(criterion, "emit GET",
        "memlet" => {
            memlet_emit_get(black_box(KEY), black_box(9), &mut out);
            black_box(&out);
        },
        "memcache-proto" => {
            peer_emit_get(black_box(KEY), black_box(9), &mut out);
            black_box(&out);
        },
    );

    type Emit = fn(Fields<'_>, &mut [u8]) -> usize;
    for (name, ours, theirs) in [
        (
            "emit SET 100 B",
            memlet_emit_set as Emit,
            peer_emit_set as Emit,
        ),
        (
            "emit response 100 B",
            memlet_emit_response,
            peer_emit_response,
        ),
    ] {
        measure!(criterion, name,
            "memlet" => { ours(black_box(fields), &mut out); black_box(&out); },
            "memcache-proto" => { theirs(black_box(fields), &mut out); black_box(&out); },
        );
    }
}

criterion_group! {
    name = benches;
    // Short: the ratio of the two columns is what counts, and it settles within this time.
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(600))
        .sample_size(30);
    targets = parse, emit
}
criterion_main!(benches);
