//! What the commands write, and the table of streams.

use memlet_core::connection::feed::{
    DcpCommandError, DcpConsumer, DcpEvent, DcpFailure, DcpOptions, DcpPosition, DcpSetting,
    DcpStream, DcpStreamState,
};
use memlet_core::counters::{Counters, Table};
use memlet_core::dcp::{
    Body, Control, Message, Open, OpenFlags, Reply, ReplyBody, StreamEnd, StreamFlags,
    StreamOpaque, StreamRequest, VbucketSeqno,
};
use memlet_core::wire::{Magic, Opcode, Response, Status};

use crate::support::{
    Peer, STREAM, marker, mutation, of_stream, packets, plain, reply_bytes, stream_opened,
};

fn stream(application: u16, vbucket: u16) -> StreamOpaque {
    StreamOpaque {
        application,
        vbucket,
    }
}

#[test]
fn open_is_followed_by_the_properties_that_the_options_ask_for() {
    let mut peer = Peer::new(&DcpOptions {
        window: 1_048_576,
        noop_interval: 120,
        ..DcpOptions::default()
    });
    let open = Open {
        name: b"feed",
        flags: OpenFlags::PRODUCER | OpenFlags::INCLUDE_XATTRS,
        ..Open::default()
    };
    let mut out = [0; 300];
    let needed = 24 + 8 + 4 + 24 + 22 + 7 + 24 + 11 + 4 + 24 + 17 + 3;
    for len in 0..needed {
        let error = peer.consumer.open(&open, &mut out[..len]);
        assert!(matches!(error, Err(DcpCommandError::Emit(_))));
        assert_eq!(out, [0; 300], "all or nothing");
    }
    assert_eq!(peer.consumer.open(&open, &mut out), Ok(needed));
    let sent = packets(&out[..needed]);
    let controls: Vec<(&[u8], &[u8])> = sent[1..]
        .iter()
        .map(|(packet, _)| (packet.key, packet.value))
        .collect();
    let expected: [(&[u8], &[u8]); 3] = [
        (b"connection_buffer_size", b"1048576"),
        (b"enable_noop", b"true"),
        (b"set_noop_interval", b"120"),
    ];
    assert_eq!(controls, expected);
    assert_eq!(Message::parse(&sent[0].0).unwrap().body, Body::Open(open));
    assert_eq!(
        peer.consumer.open(&open, &mut out),
        Err(DcpCommandError::NotNow)
    );
    let early = peer.consumer.failover_log(1, &mut out);
    assert_eq!(early, Err(DcpCommandError::NotNow));
}

#[test]
fn the_opaque_of_a_stream_is_composed_of_application_and_vbucket() {
    let mut peer = Peer::opened(&plain());
    peer.command(|consumer, out| {
        let flags = StreamFlags::TO_LATEST;
        consumer
            .resume_stream(stream(0xabc, 1023), flags, StreamRequest::NO_END, out)
            .unwrap()
    });
    let sent = peer.drain();
    let (packet, _) = &packets(&sent)[0];
    assert_eq!(
        (packet.vbucket_or_status, packet.opaque),
        (1023, 0x0abc_03ff)
    );
    let expected = StreamRequest {
        flags: StreamFlags::TO_LATEST,
        end_seqno: u64::MAX,
        ..StreamRequest::default()
    };
    assert_eq!(
        Message::parse(packet).unwrap().body,
        Body::StreamRequest(expected)
    );
}

#[test]
fn properties_are_answered_by_the_opaque_that_was_given() {
    let mut peer = Peer::opened(&plain());
    let mut out = [0; 200];
    let (_, first) = peer
        .consumer
        .control(
            &Control::new(Control::ENABLE_EXPIRY_OPCODE, "true"),
            &mut out,
        )
        .unwrap();
    let (_, second) = peer
        .consumer
        .control(&Control::new(Control::SET_PRIORITY, "high"), &mut out)
        .unwrap();
    assert_ne!(first, second);
    for own in [
        Control::CONNECTION_BUFFER_SIZE,
        Control::ENABLE_NOOP,
        Control::SET_NOOP_INTERVAL,
    ] {
        let error = peer.consumer.control(&Control::new(own, "1"), &mut out);
        assert_eq!(error, Err(DcpCommandError::OwnControl));
    }
    let answers: Vec<u8> = [(first, Status::SUCCESS), (second, Status::EINVAL)]
        .iter()
        .flat_map(|(opaque, status)| {
            reply_bytes(&Reply::new(Opcode::DCP_CONTROL, *status, *opaque))
        })
        .collect();
    let mut found = Vec::new();
    peer.run(&answers, |event, _| {
        if let DcpEvent::ControlAnswered { setting, status } = event {
            found.push((*setting, *status));
        }
    });
    let other = |opaque| DcpSetting::Other { opaque };
    assert_eq!(
        found,
        [
            (other(first), Status::SUCCESS),
            (other(second), Status::EINVAL)
        ]
    );
}

#[test]
fn as_many_commands_are_unanswered_as_there_is_room_for() {
    let mut peer = Peer::opened(&plain());
    for vbucket in 0..64 {
        peer.command(|consumer, out| consumer.failover_log(vbucket, out).unwrap());
    }
    let error = peer.consumer.failover_log(64, &mut [0; 100]);
    assert_eq!(error, Err(DcpCommandError::TooManyPending));
    let asked = peer.drain_packets();
    let answers: Vec<u8> = asked
        .iter()
        .flat_map(|(_, opcode, _, opaque)| {
            reply_bytes(&Reply::new(*opcode, Status::NOT_MY_VBUCKET, *opaque))
        })
        .collect();
    let mut vbuckets = Vec::new();
    peer.run(&answers, |event, _| {
        if let DcpEvent::FailoverLog {
            vbucket,
            status,
            log,
        } = event
        {
            assert!(log.is_empty() && *status == Status::NOT_MY_VBUCKET);
            vbuckets.push(*vbucket);
        }
    });
    assert_eq!(vbuckets, (0..64).collect::<Vec<u16>>());
    peer.command(|consumer, out| consumer.failover_log(64, out).unwrap());
}

#[test]
fn a_close_is_answered_or_the_stream_ends_before_that() {
    let close = |peer: &mut Peer| {
        peer.command(|consumer, out| consumer.close_stream(STREAM, None, out).unwrap());
        peer.drain();
    };
    let answer = |status| {
        reply_bytes(&Reply::new(
            Opcode::DCP_CLOSE_STREAM,
            status,
            STREAM.to_opaque(),
        ))
    };
    let state = |peer: &Peer| peer.consumer.streams().next().unwrap().state();

    let mut peer = Peer::streaming(&plain());
    close(&mut peer);
    assert_eq!(peer.receive(&mutation(1, b"")).len(), 1, "still under way");
    assert_eq!(state(&peer), DcpStreamState::Closing);
    peer.receive(&answer(Status::SUCCESS));
    assert_eq!(state(&peer), DcpStreamState::Idle);
    let late = peer.receive(&mutation(2, b""));
    assert!(late[0].contains("UnknownStream"), "{late:?}");

    let mut peer = Peer::streaming(&plain());
    close(&mut peer);
    peer.receive(&of_stream(Body::StreamEnd(StreamEnd::default())));
    assert_eq!(state(&peer), DcpStreamState::Idle);
    let again = peer
        .consumer
        .resume_stream(STREAM, StreamFlags::NONE, 9, &mut [0; 99]);
    assert_eq!(
        again,
        Err(DcpCommandError::StreamBusy),
        "its close is unanswered"
    );
    peer.receive(&answer(Status::DCP_STREAM_NOT_FOUND));
    assert_eq!(peer.consumer.statistics().streams_ended, 1);
    peer.command(|consumer, out| {
        consumer
            .resume_stream(STREAM, StreamFlags::NONE, 9, out)
            .unwrap()
    });

    let mut peer = Peer::streaming(&plain());
    close(&mut peer);
    peer.receive(&answer(Status::TMPFAIL));
    assert_eq!(state(&peer), DcpStreamState::Open, "it was not closed");
    assert_eq!(peer.receive(&mutation(1, b"")).len(), 1);
}

#[test]
fn a_close_may_name_the_streams_id() {
    let mut peer = Peer::streaming(&plain());
    peer.command(|consumer, out| consumer.close_stream(STREAM, Some(0x0102), out).unwrap());
    let sent = peer.drain();
    let (packet, _) = &packets(&sent)[0];
    assert_eq!(packet.magic, Magic::FLEX_REQUEST);
    assert_eq!(
        Message::parse(packet).unwrap().stream_id(),
        Ok(Some(0x0102))
    );
}

#[test]
fn a_consumer_that_is_told_to_add_a_stream_answers() {
    let mut peer = Peer::opened(&plain());
    let message = Message::new(5, 0x77, Body::AddStream(Default::default()));
    let events = peer.receive(&crate::support::message_bytes(&message));
    assert!(events[0].contains("AddStream"), "{events:?}");
    let reply = Reply {
        body: ReplyBody::StreamAdded {
            opaque: stream(1, 5),
        },
        ..Reply::new(Opcode::DCP_ADD_STREAM, Status::SUCCESS, 0x77)
    };
    peer.command(|consumer, out| consumer.answer(&reply, out).unwrap());
    assert_eq!(peer.drain(), reply_bytes(&reply));
}

#[test]
fn a_stream_is_added_to_a_peer_that_is_a_consumer() {
    let mut peer = Peer::opened(&plain());
    peer.command(|consumer, out| consumer.add_stream(9, StreamFlags::TAKEOVER, out).unwrap());
    let opaque = peer.drain_packets()[0].3;
    let reply = Reply {
        body: ReplyBody::StreamAdded {
            opaque: stream(1, 9),
        },
        ..Reply::new(Opcode::DCP_ADD_STREAM, Status::SUCCESS, opaque)
    };
    let mut found = None;
    peer.run(&reply_bytes(&reply), |event, _| {
        if let DcpEvent::StreamAdded {
            vbucket, opaque, ..
        } = event
        {
            found = Some((*vbucket, *opaque));
        }
    });
    assert_eq!(found, Some((9, Some(stream(1, 9)))));
}

#[test]
fn a_replica_tells_how_far_it_holds_prepared_writes() {
    let mut peer = Peer::streaming(&plain());
    peer.command(|consumer, out| consumer.acknowledge_seqno(STREAM, 44, out).unwrap());
    let sent = peer.drain();
    let (packet, _) = &packets(&sent)[0];
    assert_eq!(packet.opcode, Opcode::DCP_SEQNO_ACKNOWLEDGED);
    assert_eq!(
        (packet.vbucket_or_status, packet.opaque),
        (3, STREAM.to_opaque())
    );
    assert_eq!(packet.extras, 44_u64.to_be_bytes());
    let error = peer
        .consumer
        .acknowledge_seqno(stream(7, 4), 44, &mut [0; 99]);
    assert_eq!(error, Err(DcpCommandError::NoStream));
}

#[test]
fn slots_are_found_again_whatever_the_table_looks_like() {
    // Vbuckets that all point to the same slots, and two streams of one vbucket.
    let streams = [stream(1, 3), stream(1, 7), stream(2, 3), stream(1, 11)];
    let mut peer = Peer::with(&plain(), vec![DcpStream::EMPTY; 4]).open();
    for (index, stream) in streams.iter().enumerate() {
        let position = DcpPosition::at(9, index as u64);
        peer.consumer.set_position(*stream, &position).unwrap();
    }
    for (index, stream) in streams.iter().enumerate() {
        assert_eq!(peer.consumer.position(*stream).unwrap().seqno, index as u64);
    }
    let fifth = stream(1, 15);
    let full = peer.consumer.set_position(fifth, &DcpPosition::default());
    assert_eq!(full, Err(DcpCommandError::NoSlot { capacity: 4 }));
    assert_eq!(peer.consumer.position(fifth), None);

    peer.consumer.forget(streams[1]).unwrap();
    assert_eq!(
        peer.consumer.forget(streams[1]),
        Err(DcpCommandError::NoStream)
    );
    assert_eq!(peer.consumer.position(streams[1]), None);
    for index in [0, 2, 3] {
        assert_eq!(
            peer.consumer.position(streams[index]).unwrap().seqno,
            index as u64
        );
    }
    peer.consumer
        .set_position(fifth, &DcpPosition::at(9, 4))
        .unwrap();
    assert_eq!(peer.consumer.position(fifth).unwrap().seqno, 4);
    assert_eq!(peer.consumer.streams().count(), 4);

    let mut none = Peer::with(&plain(), Vec::new()).open();
    let error = none.consumer.set_position(fifth, &DcpPosition::default());
    assert_eq!(error, Err(DcpCommandError::NoSlot { capacity: 0 }));
    assert!(none.receive(&mutation(1, b""))[0].contains("UnknownStream"));
}

#[test]
fn an_open_stream_keeps_its_slot() {
    let mut peer = Peer::streaming(&plain());
    assert_eq!(
        peer.consumer.forget(STREAM),
        Err(DcpCommandError::StreamBusy)
    );
    let error = peer.consumer.set_position(STREAM, &DcpPosition::default());
    assert_eq!(error, Err(DcpCommandError::StreamBusy));
}

#[test]
fn a_position_is_that_of_the_snapshot_it_is_in() {
    let position = |peer: &mut Peer| {
        let position = peer.consumer.position(STREAM).unwrap();
        (
            position.seqno,
            position.snapshot_start,
            position.snapshot_end,
        )
    };
    let mut peer = Peer::streaming(&plain());
    assert_eq!(position(&mut peer), (0, 0, 0));
    peer.receive(&marker(0, 10, Default::default()));
    assert_eq!(position(&mut peer), (0, 0, 10));
    peer.receive(&mutation(4, b""));
    assert_eq!(position(&mut peer), (4, 0, 10));
    peer.receive(&mutation(10, b""));
    assert_eq!(position(&mut peer), (10, 10, 10), "complete");
    peer.receive(&marker(11, 20, Default::default()));
    assert_eq!(
        position(&mut peer),
        (10, 10, 10),
        "nothing of the next one yet"
    );
    peer.receive(&mutation(12, b""));
    assert_eq!(position(&mut peer), (12, 11, 20));
    let uuid = peer.consumer.position(STREAM).unwrap().vbucket_uuid;
    assert_eq!(uuid, 0xa);
    let other = stream(1, 5);
    peer.request(other, 0);
    peer.receive(&stream_opened(other, &[(4, 0)]));
    assert_eq!(position(&mut peer), (12, 11, 20), "streams do not meet");
}

#[test]
fn a_tally_is_told_of_every_packet_of_both_sides() {
    let mut counters = Counters::default();
    let options = DcpOptions {
        acknowledge_at: 1,
        window: 1000,
        ..plain()
    };
    let streams = [DcpStream::EMPTY; 1];
    let mut consumer = DcpConsumer::with_tally(&options, streams, &mut counters);
    let mut out = [0; 200];
    let open = Open {
        name: b"f",
        ..Open::default()
    };
    let len = consumer.open(&open, &mut out).unwrap();
    let answers = crate::support::successes(&out[..len]);
    let message = Message::new(0, 1, Body::Noop);
    let input = [
        &answers[..],
        &crate::support::message_bytes(&message),
        &mutation(1, b"v"),
    ]
    .concat();
    let mut at = 0;
    for _ in 0..5 {
        at += consumer.poll(&input[at..], &mut out, 0).consumed;
    }
    assert_eq!(at, input.len());
    let count = |table: &Table, opcode| {
        let count = table.get(opcode);
        (count.operations, count.bytes, count.errors)
    };
    assert_eq!(count(&counters.sent, Opcode::DCP_OPEN), (1, 33, 0));
    assert_eq!(count(&counters.sent, Opcode::DCP_CONTROL), (1, 50, 0));
    assert_eq!(count(&counters.sent, Opcode::DCP_NOOP), (1, 24, 0));
    assert_eq!(count(&counters.sent, Opcode::DCP_BUFFER_ACK), (1, 28, 0));
    assert_eq!(count(&counters.received, Opcode::DCP_OPEN), (1, 24, 0));
    assert_eq!(count(&counters.received, Opcode::DCP_CONTROL), (1, 24, 0));
    assert_eq!(count(&counters.fed, Opcode::DCP_NOOP), (1, 24, 0));
    assert_eq!(count(&counters.fed, Opcode::DCP_MUTATION), (1, 59, 0));
}

#[test]
fn the_vbuckets_that_there_are_can_be_asked_for() {
    let value: Vec<u8> = [(0, 11), (1023, 1 << 40)]
        .into_iter()
        .flat_map(|(vbucket, seqno)| VbucketSeqno { vbucket, seqno }.to_bytes())
        .collect();
    assert_eq!(value[10..12], [0x03, 0xff]);
    let ask = |status, value: &[u8]| {
        let mut peer = Peer::opened(&plain());
        peer.command(|consumer, out| consumer.vbucket_seqnos(out).unwrap());
        let (_, opcode, _, opaque) = peer.drain_packets()[0];
        assert_eq!(opcode, Opcode::GET_ALL_VB_SEQNOS);
        let response = Response {
            opaque,
            value,
            ..Response::new(opcode, status)
        };
        let mut bytes = vec![0; response.encoded_len().unwrap()];
        response.emit(&mut bytes).unwrap();
        let mut found = None;
        let failure = peer.run(&bytes, |event, _| {
            if let DcpEvent::VbucketSeqnos { status, seqnos } = event {
                let seqnos: Vec<_> = seqnos.iter().map(|of| (of.vbucket, of.seqno)).collect();
                found = Some((*status, seqnos));
            }
        });
        (found, failure)
    };
    let seqnos = vec![(0, 11), (1023, 1 << 40)];
    assert_eq!(
        ask(Status::SUCCESS, &value),
        (Some((Status::SUCCESS, seqnos)), None)
    );
    let unknown = Status::UNKNOWN_COMMAND;
    assert_eq!(
        ask(unknown, b"no such thing"),
        (Some((unknown, vec![])), None)
    );
    let (found, failure) = ask(Status::SUCCESS, &value[1..]);
    assert_eq!(found, None);
    assert!(
        matches!(failure, Some(DcpFailure::Message { .. })),
        "{failure:?}"
    );
}
