//! Subdocuments.

use super::*;

pub(super) fn subdocuments() -> Vec<Case> {
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
