//! Commands of memcached: keys, expirations, responses.

use super::*;

pub(super) fn keys() -> Vec<Case> {
    let xattr = |section: &str| with_datatype(request(O::SET, NO_EXPIRY, b"k", &hex(section)), 4);
    vec![
        case(
            Lint::KeyNotText,
            "key at byte 26: 32, allowed no blanks and no control characters",
            get(b"to me"),
            get("zu mir, ü".replace(' ', "").as_bytes()),
        ),
        case(
            Lint::CollectionId,
            "collection id at byte 24: 3, allowed a number of 32 bits in its shortest form",
            get(b"\x88\x00k"),
            get(b"\x88\x01k"),
        )
        .with(COLLECTIONS),
        case(
            Lint::CollectionReserved,
            "collection id at byte 24: 7, allowed 0, or 8 and up",
            get(b"\x07k"),
            get(b"\x08k"),
        )
        .with(COLLECTIONS),
        case(
            Lint::CollectionKeyEmpty,
            "logical key at byte 24: 0, allowed at least 1",
            get(b"\x08"),
            get(b"\x08k"),
        )
        .with(COLLECTIONS),
        case(
            Lint::XattrSection,
            "xattrs at byte 33: 13, allowed at most 12",
            xattr("00000009 00000004 61 00 31 00"),
            xattr("00000008 00000004 61 00 31 00"),
        )
        .couchbase(),
        case(
            Lint::XattrKey,
            "xattr key at byte 41: 1, allowed 1 to 15 bytes that start with no punctuation but _ or $",
            xattr("00000008 00000004 5f 00 31 00"),
            xattr("00000009 00000005 5f61 00 31 00"),
        )
        .couchbase(),
    ]
}

pub(super) fn expirations() -> Vec<Case> {
    let now = Options {
        now: Some(1_700_000_000),
        ..MEMCACHED
    };
    let increment = |delta: u8, initial: u8, expiration: &str| {
        let extras = format!("{delta:016x}{initial:016x}{expiration}");
        request(O::INCREMENT, &extras, b"k", b"")
    };
    vec![
        case(
            Lint::ExpirationIn1970,
            "expiration at byte 28: 2592001, allowed at most 2592000",
            set("00278d01"),
            set("00278d00"),
        ),
        case(
            Lint::ExpirationPast,
            "expiration at byte 28: 1699999999, allowed at least 1700000000",
            set("6553f0ff"),
            set("6553f100"),
        )
        .with(now),
        case(
            Lint::ExpirationMinusOne,
            "expiration at byte 28: 4294967295, allowed at most 2592000",
            set("ffffffff"),
            set("fffffffe"),
        ),
        case(
            Lint::TouchToForever,
            "expiration at byte 24: 0, allowed at least 1",
            request(O::GATQ, "00000000", b"k", b""),
            request(O::GATQ, "00000001", b"k", b""),
        ),
        case(
            Lint::CounterNoCreate,
            "expiration at byte 40: 4294967295",
            increment(1, 0, "ffffffff"),
            increment(1, 0, "00000e10"),
        ),
        case(
            Lint::CounterInitialIgnored,
            "initial value at byte 32: 5, allowed 0",
            increment(1, 5, "ffffffff"),
            increment(1, 0, "ffffffff"),
        ),
        case(
            Lint::CounterDeltaZero,
            "delta at byte 24: 0, allowed at least 1",
            increment(0, 5, "00000000"),
            increment(1, 5, "00000000"),
        ),
        case(
            Lint::CounterLength,
            "counter at byte 24: 2, allowed 8",
            response(O::INCREMENT, Status::SUCCESS, "", b"", b"12"),
            response(O::INCREMENT, Status::SUCCESS, "", b"", &[0; 8]),
        ),
        case(
            Lint::CounterLength,
            "counter at byte 24: 0, allowed 8",
            response(O::INCREMENT, Status::SUCCESS, "", b"", b""),
            response(O::SET, Status::SUCCESS, "", b"", b""),
        ),
        case(
            Lint::CounterNotNumeric,
            "status at byte 6: 6",
            response(O::INCREMENT, Status::DELTA_BADVAL, "", b"", b"Non-numeric"),
            response(O::INCREMENT, Status::KEY_ENOENT, "", b"", b"Not found"),
        ),
        case(
            Lint::FlushDelayed,
            "expiration at byte 24: 10, allowed 0",
            request(O::FLUSH, "0000000a", b"", b""),
            request(O::FLUSH, "00000000", b"", b""),
        ),
        case(
            Lint::FlushPast,
            "expiration at byte 24: 1699999999",
            request(O::FLUSHQ, "6553f0ff", b"", b""),
            request(O::FLUSHQ, "6553f101", b"", b""),
        )
        .with(now),
    ]
}

pub(super) fn responses() -> Vec<Case> {
    let get = Options {
        request: Some(Request {
            opaque: 9,
            ..Request::new(O::GET)
        }),
        ..MEMCACHED
    };
    let answer = |opcode, opaque: u8| {
        let packet = response(opcode, Status::KEY_ENOENT, "", b"", b"Not found");
        patched(packet, 12, &[0, 0, 0, opaque])
    };
    vec![
        case(
            Lint::ResponseExtras,
            "extras length at byte 4: 0, allowed 4",
            response(O::GET, Status::SUCCESS, "", b"", b"v"),
            response(O::GET, Status::SUCCESS, "00000000", b"", b"v"),
        ),
        case(
            Lint::ResponseKey,
            "key length at byte 2: 1, allowed 0",
            response(O::GET, Status::SUCCESS, "00000000", b"k", b"v"),
            response(O::GETK, Status::SUCCESS, "00000000", b"k", b"v"),
        ),
        case(
            Lint::ResponseKeyMissing,
            "key length at byte 2: 0, allowed at least 1",
            response(O::GETKQ, Status::SUCCESS, "00000000", b"", b"v"),
            response(O::GETQ, Status::SUCCESS, "00000000", b"", b"v"),
        ),
        case(
            Lint::ResponseValue,
            "body length at byte 8: 1, allowed 0",
            response(O::SET, Status::SUCCESS, "", b"", b"v"),
            response(O::SET, Status::KEY_EEXISTS, "", b"", b"v"),
        ),
        case(
            Lint::ErrorWithoutText,
            "body length at byte 8: 0, allowed at least 1",
            response(O::GET, Status::KEY_ENOENT, "", b"", b""),
            response(O::GETK, Status::KEY_ENOENT, "", b"k", b""),
        ),
        case(
            Lint::ErrorWithExtras,
            "extras length at byte 4: 4, allowed 0",
            response(O::GET, Status::KEY_ENOENT, "00000000", b"", b"Not found"),
            response(O::GET, Status::KEY_ENOENT, "", b"", b"Not found"),
        ),
        case(
            Lint::ErrorWithCas,
            "cas at byte 16: 7, allowed 0",
            with_cas(response(O::GET, Status::KEY_ENOENT, "", b"", b"Not found")),
            with_cas(response(O::SET, Status::SUCCESS, "", b"", b"")),
        ),
        case(
            Lint::OpcodeMismatch,
            "opcode at byte 1: 12, allowed 0",
            answer(O::GETK, 9),
            answer(O::GET, 9),
        )
        .with(get),
        case(
            Lint::OpaqueMismatch,
            "opaque at byte 12: 8, allowed 9",
            answer(O::GET, 8),
            answer(O::GET, 9),
        )
        .with(get),
    ]
}
