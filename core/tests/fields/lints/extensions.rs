//! Flex frames, SASL and HELLO.

use super::*;

pub(super) fn flex_frames() -> Vec<Case> {
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

pub(super) fn sasl_and_hello() -> Vec<Case> {
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
