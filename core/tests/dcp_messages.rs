//! The messages of DCP against bytes written down by hand, one line of the table for each message and each of its forms.
//!
//! The table serves both ways: the bytes are parsed into the message and the message is emitted as the bytes, whole, in
//! every length that is too short, and in every output that is too small.

#![allow(missing_docs)]

use memlet_core::dcp::{
    Abort, AddStream, Body, BufferAck, CacheRecord, CacheRecords, CollectionKey, Commit, Control,
    Deletion, DeletionForm, Expiration, ExpirationForm, FailoverEntry, FailoverLog, MarkerForm,
    Message, Mutation, Open, OpenFlags, OsoFlags, OsoSnapshot, Prepare, Reply, ReplyBody,
    SeqnoAcknowledged, SeqnoAdvanced, SnapshotFlags, SnapshotMarker, StreamEnd, StreamEndReason,
    StreamFilter, StreamFlags, StreamOpaque, StreamRequest, SystemEvent, SystemEventDetails,
    SystemEventKind, VbucketState, Xattr, Xattrs,
};
use memlet_core::wire::{
    Allowed, DataType, EmitError, Field, Limits, Magic, Opcode, Packet, ParseError, ParseErrorKind,
    Parsed, Status,
};

/// Bytes from hexadecimal digits; blanks and line ends are for the reader.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    assert_eq!(digits.len() % 2, 0, "{text}");
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn packet(bytes: &[u8]) -> Packet<'_> {
    match Packet::parse(bytes, &Limits::NONE) {
        Ok(Parsed::Complete { value, consumed }) if consumed == bytes.len() => value,
        other => panic!("{other:?} of {bytes:02x?}"),
    }
}

const VBUCKET: u16 = 0x0201;
const OPAQUE: u32 = 0x0003_0201;

fn message(body: Body<'_>) -> Message<'_> {
    Message::new(VBUCKET, OPAQUE, body)
}

/// The JSON document of the examples.
const DOCUMENT: &[u8] = br#"{"a":1}"#;

fn with_item<'a>(body: Body<'a>, datatype: DataType) -> Message<'a> {
    Message {
        cas: 0x1122_3344_5566_7788,
        datatype,
        ..message(body)
    }
}

/// Every message and every form of it, with its bytes.
fn messages() -> Vec<(&'static str, Message<'static>, Vec<u8>)> {
    let mut all = requests_of_consumers();
    all.extend(bounds());
    all.extend(changes());
    all.extend(durable_changes());
    all
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn requests_of_consumers() -> Vec<(&'static str, Message<'static>, Vec<u8>)> {
    vec![
        (
            "open",
            Message::new(
                0,
                0xbeaf_0001,
                Body::Open(Open {
                    flags: OpenFlags::PRODUCER,
                    name: b"feed",
                    ..Open::default()
                }),
            ),
            hex("80 50 0004 08 00 0000 0000000c beaf0001 0000000000000000
                 00000000 00000001 66656564"),
        ),
        (
            "open of a consumer",
            Message::new(
                0,
                1,
                Body::Open(Open {
                    seqno: 5,
                    flags: OpenFlags(0x8000_0204),
                    name: b"f",
                    value: br#"{"consumer_name":"r"}"#,
                }),
            ),
            hex("80 50 0001 08 00 0000 0000001e 00000001 0000000000000000
                 00000005 80000204 66 7b22636f6e73756d65725f6e616d65223a2272227d"),
        ),
        (
            "add stream",
            message(Body::AddStream(AddStream {
                flags: StreamFlags::TAKEOVER,
            })),
            hex("80 51 0000 04 00 0201 00000004 00030201 0000000000000000 00000001"),
        ),
        (
            "close stream",
            message(Body::CloseStream),
            hex("80 52 0000 00 00 0201 00000000 00030201 0000000000000000"),
        ),
        (
            "close stream with a stream id",
            Message {
                magic: Magic::FLEX_REQUEST,
                framing_extras: &[0x22, 0x00, 0x09],
                ..message(Body::CloseStream)
            },
            hex("08 52 03 00 00 00 0201 00000003 00030201 0000000000000000 220009"),
        ),
        (
            "stream request",
            message(Body::StreamRequest(StreamRequest {
                flags: StreamFlags::TO_LATEST | StreamFlags::STRICT_VBUCKET_UUID,
                reserved: 0,
                start_seqno: 0x10,
                end_seqno: StreamRequest::NO_END,
                vbucket_uuid: 0xfeed_face_cafe_beef,
                snapshot_start: 0x0f,
                snapshot_end: 0x20,
                value: b"",
            })),
            hex("80 53 0000 30 00 0201 00000030 00030201 0000000000000000
                 00000024 00000000 0000000000000010 ffffffffffffffff feedfacecafebeef
                 000000000000000f 0000000000000020"),
        ),
        (
            "stream request with a filter and a reserved field that is none",
            message(Body::StreamRequest(StreamRequest {
                reserved: 7,
                value: br#"{"sid":9}"#,
                ..StreamRequest::default()
            })),
            hex("80 53 0000 30 00 0201 00000039 00030201 0000000000000000
                 00000000 00000007 0000000000000000 0000000000000000 0000000000000000
                 0000000000000000 0000000000000000 7b22736964223a397d"),
        ),
        (
            "get failover log",
            Message::new(VBUCKET, 0xdead_beef, Body::GetFailoverLog),
            hex("80 54 0000 00 00 0201 00000000 deadbeef 0000000000000000"),
        ),
        (
            "noop",
            Message::new(0, 0x0102_0304, Body::Noop),
            hex("80 5c 0000 00 00 0000 00000000 01020304 0000000000000000"),
        ),
        (
            "buffer ack",
            Message::new(0, 0, Body::BufferAck(BufferAck { bytes: 0x1000 })),
            hex("80 5d 0000 04 00 0000 00000004 00000000 0000000000000000 00001000"),
        ),
        (
            "control",
            Message::new(
                0,
                2,
                Body::Control(Control::new(Control::CONNECTION_BUFFER_SIZE, "65536")),
            ),
            hex("80 5e 0016 00 00 0000 0000001b 00000002 0000000000000000
                 636f6e6e656374696f6e5f6275666665725f73697a65 3635353336"),
        ),
        (
            "seqno acknowledged",
            message(Body::SeqnoAcknowledged(SeqnoAcknowledged {
                prepared_seqno: 0x0102,
            })),
            hex("80 61 0000 08 00 0201 00000008 00030201 0000000000000000 0000000000000102"),
        ),
    ]
}

fn bounds() -> Vec<(&'static str, Message<'static>, Vec<u8>)> {
    vec![
        (
            "stream end",
            message(Body::StreamEnd(StreamEnd {
                reason: StreamEndReason::STATE_CHANGED,
            })),
            hex("80 55 0000 04 00 0201 00000004 00030201 0000000000000000 00000002"),
        ),
        (
            "snapshot marker V1",
            message(Body::SnapshotMarker(SnapshotMarker {
                start_seqno: 1,
                end_seqno: 0x18,
                flags: SnapshotFlags::DISK | SnapshotFlags::CHECKPOINT,
                form: MarkerForm::V1,
            })),
            hex("80 56 0000 14 00 0201 00000014 00030201 0000000000000000
                 0000000000000001 0000000000000018 00000006"),
        ),
        (
            "snapshot marker V2.0",
            message(Body::SnapshotMarker(SnapshotMarker {
                start_seqno: 1,
                end_seqno: 0x18,
                flags: SnapshotFlags::MEMORY,
                form: MarkerForm::V2_0 {
                    max_visible_seqno: 0x17,
                    high_completed_seqno: 0x16,
                },
            })),
            hex("80 56 0000 01 00 0201 00000025 00030201 0000000000000000
                 00 0000000000000001 0000000000000018 00000001 0000000000000017 0000000000000016"),
        ),
        (
            "snapshot marker V2.2",
            message(Body::SnapshotMarker(SnapshotMarker {
                start_seqno: 1,
                end_seqno: 0x18,
                flags: SnapshotFlags(0x4000_0029),
                form: MarkerForm::V2_2 {
                    max_visible_seqno: 0x17,
                    high_completed_seqno: 0x16,
                    purge_seqno: 0x15,
                    high_prepared_seqno: 0x14,
                },
            })),
            hex("80 56 0000 01 00 0201 00000035 00030201 0000000000000000
                 02 0000000000000001 0000000000000018 40000029 0000000000000017 0000000000000016
                 0000000000000015 0000000000000014"),
        ),
        (
            "set vbucket state",
            message(Body::SetVbucketState(VbucketState::PENDING)),
            hex("80 5b 0000 01 00 0201 00000001 00030201 0000000000000000 03"),
        ),
        (
            "seqno advanced",
            message(Body::SeqnoAdvanced(SeqnoAdvanced { seqno: 0x30 })),
            hex("80 64 0000 08 00 0201 00000008 00030201 0000000000000000 0000000000000030"),
        ),
        (
            "out of order snapshot",
            message(Body::OsoSnapshot(OsoSnapshot {
                flags: OsoFlags::END,
            })),
            hex("80 65 0000 04 00 0201 00000004 00030201 0000000000000000 00000002"),
        ),
        (
            "flush",
            message(Body::Flush),
            hex("80 5a 0000 00 00 0201 00000000 00030201 0000000000000000"),
        ),
        (
            "cache transfer",
            message(Body::CacheTransfer(CacheRecords {
                bytes: &[
                    0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0,
                    0, 1, 0, 0, 0, 5, 0, 0, 0, 6, 0, 2, 1, 8, 0, b'k', b'v',
                ],
            })),
            hex("80 66 0000 00 00 0201 0000002b 00030201 0000000000000000
                 0000000000000001 0000000000000002 0000000000000003 00000001 00000005 00000006
                 0002 01 08 006b 76"),
        ),
        (
            "cache transfer end",
            message(Body::CacheTransferEnd),
            hex("80 67 0000 00 00 0201 00000000 00030201 0000000000000000"),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn changes() -> Vec<(&'static str, Message<'static>, Vec<u8>)> {
    let mutation = Mutation {
        seqno: 0x21,
        revision: 3,
        flags: 0x0200_0006,
        expiration: 0x5f5e_1000,
        lock_time: 15,
        nru: 2,
        key: b"Hello",
        value: DOCUMENT,
        metadata: b"",
    };
    let deletion = Deletion {
        seqno: 0x22,
        revision: 4,
        key: b"Hello",
        ..Deletion::default()
    };
    let expiration = Expiration {
        seqno: 0x23,
        revision: 5,
        key: b"Hello",
        ..Expiration::default()
    };
    vec![
        (
            "mutation",
            with_item(Body::Mutation(mutation), DataType::JSON),
            hex("80 57 0005 1f 01 0201 0000002b 00030201 1122334455667788
                 0000000000000021 0000000000000003 02000006 5f5e1000 0000000f 0000 02
                 48656c6c6f 7b2261223a317d"),
        ),
        (
            "mutation with extended metadata behind the value",
            with_item(
                Body::Mutation(Mutation {
                    metadata: b"\x01\x02\x03",
                    ..mutation
                }),
                DataType::RAW,
            ),
            hex("80 57 0005 1f 00 0201 0000002e 00030201 1122334455667788
                 0000000000000021 0000000000000003 02000006 5f5e1000 0000000f 0003 02
                 48656c6c6f 7b2261223a317d 010203"),
        ),
        (
            "mutation of a stream with an id",
            Message {
                magic: Magic::FLEX_REQUEST,
                framing_extras: &[0x22, 0x00, 0x01],
                ..with_item(Body::Mutation(mutation), DataType::SNAPPY)
            },
            hex(
                "08 57 03 05 1f 02 0201 0000002e 00030201 1122334455667788 220001
                 0000000000000021 0000000000000003 02000006 5f5e1000 0000000f 0000 02
                 48656c6c6f 7b2261223a317d",
            ),
        ),
        (
            "deletion V1",
            with_item(Body::Deletion(deletion), DataType::RAW),
            hex("80 58 0005 12 00 0201 00000017 00030201 1122334455667788
                 0000000000000022 0000000000000004 0000 48656c6c6f"),
        ),
        (
            "deletion V1 with extended metadata and attributes",
            with_item(
                Body::Deletion(Deletion {
                    value: b"\0\0\0\0",
                    form: DeletionForm::V1 { metadata: b"m" },
                    ..deletion
                }),
                DataType::XATTR,
            ),
            hex("80 58 0005 12 04 0201 0000001c 00030201 1122334455667788
                 0000000000000022 0000000000000004 0001 48656c6c6f 00000000 6d"),
        ),
        (
            "deletion V2",
            with_item(
                Body::Deletion(Deletion {
                    form: DeletionForm::V2 {
                        delete_time: 0x5f5e_1001,
                        unused: 9,
                    },
                    ..deletion
                }),
                DataType::RAW,
            ),
            hex("80 58 0005 15 00 0201 0000001a 00030201 1122334455667788
                 0000000000000022 0000000000000004 5f5e1001 09 48656c6c6f"),
        ),
        (
            "expiration of 18 bytes",
            with_item(
                Body::Expiration(Expiration {
                    form: ExpirationForm::V1 { metadata: b"" },
                    ..expiration
                }),
                DataType::RAW,
            ),
            hex("80 59 0005 12 00 0201 00000017 00030201 1122334455667788
                 0000000000000023 0000000000000005 0000 48656c6c6f"),
        ),
        (
            "expiration of 20 bytes",
            with_item(
                Body::Expiration(Expiration {
                    form: ExpirationForm::V2 {
                        delete_time: 0x5f5e_1002,
                    },
                    ..expiration
                }),
                DataType::RAW,
            ),
            hex("80 59 0005 14 00 0201 00000019 00030201 1122334455667788
                 0000000000000023 0000000000000005 5f5e1002 48656c6c6f"),
        ),
        (
            "system event",
            message(Body::SystemEvent(SystemEvent {
                seqno: 4,
                event: SystemEventKind::COLLECTION_BEGIN,
                version: 0,
                key: b"C1",
                value: b"\0\0\0\0\0\0\0\x04\0\0\0\x08\0\0\0\x09",
            })),
            hex("80 5f 0002 0d 00 0201 0000001f 00030201 0000000000000000
                 0000000000000004 00000000 00 4331 0000000000000004 00000008 00000009"),
        ),
    ]
}

fn durable_changes() -> Vec<(&'static str, Message<'static>, Vec<u8>)> {
    vec![
        (
            "prepare",
            with_item(
                Body::Prepare(Prepare {
                    seqno: 0x21,
                    revision: 3,
                    flags: 1,
                    expiration: 2,
                    lock_time: 3,
                    nru: 4,
                    deleted: 0,
                    durability_level: 3,
                    key: b"k",
                    value: b"v",
                }),
                DataType::RAW,
            ),
            hex("80 60 0001 1f 00 0201 00000021 00030201 1122334455667788
                 0000000000000021 0000000000000003 00000001 00000002 00000003 04 00 03 6b 76"),
        ),
        (
            "commit",
            message(Body::Commit(Commit {
                prepared_seqno: 0x21,
                commit_seqno: 0x24,
                key: b"k",
            })),
            hex("80 62 0001 10 00 0201 00000011 00030201 0000000000000000
                 0000000000000021 0000000000000024 6b"),
        ),
        (
            "abort",
            message(Body::Abort(Abort {
                prepared_seqno: 0x21,
                abort_seqno: 0x25,
                key: b"k",
            })),
            hex("80 63 0001 10 00 0201 00000011 00030201 0000000000000000
                 0000000000000021 0000000000000025 6b"),
        ),
    ]
}

/// Every answer, with its bytes.
fn replies() -> Vec<(&'static str, Reply<'static>, Vec<u8>)> {
    let reply = |opcode, status| Reply::new(opcode, status, OPAQUE);
    vec![
        (
            "success and nothing else",
            reply(Opcode::DCP_OPEN, Status::SUCCESS),
            hex("81 50 0000 00 00 0000 00000000 00030201 0000000000000000"),
        ),
        (
            "answer to a noop",
            reply(Opcode::DCP_NOOP, Status::SUCCESS),
            hex("81 5c 0000 00 00 0000 00000000 00030201 0000000000000000"),
        ),
        (
            "error with a text",
            Reply {
                body: ReplyBody::Plain { value: b"no" },
                ..reply(Opcode::DCP_CONTROL, Status::EINVAL)
            },
            hex("81 5e 0000 00 00 0004 00000002 00030201 0000000000000000 6e6f"),
        ),
        (
            "stream added",
            Reply {
                body: ReplyBody::StreamAdded {
                    opaque: StreamOpaque {
                        application: 9,
                        vbucket: 1,
                    },
                },
                ..reply(Opcode::DCP_ADD_STREAM, Status::SUCCESS)
            },
            hex("81 51 0000 04 00 0000 00000004 00030201 0000000000000000 00090001"),
        ),
        (
            "stream opened",
            Reply {
                body: ReplyBody::FailoverLog(FailoverLog::parse(TWO_HISTORIES).unwrap()),
                ..reply(Opcode::DCP_STREAM_REQ, Status::SUCCESS)
            },
            hex("81 53 0000 00 00 0000 00000020 00030201 0000000000000000
                 0000000000000b0b 0000000000000064 0000000000000a0a 0000000000000000"),
        ),
        (
            "failover log",
            Reply {
                body: ReplyBody::FailoverLog(FailoverLog::default()),
                ..reply(Opcode::DCP_GET_FAILOVER_LOG, Status::SUCCESS)
            },
            hex("81 54 0000 00 00 0000 00000000 00030201 0000000000000000"),
        ),
        (
            "rollback",
            Reply {
                body: ReplyBody::Rollback { seqno: 0x63 },
                ..reply(Opcode::DCP_STREAM_REQ, Status::ROLLBACK)
            },
            hex("81 53 0000 00 00 0023 00000008 00030201 0000000000000000 0000000000000063"),
        ),
        (
            "flex answer",
            Reply {
                magic: Magic::FLEX_RESPONSE,
                framing_extras: &[0x02, 0x00, 0x15],
                ..reply(Opcode::DCP_CLOSE_STREAM, Status::DCP_STREAM_NOT_FOUND)
            },
            hex("18 52 03 00 00 00 000a 00000003 00030201 0000000000000000 020015"),
        ),
    ]
}

const TWO_HISTORIES: &[u8] = &[
    0, 0, 0, 0, 0, 0, 0x0b, 0x0b, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0x0a, 0x0a, 0, 0, 0,
    0, 0, 0, 0, 0,
];

#[test]
fn every_message_is_its_golden_bytes_both_ways() {
    for (name, message, bytes) in messages() {
        let parsed = Message::parse(&packet(&bytes));
        assert_eq!(parsed, Ok(message), "{name}");
        let mut out = vec![0xee; bytes.len() + 3];
        assert_eq!(message.encoded_len(), Ok(bytes.len()), "{name}");
        assert_eq!(message.emit(&mut out), Ok(bytes.len()), "{name}");
        assert_eq!(out[..bytes.len()], bytes, "{name}");
        assert_eq!(out[bytes.len()..], [0xee; 3], "{name}");
        assert_eq!(message.opcode(), Opcode(bytes[1]), "{name}");
    }
}

#[test]
fn every_answer_is_its_golden_bytes_both_ways() {
    for (name, reply, bytes) in replies() {
        assert_eq!(Reply::parse(&packet(&bytes)), Ok(reply), "{name}");
        let mut out = vec![0xee; bytes.len() + 3];
        assert_eq!(reply.encoded_len(), Ok(bytes.len()), "{name}");
        assert_eq!(reply.emit(&mut out), Ok(bytes.len()), "{name}");
        assert_eq!(out[..bytes.len()], bytes, "{name}");
    }
}

#[test]
fn every_opcode_of_the_family_has_golden_bytes() {
    let messages = messages();
    for opcode in 0x50..=0x67 {
        assert!(
            messages
                .iter()
                .any(|(_, message, _)| message.opcode() == Opcode(opcode)),
            "0x{opcode:02x} has no line in the table"
        );
    }
}

#[test]
fn an_output_that_is_too_small_is_told_how_much_is_needed_and_stays_untouched() {
    let cases = messages().into_iter().map(|(name, message, bytes)| {
        let emit = move |out: &mut [u8]| message.emit(out);
        (name, bytes, Box::new(emit) as Box<dyn Fn(&mut [u8]) -> _>)
    });
    let replies = replies().into_iter().map(|(name, reply, bytes)| {
        let emit = move |out: &mut [u8]| reply.emit(out);
        (name, bytes, Box::new(emit) as Box<dyn Fn(&mut [u8]) -> _>)
    });
    for (name, bytes, emit) in cases.chain(replies) {
        for available in 0..bytes.len() {
            let mut out = vec![0xee; available];
            let needed = bytes.len();
            let expected = Err(EmitError::OutputTooShort { needed, available });
            assert_eq!(emit(&mut out), expected, "{name}");
            assert!(out.iter().all(|&byte| byte == 0xee), "{name}");
        }
    }
}

#[test]
fn a_cut_message_misses_exactly_the_rest() {
    for (name, _, bytes) in messages() {
        for len in 24..bytes.len() {
            let missing = (bytes.len() - len) as u64;
            let parsed = Packet::parse(&bytes[..len], &Limits::NONE);
            assert_eq!(parsed, Ok(Parsed::NeedMore { missing }), "{name}");
        }
    }
}

/// The body cut or lengthened under a header that agrees: either the message says what is wrong, or what it became is
/// written as the same bytes again.
#[test]
fn a_message_whose_parts_have_other_lengths_is_refused_or_kept_as_it_is() {
    for (name, _, bytes) in messages() {
        let original = packet(&bytes);
        for extras_len in 0..=60 {
            for value_len in (0..60).chain([65_600]) {
                for key in [&b""[..], b"k"] {
                    let mut extras = original.extras.to_vec();
                    extras.resize(extras_len, 1);
                    let mut value = original.value.to_vec();
                    value.resize(value_len, 7);
                    let changed = Packet {
                        extras: &extras,
                        key,
                        value: &value,
                        ..original
                    };
                    let Ok(message) = Message::parse(&changed) else {
                        continue;
                    };
                    let mut expected = vec![0; changed.encoded_len().unwrap()];
                    changed.emit(&mut expected).unwrap();
                    let mut out = vec![0; message.encoded_len().unwrap()];
                    message.emit(&mut out).unwrap();
                    assert_eq!(out, expected, "{name}");
                }
            }
        }
    }
}

#[test]
fn a_value_may_follow_the_head_by_another_way() {
    for (name, message, bytes) in messages() {
        let value_len = match message.body {
            Body::Mutation(Mutation { value, .. })
            | Body::Prepare(Prepare { value, .. })
            | Body::Deletion(Deletion { value, .. }) => value.len(),
            _ => continue,
        };
        let metadata_len = match message.body {
            Body::Mutation(Mutation { metadata, .. })
            | Body::Deletion(Deletion {
                form: DeletionForm::V1 { metadata },
                ..
            }) => metadata.len(),
            _ => 0,
        };
        let mut out = vec![0; bytes.len()];
        let head_len = message.emit_head(value_len as u32, &mut out).unwrap();
        assert_eq!(head_len, bytes.len() - value_len - metadata_len, "{name}");
        assert_eq!(out[..head_len], bytes[..head_len], "{name}");
    }
}

fn refused(bytes: &str) -> ParseError {
    Message::parse(&packet(&hex(bytes))).unwrap_err()
}

#[test]
fn a_refused_message_says_which_field_where_and_what_is_allowed() {
    let response = refused("81 57 0000 00 00 0000 00000000 00000000 0000000000000000");
    assert_eq!(response.kind, ParseErrorKind::WrongDirection);
    assert_eq!(
        response.to_string(),
        "bad magic: 0x81 at byte 0, allowed 0x80 or 0x08"
    );

    let get = refused("80 00 0001 00 00 0000 00000001 00000000 0000000000000000 6b");
    assert_eq!(
        (get.kind, get.field),
        (ParseErrorKind::ForeignOpcode, Field::Opcode)
    );
    assert_eq!((get.offset, get.found), (1, 0));

    let short = refused(
        "80 59 0001 11 00 0000 00000012 00000000 0000000000000000
                         0000000000000000 0000000000000000 00 6b",
    );
    assert_eq!(
        short.to_string(),
        "extras: length does not fit the opcode: 17 at byte 4, allowed 18 or 20"
    );

    let version = refused("80 56 0000 01 00 0000 00000001 00000000 0000000000000000 01");
    assert_eq!(
        version.to_string(),
        "extras: unknown version: 1 at byte 24, allowed 0x00 or 0x02"
    );

    let marker = refused("80 56 0000 01 00 0000 00000003 00000000 0000000000000000 02 0000");
    assert_eq!(
        marker.to_string(),
        "value: length does not fit the opcode: 2 at byte 25, allowed 52"
    );

    let first_form = refused(
        "80 56 0000 14 00 0000 00000015 00000000 0000000000000000
                              0000000000000001 0000000000000018 00000006 00",
    );
    assert_eq!(first_form.kind, ParseErrorKind::ValueLength);

    let metadata = refused(
        "80 58 0001 12 00 0000 00000014 00000000 0000000000000000
                            0000000000000000 0000000000000000 0002 6b 6d",
    );
    assert_eq!(
        metadata.to_string(),
        "extras: a part runs past its end: 2 at byte 40, allowed at most 1"
    );
}

#[test]
fn a_refused_answer_says_what_is_wrong() {
    let refused = |bytes: &str| Reply::parse(&packet(&hex(bytes))).unwrap_err();
    let log = refused(
        "81 53 0000 00 00 0000 00000011 00000000 0000000000000000
                       0000000000000b0b 0000000000000064 00",
    );
    assert_eq!(
        log.to_string(),
        "value: length does not fit the opcode: 17 at byte 24, allowed a multiple of 16"
    );
    let rollback = refused("81 53 0000 00 00 0023 00000003 00000000 0000000000000000 000000");
    assert_eq!(
        rollback.to_string(),
        "value: length does not fit the opcode: 3 at byte 24, allowed 8"
    );
    let added = refused("81 51 0000 00 00 0000 00000000 00000000 0000000000000000");
    assert_eq!(added.kind, ParseErrorKind::ExtrasLength);
    let request = refused("80 53 0000 00 00 0000 00000000 00000000 0000000000000000");
    assert_eq!(request.kind, ParseErrorKind::WrongDirection);
    let foreign = refused("81 00 0000 00 00 0000 00000000 00000000 0000000000000000");
    assert_eq!(foreign.kind, ParseErrorKind::ForeignOpcode);
    let key = refused("81 5e 0001 00 00 0000 00000001 00000000 0000000000000000 6b");
    assert_eq!(key.kind, ParseErrorKind::KeyForbidden);
}

#[test]
fn a_message_that_no_header_can_tell_is_not_written() {
    let long = vec![0; 65_536];
    let mutation = Mutation {
        key: b"k",
        metadata: &long,
        ..Mutation::default()
    };
    let error = message(Body::Mutation(mutation)).encoded_len().unwrap_err();
    assert_eq!(
        error,
        EmitError::TooLong {
            field: Field::Value,
            found: 65_536,
            allowed: 65_535
        }
    );
    let response = Message {
        magic: Magic::CLIENT_RESPONSE,
        ..message(Body::Noop)
    };
    assert_eq!(
        response.emit(&mut [0; 64]),
        Err(EmitError::Magic(Magic::CLIENT_RESPONSE))
    );
    let request = Reply {
        magic: Magic::CLIENT_REQUEST,
        ..Reply::new(Opcode::DCP_NOOP, Status::SUCCESS, 0)
    };
    assert_eq!(
        request.emit(&mut [0; 64]),
        Err(EmitError::Magic(Magic::CLIENT_REQUEST))
    );
}

/// Defect 50 of gomemcached: the value included the extended metadata.
#[test]
fn extended_metadata_is_cut_off_the_value() {
    let bytes = hex("80 57 0001 1f 00 0000 00000025 00000000 0000000000000000
                     0000000000000001 0000000000000001 00000000 00000000 00000000 0003 00 6b 76 010203 6d");
    let value = Message::parse(&packet(&bytes)).map(|message| message.body);
    let Ok(Body::Mutation(mutation)) = value else {
        panic!("{value:?}");
    };
    assert_eq!(
        (mutation.value, mutation.metadata),
        (&b"v\x01"[..], &b"\x02\x03m"[..])
    );
}

/// Defect 49: an expiration with fewer than 18 bytes of extras crashed.
#[test]
fn deletions_and_expirations_of_every_length_of_extras_are_judged() {
    for opcode in [Opcode::DCP_DELETION, Opcode::DCP_EXPIRATION] {
        for len in 0..=255 {
            let packet = Packet {
                opcode,
                extras: &vec![0; len],
                key: b"k",
                ..Packet::default()
            };
            let other = if opcode == Opcode::DCP_DELETION {
                21
            } else {
                20
            };
            let is_taken = len == 18 || len == other;
            assert_eq!(
                Message::parse(&packet).is_ok(),
                is_taken,
                "{opcode} with {len}"
            );
        }
    }
}

/// Defect 59: the latest entry was the oldest, and an empty log crashed.
#[test]
fn the_newest_entry_of_a_failover_log_is_the_first() {
    let log = FailoverLog::parse(TWO_HISTORIES).unwrap();
    let newest = FailoverEntry {
        vbucket_uuid: 0x0b0b,
        seqno: 100,
    };
    assert_eq!(log.newest(), Some(newest));
    assert_eq!((log.len(), log.is_empty()), (2, false));
    let bytes: Vec<u8> = log.iter().flat_map(FailoverEntry::to_bytes).collect();
    assert_eq!(bytes, TWO_HISTORIES);
    assert_eq!(FailoverLog::parse(b"").unwrap().newest(), None);
    for len in 0..64 {
        assert_eq!(FailoverLog::parse(&[0; 64][..len]).is_ok(), len % 16 == 0);
    }
}

/// Defect 73: reasons and snapshot flags were not decoded, or described wrongly.
#[test]
fn reasons_flags_and_events_have_names_and_unknown_ones_stay() {
    assert_eq!(StreamEndReason::SLOW.to_string(), "slow");
    assert_eq!(StreamEndReason(0x99).to_string(), "0x99");
    assert_eq!(SnapshotFlags(0x01).to_string(), "memory");
    assert_eq!(SnapshotFlags(0x02).to_string(), "disk");
    assert_eq!(SnapshotFlags(0x8009).to_string(), "memory|ack|0x8000");
    assert_eq!(SnapshotFlags::NONE.to_string(), "none");
    assert_eq!(SystemEventKind::SCOPE_DROP.to_string(), "scope-drop");
    assert_eq!(VbucketState(9).to_string(), "0x9");
    assert_eq!(OpenFlags(0x12).unnamed_bits(), 0x10);
    assert_eq!(
        (StreamFlags::TAKEOVER | StreamFlags::CACHE_TRANSFER).to_string(),
        "takeover|cache-transfer"
    );
}

#[test]
fn the_opaque_holds_the_applications_number_and_the_vbucket() {
    let opaque = StreamOpaque {
        application: 0xabcd,
        vbucket: 1023,
    };
    assert_eq!(opaque.to_opaque(), 0xabcd_03ff);
    assert_eq!(StreamOpaque::from_opaque(0xabcd_03ff), opaque);
}

#[test]
fn the_stream_id_is_found_among_other_frame_infos() {
    let framing_extras = [0x00, 0x11, 0x01, 0x22, 0xff, 0xfe];
    let message = Message {
        magic: Magic::FLEX_REQUEST,
        framing_extras: &framing_extras,
        ..message(Body::Noop)
    };
    assert_eq!(message.stream_id(), Ok(Some(0xfffe)));
    assert_eq!(
        Message::stream_id_framing_extras(0xfffe),
        [0x22, 0xff, 0xfe]
    );
    let without = Message {
        framing_extras: &framing_extras[..1],
        ..message
    };
    assert_eq!(without.stream_id(), Ok(None));
    let cut = Message {
        framing_extras: &framing_extras[3..5],
        ..message
    };
    assert_eq!(
        cut.stream_id().unwrap_err().kind,
        ParseErrorKind::FrameInfoTruncated
    );
}

#[test]
fn the_details_of_system_events_are_read_by_event_and_version() {
    let event = |event, version, value| SystemEvent {
        event,
        version,
        value,
        ..SystemEvent::default()
    };
    let value = b"\0\0\0\0\0\0\0\x04\0\0\0\x08\0\0\0\x09\0\0\0\x3c";
    let begin = SystemEventKind::COLLECTION_BEGIN;
    let collection = |max_ttl| SystemEventDetails::Collection {
        manifest_uid: 4,
        scope: 8,
        collection: 9,
        max_ttl,
    };
    assert_eq!(
        event(begin, 0, &value[..16]).details(),
        Ok(collection(None))
    );
    assert_eq!(
        event(begin, 1, &value[..]).details(),
        Ok(collection(Some(60)))
    );
    let end = SystemEventKind::COLLECTION_END;
    assert_eq!(event(end, 0, &value[..16]).details(), Ok(collection(None)));
    let scope = SystemEventDetails::Scope {
        manifest_uid: 4,
        scope: 8,
    };
    for kind in [SystemEventKind::SCOPE_CREATE, SystemEventKind::SCOPE_DROP] {
        assert_eq!(event(kind, 0, &value[..12]).details(), Ok(scope));
    }
    let table = SystemEventDetails::FlatBuffers(value);
    assert_eq!(
        event(SystemEventKind::COLLECTION_MODIFY, 2, value).details(),
        Ok(table)
    );
    let unknown = SystemEventDetails::Unknown(value);
    assert_eq!(event(SystemEventKind(2), 0, value).details(), Ok(unknown));
    assert_eq!(
        event(begin, 0, &value[..15]).details().unwrap_err().allowed,
        Allowed::Bits(1 << 16)
    );
}

#[test]
fn cache_records_are_read_and_written_one_behind_the_other() {
    let first = CacheRecord {
        cas: 1,
        seqno: 2,
        revision: 3,
        flags: 5,
        expiration: 6,
        datatype: DataType::JSON,
        cache_hint: 8,
        key: b"\0k",
        value: b"v",
    };
    let second = CacheRecord {
        key: b"\0l",
        value: b"",
        ..first
    };
    let mut bytes = [0; 128];
    let mut len = 0;
    for record in [first, second] {
        let needed = record.encoded_len().unwrap();
        let short = record.emit(&mut bytes[len..len + needed - 1]);
        assert!(matches!(short, Err(EmitError::OutputTooShort { .. })));
        len += record.emit(&mut bytes[len..]).unwrap();
    }
    let records = CacheRecords {
        bytes: &bytes[..len],
    };
    let read: Result<Vec<_>, _> = records.iter().collect();
    assert_eq!(read, Ok(vec![first, second]));
    for cut in 0..len {
        let records = CacheRecords {
            bytes: &bytes[..cut],
        };
        let read: Vec<_> = records.iter().collect();
        let whole = usize::from(cut >= 43);
        let is_between = cut == 0 || cut == 43;
        assert_eq!(read.len(), whole + usize::from(!is_between), "cut at {cut}");
        if let Some(Err(error)) = read.last() {
            assert_eq!(error.kind, ParseErrorKind::PartExceedsValue);
            assert_eq!(error.offset as usize, whole * 43);
        }
    }
}

#[test]
fn collection_ids_are_leb128_in_the_shortest_form() {
    for (id, bytes) in [
        (0, "00"),
        (1, "01"),
        (8, "08"),
        (0x7f, "7f"),
        (0x80, "8001"),
        (0xff, "ff01"),
        (555, "ab04"),
        (0x555, "d50a"),
        (0x5555, "d5aa01"),
        (0x7fff, "ffff01"),
        (0x8000, "808002"),
        (0xbfff, "ffff02"),
        (0xcafe, "fe9503"),
        (0xffff, "ffff03"),
        (0x0caf_ef00, "80debf65"),
        (0xcafe_f00d, "8de0fbd70c"),
        (0xffff_ffff, "ffffffff0f"),
    ] {
        let mut bytes = hex(bytes);
        bytes.push(b'k');
        let key = CollectionKey {
            collection: id,
            key: b"k",
        };
        assert_eq!(CollectionKey::parse(&bytes), Ok(key));
        let mut out = [0; 8];
        assert_eq!(key.emit(&mut out), Ok(bytes.len()));
        assert_eq!(out[..bytes.len()], bytes);
        assert_eq!(key.encoded_len(), bytes.len());
        assert!(key.emit(&mut out[..bytes.len() - 1]).is_err());
    }
    let kind = |bytes| CollectionKey::parse(bytes).unwrap_err().kind;
    assert_eq!(kind(b""), ParseErrorKind::CollectionId);
    assert_eq!(kind(b"\x80"), ParseErrorKind::CollectionId);
    assert_eq!(
        kind(b"\x80\0k"),
        ParseErrorKind::CollectionId,
        "longer than it has to be"
    );
    assert_eq!(kind(b"\xff\xff\xff\xff\x1fk"), ParseErrorKind::CollectionId);
    assert_eq!(
        kind(b"\xff\xff\xff\xff\x8f\x01k"),
        ParseErrorKind::CollectionId
    );
    assert_eq!(kind(b"\x08"), ParseErrorKind::KeyMissing);
}

#[test]
fn extended_attributes_are_split_off_the_document_and_written_again() {
    let bytes = [
        &hex("00000012 0000000e 5f73796e6300 7b2263223a317d00")[..],
        b"{}",
    ]
    .concat();
    let (xattrs, document) = Xattrs::split(&bytes).unwrap();
    assert_eq!(document, b"{}");
    let sync = Xattr {
        key: b"_sync",
        value: br#"{"c":1}"#,
    };
    assert_eq!(xattrs.iter().collect::<Vec<_>>(), [Ok(sync)]);

    let mut pairs = [0; 18];
    assert!(sync.emit(&mut pairs[..17]).is_err());
    assert_eq!(sync.emit(&mut pairs), Ok(18));
    let mut out = [0; 22];
    assert_eq!(Xattrs { pairs: &pairs }.emit(&mut out), Ok(22));
    assert_eq!(out, bytes[..22]);

    for len in 0..22 {
        let error = Xattrs::split(&bytes[..len]).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::PartExceedsValue);
    }
    for pairs in [
        "00",
        "00000001",
        "00000002 6100",
        "00000002 6161",
        "00000001 00",
    ] {
        let pairs = hex(pairs);
        let read: Vec<_> = Xattrs { pairs: &pairs }.iter().collect();
        assert!(matches!(read[..], [Err(_)]), "{pairs:02x?}: {read:?}");
    }
}

#[test]
fn a_stream_filter_is_the_json_that_producers_read() {
    let text = |filter: StreamFilter<'_>| {
        let mut out = [0; 200];
        let len = filter.emit(&mut out).unwrap();
        assert_eq!(filter.encoded_len(), len);
        if len > 0 {
            assert!(filter.emit(&mut out[..len - 1]).is_err());
        }
        String::from_utf8(out[..len].to_vec()).unwrap()
    };
    assert_eq!(text(StreamFilter::default()), "");
    let all = StreamFilter {
        manifest_uid: Some(0x1a),
        collections: &[0, 8, 0xbeef],
        scope: Some(9),
        stream_id: Some(1),
        purge_seqno: Some(1000),
    };
    assert_eq!(
        text(all),
        r#"{"uid":"1a","collections":["0","8","beef"],"scope":"9","sid":1,"purge_seqno":"1000"}"#
    );
    let stream_id = Some(7);
    assert_eq!(
        text(StreamFilter {
            stream_id,
            ..StreamFilter::default()
        }),
        r#"{"sid":7}"#
    );
}

#[test]
fn only_changes_have_a_seqno() {
    for (name, message, bytes) in messages() {
        let is_change = matches!(bytes[1], 0x57..=0x59 | 0x5f | 0x60 | 0x62 | 0x63);
        assert_eq!(message.body.seqno().is_some(), is_change, "{name}");
    }
    let commit = Commit {
        prepared_seqno: 1,
        commit_seqno: 5,
        key: b"k",
    };
    assert_eq!(Body::Commit(commit).seqno(), Some(5));
}
