//! Packets of every family with all that is told of them, in `golden.txt`.
//!
//! Set `UPDATE_GOLDEN` to write the file anew, and read what has changed.

use std::path::Path;

use memlet_core::wire::fields::Options;
use memlet_core::wire::{DataType, Magic, Opcode, Packet, Request, Status};

use crate::support::{COUCHBASE, MEMCACHED, emit, hex, told};

type O = Opcode;

const COLLECTIONS: Options<'static> = Options {
    collections: true,
    ..COUCHBASE
};

/// What a packet is called, whose it is, and its bytes.
type Sample = (&'static str, Options<'static>, Vec<u8>);

fn packet(
    magic: Magic,
    opcode: Opcode,
    number: u16,
    extras: &str,
    key: &[u8],
    value: &str,
) -> Vec<u8> {
    emit(&Packet {
        magic,
        opcode,
        vbucket_or_status: number,
        extras: &hex(extras),
        key,
        value: &hex(value),
        opaque: 0x0102_0304,
        ..Packet::default()
    })
}

fn ask(opcode: Opcode, extras: &str, key: &[u8], value: &str) -> Vec<u8> {
    packet(Magic::CLIENT_REQUEST, opcode, 0, extras, key, value)
}

fn answer(opcode: Opcode, status: Status, extras: &str, key: &[u8], value: &str) -> Vec<u8> {
    packet(Magic::CLIENT_RESPONSE, opcode, status.0, extras, key, value)
}

fn text(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn with_datatype(mut packet: Vec<u8>, datatype: DataType) -> Vec<u8> {
    packet[5] = datatype.0;
    packet
}

fn memcached() -> Vec<Sample> {
    let set = ask(O::SET, "deadbeef 00000e10", b"Hello", &text("World"));
    let plain = ask(O::SASL_AUTH, "", b"PLAIN", &text("\0user\0secret"));
    let shown = Options {
        show_credentials: true,
        ..MEMCACHED
    };
    vec![
        ("SET", MEMCACHED, set.clone()),
        (
            "SET, cut off in its expiration",
            MEMCACHED,
            set[..30].to_vec(),
        ),
        ("SET, cut off in its header", MEMCACHED, set[..7].to_vec()),
        (
            "INCREMENT that creates nothing",
            MEMCACHED,
            ask(
                O::INCREMENT,
                "0000000000000001 0000000000000005 ffffffff",
                b"counter",
                "",
            ),
        ),
        (
            "FLUSH in 10 s",
            MEMCACHED,
            ask(O::FLUSH, "0000000a", b"", ""),
        ),
        (
            "answer to GETK",
            MEMCACHED,
            answer(
                O::GETK,
                Status::SUCCESS,
                "deadbeef",
                b"Hello",
                &text("World"),
            ),
        ),
        (
            "answer to INCREMENT",
            MEMCACHED,
            answer(O::INCREMENT, Status::SUCCESS, "", b"", "00000000000003e8"),
        ),
        (
            "miss",
            MEMCACHED,
            answer(O::GET, Status::KEY_ENOENT, "", b"", &text("Not found")),
        ),
        (
            "answer to STAT",
            MEMCACHED,
            answer(O::STAT, Status::SUCCESS, "", b"pid", &text("42")),
        ),
        ("SASL_AUTH with PLAIN", MEMCACHED, plain.clone()),
        ("the same with its password", shown, plain),
        (
            "SASL challenge",
            MEMCACHED,
            answer(O::SASL_AUTH, Status::AUTH_CONTINUE, "", b"", &text("r=abc")),
        ),
        ("another protocol", MEMCACHED, b"get Hello\r\n".to_vec()),
        (
            "parts longer than the body",
            MEMCACHED,
            hex("800000050000000000000004000000000000000000000000deadbeef"),
        ),
    ]
}

fn couchbase() -> Vec<Sample> {
    let flex = |magic, opcode, framing_extras: &str, extras: &str, key: &[u8], value: &[u8]| {
        emit(&Packet {
            magic,
            opcode,
            framing_extras: &hex(framing_extras),
            extras: &hex(extras),
            key,
            value,
            ..Packet::default()
        })
    };
    let xattrs = "00000012 0000000e 5f73796e63 00 7b2263223a317d 00";
    vec![
        (
            "HELLO",
            COUCHBASE,
            ask(
                O::HELLO,
                "",
                br#"{"a":"me","i":"1/2"}"#,
                "0006 000b 0002 0012 7fff",
            ),
        ),
        (
            "SET that has to last, on behalf of a user",
            COLLECTIONS,
            flex(
                Magic::FLEX_REQUEST,
                O::SET,
                "13 02 03e8 42 7531 50",
                NO_EXPIRY,
                b"\xab\x04key",
                b"v",
            ),
        ),
        (
            "answer that took 100 microseconds",
            COUCHBASE,
            flex(
                Magic::FLEX_RESPONSE,
                O::SET,
                "02 0015 12 0001",
                "",
                b"",
                b"",
            ),
        ),
        (
            "document with attributes",
            COUCHBASE,
            with_datatype(
                answer(
                    O::GET_EX,
                    Status::SUCCESS,
                    "00000000",
                    b"",
                    &format!("{xattrs} {}", text("{}")),
                ),
                DataType::XATTR | DataType::JSON,
            ),
        ),
        (
            "error in JSON",
            COUCHBASE,
            answer(
                O::GET,
                Status::UNKNOWN_COLLECTION,
                "",
                b"",
                &text(r#"{"error":{}}"#),
            ),
        ),
    ]
}

/// What is told of documents, and what only Couchbase has.
fn documents() -> Vec<Sample> {
    vec![
        (
            "OBSERVE",
            COUCHBASE,
            answer(
                O::OBSERVE,
                Status::SUCCESS,
                "",
                b"",
                "0007 0003 6b6579 01 0000000000000009 0007 0001 6b 80 0000000000000000",
            ),
        ),
        (
            "GET_META",
            COUCHBASE,
            answer(
                O::GET_META,
                Status::SUCCESS,
                "00000001 00000002 65000000 0000000000000003 01",
                b"",
                "",
            ),
        ),
        (
            "DELETE_WITH_META with extended metadata",
            COUCHBASE,
            ask(
                O::DEL_WITH_META,
                "00000000 65000000 0000000000000003 0000000000000009 00000011 0002",
                b"key",
                "0102",
            ),
        ),
        (
            "scan of documents",
            COUCHBASE,
            answer(
                O::RANGE_SCAN_CONTINUE,
                Status::RANGE_SCAN_COMPLETE,
                "00000001",
                b"",
                "00000000 00000000 0000000000000005 0000000000000009 01 03 6b6579 02 7b7d",
            ),
        ),
        (
            "cluster map pushed by the server",
            COUCHBASE,
            packet(
                Magic::SERVER_REQUEST,
                Opcode(1),
                0,
                "0000000000000001 0000000000000022",
                b"bucket",
                &text("{}"),
            ),
        ),
        (
            "unknown opcode",
            COUCHBASE,
            ask(Opcode(0xfa), "0102", b"key", "00"),
        ),
    ]
}

const NO_EXPIRY: &str = "0000000000000000";

fn subdocuments() -> Vec<Sample> {
    vec![
        (
            "SUBDOC_COUNTER",
            COUCHBASE,
            ask(
                O::SUBDOC_COUNTER,
                "0003 01 00000e10 01",
                b"key",
                &text("a.b5"),
            ),
        ),
        (
            "SUBDOC_MULTI_MUTATION",
            COUCHBASE,
            ask(
                O::SUBDOC_MULTI_MUTATION,
                "00000000 01",
                b"key",
                "c8 14 0005 00000002 5f73796e63 7b7d cb 00 0000 00000001 31",
            ),
        ),
        (
            "answer to SUBDOC_MULTI_LOOKUP",
            COUCHBASE,
            answer(
                O::SUBDOC_MULTI_LOOKUP,
                Status::SUBDOC_MULTI_PATH_FAILURE,
                "",
                b"",
                "0000 00000002 7b7d 00c0 00000000",
            ),
        ),
        (
            "failed SUBDOC_MULTI_MUTATION",
            COUCHBASE,
            answer(
                O::SUBDOC_MULTI_MUTATION,
                Status::SUBDOC_MULTI_PATH_FAILURE,
                "",
                b"",
                "01 00c9",
            ),
        ),
    ]
}

fn feeds() -> Vec<Sample> {
    let stream = "0000000400000000 000000000000000a ffffffffffffffff 000000000000abcd 000000000000000a 000000000000000c";
    vec![
        (
            "TAP_CONNECT",
            MEMCACHED,
            ask(
                O::TAP_CONNECT,
                "00000047",
                b"reader",
                "0000000000000000 0002 0001 0002 0001 0001 0000000000000005",
            ),
        ),
        (
            "TAP_MUTATION",
            MEMCACHED,
            ask(
                O::TAP_MUTATION,
                "0009 0005 ff 000000 00000007 00000000",
                b"key",
                // Engine-private bytes, which stand before the key, are put in by hand below.
                &text("value"),
            ),
        ),
        (
            "TAP_OPAQUE",
            MEMCACHED,
            ask(O::TAP_OPAQUE, "0004 0001 ff 000000", b"", "00000007"),
        ),
        (
            "DCP_STREAM_REQ",
            COUCHBASE,
            ask(O::DCP_STREAM_REQ, stream, b"", ""),
        ),
        (
            "rollback",
            COUCHBASE,
            answer(
                O::DCP_STREAM_REQ,
                Status::ROLLBACK,
                "",
                b"",
                "0000000000000006",
            ),
        ),
        (
            "failover log",
            COUCHBASE,
            answer(
                O::DCP_GET_FAILOVER_LOG,
                Status::SUCCESS,
                "",
                b"",
                "000000000000abcd 000000000000000a 0000000000001234 0000000000000000",
            ),
        ),
        (
            "snapshot marker 2.2",
            COUCHBASE,
            ask(
                O::DCP_SNAPSHOT_MARKER,
                "02",
                b"",
                "000000000000000b 0000000000000014 00000005 0000000000000014 0000000000000000 0000000000000001 0000000000000002",
            ),
        ),
        (
            "DCP_DELETION of 2015 with extended metadata",
            COUCHBASE,
            ask(
                O::DCP_DELETION,
                "0000000000000009 0000000000000002 0002",
                b"key",
                "0102",
            ),
        ),
        (
            "system event",
            COUCHBASE,
            ask(
                O::DCP_SYSTEM_EVENT,
                "0000000000000004 00000000 01",
                b"col1",
                "000000000000001a 00000008 00000009 00000e10",
            ),
        ),
        (
            "cache transfer",
            COLLECTIONS,
            ask(
                O::DCP_CACHE_TRANSFER,
                "",
                b"",
                "0000000000000009 0000000000000004 0000000000000001 00000002 00000000 00000000 0004 01 ff 08 6b6579 7b7d",
            ),
        ),
    ]
}

#[test]
fn what_is_told_of_packets_stays_as_it_is() {
    let mut samples = [
        memcached(),
        couchbase(),
        documents(),
        subdocuments(),
        feeds(),
    ]
    .concat();
    for (name, _, bytes) in &mut samples {
        if *name == "TAP_MUTATION" {
            bytes.splice(40..40, hex("000000000000000c 07"));
            bytes[11] += 9;
        }
    }
    let mut all = String::new();
    for (name, options, bytes) in &samples {
        let told = told(bytes, options);
        all += &format!("# {name}\n{}", told.listing);
        for finding in told.findings {
            all += &format!("! {} {finding}\n", finding.lint.id());
        }
        all += "\n";
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fields/golden.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &all).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (ours, theirs) in all.split("\n\n").zip(expected.split("\n\n")) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(all.len(), expected.len());
}

#[test]
fn an_answer_is_read_as_the_answer_to_its_request() {
    let bytes = answer(O::NOOP, Status::SUCCESS, "", b"", "00000000000003e8");
    let options = Options {
        request: Some(Request::new(O::INCREMENT)),
        ..MEMCACHED
    };
    assert_eq!(told(&bytes, &options).number("counter"), 1000);
    assert_eq!(told(&bytes, &MEMCACHED).bytes("value").len(), 8);
}

#[test]
fn credentials_are_masked_unless_they_are_asked_for() {
    let secrets = [
        ask(O::SASL_AUTH, "", b"PLAIN", &text("\0user\0secret")),
        ask(O::SASL_AUTH, "", b"PLAIN", &text("secret")),
        ask(O::SASL_STEP, "", b"SCRAM-SHA512", &text("p=secret")),
        answer(
            O::SASL_AUTH,
            Status::AUTH_CONTINUE,
            "",
            b"",
            &text("secret"),
        ),
        answer(O::SASL_STEP, Status::SUCCESS, "", b"", &text("v=secret")),
        ask(
            O::SET_ACTIVE_ENCRYPTION_KEYS,
            "",
            b"bucket",
            &text("secret"),
        ),
        ask(O::REGISTER_AUTH_TOKEN, "", b"", &text("secret")),
        ask(O::SET_CHRONICLE_AUTH_TOKEN, "", b"", &text("secret")),
        packet(
            Magic::SERVER_REQUEST,
            Opcode(2),
            0,
            "",
            b"",
            &text("secret"),
        ),
        packet(
            Magic::SERVER_RESPONSE,
            Opcode(2),
            0,
            "",
            b"",
            &text("secret"),
        ),
    ];
    let shown = Options {
        show_credentials: true,
        ..COUCHBASE
    };
    for bytes in secrets {
        for len in bytes.len() - 6..=bytes.len() {
            let listing = told(&bytes[..len], &COUCHBASE).listing;
            let piece = &"secret"[..6 - (bytes.len() - len)];
            assert!(piece.len() < 3 || !listing.contains(piece), "{listing}");
        }
        assert!(told(&bytes, &shown).listing.contains("secret"));
        // Lengths that do not add up let nothing slip either.
        let mut broken = bytes.clone();
        broken[4] = 0xff;
        assert!(!told(&broken, &COUCHBASE).listing.contains("secret"));
    }
}
