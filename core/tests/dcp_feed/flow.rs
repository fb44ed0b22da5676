//! Flow control: what is acknowledged, when, and never more than came.

use std::collections::BTreeMap;

use memlet_core::connection::feed::{
    DcpEvent, DcpNext, DcpOptions, DcpSetting, DcpStream, DcpTaking,
};
use memlet_core::dcp::{Body, BufferAck, Message, StreamEnd, StreamOpaque, VbucketState};
use memlet_core::wire::{Limits, Opcode, Packet, Parsed, Request, Response, Status};

use crate::producer::{Producer, Vbucket};
use crate::support::{
    Peer, STREAM, marker, message_bytes, mutation, of_stream, packets, plain, stream_opened,
    successes, windowed,
};

/// The sums of the BUFFER_ACKs in some bytes.
fn acks(bytes: &[u8]) -> Vec<u32> {
    packets(bytes)
        .iter()
        .filter(|(packet, _)| packet.opcode == Opcode::DCP_BUFFER_ACK)
        .map(|(packet, _)| match Message::parse(packet).unwrap() {
            Message {
                opaque: 0,
                vbucket: 0,
                body: Body::BufferAck(BufferAck { bytes }),
                ..
            } => bytes,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_million_mutations_pass_a_window_of_64_kib_without_loss_duplicate_or_growth() {
    const VBUCKETS: u16 = 1024;
    const EACH: u64 = 977;
    let vbucket = Vbucket {
        log: vec![(0xabc, 0)],
        high: EACH,
    };
    let vbuckets: BTreeMap<u16, Vbucket> = (0..VBUCKETS).map(|id| (id, vbucket.clone())).collect();
    let mut producer = Producer::new(vbuckets);
    let options = DcpOptions {
        window: 64 << 10,
        ..plain()
    };
    let streams = vec![DcpStream::EMPTY; VBUCKETS.into()];
    let mut peer = Peer::with(&options, streams).open();
    producer.window = 64 << 10;
    for vbucket in 0..VBUCKETS {
        let stream = StreamOpaque {
            application: 1,
            vbucket,
        };
        peer.command(|consumer, out| {
            consumer
                .resume_stream(stream, Default::default(), u64::MAX, out)
                .unwrap()
        });
    }
    let answers = producer.answer(&peer.drain());
    assert_eq!(peer.receive(&answers).len(), VBUCKETS.into());

    // The socket between the two takes as much at a time as a socket does.
    let mut next = vec![1_u64; VBUCKETS.into()];
    let mut mutations = 0_u64;
    loop {
        let bytes = producer.produce(16 << 10);
        if bytes.is_empty() {
            break;
        }
        assert!(
            producer.outstanding < (64 << 10) + 128,
            "{}",
            producer.outstanding
        );
        let failure = peer.run(&bytes, |event, _| {
            let DcpEvent::Message(message) = event else {
                panic!("{event:?}");
            };
            if let Body::Mutation(mutation) = message.body {
                let expected = &mut next[usize::from(message.vbucket)];
                assert_eq!(mutation.seqno, *expected);
                *expected += 1;
                mutations += 1;
            }
        });
        assert_eq!(failure, None);
        assert_eq!(peer.unconsumed(), 0);
        producer.answer(&peer.drain());
    }
    assert_eq!(mutations, u64::from(VBUCKETS) * EACH);
    assert!(mutations >= 1_000_000);
    let statistics = peer.consumer.statistics();
    assert_eq!(statistics.mutations, mutations);
    assert_eq!(statistics.buffer_acks, producer.acks);
    let unacknowledged = statistics.bytes_counted - statistics.bytes_acknowledged;
    assert_eq!(unacknowledged, producer.outstanding);
    assert!(unacknowledged < (64 << 10) / 5 + 128, "{unacknowledged}");
}

#[test]
fn an_acknowledgement_goes_out_when_the_threshold_is_reached_and_not_before() {
    let mut peer = Peer::streaming(&windowed(10_000));
    // 24 + 31 + 3 + 442 bytes.
    let bytes = mutation(1, &[b'v'; 442]);
    assert_eq!(bytes.len(), 500);
    peer.receive(&bytes);
    assert_eq!(acks(&peer.drain()), []);
    peer.receive(&mutation(2, &[b'v'; 441]));
    assert_eq!(acks(&peer.drain()), [], "999 bytes");
    peer.receive(&mutation(3, b""));
    assert_eq!(acks(&peer.drain()), [1057]);
    peer.receive(&mutation(4, &[b'v'; 942]));
    assert_eq!(acks(&peer.drain()), [1000], "exactly the threshold");
    assert_eq!(peer.consumer.statistics().bytes_acknowledged, 2057);
}

#[test]
fn what_was_taken_may_be_acknowledged_before_the_threshold() {
    let mut peer = Peer::streaming(&windowed(10_000));
    peer.command(|consumer, out| consumer.acknowledge(out).unwrap());
    assert_eq!(peer.drain(), []);
    peer.receive(&mutation(1, b"value"));
    peer.command(|consumer, out| consumer.acknowledge(out).unwrap());
    assert_eq!(acks(&peer.drain()), [63]);
    peer.command(|consumer, out| consumer.acknowledge(out).unwrap());
    assert_eq!(peer.drain(), []);
}

/// Defect 44 and the like: the consumer decides when an event is taken.
#[test]
fn a_consumer_that_says_when_events_are_taken_acknowledges_no_sooner_and_no_more() {
    let mut peer = Peer::streaming(&DcpOptions {
        taking: DcpTaking::WhenTold,
        ..windowed(10_000)
    });
    let mut counted = Vec::new();
    for seqno in 1..=4 {
        let failure = peer.run(&mutation(seqno, &[0; 942]), |_, bytes| counted.push(bytes));
        assert_eq!(failure, None);
    }
    assert_eq!(counted, [1000; 4]);
    assert_eq!(
        (acks(&peer.drain()), peer.consumer.untaken()),
        (vec![], 4000)
    );
    peer.consumer.take(999);
    peer.receive(b"");
    assert_eq!(acks(&peer.drain()), []);
    peer.consumer.take(1001);
    peer.receive(b"");
    assert_eq!(acks(&peer.drain()), [2000]);
    // Told of more than there is.
    peer.consumer.take(1 << 40);
    peer.receive(b"");
    assert_eq!(
        (acks(&peer.drain()), peer.consumer.untaken()),
        (vec![2000], 0)
    );
}

#[test]
fn every_request_but_noop_counts_with_its_whole_length_and_no_answer_does() {
    let mut peer = Peer::streaming(&windowed(1_000_000));
    let mut expected = 0_u64;
    let counted = |peer: &Peer| peer.consumer.statistics().bytes_counted;
    let other = StreamOpaque {
        application: 1,
        vbucket: 9,
    };
    let unknown = message_bytes(&Message::new(9, other.to_opaque(), Body::CacheTransferEnd));
    let mut later = [0; 40];
    let later_len = Request {
        value: b"body",
        ..Request::new(memlet_core::wire::Opcode(0x6f))
    }
    .emit(&mut later)
    .unwrap();
    for bytes in [
        marker(1, 5, Default::default()),
        mutation(1, b"value"),
        of_stream(Body::Flush),
        of_stream(Body::SetVbucketState(VbucketState::DEAD)),
        unknown,
        later[..later_len].to_vec(),
        of_stream(Body::StreamEnd(StreamEnd::default())),
    ] {
        expected += bytes.len() as u64;
        peer.receive(&bytes);
        assert_eq!(counted(&peer), expected);
    }
    peer.receive(&message_bytes(&Message::new(0, 77, Body::Noop)));
    peer.command(|consumer, out| consumer.failover_log(3, out).unwrap());
    let sent = peer.drain();
    let answers: Vec<u8> = packets(&sent)
        .iter()
        .filter(|(packet, _)| packet.opcode == Opcode::DCP_GET_FAILOVER_LOG)
        .flat_map(|(_, bytes)| successes(bytes))
        .collect();
    assert_eq!(peer.receive(&answers).len(), 1);
    assert_eq!(counted(&peer), expected);
}

#[test]
fn requests_that_are_passed_over_are_acknowledged_when_all_of_them_has_come() {
    let mut peer = Peer::streaming(&DcpOptions {
        input_capacity: 200,
        ..windowed(10_000)
    });
    let long = mutation(1, &[7; 3000]);
    let mut events = Vec::new();
    for piece in long[..3000].chunks(100) {
        peer.run(piece, |event, counted| {
            assert_eq!(counted, 0);
            events.push(format!("{event:?}"));
        });
    }
    assert!(
        matches!(&events[..], [event] if event.contains("TooLong")),
        "{events:?}"
    );
    assert_eq!(acks(&peer.drain()), []);
    // What follows is in step.
    let failure = peer.run(&[&long[3000..], &mutation(2, b"")].concat(), |event, _| {
        assert!(matches!(event, DcpEvent::Message(_)));
    });
    assert_eq!(failure, None);
    // The end of the long one reaches the threshold; the short one is below it.
    assert_eq!(acks(&peer.drain()), [long.len() as u32]);
    assert_eq!(peer.consumer.statistics().skipped, 1);
}

#[test]
fn a_window_that_the_producer_refuses_is_none() {
    let mut peer = Peer::new(&windowed(10_000));
    peer.command(|consumer, out| consumer.open(&Default::default(), out).unwrap_or(0));
    let sent = peer.drain();
    let answers: Vec<u8> = packets(&sent)
        .iter()
        .flat_map(|(packet, _)| {
            let status = match packet.opcode {
                Opcode::DCP_OPEN => Status::SUCCESS,
                _ => Status::NOT_SUPPORTED,
            };
            let mut bytes = [0; 24];
            let response = Response {
                opaque: packet.opaque,
                ..Response::new(packet.opcode, status)
            };
            response.emit(&mut bytes).unwrap();
            bytes
        })
        .collect();
    let mut settings = Vec::new();
    peer.run(&answers, |event, _| {
        if let DcpEvent::ControlAnswered { setting, status } = event {
            settings.push((*setting, *status));
        }
    });
    assert_eq!(settings, [(DcpSetting::Window, Status::NOT_SUPPORTED)]);
    peer.request(STREAM, 0);
    peer.receive(&stream_opened(STREAM, &[(1, 0)]));
    peer.receive(&mutation(1, &[0; 20_000]));
    peer.receive(b"");
    assert_eq!(peer.drain(), []);
}

#[test]
fn an_output_without_room_for_an_answer_stops_the_feed_until_there_is_some() {
    let mut peer = Peer::streaming(&windowed(10_000));
    let noop = message_bytes(&Message::new(0, 5, Body::Noop));
    for len in 0..64 {
        let progress = peer.consumer.poll(&noop, &mut vec![0; len], peer.now);
        assert_eq!((progress.consumed, progress.written), (0, 0));
        assert_eq!(progress.next, DcpNext::Write { room: 64 });
    }
    let mut output = [0; 64];
    let twice = [&noop[..], &noop].concat();
    let progress = peer.consumer.poll(&twice, &mut output, peer.now);
    assert_eq!((progress.consumed, progress.written), (24, 24));
    assert_eq!(progress.next, DcpNext::Write { room: 64 });
    assert!(matches!(
        Packet::parse(&output, &Limits::NONE),
        Ok(Parsed::Complete { .. })
    ));
    assert!(matches!(peer.receive(&noop)[..], []));
}
