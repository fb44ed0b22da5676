//! One line of the table for each message and each of its forms.
//!
//! The table serves both ways: the bytes are parsed into the message and the message is emitted as the bytes, whole, in
//! every length that is too short, and in every output that is too small.

use super::*;

/// Every message and every form of it, with its bytes.
pub(crate) fn messages() -> Vec<(&'static str, Message<'static>, Vec<u8>)> {
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

pub(crate) const TWO_HISTORIES: &[u8] = &[
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
