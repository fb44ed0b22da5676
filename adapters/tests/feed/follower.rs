//! A consumer that knows nothing of ours but the messages: it keeps a copy, and checks the rules as it goes.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use memlet::std::ShardedStore;
use memlet_core::dcp::{
    Body, BufferAck, Control, Message, Open, OpenFlags, Reply, ReplyBody, StreamEndReason,
    StreamRequest,
};
use memlet_core::store::{Attributes, Cursor, Shards};
use memlet_core::wire::{Limits, Magic, Packet, Parsed, Status};

use crate::PATIENCE;

/// An item as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) cas: u64,
    pub(crate) attributes: Attributes,
    pub(crate) value: Vec<u8>,
}

pub(crate) type Items = BTreeMap<Vec<u8>, Copied>;

/// Every item of a store.
pub(crate) fn items(store: &ShardedStore, now: u32) -> Items {
    let mut items = Items::new();
    store.clone().for_each(|shard| {
        let mut cursor = Some(Cursor::START);
        while let Some(at) = cursor {
            cursor = shard.walk(at, 1024, now, |key, item| {
                let (first, second) = key.pieces();
                let key = [first, second].concat();
                let (first, second) = item.value.pieces();
                let attributes = Attributes {
                    flags: item.flags,
                    expiration: item.expiration,
                };
                let value = [first, second].concat();
                let cas = item.cas;
                items.insert(
                    key,
                    Copied {
                        cas,
                        attributes,
                        value,
                    },
                );
            });
        }
    });
    items
}

/// How far a vbucket has been followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) history: u64,
    pub(crate) seqno: u64,
    pub(crate) snapshot: (u64, u64),
}

/// What came of asking for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Open,
    Rollback(u64),
    Refused(Status),
}

pub(crate) struct Follower {
    stream: TcpStream,
    input: Vec<u8>,
    /// Bytes of messages that were not acknowledged, and how many may be.
    unacknowledged: usize,
    window: usize,
    pub(crate) acknowledges: bool,
    longest: usize,
    pub(crate) items: Items,
    pub(crate) positions: HashMap<u16, Position>,
    /// Which vbucket a key came with.
    vbuckets: HashMap<Vec<u8>, u16>,
    pub(crate) mutations: u64,
    pub(crate) ended: Vec<(u16, StreamEndReason)>,
    answers: Vec<(Status, Vec<u8>)>,
}

impl Follower {
    /// Opens a connection.
    pub(crate) fn open(mut stream: TcpStream, window: usize) -> Follower {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let open = Open {
            flags: OpenFlags::PRODUCER,
            name: b"follower",
            ..Open::default()
        };
        send(&mut stream, &Message::new(0, 0xBEAF_0001, Body::Open(open)));
        let mut follower = Follower {
            stream,
            input: Vec::new(),
            unacknowledged: 0,
            window: 0,
            acknowledges: true,
            longest: 0,
            items: Items::new(),
            positions: HashMap::new(),
            vbuckets: HashMap::new(),
            mutations: 0,
            ended: Vec::new(),
            answers: Vec::new(),
        };
        assert_eq!(follower.answer().0, Status::SUCCESS);
        if window > 0 {
            let text = window.to_string();
            let control = Control::new(Control::CONNECTION_BUFFER_SIZE, &text);
            assert_eq!(
                follower.ask(&Message::new(0, 0, Body::Control(control))).0,
                Status::SUCCESS
            );
            follower.window = window;
        }
        follower
    }

    /// Follows all vbuckets from the start.
    pub(crate) fn follow_all(&mut self, store: &ShardedStore) {
        for vbucket in 0..store.shards() as u16 {
            assert_eq!(
                self.follow(vbucket, Position::default(), u64::MAX),
                Asked::Open
            );
        }
    }

    pub(crate) fn follow(&mut self, vbucket: u16, from: Position, end: u64) -> Asked {
        let request = StreamRequest {
            start_seqno: from.seqno,
            end_seqno: end,
            vbucket_uuid: from.history,
            snapshot_start: from.snapshot.0,
            snapshot_end: from.snapshot.1,
            ..StreamRequest::default()
        };
        let opaque = 0x5000 + u32::from(vbucket);
        let (status, value) =
            self.ask(&Message::new(vbucket, opaque, Body::StreamRequest(request)));
        match status {
            Status::SUCCESS => {
                let history = u64::from_be_bytes(value[..8].try_into().unwrap());
                let position = Position { history, ..from };
                self.positions.insert(vbucket, position);
                Asked::Open
            }
            Status::ROLLBACK => Asked::Rollback(u64::from_be_bytes(value.try_into().unwrap())),
            status => Asked::Refused(status),
        }
    }

    /// Sends a request and takes messages until its answer.
    pub(crate) fn ask(&mut self, message: &Message<'_>) -> (Status, Vec<u8>) {
        send(&mut self.stream, message);
        self.answer()
    }

    fn answer(&mut self) -> (Status, Vec<u8>) {
        while self.answers.is_empty() {
            self.take().unwrap();
        }
        self.answers.remove(0)
    }

    /// Takes one packet; waits for it at most as long as the stream's timeout.
    pub(crate) fn take(&mut self) -> io::Result<()> {
        loop {
            match Packet::parse(&self.input, &Limits::NONE).unwrap() {
                Parsed::Complete { consumed, .. } => {
                    let bytes: Vec<u8> = self.input.drain(..consumed).collect();
                    let Ok(Parsed::Complete { value, .. }) = Packet::parse(&bytes, &Limits::NONE)
                    else {
                        unreachable!("it was parsed before");
                    };
                    self.handle(&value, bytes.len());
                    return Ok(());
                }
                Parsed::NeedMore { .. } => {
                    let mut bytes = [0; 16 << 10];
                    match self.stream.read(&mut bytes)? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        len => self.input.extend_from_slice(&bytes[..len]),
                    }
                }
            }
        }
    }

    fn handle(&mut self, packet: &Packet<'_>, len: usize) {
        if packet.magic == Magic::CLIENT_RESPONSE {
            let value = match Reply::parse(packet).unwrap().body {
                ReplyBody::FailoverLog(log) => log.as_bytes().to_vec(),
                _ => packet.value.to_vec(),
            };
            let status = Status(packet.vbucket_or_status);
            return self.answers.push((status, value));
        }
        let message = Message::parse(packet).unwrap();
        if let Body::Noop = message.body {
            let mut answer = [0; 24];
            let opcode = packet.opcode;
            Reply::new(opcode, Status::SUCCESS, packet.opaque)
                .emit(&mut answer)
                .unwrap();
            return self.stream.write_all(&answer).unwrap();
        }
        self.count(len);
        self.apply(&message);
    }

    fn count(&mut self, len: usize) {
        if self.window == 0 {
            return;
        }
        self.longest = self.longest.max(len);
        self.unacknowledged += len;
        // One message may overshoot, and a marker goes with the first of a snapshot.
        let is_end = len == 28;
        assert!(
            is_end
                || self.unacknowledged <= self.window + self.longest + 44 + 28 * self.ended.len()
        );
        if self.acknowledges && self.unacknowledged > self.window / 2 {
            self.acknowledge();
        }
    }

    pub(crate) fn acknowledge(&mut self) {
        let ack = BufferAck {
            bytes: self.unacknowledged as u32,
        };
        send(&mut self.stream, &Message::new(0, 0, Body::BufferAck(ack)));
        self.unacknowledged = 0;
    }

    fn apply(&mut self, message: &Message<'_>) {
        let vbucket = message.vbucket;
        assert_eq!(message.opaque, 0x5000 + u32::from(vbucket));
        let position = self.positions.get_mut(&vbucket).expect("it was asked for");
        if let Some(seqno) = message.body.seqno() {
            assert!(seqno > position.seqno, "{seqno} after {position:?}");
            let (start, end) = position.snapshot;
            assert!((start..=end).contains(&seqno), "{seqno} in {position:?}");
            position.seqno = seqno;
        }
        match &message.body {
            Body::SnapshotMarker(marker) => {
                assert!(marker.end_seqno >= position.seqno);
                position.snapshot = (marker.start_seqno, marker.end_seqno);
            }
            Body::Mutation(mutation) => {
                self.mutations += 1;
                let attributes = Attributes {
                    flags: mutation.flags,
                    expiration: mutation.expiration,
                };
                let copied = Copied {
                    cas: message.cas,
                    attributes,
                    value: mutation.value.to_vec(),
                };
                let key = mutation.key.to_vec();
                let other = self.vbuckets.insert(key.clone(), vbucket);
                assert!(other.is_none_or(|other| other == vbucket));
                self.items.insert(key, copied);
            }
            Body::Deletion(deletion) => {
                self.items.remove(deletion.key);
            }
            Body::Flush => {
                let vbuckets = &self.vbuckets;
                self.items
                    .retain(|key, _| vbuckets.get(key) != Some(&vbucket));
            }
            Body::StreamEnd(end) => self.ended.push((vbucket, end.reason)),
            other => panic!("{other:?}"),
        }
    }

    /// Takes messages until it holds what the store does.
    pub(crate) fn catch_up(&mut self, store: &ShardedStore, now: u32) {
        let begin = Instant::now();
        let brief = Some(Duration::from_millis(20));
        self.stream.set_read_timeout(brief).unwrap();
        let mut ended = 0;
        loop {
            match self.take() {
                Ok(()) if self.ended.len() == ended => continue,
                Ok(()) => ended = self.ended.len(),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) => {}
                Err(error) => panic!("{error}"),
            }
            let wanted = items(store, now);
            if self.items == wanted {
                break;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{} items, {} are there; ended: {:?}",
                self.items.len(),
                wanted.len(),
                self.ended
            );
        }
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
}

fn send(stream: &mut TcpStream, message: &Message<'_>) {
    let mut bytes = [0; 512];
    let len = message.emit(&mut bytes).unwrap();
    stream.write_all(&bytes[..len]).unwrap();
}
