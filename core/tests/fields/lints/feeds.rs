//! TAP and DCP.

use super::*;

pub(super) fn tap() -> Vec<Case> {
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

pub(super) fn dcp() -> Vec<Case> {
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
