//! A consumer with its buffers, and packets of a producer.

use memlet_core::connection::feed::{
    DcpConsumer, DcpEvent, DcpFailure, DcpNext, DcpOptions, DcpStream,
};
use memlet_core::dcp::{
    Body, FailoverEntry, FailoverLog, Message, Mutation, Open, OpenFlags, Reply, ReplyBody,
    SnapshotFlags, SnapshotMarker, StreamOpaque, StreamRequest,
};
use memlet_core::wire::{Limits, Opcode, Packet, Parsed, Status};

pub(crate) const NOW: u32 = 1_700_000_000;

pub(crate) const STREAM: StreamOpaque = StreamOpaque {
    application: 7,
    vbucket: 3,
};

pub(crate) type Consumer = DcpConsumer<Vec<DcpStream>>;

/// Options without flow control and without signs of life.
pub(crate) fn plain() -> DcpOptions {
    DcpOptions {
        window: 0,
        noop_interval: 0,
        ..DcpOptions::default()
    }
}

/// With a window of so many bytes, acknowledged at 1000.
pub(crate) fn windowed(window: u32) -> DcpOptions {
    DcpOptions {
        window,
        acknowledge_at: 1000,
        ..plain()
    }
}

pub(crate) fn message_bytes(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = vec![0; message.encoded_len().unwrap()];
    message.emit(&mut bytes).unwrap();
    bytes
}

pub(crate) fn reply_bytes(reply: &Reply<'_>) -> Vec<u8> {
    let mut bytes = vec![0; reply.encoded_len().unwrap()];
    reply.emit(&mut bytes).unwrap();
    bytes
}

/// A message of [`STREAM`].
pub(crate) fn of_stream(body: Body<'_>) -> Vec<u8> {
    message_bytes(&Message::new(STREAM.vbucket, STREAM.to_opaque(), body))
}

pub(crate) fn mutation(seqno: u64, value: &[u8]) -> Vec<u8> {
    of_stream(Body::Mutation(Mutation {
        seqno,
        key: b"key",
        value,
        ..Mutation::default()
    }))
}

pub(crate) fn marker(start_seqno: u64, end_seqno: u64, flags: SnapshotFlags) -> Vec<u8> {
    of_stream(Body::SnapshotMarker(SnapshotMarker {
        start_seqno,
        end_seqno,
        flags,
        ..SnapshotMarker::default()
    }))
}

pub(crate) fn log_bytes(log: &[(u64, u64)]) -> Vec<u8> {
    let entry = |&(vbucket_uuid, seqno)| FailoverEntry {
        vbucket_uuid,
        seqno,
    };
    log.iter().flat_map(|pair| entry(pair).to_bytes()).collect()
}

pub(crate) fn stream_opened(stream: StreamOpaque, log: &[(u64, u64)]) -> Vec<u8> {
    let bytes = log_bytes(log);
    reply_bytes(&Reply {
        body: ReplyBody::FailoverLog(FailoverLog::parse(&bytes).unwrap()),
        ..Reply::new(Opcode::DCP_STREAM_REQ, Status::SUCCESS, stream.to_opaque())
    })
}

/// The packets in some bytes, each with its own.
pub(crate) fn packets(mut bytes: &[u8]) -> Vec<(Packet<'_>, &[u8])> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let Ok(Parsed::Complete { value, consumed }) = Packet::parse(bytes, &Limits::NONE) else {
            panic!("no whole packet: {bytes:02x?}");
        };
        packets.push((value, &bytes[..consumed]));
        bytes = &bytes[consumed..];
    }
    packets
}

/// Success to everything in some bytes that a producer answers with a status alone.
pub(crate) fn successes(bytes: &[u8]) -> Vec<u8> {
    let answer = |packet: &Packet<'_>| {
        reply_bytes(&Reply::new(packet.opcode, Status::SUCCESS, packet.opaque))
    };
    packets(bytes)
        .iter()
        .flat_map(|(packet, _)| answer(packet))
        .collect()
}

/// A consumer, what it has not consumed, and what it has written.
pub(crate) struct Peer {
    pub(crate) consumer: Consumer,
    input: Vec<u8>,
    pub(crate) sent: Vec<u8>,
    pub(crate) now: u32,
}

impl Peer {
    pub(crate) fn new(options: &DcpOptions) -> Peer {
        Peer::with(options, vec![DcpStream::EMPTY; 4])
    }

    pub(crate) fn with(options: &DcpOptions, streams: Vec<DcpStream>) -> Peer {
        Peer {
            consumer: DcpConsumer::new(options, streams),
            input: Vec::new(),
            sent: Vec::new(),
            now: NOW,
        }
    }

    /// A consumer whose OPEN and properties have been accepted.
    pub(crate) fn opened(options: &DcpOptions) -> Peer {
        Peer::new(options).open()
    }

    pub(crate) fn open(mut self) -> Peer {
        self.command(|consumer, out| {
            let open = Open {
                name: b"feed",
                flags: OpenFlags::PRODUCER,
                ..Open::default()
            };
            consumer.open(&open, out).unwrap()
        });
        let answers = successes(&self.drain());
        assert_eq!(self.receive(&answers), ["Opened"]);
        self
    }

    /// A consumer with [`STREAM`] open from the start.
    pub(crate) fn streaming(options: &DcpOptions) -> Peer {
        let mut peer = Peer::opened(options);
        peer.request(STREAM, 0);
        let events = peer.receive(&stream_opened(STREAM, &[(0xa, 0)]));
        assert_eq!(events.len(), 1, "{events:?}");
        peer
    }

    pub(crate) fn request(&mut self, stream: StreamOpaque, start_seqno: u64) {
        let request = StreamRequest {
            start_seqno,
            snapshot_start: start_seqno,
            snapshot_end: start_seqno,
            end_seqno: StreamRequest::NO_END,
            ..StreamRequest::default()
        };
        self.command(|consumer, out| consumer.request_stream(stream, &request, out).unwrap());
        self.drain();
    }

    pub(crate) fn command(&mut self, run: impl FnOnce(&mut Consumer, &mut [u8]) -> usize) {
        let mut out = [0; 4096];
        let len = run(&mut self.consumer, &mut out);
        self.sent.extend_from_slice(&out[..len]);
    }

    /// What has been written since the last call.
    pub(crate) fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// The names of opcodes and statuses of what has been written since the last call.
    pub(crate) fn drain_packets(&mut self) -> Vec<(u8, Opcode, u16, u32)> {
        let sent = self.drain();
        packets(&sent)
            .iter()
            .map(|(packet, _)| {
                (
                    packet.magic.0,
                    packet.opcode,
                    packet.vbucket_or_status,
                    packet.opaque,
                )
            })
            .collect()
    }

    /// Hands bytes over, and calls `each` with every event until more bytes are needed or the feed is over.
    pub(crate) fn run(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&DcpEvent<'_>, u64),
    ) -> Option<DcpFailure> {
        self.input.extend_from_slice(bytes);
        let mut output = [0; 256];
        let mut consumed = 0;
        loop {
            let rest = &self.input[consumed..];
            let progress = self.consumer.poll(rest, &mut output, self.now);
            self.sent.extend_from_slice(&output[..progress.written]);
            consumed += progress.consumed;
            let outcome = match &progress.next {
                DcpNext::Event(event) => {
                    each(event, progress.counted);
                    None
                }
                DcpNext::Read { missing } => {
                    assert!(*missing > 0);
                    Some(None)
                }
                DcpNext::Write { room } => {
                    assert!(progress.written > 0 && *room <= output.len(), "no progress");
                    None
                }
                DcpNext::Ready => panic!("only settling stops before an event"),
                DcpNext::Failed(failure) => Some(Some(*failure)),
            };
            if let Some(end) = outcome {
                self.input.drain(..consumed);
                return end;
            }
        }
    }

    /// [`Peer::run`] on a feed that goes on; the events as text.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        let failure = self.run(bytes, |event, _| events.push(format!("{event:?}")));
        assert_eq!(failure, None, "after {events:?}");
        events
    }

    /// [`Peer::run`] on a feed that ends; nothing but the reason must come of it.
    pub(crate) fn fail(&mut self, bytes: &[u8]) -> DcpFailure {
        let failure = self.run(bytes, |event, _| panic!("{event:?}"));
        let failure = failure.expect("a reason to end");
        assert_eq!(
            self.run(&mutation(99, b""), |_, _| panic!("not over")),
            Some(failure)
        );
        failure
    }

    pub(crate) fn unconsumed(&self) -> usize {
        self.input.len()
    }
}
