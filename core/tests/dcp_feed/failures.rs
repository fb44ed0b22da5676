//! Producers that break the rules, or fall silent.

use memlet_core::connection::feed::{
    DcpCommandError, DcpEvent, DcpFailure, DcpOptions, DcpSetting,
};
use memlet_core::dcp::{Body, Message, Mutation, Reply, ReplyBody, SeqnoAdvanced, StreamOpaque};
use memlet_core::wire::{Opcode, ParseErrorKind, Status};

use crate::support::{
    Peer, STREAM, marker, message_bytes, mutation, of_stream, packets, plain, reply_bytes,
    stream_opened, successes,
};

#[test]
fn a_refused_open_ends_the_feed_with_its_status() {
    let mut peer = Peer::new(&plain());
    peer.command(|consumer, out| {
        let open = memlet_core::dcp::Open {
            name: b"f",
            ..Default::default()
        };
        consumer.open(&open, out).unwrap()
    });
    let opaque = peer.drain_packets()[0].3;
    let failure = peer.fail(&reply_bytes(&Reply::new(
        Opcode::DCP_OPEN,
        Status::EACCESS,
        opaque,
    )));
    assert_eq!(failure, DcpFailure::OpenRefused(Status::EACCESS));
}

#[test]
fn answers_to_nothing_end_the_feed() {
    for opcode in 0x50..=0x67 {
        let opcode = Opcode(opcode);
        let is_harmless = matches!(
            opcode,
            Opcode::DCP_BUFFER_ACK | Opcode::DCP_SEQNO_ACKNOWLEDGED
        );
        let mut peer = Peer::streaming(&plain());
        let body = match opcode {
            Opcode::DCP_ADD_STREAM => ReplyBody::StreamAdded {
                opaque: StreamOpaque::default(),
            },
            _ => ReplyBody::Plain { value: b"" },
        };
        let reply = Reply {
            body,
            ..Reply::new(opcode, Status::SUCCESS, 0x99)
        };
        if is_harmless {
            assert!(peer.receive(&reply_bytes(&reply)).is_empty());
            continue;
        }
        let failure = peer.fail(&reply_bytes(&reply));
        let expected = DcpFailure::UnexpectedReply {
            opcode,
            opaque: 0x99,
            expected: None,
        };
        assert_eq!(failure, expected);
    }
    let get = reply_bytes(&Reply::new(Opcode::DCP_NOOP, Status::SUCCESS, 0));
    let mut get = get;
    get[1] = 0;
    let failure = Peer::streaming(&plain()).fail(&get);
    assert!(matches!(
        failure,
        DcpFailure::UnexpectedReply {
            opcode: Opcode::GET,
            ..
        }
    ));
}

#[test]
fn a_second_answer_to_a_stream_request_ends_the_feed() {
    let mut peer = Peer::streaming(&plain());
    let failure = peer.fail(&stream_opened(STREAM, &[(0xa, 0)]));
    assert!(
        matches!(failure, DcpFailure::UnexpectedReply { .. }),
        "{failure:?}"
    );
}

#[test]
fn an_answer_with_the_right_opaque_and_another_opcode_ends_the_feed() {
    let mut peer = Peer::opened(&plain());
    peer.command(|consumer, out| consumer.failover_log(3, out).unwrap());
    let opaque = peer.drain_packets()[0].3;
    let reply = Reply::new(Opcode::DCP_CONTROL, Status::SUCCESS, opaque);
    let failure = peer.fail(&reply_bytes(&reply));
    let expected = DcpFailure::UnexpectedReply {
        opcode: Opcode::DCP_CONTROL,
        opaque,
        expected: Some(opaque),
    };
    assert_eq!(failure, expected);
}

#[test]
fn a_refused_acknowledgement_is_told_and_the_feed_goes_on() {
    let mut peer = Peer::streaming(&plain());
    let mut refused = None;
    let reply = Reply::new(Opcode::DCP_BUFFER_ACK, Status::EINVAL, 0);
    peer.run(&reply_bytes(&reply), |event, _| {
        if let DcpEvent::Refused { opcode, status } = event {
            refused = Some((*opcode, *status));
        }
    });
    assert_eq!(refused, Some((Opcode::DCP_BUFFER_ACK, Status::EINVAL)));
    assert_eq!(peer.receive(&mutation(1, b"")).len(), 1);
}

#[test]
fn a_change_that_comes_twice_or_out_of_order_ends_the_feed() {
    for found in [0, 4, 5] {
        let mut peer = Peer::streaming(&plain());
        peer.receive(&mutation(5, b""));
        let failure = peer.fail(&mutation(found, b""));
        let expected = DcpFailure::SeqnoOrder {
            stream: STREAM,
            last: 5,
            found,
        };
        assert_eq!(failure, expected);
        assert_eq!(
            failure.to_string(),
            format!("vbucket 3: seqno {found} after 5")
        );
    }
    let mut peer = Peer::streaming(&plain());
    peer.receive(&mutation(5, b""));
    peer.receive(&of_stream(Body::SeqnoAdvanced(SeqnoAdvanced { seqno: 5 })));
    let failure = peer.fail(&of_stream(Body::SeqnoAdvanced(SeqnoAdvanced { seqno: 4 })));
    assert!(matches!(
        failure,
        DcpFailure::SeqnoOrder {
            last: 5,
            found: 4,
            ..
        }
    ));
}

#[test]
fn a_rollback_to_where_the_consumer_has_not_been_ends_the_feed() {
    let mut peer = Peer::opened(&plain());
    peer.request(STREAM, 50);
    let failure = peer.fail(&reply_bytes(&Reply {
        body: ReplyBody::Rollback { seqno: 51 },
        ..Reply::new(Opcode::DCP_STREAM_REQ, Status::ROLLBACK, STREAM.to_opaque())
    }));
    let expected = DcpFailure::RollbackAhead {
        stream: STREAM,
        asked: 50,
        found: 51,
    };
    assert_eq!(failure, expected);
}

#[test]
fn what_is_no_packet_ends_the_feed_with_the_field() {
    let mut peer = Peer::streaming(&plain());
    let failure = peer.fail(b"HTTP/1.1 400 Bad Request\r\n");
    assert_eq!(
        failure.to_string(),
        "bad magic: 0x48 at byte 0, allowed 0x80 or 0x81 or 0x08 or 0x18 or 0x82 or 0x83"
    );

    let mut header = [0; 24];
    header[..2].copy_from_slice(&[0x80, 0x57]);
    header[8..12].copy_from_slice(&[0xff; 4]);
    let failure = Peer::streaming(&plain()).fail(&header);
    let DcpFailure::Framing(error) = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(error.kind, ParseErrorKind::BodyTooLong, "4 GiB announced");

    header[3] = 5;
    header[8..12].copy_from_slice(&[0, 0, 0, 4]);
    let failure = Peer::streaming(&plain()).fail(&header);
    let DcpFailure::Framing(error) = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(error.kind, ParseErrorKind::PartsExceedBody);
}

#[test]
fn an_answer_that_does_not_fit_the_buffer_ends_the_feed() {
    let mut peer = Peer::opened(&DcpOptions {
        input_capacity: 64,
        ..plain()
    });
    peer.request(STREAM, 0);
    let log: Vec<(u64, u64)> = (0..3).map(|number| (number, number)).collect();
    let failure = peer.fail(&stream_opened(STREAM, &log));
    let opcode = Opcode::DCP_STREAM_REQ;
    assert_eq!(failure, DcpFailure::ReplyTooLong { opcode, len: 72 });
}

#[test]
fn a_message_whose_opaque_and_vbucket_disagree_belongs_to_no_stream() {
    let mut peer = Peer::streaming(&plain());
    let message = Message::new(
        STREAM.vbucket + 1,
        STREAM.to_opaque(),
        Body::Mutation(Mutation {
            seqno: 1,
            key: b"k",
            ..Mutation::default()
        }),
    );
    let events = peer.receive(&message_bytes(&message));
    assert!(
        matches!(&events[..], [event] if event.contains("UnknownStream")),
        "{events:?}"
    );
    assert_eq!(peer.consumer.position(STREAM).unwrap().seqno, 0);
}

#[test]
fn what_only_consumers_send_is_passed_over() {
    let mut peer = Peer::streaming(&plain());
    for body in [
        Body::GetFailoverLog,
        Body::StreamRequest(Default::default()),
        Body::BufferAck(Default::default()),
    ] {
        let events = peer.receive(&of_stream(body));
        assert!(
            matches!(&events[..], [event] if event.contains("UnknownOpcode")),
            "{events:?}"
        );
    }
    // A request of a server to its client, of the opcode's other table.
    let mut bytes = message_bytes(&Message::new(0, 0, Body::Noop));
    bytes[..2].copy_from_slice(&[0x82, 0x01]);
    let events = peer.receive(&bytes);
    assert!(
        matches!(&events[..], [event] if event.contains("UnknownOpcode")),
        "{events:?}"
    );
    assert_eq!(peer.drain(), []);
}

fn with_noop() -> DcpOptions {
    DcpOptions {
        noop_interval: 20,
        ..plain()
    }
}

#[test]
fn a_producer_is_dead_after_two_intervals_without_a_byte() {
    let mut peer = Peer::streaming(&with_noop());
    peer.receive(b"");
    let start = peer.now;
    assert_eq!(peer.consumer.deadline(), Some(start + 40));
    // Half a packet is a sign of life, and so is a NOOP.
    peer.now = start + 39;
    peer.receive(&mutation(1, b"")[..10]);
    assert_eq!(peer.consumer.deadline(), Some(start + 79));
    peer.now = start + 78;
    peer.receive(&mutation(1, b"")[10..]);
    peer.receive(&message_bytes(&Message::new(0, 1, Body::Noop)));
    peer.now = start + 78 + 39;
    assert!(peer.receive(b"").is_empty());
    peer.now += 1;
    let failure = peer.run(b"", |event, _| panic!("{event:?}"));
    assert_eq!(failure, Some(DcpFailure::Silent { seconds: 40 }));
}

#[test]
fn a_consumer_that_was_busy_has_not_been_waiting() {
    let mut peer = Peer::streaming(&with_noop());
    let two = [mutation(1, b""), mutation(2, b"")].concat();
    let mut output = [0; 64];
    let first = peer.consumer.poll(&two, &mut output, peer.now);
    let rest = &two[first.consumed..];
    assert_eq!(peer.consumer.deadline(), None);
    let second = peer.consumer.poll(rest, &mut output, peer.now + 1000);
    assert_eq!(second.consumed, rest.len());
    peer.now += 2000;
    assert!(peer.receive(b"").is_empty());
    assert_eq!(peer.consumer.deadline(), Some(peer.now + 40));
}

#[test]
fn silence_counts_only_after_the_first_stream_and_an_accepted_noop() {
    let mut peer = Peer::opened(&with_noop());
    peer.receive(b"");
    peer.now += 1000;
    assert!(peer.receive(b"").is_empty());
    assert_eq!(peer.consumer.deadline(), None);

    let mut peer = Peer::new(&with_noop());
    peer.command(|consumer, out| {
        let open = memlet_core::dcp::Open {
            name: b"f",
            ..Default::default()
        };
        consumer.open(&open, out).unwrap()
    });
    let sent = peer.drain();
    let sent = packets(&sent);
    let answers: Vec<u8> = sent
        .iter()
        .flat_map(|(packet, bytes)| match packet.key {
            b"enable_noop" => {
                reply_bytes(&Reply::new(packet.opcode, Status::EINVAL, packet.opaque))
            }
            _ => successes(bytes),
        })
        .collect();
    let mut settings = Vec::new();
    peer.run(&answers, |event, _| {
        if let DcpEvent::ControlAnswered { setting, .. } = event {
            settings.push(*setting);
        }
    });
    assert_eq!(settings, [DcpSetting::Noop]);
    peer.request(STREAM, 0);
    peer.receive(&stream_opened(STREAM, &[(1, 0)]));
    peer.receive(&marker(1, 1, Default::default()));
    peer.now += 1000;
    assert!(peer.receive(b"").is_empty());
}

#[test]
fn a_failed_command_changes_nothing() {
    let mut peer = Peer::opened(&plain());
    let range =
        |start_seqno, snapshot_start, snapshot_end, end_seqno| memlet_core::dcp::StreamRequest {
            start_seqno,
            snapshot_start,
            snapshot_end,
            end_seqno,
            ..Default::default()
        };
    let mut out = [0; 200];
    for request in [range(5, 6, 9, 10), range(5, 1, 4, 10), range(5, 5, 5, 4)] {
        let error = peer.consumer.request_stream(STREAM, &request, &mut out);
        assert_eq!(error, Err(DcpCommandError::Range));
    }
    let fine = range(5, 5, 5, 5);
    let error = peer.consumer.request_stream(STREAM, &fine, &mut out[..71]);
    assert!(matches!(error, Err(DcpCommandError::Emit(_))));
    assert_eq!(peer.consumer.streams().count(), 0);
    assert_eq!(
        peer.consumer.request_stream(STREAM, &fine, &mut out),
        Ok(72)
    );
    let error = peer.consumer.request_stream(STREAM, &fine, &mut out);
    assert_eq!(error, Err(DcpCommandError::StreamBusy));
    assert_eq!(
        peer.consumer.close_stream(STREAM, None, &mut out),
        Err(DcpCommandError::NoStream),
        "not open yet"
    );
}
