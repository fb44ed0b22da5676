//! The defects of gomemcached's UPR feed (fact sheet, section 8.8), each as what must hold here. Those that are about the
//! layout of messages are in `dcp_messages` too.

use memlet_core::connection::feed::{
    DcpCommandError, DcpEvent, DcpFailure, DcpOptions, DcpSkipReason, DcpStream, DcpStreamState,
};
use memlet_core::dcp::{
    Body, Deletion, DeletionForm, Expiration, ExpirationForm, MarkerForm, Message, Mutation, Reply,
    ReplyBody, SnapshotFlags, SnapshotMarker, StreamEnd, StreamEndReason, StreamOpaque,
    SystemEvent, VbucketState,
};
use memlet_core::wire::{Opcode, ParseErrorKind, Request, Status};

use crate::support::{
    Peer, STREAM, log_bytes, marker, message_bytes, mutation, of_stream, packets, plain,
    reply_bytes, stream_opened, windowed,
};

fn raw(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![0; request.encoded_len().unwrap()];
    request.emit(&mut bytes).unwrap();
    bytes
}

const OTHER: StreamOpaque = StreamOpaque {
    application: 7,
    vbucket: 1000,
};

#[test]
fn defect_49_short_extras_of_deletions_and_expirations_end_the_feed_with_the_reason() {
    for opcode in [Opcode::DCP_DELETION, Opcode::DCP_EXPIRATION] {
        for len in (0..18).chain([19]) {
            let mut peer = Peer::streaming(&plain());
            let failure = peer.fail(&raw(&Request {
                vbucket: STREAM.vbucket,
                opaque: STREAM.to_opaque(),
                extras: &[0; 20][..len],
                key: b"k",
                ..Request::new(opcode)
            }));
            let DcpFailure::Message {
                opcode: found,
                error,
            } = failure
            else {
                panic!("{failure:?}");
            };
            assert_eq!((found, error.kind), (opcode, ParseErrorKind::ExtrasLength));
        }
    }
}

#[test]
fn defect_50_the_value_is_delivered_without_the_extended_metadata() {
    let mut peer = Peer::streaming(&plain());
    let bytes = of_stream(Body::Mutation(Mutation {
        seqno: 1,
        key: b"k",
        value: b"value",
        metadata: b"metadata",
        ..Mutation::default()
    }));
    peer.run(&bytes, |event, _| match event {
        DcpEvent::Message(Message {
            body: Body::Mutation(mutation),
            ..
        }) => assert_eq!(
            (mutation.value, mutation.metadata),
            (&b"value"[..], &b"metadata"[..])
        ),
        other => panic!("{other:?}"),
    });
}

#[test]
fn defect_51_noop_is_answered_by_a_response_with_its_opaque() {
    let mut peer = Peer::streaming(&plain());
    let events = peer.receive(&message_bytes(&Message::new(0, 0xdead_beef, Body::Noop)));
    assert!(events.is_empty());
    assert_eq!(
        peer.drain_packets(),
        [(0x81, Opcode::DCP_NOOP, 0, 0xdead_beef)]
    );
}

#[test]
fn defect_52_without_flow_control_nothing_is_acknowledged() {
    let mut peer = Peer::streaming(&plain());
    for seqno in 1..=100 {
        peer.receive(&mutation(seqno, &[0; 1000]));
    }
    peer.command(|consumer, out| consumer.acknowledge(out).unwrap());
    assert_eq!(peer.drain(), []);
}

#[test]
fn defect_53_a_window_beyond_two_gibibytes_is_asked_for_without_a_sign() {
    for (window, text) in [
        (u32::MAX, &b"4294967295"[..]),
        (1 << 31, b"2147483648"),
        (9, b"9"),
    ] {
        let mut peer = Peer::new(&windowed(window));
        peer.command(|consumer, out| consumer.open(&open(), out).unwrap());
        let sent = peer.drain();
        let packets = packets(&sent);
        assert_eq!(packets[1].0.key, b"connection_buffer_size");
        assert_eq!(packets[1].0.value, text);
    }
}

fn open() -> memlet_core::dcp::Open<'static> {
    memlet_core::dcp::Open {
        name: b"feed",
        ..Default::default()
    }
}

#[test]
fn defect_54_the_answer_to_a_close_does_not_count() {
    let mut peer = Peer::streaming(&windowed(10_000));
    peer.command(|consumer, out| consumer.close_stream(STREAM, None, out).unwrap());
    let reply = Reply::new(
        Opcode::DCP_CLOSE_STREAM,
        Status::SUCCESS,
        STREAM.to_opaque(),
    );
    assert_eq!(peer.receive(&reply_bytes(&reply)).len(), 1);
    assert_eq!(peer.consumer.statistics().bytes_counted, 0);
}

#[test]
fn defect_55_flush_states_and_later_opcodes_count() {
    let mut peer = Peer::streaming(&windowed(10_000));
    let later = raw(&Request {
        value: b"what may come",
        ..Request::new(Opcode(0x68))
    });
    let bytes = [
        of_stream(Body::Flush),
        of_stream(Body::SetVbucketState(VbucketState::ACTIVE)),
        later,
    ]
    .concat();
    assert_eq!(peer.receive(&bytes).len(), 3);
    assert_eq!(peer.consumer.statistics().bytes_counted, bytes.len() as u64);
}

#[test]
fn defect_56_a_vbucket_state_is_answered() {
    let mut peer = Peer::streaming(&plain());
    let events = peer.receive(&of_stream(Body::SetVbucketState(VbucketState::PENDING)));
    assert_eq!(events.len(), 1);
    let opaque = STREAM.to_opaque();
    let answer = (0x81, Opcode::DCP_SET_VBUCKET_STATE, 0, opaque);
    assert_eq!(peer.drain_packets(), [answer]);
}

#[test]
fn defect_57_a_snapshot_marker_is_answered_if_and_only_if_it_asks_for_it() {
    let mut peer = Peer::streaming(&plain());
    peer.receive(&marker(
        1,
        5,
        SnapshotFlags::MEMORY | SnapshotFlags::CHECKPOINT,
    ));
    assert_eq!(peer.drain(), []);
    peer.receive(&marker(6, 9, SnapshotFlags::DISK | SnapshotFlags::ACK));
    let opaque = STREAM.to_opaque();
    let answer = (0x81, Opcode::DCP_SNAPSHOT_MARKER, 0, opaque);
    assert_eq!(peer.drain_packets(), [answer]);
}

#[test]
fn defect_58_every_form_of_marker_deletion_expiration_and_the_system_events_are_delivered() {
    let mut peer = Peer::streaming(&plain());
    let bodies = [
        Body::SnapshotMarker(SnapshotMarker {
            end_seqno: 9,
            form: MarkerForm::V2_2 {
                max_visible_seqno: 9,
                high_completed_seqno: 8,
                purge_seqno: 7,
                high_prepared_seqno: 6,
            },
            ..SnapshotMarker::default()
        }),
        Body::Deletion(Deletion {
            seqno: 1,
            key: b"k",
            form: DeletionForm::V2 {
                delete_time: 5,
                unused: 0,
            },
            ..Deletion::default()
        }),
        Body::Expiration(Expiration {
            seqno: 2,
            key: b"k",
            form: ExpirationForm::V2 { delete_time: 5 },
            ..Expiration::default()
        }),
        Body::SystemEvent(SystemEvent {
            seqno: 3,
            key: b"C1",
            ..SystemEvent::default()
        }),
    ];
    for body in bodies {
        let mut found = None;
        peer.run(&of_stream(body), |event, _| {
            found = Some(matches!(event, DcpEvent::Message(message) if message.body == body));
        });
        assert_eq!(found, Some(true), "{body:?}");
    }
}

#[test]
fn defect_59_the_newest_history_is_the_first_of_the_log_and_an_empty_log_is_none() {
    let mut peer = Peer::opened(&plain());
    peer.request(STREAM, 0);
    peer.receive(&stream_opened(STREAM, &[(0xb, 100), (0xa, 0)]));
    assert_eq!(peer.consumer.position(STREAM).unwrap().vbucket_uuid, 0xb);
    peer.request(OTHER, 0);
    assert_eq!(peer.receive(&stream_opened(OTHER, &[])).len(), 1);
    assert_eq!(peer.consumer.position(OTHER).unwrap().vbucket_uuid, 0);
}

#[test]
fn defect_60_a_refused_stream_is_not_open_and_does_not_end_again() {
    let mut peer = Peer::opened(&plain());
    peer.request(STREAM, 0);
    let reply = Reply {
        body: ReplyBody::Plain { value: b"not here" },
        ..Reply::new(
            Opcode::DCP_STREAM_REQ,
            Status::NOT_MY_VBUCKET,
            STREAM.to_opaque(),
        )
    };
    let mut refused = None;
    peer.run(&reply_bytes(&reply), |event, _| {
        if let DcpEvent::StreamRefused {
            stream,
            status,
            text,
        } = event
        {
            refused = Some((*stream, *status, text.to_vec()));
        }
    });
    assert_eq!(
        refused,
        Some((STREAM, Status::NOT_MY_VBUCKET, b"not here".to_vec()))
    );
    let states: Vec<_> = peer.consumer.streams().map(DcpStream::state).collect();
    assert_eq!(states, [DcpStreamState::Idle]);
    let events = peer.receive(&of_stream(Body::StreamEnd(StreamEnd::default())));
    assert!(
        matches!(&events[..], [event] if event.contains("UnknownStream")),
        "{events:?}"
    );
}

#[test]
fn defect_61_a_malformed_failover_log_is_told() {
    let mut log = log_bytes(&[(1, 2)]);
    log.push(0);
    let answer = |opcode, opaque| {
        raw_response(&memlet_core::wire::Response {
            opaque,
            value: &log,
            ..memlet_core::wire::Response::new(opcode, Status::SUCCESS)
        })
    };
    let mut peer = Peer::opened(&plain());
    peer.request(STREAM, 0);
    let failure = peer.fail(&answer(Opcode::DCP_STREAM_REQ, STREAM.to_opaque()));
    assert!(
        failure
            .to_string()
            .contains("17 at byte 24, allowed a multiple of 16"),
        "{failure}"
    );

    let mut peer = Peer::opened(&plain());
    peer.command(|consumer, out| consumer.failover_log(3, out).unwrap());
    let opaque = peer.drain_packets()[0].3;
    let failure = peer.fail(&answer(Opcode::DCP_GET_FAILOVER_LOG, opaque));
    assert!(matches!(failure, DcpFailure::Message { .. }), "{failure:?}");
}

fn raw_response(response: &memlet_core::wire::Response<'_>) -> Vec<u8> {
    let mut bytes = vec![0; response.encoded_len().unwrap()];
    response.emit(&mut bytes).unwrap();
    bytes
}

#[test]
fn defect_62_a_rollback_has_its_seqno_in_a_field_and_a_short_one_is_told() {
    let mut peer = Peer::opened(&plain());
    peer.request(STREAM, 50);
    let rollback = Reply {
        body: ReplyBody::Rollback { seqno: 42 },
        ..Reply::new(Opcode::DCP_STREAM_REQ, Status::ROLLBACK, STREAM.to_opaque())
    };
    let mut found = None;
    peer.run(&reply_bytes(&rollback), |event, _| {
        if let DcpEvent::Rollback { stream, seqno } = event {
            found = Some((*stream, *seqno));
        }
    });
    assert_eq!(found, Some((STREAM, 42)));
    for len in 0..8 {
        let mut peer = Peer::opened(&plain());
        peer.request(STREAM, 50);
        let failure = peer.fail(&raw_response(&memlet_core::wire::Response {
            opaque: STREAM.to_opaque(),
            value: &[0; 8][..len],
            ..memlet_core::wire::Response::new(Opcode::DCP_STREAM_REQ, Status::ROLLBACK)
        }));
        let DcpFailure::Message { error, .. } = failure else {
            panic!("{failure:?}");
        };
        assert_eq!(error.kind, ParseErrorKind::ValueLength);
    }
}

#[test]
fn defect_63_a_message_for_an_unknown_vbucket_is_told_counted_and_passed_over() {
    let mut peer = Peer::streaming(&windowed(10_000));
    let unknown = message_bytes(&Message::new(
        OTHER.vbucket,
        OTHER.to_opaque(),
        Body::Mutation(Mutation {
            seqno: 5,
            key: b"k",
            value: &[0; 2000],
            ..Mutation::default()
        }),
    ));
    let mut reasons = Vec::new();
    let failure = peer.run(&[&unknown[..], &mutation(1, b"")].concat(), |event, _| {
        reasons.push(match event {
            DcpEvent::Skipped { header, reason } => Some((header.vbucket_or_status, *reason)),
            _ => None,
        });
    });
    assert_eq!(failure, None);
    assert_eq!(reasons, [Some((1000, DcpSkipReason::UnknownStream)), None]);
    assert_eq!(peer.drain_packets(), [(0x80, Opcode::DCP_BUFFER_ACK, 0, 0)]);
}

#[test]
fn defect_63_a_state_or_marker_for_an_unknown_vbucket_is_answered_with_an_error() {
    let mut peer = Peer::streaming(&plain());
    for body in [
        Body::SetVbucketState(VbucketState::ACTIVE),
        Body::SnapshotMarker(SnapshotMarker {
            flags: SnapshotFlags::ACK,
            ..SnapshotMarker::default()
        }),
    ] {
        let message = Message::new(OTHER.vbucket, OTHER.to_opaque(), body);
        assert_eq!(peer.receive(&message_bytes(&message)).len(), 1);
        let answer = (
            0x81,
            message.opcode(),
            Status::KEY_ENOENT.0,
            OTHER.to_opaque(),
        );
        assert_eq!(peer.drain_packets(), [answer]);
    }
}

/// Defects 64 and 65: commands blocked for ever once the sender had ended.
#[test]
fn defect_64_commands_to_a_feed_that_is_over_say_so_at_once() {
    let mut peer = Peer::streaming(&plain());
    let failure = peer.consumer.handle_end_of_input(0);
    assert_eq!(failure, DcpFailure::EndOfInput);
    let over = Err(DcpCommandError::Failed(failure));
    let mut out = [0; 200];
    assert_eq!(peer.consumer.open(&open(), &mut out), over);
    assert_eq!(peer.consumer.close_stream(STREAM, None, &mut out), over);
    assert_eq!(peer.consumer.failover_log(1, &mut out), over);
    let flags = Default::default();
    assert_eq!(
        peer.consumer
            .resume_stream(STREAM, flags, u64::MAX, &mut out),
        over
    );
}

/// Defects 66 and 69: a lock was held while sending, and there were two writers. Here a command is written where its
/// caller says, whatever state the input is in.
#[test]
fn defect_66_commands_may_be_written_while_a_packet_is_half_received() {
    let mut peer = Peer::streaming(&plain());
    let bytes = mutation(1, b"value");
    assert!(peer.receive(&bytes[..30]).is_empty());
    peer.command(|consumer, out| consumer.close_stream(STREAM, None, out).unwrap());
    let close = (
        0x80,
        Opcode::DCP_CLOSE_STREAM,
        STREAM.vbucket,
        STREAM.to_opaque(),
    );
    assert_eq!(peer.drain_packets(), [close]);
    assert_eq!(
        peer.receive(&bytes[30..]).len(),
        1,
        "what is under way is still delivered"
    );
}

/// Defects 65, 67 and 68: leaks, a round of endings that could not be stopped, and a second close that panicked.
#[test]
fn defect_67_a_lost_feed_has_one_reason_and_its_streams_are_idle_on_the_next_connection() {
    let mut peer = Peer::streaming(&plain());
    peer.receive(&mutation(1, b"v"));
    let cut = mutation(2, b"v");
    peer.receive(&cut[..40]);
    let left = peer.unconsumed();
    assert_eq!(
        peer.consumer.handle_end_of_input(left),
        DcpFailure::Truncated
    );
    assert_eq!(
        peer.consumer.abandon(),
        DcpFailure::Truncated,
        "the first reason stays"
    );
    let streams = peer.consumer.into_streams();
    let next = Peer::with(&plain(), streams).open();
    let slots: Vec<_> = next
        .consumer
        .streams()
        .map(|slot| (slot.stream(), slot.state(), slot.position().seqno))
        .collect();
    assert_eq!(slots, [(STREAM, DcpStreamState::Idle, 1)]);
}

#[test]
fn defect_68_closing_twice_is_harmless() {
    let mut peer = Peer::streaming(&plain());
    assert_eq!(peer.consumer.abandon(), DcpFailure::Abandoned);
    assert_eq!(peer.consumer.abandon(), DcpFailure::Abandoned);
    assert_eq!(peer.consumer.handle_end_of_input(3), DcpFailure::Abandoned);
    let failure = peer.run(&mutation(1, b""), |event, _| panic!("{event:?}"));
    assert_eq!(failure, Some(DcpFailure::Abandoned));
}

#[test]
fn defect_70_statistics_are_sums_and_a_copy() {
    let mut peer = Peer::streaming(&windowed(10_000));
    let before = peer.consumer.statistics();
    let bytes = [
        marker(1, 2, Default::default()),
        mutation(1, b"a"),
        mutation(2, b"b"),
    ]
    .concat();
    peer.receive(&bytes);
    let after = peer.consumer.statistics();
    assert_eq!(
        after.bytes_received - before.bytes_received,
        bytes.len() as u64
    );
    assert_eq!(
        (after.mutations, after.snapshots, after.streams_opened),
        (2, 1, 1)
    );
    assert_eq!((before.mutations, before.snapshots), (0, 0));
}

#[test]
fn defect_71_failover_logs_are_asked_for_under_the_feeds_own_name_and_matched_by_opaque() {
    let mut peer = Peer::opened(&plain());
    peer.command(|consumer, out| consumer.failover_log(3, out).unwrap());
    peer.command(|consumer, out| consumer.failover_log(4, out).unwrap());
    let asked = peer.drain_packets();
    assert_ne!(asked[0].3, asked[1].3);
    let log = log_bytes(&[(5, 6)]);
    let answer = |opaque| {
        reply_bytes(&Reply {
            body: ReplyBody::FailoverLog(memlet_core::dcp::FailoverLog::parse(&log).unwrap()),
            ..Reply::new(Opcode::DCP_GET_FAILOVER_LOG, Status::SUCCESS, opaque)
        })
    };
    let mut found = Vec::new();
    peer.run(&answer(asked[0].3), |event, _| {
        if let DcpEvent::FailoverLog { vbucket, log, .. } = event {
            found.push((*vbucket, log.newest().unwrap().seqno));
        }
    });
    assert_eq!(found, [(3, 6)]);
    // The same answer again.
    let failure = peer.fail(&answer(asked[0].3));
    assert_eq!(
        failure,
        DcpFailure::UnexpectedReply {
            opcode: Opcode::DCP_GET_FAILOVER_LOG,
            opaque: asked[0].3,
            expected: Some(asked[1].3)
        }
    );
}

#[test]
fn defect_72_a_wrong_opaque_is_told_with_the_right_one() {
    let mut peer = Peer::new(&plain());
    peer.command(|consumer, out| consumer.open(&open(), out).unwrap());
    let opaque = peer.drain_packets()[0].3;
    let reply = Reply::new(Opcode::DCP_OPEN, Status::SUCCESS, opaque ^ 0xff00);
    let failure = peer.fail(&reply_bytes(&reply));
    assert_eq!(
        failure.to_string(),
        "DCP_OPEN: an answer with opaque 0x0000ff00 to nothing that was asked; 0x00000000 is to be \
         answered next"
    );
}

#[test]
fn defect_73_the_reason_of_an_end_is_delivered() {
    let mut peer = Peer::streaming(&DcpOptions::default());
    let reason = StreamEndReason::SLOW;
    let mut found = None;
    peer.run(
        &of_stream(Body::StreamEnd(StreamEnd { reason })),
        |event, _| {
            if let DcpEvent::Message(message) = event {
                found = Some(message.body == Body::StreamEnd(StreamEnd { reason }));
            }
        },
    );
    assert_eq!(found, Some(true));
    let states: Vec<_> = peer.consumer.streams().map(DcpStream::state).collect();
    assert_eq!(states, [DcpStreamState::Idle]);
}

/// Defect 74: the feed was to end with its last stream, and never did; it lives on for streams to come.
#[test]
fn defect_74_a_feed_without_streams_goes_on() {
    let mut peer = Peer::streaming(&plain());
    peer.receive(&of_stream(Body::StreamEnd(StreamEnd::default())));
    peer.request(OTHER, 0);
    assert_eq!(peer.receive(&stream_opened(OTHER, &[(1, 0)])).len(), 1);
}
