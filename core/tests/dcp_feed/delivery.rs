//! Events and answers do not depend on how the input arrives.

use memlet_core::connection::feed::{DcpFailure, DcpNext};
use memlet_core::dcp::{
    Abort, AddStream, Body, CacheRecords, Commit, Deletion, Expiration, Message, Mutation,
    OsoFlags, OsoSnapshot, Prepare, SeqnoAdvanced, SnapshotFlags, StreamEnd, SystemEvent,
    VbucketState,
};
use memlet_core::wire::Magic;

use crate::support::{
    NOW, Peer, STREAM, marker, message_bytes, mutation, of_stream, stream_opened, windowed,
};

/// One of everything that a producer sends, from the answer to a stream request to the end of the stream.
fn session() -> Vec<Vec<u8>> {
    let flex = Message {
        magic: Magic::FLEX_REQUEST,
        framing_extras: &[0x22, 0, 1],
        ..Message::new(
            STREAM.vbucket,
            STREAM.to_opaque(),
            Body::Mutation(Mutation {
                seqno: 2,
                key: b"k",
                ..Mutation::default()
            }),
        )
    };
    vec![
        stream_opened(STREAM, &[(0xb, 9), (0xa, 0)]),
        marker(1, 20, SnapshotFlags::DISK | SnapshotFlags::ACK),
        mutation(1, &[b'v'; 600]),
        message_bytes(&flex),
        message_bytes(&Message::new(0, 0x1234, Body::Noop)),
        of_stream(Body::Deletion(Deletion {
            seqno: 3,
            key: b"k",
            ..Deletion::default()
        })),
        of_stream(Body::Expiration(Expiration {
            seqno: 4,
            key: b"k",
            ..Expiration::default()
        })),
        of_stream(Body::SystemEvent(SystemEvent {
            seqno: 5,
            key: b"C",
            value: &[0; 16],
            ..SystemEvent::default()
        })),
        of_stream(Body::Prepare(Prepare {
            seqno: 6,
            key: b"k",
            value: &[b'w'; 500],
            ..Prepare::default()
        })),
        of_stream(Body::Commit(Commit {
            prepared_seqno: 6,
            commit_seqno: 7,
            key: b"k",
        })),
        of_stream(Body::Abort(Abort {
            prepared_seqno: 6,
            abort_seqno: 8,
            key: b"k",
        })),
        of_stream(Body::SeqnoAdvanced(SeqnoAdvanced { seqno: 20 })),
        of_stream(Body::SetVbucketState(VbucketState::REPLICA)),
        of_stream(Body::OsoSnapshot(OsoSnapshot {
            flags: OsoFlags::START,
        })),
        mutation(30, b"first"),
        mutation(25, b"second"),
        of_stream(Body::OsoSnapshot(OsoSnapshot {
            flags: OsoFlags::END,
        })),
        of_stream(Body::CacheTransfer(CacheRecords { bytes: &[0; 40] })),
        of_stream(Body::CacheTransferEnd),
        of_stream(Body::Flush),
        message_bytes(&Message::new(1, 5, Body::AddStream(AddStream::default()))),
        message_bytes(&Message::new(9, 9, Body::Flush)),
        of_stream(Body::StreamEnd(StreamEnd::default())),
    ]
}

fn requested() -> Peer {
    let mut peer = Peer::opened(&windowed(100_000));
    peer.request(STREAM, 0);
    peer
}

/// Events and answers of these pieces, and the position that comes of them.
fn deliver(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>, String) {
    let mut peer = requested();
    let events = pieces
        .iter()
        .flat_map(|piece| peer.receive(piece))
        .collect();
    let position = format!("{:?}", peer.consumer.position(STREAM));
    (events, peer.drain(), position)
}

#[test]
fn everything_is_delivered_once_and_in_order() {
    let session = session();
    let bytes = session.concat();
    let (events, sent, position) = deliver(&[&bytes]);
    // All but the NOOP.
    assert_eq!(events.len(), session.len() - 1, "{events:#?}");
    assert!(!sent.is_empty());
    assert!(position.contains("seqno: 30"), "{position}");
    let mut peer = requested();
    peer.receive(&bytes);
    let statistics = peer.consumer.statistics();
    assert_eq!(statistics.mutations, 4);
    assert_eq!((statistics.deletions, statistics.expirations), (1, 1));
    assert_eq!(
        (statistics.system_events, statistics.durable_writes),
        (1, 3)
    );
    assert_eq!((statistics.noops, statistics.skipped), (1, 1));
    assert_eq!(
        (statistics.streams_opened, statistics.streams_ended),
        (1, 1)
    );
}

#[test]
fn every_split_in_two_gives_the_same() {
    let bytes = session().concat();
    let whole = deliver(&[&bytes]);
    for at in 0..=bytes.len() {
        let (front, back) = bytes.split_at(at);
        assert_eq!(deliver(&[front, back]), whole, "split at {at}");
    }
}

#[test]
fn single_bytes_give_the_same() {
    let bytes = session().concat();
    let whole = deliver(&[&bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(deliver(&pieces), whole);
}

#[test]
fn every_truncation_misses_exactly_the_rest_and_is_told_at_the_end() {
    for packet in session() {
        for len in 0..packet.len() {
            let mut peer = requested();
            if packet != session()[0] {
                peer.receive(&stream_opened(STREAM, &[(0xa, 0)]));
            }
            let progress = peer.consumer.poll(&packet[..len], &mut [0; 64], NOW);
            let whole = if len < 24 { 24 } else { packet.len() };
            let missing = (whole - len) as u64;
            assert_eq!((progress.consumed, progress.written), (0, 0));
            assert_eq!(progress.next, DcpNext::Read { missing });
            let expected = if len == 0 {
                DcpFailure::EndOfInput
            } else {
                DcpFailure::Truncated
            };
            assert_eq!(peer.consumer.handle_end_of_input(len), expected);
        }
    }
}
