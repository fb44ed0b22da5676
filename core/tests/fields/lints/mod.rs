//! Every lint: a packet that sets it off, and one that is nearly the same and does not.

mod commands;
mod extensions;
mod feeds;
mod header;
mod subdocuments;

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

fn cases() -> Vec<Case> {
    [
        header::framing(),
        header::numbers(),
        header::versions_and_codes(),
        commands::keys(),
        commands::expirations(),
        commands::responses(),
        extensions::flex_frames(),
        extensions::sasl_and_hello(),
        feeds::tap(),
        feeds::dcp(),
        subdocuments::subdocuments(),
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
