//! A consumer that is killed, and a producer that is restored from less than it had.

use std::collections::BTreeMap;

use memlet_core::connection::feed::{DcpEvent, DcpPosition, DcpStream};
use memlet_core::dcp::{
    Body, OsoFlags, OsoSnapshot, Reply, ReplyBody, StreamEnd, StreamFlags, StreamOpaque,
};
use memlet_core::wire::{Opcode, Status};

use crate::producer::{Producer, Vbucket};
use crate::support::{Peer, STREAM, marker, mutation, of_stream, plain, reply_bytes};

const VBUCKETS: u16 = 5;

fn stream(vbucket: u16) -> StreamOpaque {
    StreamOpaque {
        application: 1,
        vbucket,
    }
}

/// What a consumer has: of each vbucket the value of every change.
type Copy = BTreeMap<(u16, u64), String>;

/// Runs a connection until the producer has no more or `events_max` have come; what is under way then is lost.
fn connect(
    producer: &mut Producer,
    streams: Vec<DcpStream>,
    copy: &mut Copy,
    events_max: usize,
) -> Vec<DcpStream> {
    let mut peer = Peer::with(&plain(), streams).open();
    for vbucket in 0..VBUCKETS {
        peer.command(|consumer, out| {
            let stream = stream(vbucket);
            consumer
                .resume_stream(stream, StreamFlags::NONE, u64::MAX, out)
                .unwrap()
        });
    }
    let mut bytes = producer.answer(&peer.drain());
    let mut events = 0;
    loop {
        let mut again = Vec::new();
        // In pieces, so that the last one is cut somewhere.
        for piece in bytes.chunks(997) {
            let failure = peer.run(piece, |event, _| {
                events += 1;
                match event {
                    DcpEvent::Rollback { stream, seqno } => {
                        copy.retain(|(vbucket, own), _| *vbucket != stream.vbucket || own <= seqno);
                        again.push(*stream);
                    }
                    DcpEvent::Message(message) => {
                        if let Body::Mutation(mutation) = message.body {
                            let value = String::from_utf8(mutation.value.to_vec()).unwrap();
                            let earlier = copy.insert((message.vbucket, mutation.seqno), value);
                            assert_eq!(earlier, None, "a change came twice");
                        }
                    }
                    DcpEvent::StreamOpened { .. } => {}
                    other => panic!("{other:?}"),
                }
            });
            assert_eq!(failure, None);
            if events >= events_max {
                return peer.consumer.into_streams();
            }
        }
        for stream in again {
            peer.command(|consumer, out| {
                consumer
                    .resume_stream(stream, StreamFlags::NONE, u64::MAX, out)
                    .unwrap()
            });
        }
        bytes = producer.answer(&peer.drain());
        bytes.extend(producer.produce(5000));
        if bytes.is_empty() {
            return peer.consumer.into_streams();
        }
    }
}

/// All that the producer has.
fn whole(vbuckets: &BTreeMap<u16, Vbucket>) -> Copy {
    vbuckets
        .iter()
        .flat_map(|(id, vbucket)| {
            (1..=vbucket.high).map(|seqno| {
                let value = format!("{seqno} of {:x}", vbucket.history(seqno));
                ((*id, seqno), value)
            })
        })
        .collect()
}

#[test]
fn a_consumer_that_is_killed_again_and_again_gets_every_change_once() {
    let vbucket = Vbucket {
        log: vec![(0xa0, 0)],
        high: 500,
    };
    let vbuckets: BTreeMap<u16, Vbucket> = (0..VBUCKETS).map(|id| (id, vbucket.clone())).collect();
    let (mut streams, mut copy) = (vec![DcpStream::EMPTY; 8], Copy::new());
    let mut connections = 0;
    while copy.len() < 2500 {
        let mut producer = Producer::new(vbuckets.clone());
        producer.snapshot_len = 33;
        streams = connect(&mut producer, streams, &mut copy, 100 + connections);
        connections += 1;
    }
    assert!(connections > 10, "{connections}");
    assert_eq!(copy, whole(&vbuckets));
}

#[test]
fn a_rollback_drops_what_the_producer_lost_and_goes_on_from_there() {
    let vbucket = Vbucket {
        log: vec![(0xa0, 0)],
        high: 500,
    };
    let mut vbuckets: BTreeMap<u16, Vbucket> =
        (0..VBUCKETS).map(|id| (id, vbucket.clone())).collect();
    let mut copy = Copy::new();
    let mut producer = Producer::new(vbuckets.clone());
    let streams = connect(
        &mut producer,
        vec![DcpStream::EMPTY; 8],
        &mut copy,
        usize::MAX,
    );
    assert_eq!(copy, whole(&vbuckets));

    // Each vbucket's history breaks off at another place and goes on differently; the last is unknown altogether.
    for (id, vbucket) in &mut vbuckets {
        let from = 100 * u64::from(*id) + 1;
        vbucket.log.insert(0, (0xb0 + u64::from(*id), from - 1));
        vbucket.high = 450;
    }
    vbuckets.get_mut(&4).unwrap().log = vec![(0xcc, 0)];
    let mut producer = Producer::new(vbuckets.clone());
    let streams = connect(&mut producer, streams, &mut copy, usize::MAX);
    assert_eq!(copy, whole(&vbuckets));

    // And nothing is left to do on a third connection.
    let mut producer = Producer::new(vbuckets.clone());
    connect(&mut producer, streams, &mut copy, usize::MAX);
    assert_eq!(copy, whole(&vbuckets));
}

#[test]
fn a_position_survives_outside_the_process() {
    let mut peer = Peer::streaming(&plain());
    peer.receive(&mutation(41, b""));
    let position = peer.consumer.position(STREAM).unwrap();
    let mut next = Peer::with(&plain(), vec![DcpStream::EMPTY; 1]).open();
    next.consumer.set_position(STREAM, &position).unwrap();
    next.command(|consumer, out| {
        consumer
            .resume_stream(STREAM, StreamFlags::NONE, u64::MAX, out)
            .unwrap()
    });
    let sent = next.drain();
    let extras = crate::support::packets(&sent)[0].0.extras;
    assert_eq!(extras[8..16], 41_u64.to_be_bytes());
    assert_eq!(extras[24..32], 0xa_u64.to_be_bytes());
    assert_eq!(
        (&extras[32..40], &extras[40..48]),
        (&extras[8..16], &extras[8..16])
    );
}

#[test]
fn an_out_of_order_snapshot_that_is_cut_begins_again() {
    let oso = |flags| of_stream(Body::OsoSnapshot(OsoSnapshot { flags }));
    let mut peer = Peer::streaming(&plain());
    peer.receive(&mutation(1, b""));
    peer.receive(&oso(OsoFlags::START));
    peer.receive(&mutation(90, b""));
    peer.receive(&mutation(50, b""));
    assert_eq!(peer.consumer.position(STREAM).unwrap().seqno, 1);
    let streams = peer.consumer.into_streams();
    let mut next = Peer::with(&plain(), streams).open();
    assert_eq!(next.consumer.position(STREAM).unwrap().seqno, 1);

    let mut peer = Peer::streaming(&plain());
    peer.receive(&oso(OsoFlags::START));
    peer.receive(&mutation(90, b""));
    peer.receive(&mutation(50, b""));
    peer.receive(&oso(OsoFlags::END));
    assert_eq!(peer.consumer.position(STREAM).unwrap().seqno, 90);
}

/// A producer that sends a consumer back to nothing knows none of its histories.
#[test]
fn a_rollback_leaves_the_history_unless_nothing_is_left_of_it() {
    for (seqno, vbucket_uuid) in [(0, 0), (30, 0xa)] {
        let mut peer = Peer::streaming(&plain());
        peer.receive(&marker(1, 60, Default::default()));
        peer.receive(&mutation(41, b""));
        peer.receive(&of_stream(Body::StreamEnd(StreamEnd::default())));
        peer.command(|consumer, out| {
            let flags = StreamFlags::NONE;
            consumer
                .resume_stream(STREAM, flags, u64::MAX, out)
                .unwrap()
        });
        let reply = Reply {
            body: ReplyBody::Rollback { seqno },
            ..Reply::new(Opcode::DCP_STREAM_REQ, Status::ROLLBACK, STREAM.to_opaque())
        };
        assert_eq!(peer.receive(&reply_bytes(&reply)).len(), 1);
        let position = peer.consumer.position(STREAM);
        assert_eq!(position, Some(DcpPosition::at(vbucket_uuid, seqno)));
    }
}
