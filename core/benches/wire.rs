//! How long it takes to read and write one packet, beside the crate memcache-proto in the same run.
//!
//! Every pair does the same work: from bytes to the fields a server needs (key, value, flags, expiration, CAS, opaque),
//! or from those fields to bytes. Each side runs in a function of its own, whose input the compiler knows nothing about
//! and whose result depends on every field. memlet checks more on the way: limits, and extras of exactly the right
//! length.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use memcache_proto::binary as peer;
use memlet_core::wire::extras::{FlagsExtras, StoreExtras};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

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
    for (name, input, ours, theirs) in [
        (
            "parse GET",
            &get[..get_len],
            memlet_request as Parse,
            peer_request as Parse,
        ),
        (
            "parse SET 100 B",
            &set[..set_len],
            memlet_request,
            peer_request,
        ),
        (
            "parse response 100 B",
            &response[..response_len],
            memlet_response,
            peer_response,
        ),
    ] {
        assert_eq!(ours(input), theirs(input));
        let mut group = criterion.benchmark_group(name);
        group.bench_function("memlet", |bencher| bencher.iter(|| ours(black_box(input))));
        group.bench_function("memcache-proto", |bencher| {
            bencher.iter(|| theirs(black_box(input)));
        });
        group.finish();
    }

    // The same when all that was parsed has to go through memory, as to a function that is not inlined: memlet keeps
    // every field of the packet, its peer those of the command. Whether the answer is moved ("keep"), taken apart and
    // its packet moved ("unwrap") or left where it is ("lend") decides how much each side copies.
    for (name, input) in [("GET", &get[..get_len]), ("SET 100 B", &set[..set_len])] {
        let mut group = criterion.benchmark_group(format!("parse and keep {name}"));
        group.bench_function("memlet", |bencher| {
            bencher.iter(|| Request::parse(black_box(input), &Limits::MEMCACHED));
        });
        group.bench_function("memcache-proto", |bencher| {
            bencher.iter(|| peer::BinaryCommand::parse(black_box(input)));
        });
        group.finish();

        let mut group = criterion.benchmark_group(format!("parse and unwrap {name}"));
        group.bench_function("memlet", |bencher| {
            bencher.iter(
                || match Request::parse(black_box(input), &Limits::MEMCACHED) {
                    Ok(Parsed::Complete { value, .. }) => value,
                    _ => panic!("a whole request"),
                },
            );
        });
        group.bench_function("memcache-proto", |bencher| {
            bencher.iter(|| {
                let (command, _) =
                    peer::BinaryCommand::parse(black_box(input)).expect("a whole request");
                command
            });
        });
        group.finish();

        let mut group = criterion.benchmark_group(format!("parse and lend {name}"));
        group.bench_function("memlet", |bencher| {
            bencher.iter(|| {
                black_box(&Request::parse(black_box(input), &Limits::MEMCACHED));
            });
        });
        group.bench_function("memcache-proto", |bencher| {
            bencher.iter(|| {
                black_box(&peer::BinaryCommand::parse(black_box(input)));
            });
        });
        group.finish();
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

    let mut group = criterion.benchmark_group("emit GET");
    group.bench_function("memlet", |bencher| {
        bencher.iter(|| memlet_emit_get(black_box(KEY), black_box(9), black_box(&mut out)));
    });
    group.bench_function("memcache-proto", |bencher| {
        bencher.iter(|| peer_emit_get(black_box(KEY), black_box(9), black_box(&mut out)));
    });
    group.finish();

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
        let mut group = criterion.benchmark_group(name);
        group.bench_function("memlet", |bencher| {
            bencher.iter(|| ours(black_box(fields), black_box(&mut out)));
        });
        group.bench_function("memcache-proto", |bencher| {
            bencher.iter(|| theirs(black_box(fields), black_box(&mut out)));
        });
        group.finish();
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
