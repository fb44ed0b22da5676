//! Every lint of a sequence: a conversation that sets it off, and one that is nearly the same and does not.

use memlet_core::wire::fields::{Conversation, Lint, Side};
use memlet_core::wire::{DataType, Dialect, Magic, Opcode, Packet};
use proptest::prelude::*;

use crate::support::{emit, hex};

type O = Opcode;

/// A packet and whose it is.
type Said = (Side, Vec<u8>);

/// What a lint says of one conversation, and a conversation of which it says nothing.
struct Case {
    lint: Lint,
    /// What it says behind its title.
    says: &'static str,
    dialect: Dialect,
    bad: Vec<Said>,
    good: Vec<Said>,
}

fn case(lint: Lint, says: &'static str, bad: &[Said], good: &[Said]) -> Case {
    Case {
        lint,
        says,
        dialect: Dialect::Memcached,
        bad: bad.to_vec(),
        good: good.to_vec(),
    }
}

fn couchbase(lint: Lint, says: &'static str, bad: &[Said], good: &[Said]) -> Case {
    Case {
        dialect: Dialect::Couchbase,
        ..case(lint, says, bad, good)
    }
}

fn packet(magic: Magic, opcode: Opcode, opaque: u32, extras: &str, value: &str) -> Vec<u8> {
    emit(&Packet {
        magic,
        opcode,
        opaque,
        extras: &hex(extras),
        value: &hex(value),
        ..Packet::default()
    })
}

fn ask(opcode: Opcode, opaque: u32) -> Said {
    (
        Side::Client,
        packet(Magic::CLIENT_REQUEST, opcode, opaque, "", ""),
    )
}

fn answer(opcode: Opcode, opaque: u32) -> Said {
    (
        Side::Server,
        packet(Magic::CLIENT_RESPONSE, opcode, opaque, "", ""),
    )
}

fn with_datatype((side, mut packet): Said, datatype: DataType) -> Said {
    packet[5] = datatype.0;
    (side, packet)
}

fn hello(asked: &str, granted: &str) -> [Said; 2] {
    [
        (
            Side::Client,
            packet(Magic::CLIENT_REQUEST, O::HELLO, 1, "", asked),
        ),
        (
            Side::Server,
            packet(Magic::CLIENT_RESPONSE, O::HELLO, 1, "", granted),
        ),
    ]
}

/// A packet of either side of a DCP connection.
fn feed(side: Side, magic: Magic, opcode: Opcode, extras: &str) -> Said {
    (side, packet(magic, opcode, 7, extras, ""))
}

fn open(flags: &str) -> Said {
    feed(
        Side::Client,
        Magic::CLIENT_REQUEST,
        O::DCP_OPEN,
        &format!("00000000{flags}"),
    )
}

fn plain_cases() -> Vec<Case> {
    let statistic = (
        Side::Server,
        emit(&Packet {
            magic: Magic::CLIENT_RESPONSE,
            opcode: O::STAT,
            opaque: 3,
            key: b"pid",
            value: b"1",
            ..Packet::default()
        }),
    );
    vec![
        case(
            Lint::QuietWithoutNoop,
            "packet at byte 0: 2, allowed 0",
            &[ask(O::NOOP, 1), ask(O::GETQ, 2), ask(O::SETQ, 3)],
            &[ask(O::GETQ, 2), ask(O::SETQ, 3), ask(O::NOOP, 4)],
        ),
        case(
            Lint::RequestFromServer,
            "magic at byte 0: 128",
            &[(Side::Server, ask(O::NOOP, 1).1)],
            &[open("00000001"), (Side::Server, ask(O::DCP_NOOP, 1).1)],
        ),
        case(
            Lint::ResponseFromClient,
            "magic at byte 0: 129",
            &[(Side::Client, answer(O::NOOP, 1).1)],
            &[open("00000001"), (Side::Client, answer(O::DCP_NOOP, 1).1)],
        ),
        case(
            Lint::UnexpectedResponse,
            "opaque at byte 12: 2",
            &[ask(O::GET, 1), answer(O::GET, 2)],
            &[ask(O::GET, 1), answer(O::GET, 1)],
        ),
        case(
            Lint::OpaqueReused,
            "opaque at byte 12: 2",
            &[
                ask(O::GET, 1),
                answer(O::GET, 1),
                ask(O::GET, 2),
                ask(O::GET, 2),
            ],
            &[ask(O::GET, 1), answer(O::GET, 1), ask(O::GET, 1)],
        ),
        case(
            Lint::OutOfOrder,
            "opaque at byte 12: 1, allowed 0",
            &[
                ask(O::GET, 1),
                ask(O::GET, 2),
                answer(O::GET, 2),
                answer(O::GET, 1),
            ],
            &[ask(O::GETQ, 1), ask(O::GET, 2), answer(O::GET, 2)],
        ),
        case(
            Lint::AfterQuit,
            "packet at byte 0: 0",
            &[ask(O::QUIT, 1), ask(O::GET, 2)],
            &[ask(O::GET, 1), ask(O::QUIT, 2)],
        ),
        case(
            Lint::Unanswered,
            "packet at byte 0: 1, allowed 0",
            &[ask(O::GET, 1), answer(O::GET, 1), ask(O::GET, 2)],
            &[ask(O::GET, 1), answer(O::GET, 1), ask(O::GETQ, 2)],
        ),
        case(
            Lint::SaslStepFirst,
            "opcode at byte 1: 34",
            &[ask(O::SASL_STEP, 1)],
            &[ask(O::SASL_AUTH, 1), ask(O::SASL_STEP, 2)],
        ),
        case(
            Lint::StatWithoutEnd,
            "packet at byte 0: 1, allowed 0",
            &[ask(O::STAT, 3), statistic.clone()],
            &[ask(O::STAT, 3), statistic, answer(O::STAT, 3)],
        ),
    ]
}

fn negotiated_cases() -> Vec<Case> {
    let [ask_json, grant_json] = hello("000b", "000b");
    let [ask_xattr, grant_xattr] = hello("0006", "0006");
    let [_, grant_more] = hello("", "0006 000b");
    let json = with_datatype(ask(O::SET, 2), DataType::JSON);
    let timed = (
        Side::Server,
        emit(&Packet {
            magic: Magic::FLEX_RESPONSE,
            opaque: 2,
            framing_extras: &[2, 0, 1],
            ..Packet::default()
        }),
    );
    let [ask_tracing, grant_tracing] = hello("000f", "000f");
    let mutation = feed(
        Side::Server,
        Magic::CLIENT_REQUEST,
        O::DCP_SEQNO_ADVANCED,
        "0000000000000001",
    );
    let ack = |bytes: &str| {
        feed(
            Side::Client,
            Magic::CLIENT_REQUEST,
            O::DCP_BUFFER_ACK,
            bytes,
        )
    };
    vec![
        couchbase(
            Lint::DataTypeNotNegotiated,
            "data type at byte 5: 1 (0x1), allowed bits 0x4",
            &[ask_xattr.clone(), grant_xattr, json.clone()],
            &[ask_json.clone(), grant_json, json],
        ),
        couchbase(
            Lint::FeatureNotAsked,
            "value at byte 24: 2112 (0x840), allowed bits 0x40",
            &[ask_xattr, grant_more.clone()],
            &hello("0006 000b", "0006"),
        ),
        couchbase(
            Lint::FlexNotNegotiated,
            "magic at byte 0: 24, allowed 129",
            &[ask_json, grant_more, ask(O::GET, 2), timed.clone()],
            &[ask_tracing, grant_tracing, ask(O::GET, 2), timed],
        ),
        couchbase(
            Lint::DcpOverAck,
            "bytes at byte 24: 33, allowed at most 32",
            &[open("00000001"), mutation.clone(), ack("00000021")],
            &[open("00000001"), mutation, ack("00000020")],
        ),
        couchbase(
            Lint::DcpNoopAsRequest,
            "magic at byte 0: 128, allowed 129",
            &[open("00000001"), ask(O::DCP_NOOP, 1)],
            &[open("00000000"), ask(O::DCP_NOOP, 1)],
        ),
    ]
}

fn cases() -> Vec<Case> {
    [plain_cases(), negotiated_cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether a lint is one of sequences.
pub(crate) fn has(lint: Lint) -> bool {
    cases().iter().any(|case| case.lint == lint)
}

fn findings(dialect: Dialect, said: &[Said]) -> Vec<(Lint, String)> {
    let mut conversation = Conversation::new(dialect);
    let mut findings = Vec::new();
    for (side, packet) in said {
        conversation.handle_packet(*side, packet, &mut |finding| {
            findings.push((finding.lint, finding.to_string()));
        });
    }
    conversation.finish(&mut |finding| findings.push((finding.lint, finding.to_string())));
    findings
}

#[test]
fn every_lint_of_a_sequence_is_set_off_and_says_where_and_what() {
    for case in cases() {
        let findings = findings(case.dialect, &case.bad);
        let expected = format!("{}: {}", case.lint.title(), case.says);
        assert!(
            findings.contains(&(case.lint, expected)),
            "{}: {findings:?}",
            case.lint.id()
        );
    }
}

#[test]
fn a_sequence_that_is_nearly_the_same_sets_no_lint_off() {
    for case in cases() {
        let findings = findings(case.dialect, &case.good);
        assert!(
            findings.iter().all(|(lint, _)| *lint != case.lint),
            "{findings:?}"
        );
    }
}

#[test]
fn ordinary_conversations_set_off_nothing() {
    let [asked, granted] = hello("0006 000b 000f 0012", "0006 000b 000f 0012");
    let all = [
        asked,
        granted,
        ask(O::SASL_AUTH, 2),
        answer(O::SASL_AUTH, 2),
        with_datatype(ask(O::SET, 3), DataType::JSON),
        answer(O::SET, 3),
        ask(O::GETKQ, 4),
        ask(O::GETKQ, 5),
        ask(O::NOOP, 6),
        answer(O::GETKQ, 5),
        answer(O::NOOP, 6),
        ask(O::QUIT, 7),
        answer(O::QUIT, 7),
    ];
    assert_eq!(findings(Dialect::Couchbase, &all), []);
    // One side of it, and the middle of it.
    for side in [Side::Client, Side::Server] {
        let one: Vec<Said> = all
            .iter()
            .filter(|(from, _)| *from == side)
            .cloned()
            .collect();
        assert_eq!(findings(Dialect::Couchbase, &one), []);
    }
    assert_eq!(findings(Dialect::Couchbase, &all[5..]), []);
}

#[test]
fn an_answer_names_its_request() {
    let mut conversation = Conversation::new(Dialect::Couchbase);
    let mut handle = |(side, packet): &Said| conversation.handle_packet(*side, packet, &mut |_| {});
    assert!(handle(&ask(O::GETKQ, 4)).is_none());
    assert!(handle(&ask(O::INCREMENT, 9)).is_none());
    let request = handle(&answer(O::INCREMENT, 9)).unwrap();
    assert_eq!((request.opcode, request.opaque), (O::INCREMENT, 9));
    assert!(handle(&answer(O::INCREMENT, 9)).is_none());
    for said in hello("0012", "0012") {
        handle(&said);
    }
    assert!(conversation.has_collections());
}

#[test]
fn more_requests_than_are_remembered_make_no_answer_unexpected() {
    let asked = (0..200).map(|opaque| ask(O::GET, opaque));
    let answered = (0..200).map(|opaque| answer(O::GET, opaque));
    let all: Vec<Said> = asked.chain(answered).collect();
    assert_eq!(findings(Dialect::Memcached, &all), []);
}

proptest! {
    #[test]
    fn any_bytes_can_be_handled(packets in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60), 0..6_usize), 0..200)) {
        let said: Vec<Said> = packets
            .into_iter()
            .map(|(is_client, mut bytes, magic)| {
                if let Some(first) = bytes.first_mut() {
                    *first = Magic::ALL[magic].0;
                }
                (if is_client { Side::Client } else { Side::Server }, bytes)
            })
            .collect();
        for (lint, text) in findings(Dialect::Couchbase, &said) {
            prop_assert!(text.starts_with(lint.title()));
        }
    }
}
