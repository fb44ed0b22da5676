//! Every lint: a packet that sets it off, and one that is nearly the same and does not.

use memlet_core::wire::fields::{Lint, Options, Severity};
use memlet_core::wire::{DataType, Magic, Opcode, Packet, Request, Status};

use crate::conversations;
use crate::support::{COUCHBASE, MEMCACHED, emit, hex, request, told};

type O = Opcode;

/// What a lint says of one packet, and a packet of which it says nothing.
struct Case {
    lint: Lint,
    /// What it says behind its title.
    says: &'static str,
    bad: Vec<u8>,
    good: Vec<u8>,
    options: Options<'static>,
}

fn case(lint: Lint, says: &'static str, bad: Vec<u8>, good: Vec<u8>) -> Case {
    Case {
        lint,
        says,
        bad,
        good,
        options: MEMCACHED,
    }
}

impl Case {
    /// The same for Couchbase.
    fn couchbase(self) -> Case {
        self.with(COUCHBASE)
    }

    fn with(self, options: Options<'static>) -> Case {
        Case { options, ..self }
    }
}

const COLLECTIONS: Options<'static> = Options {
    collections: true,
    ..COUCHBASE
};

fn response(opcode: Opcode, status: Status, extras: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
    emit(&Packet {
        magic: Magic::CLIENT_RESPONSE,
        opcode,
        vbucket_or_status: status.0,
        extras: &hex(extras),
        key,
        value,
        ..Packet::default()
    })
}

fn flex(opcode: Opcode, framing_extras: &str) -> Vec<u8> {
    emit(&Packet {
        magic: Magic::FLEX_REQUEST,
        opcode,
        framing_extras: &hex(framing_extras),
        extras: &hex("0000000000000000"),
        key: b"k",
        ..Packet::default()
    })
}

/// The packet with some bytes of its header replaced.
fn patched(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

const NO_EXPIRY: &str = "0000000000000000";

fn get(key: &[u8]) -> Vec<u8> {
    request(O::GET, "", key, b"")
}

fn set(expiration: &str) -> Vec<u8> {
    request(O::SET, &format!("00000000{expiration}"), b"k", b"v")
}

fn with_cas(packet: Vec<u8>) -> Vec<u8> {
    patched(packet, 16, &[0, 0, 0, 0, 0, 0, 0, 7])
}

fn with_datatype(packet: Vec<u8>, datatype: u8) -> Vec<u8> {
    patched(packet, 5, &[datatype])
}

fn with_vbucket(packet: Vec<u8>, vbucket: u16) -> Vec<u8> {
    patched(packet, 6, &vbucket.to_be_bytes())
}

fn framing() -> Vec<Case> {
    vec![
        case(
            Lint::Truncated,
            "packet at byte 0: 24, allowed at least 25",
            get(b"k")[..24].to_vec(),
            get(b"k"),
        ),
        case(
            Lint::UnknownMagic,
            "bytes at byte 0: 71, allowed 0x80, 0x81, 0x82, 0x83, 0x08 or 0x18",
            b"GET / HTTP/1.1".to_vec(),
            get(b"k"),
        ),
        case(
            Lint::LengthsExceedBody,
            "body length at byte 8: 0, allowed at least 1",
            patched(get(b"k"), 11, &[0]),
            get(b"k"),
        ),
        case(
            Lint::BodyTooLong,
            "body length at byte 8: 1073741825, allowed at most 1073741824",
            patched(set("00000000"), 8, &[0x40, 0, 0, 1]),
            patched(set("00000000"), 8, &[0x40, 0, 0, 0]),
        ),
        case(
            Lint::KeyTooLong,
            "key length at byte 2: 251, allowed at most 250",
            get(&[b'k'; 251]),
            get(&[b'k'; 250]),
        ),
        case(
            Lint::ExtrasLength,
            "extras length at byte 4: 4, allowed 8",
            request(O::SET, "00000000", b"k", b"v"),
            set("00000000"),
        ),
        case(
            Lint::KeyMissing,
            "key length at byte 2: 0, allowed at least 1",
            get(b""),
            get(b"k"),
        ),
        case(
            Lint::KeyForbidden,
            "key length at byte 2: 1, allowed 0",
            request(O::NOOP, "", b"k", b""),
            request(O::NOOP, "", b"", b""),
        ),
        case(
            Lint::ValueMissing,
            "body length at byte 8: 0, allowed at least 1",
            request(O::OBSERVE, "", b"", b""),
            request(O::OBSERVE, "", b"", &hex("0000 0001 6b")),
        )
        .couchbase(),
        case(
            Lint::ValueForbidden,
            "body length at byte 8: 1, allowed 0",
            request(O::TOUCH, "00000001", b"k", b"v"),
            request(O::TOUCH, "00000001", b"k", b""),
        ),
        case(
            Lint::ListLength,
            "history at byte 24: 15, allowed a multiple of 16",
            response(O::DCP_STREAM_REQ, Status::SUCCESS, "", b"", &[1; 15]),
            response(O::DCP_STREAM_REQ, Status::SUCCESS, "", b"", &[1; 32]),
        ),
        case(
            Lint::PartCut,
            "entry at byte 24: 5, allowed at least 6",
            request(O::OBSERVE, "", b"", &hex("0000 0002 6b")),
            request(O::OBSERVE, "", b"", &hex("0000 0001 6b")),
        )
        .couchbase(),
        case(
            Lint::TrailingBytes,
            "trailing bytes at byte 26: 1, allowed 0",
            request(O::GET_ERROR_MAP, "", b"", &hex("0001 00")),
            request(O::GET_ERROR_MAP, "", b"", &hex("0001")),
        )
        .couchbase(),
    ]
}

fn numbers() -> Vec<Case> {
    let noop = || request(O::NOOP, "", b"", b"");
    vec![
        case(
            Lint::UnknownOpcode,
            "opcode at byte 1: 250 (0xfa), nearest DROP_PRIVILEGE (0xfb)",
            patched(noop(), 1, &[0xfa]),
            patched(noop(), 1, &[0xfb]),
        ),
        case(
            Lint::RetiredOpcode,
            "opcode at byte 1: 48",
            request(O::RGET, NO_EXPIRY, b"k", b""),
            get(b"k"),
        ),
        case(
            Lint::ForeignOpcode,
            "opcode at byte 1: 137",
            request(O::SELECT_BUCKET, "", b"b", b""),
            request(O::SASL_LIST_MECHS, "", b"", b""),
        ),
        case(
            Lint::UnknownStatus,
            "status at byte 6: 16 (0x10), nearest CAS_VALUE_INVALID (0xf)",
            response(O::GET, Status(0x10), "", b"", b"?"),
            response(O::GET, Status(0xff10), "", b"", b"?"),
        ),
        case(
            Lint::UnknownDataType,
            "data type at byte 5: 9 (0x9), allowed bits 0x7",
            with_datatype(set("00000000"), 9),
            with_datatype(set("00000000"), 7),
        )
        .couchbase(),
        case(
            Lint::DataTypeIgnored,
            "data type at byte 5: 1, allowed 0",
            with_datatype(set("00000000"), 1),
            set("00000000"),
        ),
        case(
            Lint::VbucketIgnored,
            "vbucket at byte 6: 3, allowed 0",
            with_vbucket(get(b"k"), 3),
            with_vbucket(request(O::SELECT_BUCKET, "", b"b", b""), 3),
        ),
        case(
            Lint::VbucketRange,
            "vbucket at byte 6: 1024, allowed at most 1023",
            with_vbucket(get(b"k"), 1024),
            with_vbucket(get(b"k"), 1023),
        )
        .couchbase(),
    ]
}

fn versions_and_codes() -> Vec<Case> {
    vec![
        case(
            Lint::CasIgnored,
            "cas at byte 16: 7, allowed 0",
            with_cas(get(b"k")),
            with_cas(request(O::DELETE, "", b"k", b"")),
        ),
        case(
            Lint::CasForbidden,
            "cas at byte 16: 7, allowed 0",
            with_cas(get(b"k")),
            with_cas(request(O::DELETE, "", b"k", b"")),
        )
        .couchbase(),
        case(
            Lint::CasMissing,
            "cas at byte 16: 0, allowed at least 1",
            request(O::UNLOCK_KEY, "", b"k", b""),
            with_cas(request(O::UNLOCK_KEY, "", b"k", b"")),
        )
        .couchbase(),
        case(
            Lint::AddWithCas,
            "cas at byte 16: 7, allowed 0",
            with_cas(request(O::ADDQ, NO_EXPIRY, b"k", b"")),
            with_cas(request(O::REPLACEQ, NO_EXPIRY, b"k", b"")),
        ),
        case(
            Lint::ReservedNotZero,
            "reserved at byte 28: 1, allowed 0",
            request(
                O::DCP_STREAM_REQ,
                &format!("00000000 00000001 {}", "00".repeat(40)),
                b"",
                b"",
            ),
            request(O::DCP_STREAM_REQ, &"00".repeat(48), b"", b""),
        ),
        case(
            Lint::UnknownFlagBits,
            "flags at byte 24: 512 (0x200), allowed bits 0x1ff",
            request(O::DCP_ADD_STREAM, "00000200", b"", b""),
            request(O::DCP_ADD_STREAM, "00000100", b"", b""),
        ),
        case(
            Lint::UnnamedNumber,
            "state at byte 24: 5 (0x5), nearest dead (0x4)",
            request(O::DCP_SET_VBUCKET_STATE, "05", b"", b""),
            request(O::DCP_SET_VBUCKET_STATE, "04", b"", b""),
        ),
    ]
}

fn keys() -> Vec<Case> {
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

fn expirations() -> Vec<Case> {
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

fn responses() -> Vec<Case> {
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

fn flex_frames() -> Vec<Case> {
    let cases = vec![
        case(
            Lint::FrameInfoCut,
            "frame info at byte 24: 2, allowed at least 4",
            flex(O::SET, "1301"),
            flex(O::SET, "1301 0001"),
        ),
        case(
            Lint::FrameInfoUnknown,
            "unknown frame info at byte 24: 8, allowed at most 7",
            flex(O::SET, "8100"),
            flex(O::SET, "00"),
        ),
        case(
            Lint::FrameInfoLength,
            "DurabilityRequirement at byte 25: 2, allowed 1 or 3",
            flex(O::SET, "120100"),
            flex(O::SET, "1101"),
        ),
        case(
            Lint::FrameInfoOutOfPlace,
            "DurabilityRequirement at byte 25: 1",
            flex(O::GET, "1101"),
            flex(O::SET, "1101"),
        ),
        case(
            Lint::DurabilityTimeout,
            "timeout at byte 25: 65535, allowed 1 to 65534 ms",
            flex(O::SET, "1301 ffff"),
            flex(O::SET, "1301 fffe"),
        ),
        case(
            Lint::FlexWithoutInfos,
            "framing extras length at byte 2: 0, allowed at least 1",
            flex(O::SET, ""),
            flex(O::SET, "00"),
        ),
    ];
    cases.into_iter().map(Case::couchbase).collect()
}

fn sasl_and_hello() -> Vec<Case> {
    let auth = |mechanism: &[u8], message: &[u8]| request(O::SASL_AUTH, "", mechanism, message);
    let hello = |features: &str| request(O::HELLO, "", b"me", &hex(features));
    vec![
        case(
            Lint::SaslMechanismTooLong,
            "key length at byte 2: 33, allowed at most 32",
            auth(&[b'M'; 33], b""),
            auth(&[b'M'; 32], b""),
        ),
        case(
            Lint::SaslPlainMessage,
            "message at byte 29: 5, allowed authorization id, zero, user, zero, password",
            auth(b"PLAIN", b"\0user"),
            auth(b"PLAIN", b"\0user\0"),
        ),
        case(
            Lint::SaslInClear,
            "password at byte 35: 6",
            auth(b"PLAIN", b"\0user\0secret"),
            auth(b"SCRAM-SHA1", b"\0user\0secret"),
        ),
        case(
            Lint::HelloOddLength,
            "value at byte 26: 3, allowed a multiple of 2",
            hello("0006 00"),
            hello("0006"),
        ),
        case(
            Lint::HelloFeatureUnknown,
            "feature at byte 26: 39, allowed at most 38",
            hello("0027"),
            hello("0026"),
        ),
        case(
            Lint::HelloFeatureRetired,
            "feature at byte 26: 2",
            hello("0002"),
            hello("0003"),
        ),
        case(
            Lint::HelloFeatureTwice,
            "feature at byte 30: 6",
            hello("0006 0007 0006"),
            hello("0006 0007"),
        ),
        case(
            Lint::HelloFeatureNeeds,
            "feature at byte 26: 13 (0xd), nearest Duplex (0xc)",
            hello("000d"),
            hello("000d 000c"),
        ),
        case(
            Lint::ErrorMapVersion,
            "version at byte 24: 3, allowed 1 or 2",
            request(O::GET_ERROR_MAP, "", b"", &[0, 3]),
            request(O::GET_ERROR_MAP, "", b"", &[0, 2]),
        )
        .couchbase(),
    ]
}

fn tap() -> Vec<Case> {
    let mutation = |engine_len: &str, flags: &str, ttl: &str, item_flags: &str| {
        let extras = format!("{engine_len}{flags}{ttl}000000{item_flags}00000000");
        request(O::TAP_MUTATION, &extras, b"k", b"v")
    };
    vec![
        case(
            Lint::TapEngineLength,
            "engine-private length at byte 24: 2, allowed at most 1",
            mutation("0002", "0004", "ff", "00000000"),
            mutation("0001", "0004", "ff", "00000000"),
        ),
        case(
            Lint::TapEngineShort,
            "engine-private length at byte 24: 3, allowed at least 4",
            request(O::TAP_OPAQUE, "0003 0000 ff 000000", b"", &[0; 3]),
            request(O::TAP_FLUSH, "0000 0000 ff 000000", b"", b""),
        ),
        case(
            Lint::TapTtlZero,
            "ttl at byte 28: 0, allowed at least 1",
            mutation("0000", "0004", "00", "00000000"),
            mutation("0000", "0004", "01", "00000000"),
        ),
        case(
            Lint::TapFlagsSwapped,
            "item flags at byte 32: 1",
            mutation("0000", "0000", "ff", "00000001"),
            mutation("0000", "0004", "ff", "00000001"),
        ),
    ]
}

fn dcp() -> Vec<Case> {
    let open = |flags: &str| request(O::DCP_OPEN, &format!("00000000{flags}"), b"me", b"");
    let stream = |numbers: [u8; 5]| {
        let numbers = numbers.map(|number| format!("{number:016x}")).concat();
        request(
            O::DCP_STREAM_REQ,
            &format!("{}{numbers}", "00".repeat(8)),
            b"",
            b"",
        )
    };
    let marker = |start: u8, end: u8, flags: u8| {
        let extras = format!("{start:016x}{end:016x}{flags:08x}");
        request(O::DCP_SNAPSHOT_MARKER, &extras, b"", b"")
    };
    let deletion = |metadata: &str| {
        let extras = format!("{}{metadata}", "00".repeat(16));
        request(O::DCP_DELETION, &extras, b"k", b"meta")
    };
    let control =
        |key: &str, value: &str| request(O::DCP_CONTROL, "", key.as_bytes(), value.as_bytes());
    let prepare = || {
        let extras = format!("{}01", "00".repeat(30));
        request(O::DCP_PREPARE, &extras, b"k", b"v")
    };
    vec![
        case(
            Lint::DcpNameTooLong,
            "key length at byte 2: 201, allowed at most 200",
            request(O::DCP_OPEN, "0000000000000001", &[b'n'; 201], b""),
            request(O::DCP_OPEN, "0000000000000001", &[b'n'; 200], b""),
        ),
        case(
            Lint::DcpOpenRefused,
            "flags at byte 28: 3 (0x3), allowed bits 0x36d",
            open("00000003"),
            open("00000201"),
        ),
        case(
            Lint::DcpStreamRange,
            "snapshot end at byte 64: 9, allowed at least 10",
            stream([10, 20, 0, 10, 9]),
            stream([10, 20, 0, 10, 12]),
        ),
        case(
            Lint::DcpSnapshotSource,
            "flags at byte 40: 4, allowed memory or disk",
            marker(1, 2, 4),
            marker(1, 2, 5),
        ),
        case(
            Lint::DcpMetadata,
            "metadata length at byte 40: 4, allowed 0",
            deletion("0004"),
            deletion("0000"),
        ),
        case(
            Lint::DcpControlUnknown,
            "key at byte 24: 10",
            control("enable_nop", "true"),
            control("enable_noop", "true"),
        ),
        case(
            Lint::DcpControlValue,
            "value at byte 46: 3, allowed a decimal number",
            control("connection_buffer_size", "10k"),
            control("connection_buffer_size", "10240"),
        ),
        case(
            Lint::PrepareWithoutCas,
            "cas at byte 16: 0, allowed at least 1",
            prepare(),
            with_cas(prepare()),
        ),
    ]
}

fn subdocuments() -> Vec<Case> {
    let single = |opcode, path: &str, flags: &str, fragment: &str| {
        let extras = format!("{:04x}{flags}", path.len());
        request(
            opcode,
            &extras,
            b"k",
            format!("{path}{fragment}").as_bytes(),
        )
    };
    let lookups = |specs: &str| request(O::SUBDOC_MULTI_LOOKUP, "", b"k", &hex(specs));
    let long = "p".repeat(1025);
    let cases = vec![
        case(
            Lint::SubdocPathLength,
            "path at byte 28: 0, allowed at least 1",
            single(O::SUBDOC_DICT_ADD, "", "00", "{}"),
            single(O::SUBDOC_ARRAY_PUSH_LAST, "", "00", "{}"),
        ),
        case(
            Lint::SubdocPathTooLong,
            "path at byte 28: 1025, allowed at most 1024",
            single(O::SUBDOC_GET, &long, "00", ""),
            single(O::SUBDOC_GET, &long[..1024], "00", ""),
        ),
        case(
            Lint::SubdocPathFlags,
            "path flags at byte 28: 1 (0x1), allowed bits 0x24",
            single(O::SUBDOC_GET, "p", "01", ""),
            single(O::SUBDOC_GET, "p", "04", ""),
        ),
        case(
            Lint::SubdocDocFlags,
            "doc flags at byte 29: 3 (0x3), allowed bits 0x1f",
            single(O::SUBDOC_DICT_ADD, "p", "00 03", "1"),
            single(O::SUBDOC_DICT_ADD, "p", "00 01", "1"),
        ),
        case(
            Lint::SubdocFragment,
            "fragment at byte 28: 2, allowed 0",
            single(O::SUBDOC_EXISTS, "p", "00", "{}"),
            single(O::SUBDOC_REPLACE, "p", "00", "{}"),
        ),
        case(
            Lint::SubdocDelta,
            "delta at byte 29: 1, allowed a decimal number of 64 bits other than 0",
            single(O::SUBDOC_COUNTER, "p", "00", "0"),
            single(O::SUBDOC_COUNTER, "p", "00", "-5"),
        ),
        case(
            Lint::SubdocSpecs,
            "spec at byte 105: 17, allowed at most 16",
            lookups(&"c5 00 0001 70".repeat(17)),
            lookups(&"c5 00 0001 70".repeat(16)),
        ),
        case(
            Lint::SubdocSpecOpcode,
            "opcode at byte 25: 199, allowed a command that reads",
            lookups("c7 00 0001 70"),
            lookups("c6 00 0001 70"),
        ),
        case(
            Lint::SubdocXattrOrder,
            "path flags at byte 30: 4, allowed attributes before parts of the document",
            lookups("c5 00 0001 70 c5 04 0001 70"),
            lookups("c5 04 0001 70 c5 00 0001 70"),
        ),
    ];
    cases.into_iter().map(Case::couchbase).collect()
}

fn cases() -> Vec<Case> {
    [
        framing(),
        numbers(),
        versions_and_codes(),
        keys(),
        expirations(),
        responses(),
        flex_frames(),
        sasl_and_hello(),
        tap(),
        dcp(),
        subdocuments(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_lint_is_set_off_by_its_packet_and_says_where_and_what() {
    let mut wrong = Vec::new();
    for case in cases() {
        let findings = told(&case.bad, &case.options).findings;
        let expected = format!("{}: {}", case.lint.title(), case.says);
        let found = findings.iter().filter(|finding| finding.lint == case.lint);
        let found: Vec<String> = found.map(ToString::to_string).collect();
        if found.first() != Some(&expected) {
            wrong.push(format!(
                "{}: {expected}\n  but {found:?}, {findings:?}",
                case.lint.id()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_nearly_the_same_sets_no_lint_off() {
    for case in cases() {
        let findings = told(&case.good, &case.options).findings;
        let found = findings.iter().find(|finding| finding.lint == case.lint);
        assert_eq!(found, None, "{}", case.lint.id());
    }
}

#[test]
fn every_lint_has_its_packets_and_a_name_of_its_own() {
    let cases = cases();
    for (index, lint) in Lint::ALL.iter().enumerate() {
        let is_of_one_packet = cases.iter().any(|case| case.lint == *lint);
        assert!(
            is_of_one_packet != conversations::has(*lint),
            "{}",
            lint.id()
        );
        let is_kebab =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(lint.id().bytes().all(is_kebab), "{}", lint.id());
        assert!(
            !Lint::ALL[..index]
                .iter()
                .any(|other| other.id() == lint.id())
        );
        assert!(!lint.title().ends_with('.') && lint.explanation().ends_with('.'));
        assert!(!lint.section().title().is_empty());
        assert!(["note", "warning", "error"].contains(&lint.severity().name()));
    }
    assert!(Lint::ALL.len() >= 40);
    assert!(Severity::Note < Severity::Warning && Severity::Warning < Severity::Error);
}

#[test]
fn ordinary_traffic_sets_off_nothing() {
    for packet in [
        get(b"Hello"),
        set("00000e10"),
        request(
            O::INCREMENT,
            &format!("{:016x}{:016x}00000e10", 1, 0),
            b"counter",
            b"",
        ),
        request(O::STAT, "", b"settings", b""),
        request(O::FLUSH, "", b"", b""),
        response(O::GETK, Status::SUCCESS, "deadbeef", b"Hello", b"World"),
        response(O::GET, Status::KEY_ENOENT, "", b"", b"Not found"),
        response(O::TOUCH, Status::SUCCESS, "deadbeef", b"", b""),
        response(O::STAT, Status::SUCCESS, "", b"pid", b"1"),
        response(O::STAT, Status::SUCCESS, "", b"", b""),
        response(O::SASL_AUTH, Status::SUCCESS, "", b"", b"Authenticated"),
    ] {
        assert_eq!(told(&packet, &MEMCACHED).findings, []);
    }
    let json = DataType::JSON.0;
    assert_eq!(
        told(&with_datatype(set("00000e10"), json), &COUCHBASE).findings,
        []
    );
}
