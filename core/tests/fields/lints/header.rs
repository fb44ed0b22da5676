//! The header: framing, numbers, versions and codes.

use super::*;

pub(super) fn framing() -> Vec<Case> {
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

pub(super) fn numbers() -> Vec<Case> {
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

pub(super) fn versions_and_codes() -> Vec<Case> {
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
