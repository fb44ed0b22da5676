//! DCP: any bytes to a consumer, any sequence of messages to it, and any packet to the messages.

use memlet_core::connection::feed::{
    DCP_ROOM_MIN, DcpConsumer, DcpFailure, DcpNext, DcpOptions, DcpStatistics, DcpStream,
};
use memlet_core::dcp::{
    Body, CollectionKey, Commit, Control, Deletion, FailoverLog, Message, Mutation, Open, OsoFlags,
    OsoSnapshot, Reply, ReplyBody, SeqnoAdvanced, SnapshotFlags, SnapshotMarker, StreamEnd,
    StreamFlags, StreamOpaque, VbucketState, Xattrs,
};
use memlet_core::wire::{Limits, Opcode, Packet, Parsed, Status};

const WINDOW: u32 = 2000;

/// Four bytes choose buffers and pieces; the rest is what a producer sends once two streams have been asked for, one of
/// which is open.
pub(super) fn consumer(data: &[u8]) {
    let Some((&[capacity, output, seed, acknowledge_at], input)) = data.split_first_chunk() else {
        return;
    };
    let options = DcpOptions {
        input_capacity: 64 + u32::from(capacity) * 4,
        limits: Limits {
            key_len_max: 250,
            body_len_max: 4096,
        },
        window: WINDOW,
        acknowledge_at: u32::from(acknowledge_at) * 8,
        noop_interval: 0,
        ..DcpOptions::default()
    };
    let at_once = deliver(&options, 1 << 16, &[input], false);
    let pieces = cut(input, seed);
    let in_pieces = deliver(&options, DCP_ROOM_MIN + usize::from(output), &pieces, true);
    assert_eq!(at_once, in_pieces);
}

/// Four bytes as for [`consumer`], then three for each message of a producer that mostly keeps the rules.
pub(super) fn session(data: &[u8]) {
    let Some((head, rest)) = data.split_at_checked(4) else {
        return;
    };
    let mut bytes = head.to_vec();
    for choice in rest.chunks_exact(3) {
        let message = chosen([choice[0], choice[1], choice[2]]);
        let mut packet = [0; 512];
        let len = message.emit(&mut packet).expect("room for the message");
        bytes.extend_from_slice(&packet[..len]);
    }
    consumer(&bytes);
}

fn chosen([kind, number, more]: [u8; 3]) -> Message<'static> {
    let seqno = u64::from(number);
    let stream = if kind & 0x80 == 0 {
        OPEN_STREAM
    } else {
        ASKED_STREAM
    };
    let body = match kind % 11 {
        0 => Body::Noop,
        1 => Body::SnapshotMarker(SnapshotMarker {
            start_seqno: seqno,
            end_seqno: seqno + u64::from(more),
            flags: SnapshotFlags(more.into()),
            ..SnapshotMarker::default()
        }),
        2 => Body::Deletion(Deletion {
            seqno,
            key: b"k",
            ..Deletion::default()
        }),
        3 => Body::OsoSnapshot(OsoSnapshot {
            flags: OsoFlags(more.into()),
        }),
        4 => Body::SeqnoAdvanced(SeqnoAdvanced { seqno }),
        5 => Body::StreamEnd(StreamEnd::default()),
        6 => Body::SetVbucketState(VbucketState(more)),
        7 => Body::Commit(Commit {
            prepared_seqno: 0,
            commit_seqno: seqno,
            key: b"k",
        }),
        8 => Body::Control(Control::new("key", "value")),
        _ => Body::Mutation(Mutation {
            seqno,
            key: b"k",
            value: &[7; 255][..more.into()],
            ..Mutation::default()
        }),
    };
    Message::new(stream.vbucket, stream.to_opaque(), body)
}

const OPEN_STREAM: StreamOpaque = StreamOpaque {
    application: 1,
    vbucket: 3,
};
const ASKED_STREAM: StreamOpaque = StreamOpaque {
    application: 1,
    vbucket: 4,
};

/// Pieces of pseudo-random length.
fn cut(input: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed).wrapping_mul(2_654_435_761) | 1;
    let mut rest = input;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let len = (1 + (state >> 16) as usize % 60).min(rest.len());
        let (piece, behind) = rest.split_at(len);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// What comes of these pieces: the events, what is sent, the end, and the sums.
type Delivered = (
    Vec<String>,
    Vec<u8>,
    DcpFailure,
    DcpStatistics,
    Vec<DcpStream>,
);

fn deliver(
    options: &DcpOptions,
    output_len: usize,
    pieces: &[&[u8]],
    is_settled: bool,
) -> Delivered {
    let mut consumer = DcpConsumer::new(options, vec![DcpStream::EMPTY; 3]);
    let mut output = vec![0; output_len.max(512)];
    let len = consumer.open(&Open::default(), &mut output).expect("room");
    let mut kept = answers(&output[..len]);
    while !kept.is_empty() {
        let consumed = consumer.poll(&kept, &mut output, 0).consumed;
        kept.drain(..consumed);
    }
    for stream in [OPEN_STREAM, ASKED_STREAM] {
        let written = consumer.resume_stream(stream, StreamFlags::NONE, u64::MAX, &mut output);
        written.expect("room");
    }
    let mut log = [0; 64];
    let opened = Reply {
        body: ReplyBody::FailoverLog(FailoverLog::default()),
        ..Reply::new(
            Opcode::DCP_STREAM_REQ,
            Status::SUCCESS,
            OPEN_STREAM.to_opaque(),
        )
    };
    let len = opened.emit(&mut log).expect("room");
    consumer.poll(&log[..len], &mut output, 0);

    output.truncate(output_len);
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    let mut failure = None;
    'all: for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            let mut at = 0;
            if is_settled {
                let settled = consumer.settle(&kept, &mut output, 0);
                sent.extend_from_slice(&output[..settled.written]);
                at = settled.consumed;
                match settled.next {
                    DcpNext::Ready | DcpNext::Write { .. } | DcpNext::Failed(_) => {}
                    DcpNext::Read { .. } => {
                        kept.drain(..at);
                        break;
                    }
                    DcpNext::Event(_) => unreachable!("settling gives no event"),
                }
            }
            let progress = consumer.poll(&kept[at..], &mut output, 0);
            sent.extend_from_slice(&output[..progress.written]);
            let consumed = at + progress.consumed;
            let is_waiting = match progress.next {
                DcpNext::Event(event) => {
                    events.push(format!("{event:?}"));
                    false
                }
                DcpNext::Read { missing } => {
                    assert!(missing > 0);
                    true
                }
                DcpNext::Write { room } => {
                    assert!(room <= output.len() && progress.written > 0, "no progress");
                    false
                }
                DcpNext::Ready => unreachable!("only settling stops before an event"),
                DcpNext::Failed(reason) => {
                    failure = Some(reason);
                    break 'all;
                }
            };
            kept.drain(..consumed);
            if is_waiting {
                break;
            }
        }
    }
    let end = consumer.handle_end_of_input(kept.len());
    assert!(failure.is_none_or(|failure| failure == end));
    let statistics = consumer.statistics();
    assert!(statistics.bytes_acknowledged <= statistics.bytes_counted);
    assert!(statistics.bytes_counted <= statistics.bytes_received);
    let threshold = u64::from(options.acknowledge_at.clamp(1, WINDOW)).max(u64::from(WINDOW) / 5);
    assert!(statistics.bytes_counted - statistics.bytes_acknowledged < threshold + 4096 + 24);
    (events, sent, end, statistics, consumer.into_streams())
}

/// Success to every request in some bytes.
fn answers(mut bytes: &[u8]) -> Vec<u8> {
    let mut answers = Vec::new();
    while let Ok(Parsed::Complete { value, consumed }) = Packet::parse(bytes, &Limits::NONE) {
        let mut answer = [0; 24];
        let reply = Reply::new(value.opcode, Status::SUCCESS, value.opaque);
        reply.emit(&mut answer).expect("room");
        answers.extend_from_slice(&answer);
        bytes = &bytes[consumed..];
    }
    answers
}

/// Any packet: what is read as a message or an answer is written back the same, and what is in it has an end.
pub(super) fn message(data: &[u8]) {
    let Ok(Parsed::Complete { value, consumed }) = Packet::parse(data, &Limits::NONE) else {
        return;
    };
    let mut out = vec![0; consumed];
    if let Ok(message) = Message::parse(&value) {
        assert_eq!(message.encoded_len(), Ok(consumed));
        assert_eq!(message.emit(&mut out), Ok(consumed));
        assert_eq!(out, data[..consumed]);
        let _ = message.stream_id();
        match message.body {
            Body::SystemEvent(event) => drop(event.details()),
            Body::CacheTransfer(records) => {
                assert!(records.iter().count() <= 1 + value.value.len() / 40);
            }
            _ => {}
        }
    }
    if let Ok(reply) = Reply::parse(&value) {
        assert_eq!(reply.encoded_len(), Ok(consumed));
        assert_eq!(reply.emit(&mut out), Ok(consumed));
        assert_eq!(out, data[..consumed]);
    }
    if let Ok(key) = CollectionKey::parse(value.key) {
        let mut out = vec![0; key.encoded_len()];
        assert_eq!(key.emit(&mut out), Ok(value.key.len()));
        assert_eq!(out, value.key);
    }
    if let Ok((xattrs, document)) = Xattrs::split(value.value) {
        let mut out = vec![0; xattrs.encoded_len().expect("it was as long")];
        xattrs.emit(&mut out).expect("room");
        assert_eq!([&out[..], document].concat(), value.value);
        assert!(xattrs.iter().count() <= 1 + value.value.len() / 6);
    }
}
