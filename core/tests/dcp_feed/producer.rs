//! A producer played in memory: vbuckets with their histories, and flow control as Couchbase's counts it.

use std::collections::BTreeMap;

use memlet_core::dcp::{
    Body, Control, FailoverLog, Message, Mutation, Reply, ReplyBody, SnapshotFlags, SnapshotMarker,
    StreamRequest,
};
use memlet_core::wire::{Opcode, Packet, Status};

use crate::support::{log_bytes, message_bytes, packets, reply_bytes};

/// A vbucket: its changes are numbered from 1 to `high`, and the value of each says its number and history.
#[derive(Clone, Debug)]
pub(crate) struct Vbucket {
    /// The newest first.
    pub(crate) log: Vec<(u64, u64)>,
    pub(crate) high: u64,
}

impl Vbucket {
    /// The history that a change belongs to.
    pub(crate) fn history(&self, seqno: u64) -> u64 {
        let newest_before = self.log.iter().find(|(_, from)| *from < seqno);
        newest_before.or(self.log.last()).unwrap().0
    }

    /// Where a consumer with this uuid and seqno has to go back to.
    fn rollback(&self, uuid: u64, seqno: u64) -> Option<u64> {
        if seqno == 0 {
            return None;
        }
        let Some(index) = self.log.iter().position(|(own, _)| *own == uuid) else {
            return Some(0);
        };
        // The history ends where the next one begins, or is not over.
        let end = index
            .checked_sub(1)
            .map_or(self.high, |next| self.log[next].1);
        (seqno > end).then_some(end)
    }
}

#[derive(Debug)]
struct Stream {
    vbucket: u16,
    opaque: u32,
    next: u64,
    end: u64,
    marked_to: u64,
}

/// A connection of the producer's.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) vbuckets: BTreeMap<u16, Vbucket>,
    streams: Vec<Stream>,
    /// Bytes that may be sent ahead; 0 for as many as wanted.
    pub(crate) window: u64,
    pub(crate) outstanding: u64,
    pub(crate) acks: u64,
    /// Changes in one snapshot.
    pub(crate) snapshot_len: u64,
    turn: usize,
}

impl Producer {
    pub(crate) fn new(vbuckets: BTreeMap<u16, Vbucket>) -> Producer {
        Producer {
            vbuckets,
            streams: Vec::new(),
            window: 0,
            outstanding: 0,
            acks: 0,
            snapshot_len: 100,
            turn: 0,
        }
    }

    /// Answers what the consumer has sent.
    pub(crate) fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut answers = Vec::new();
        for (packet, _) in packets(bytes) {
            if packet.magic.is_response() {
                continue;
            }
            let message = Message::parse(&packet).unwrap();
            match message.body {
                Body::BufferAck(ack) => {
                    assert_eq!((message.opaque, message.vbucket), (0, 0));
                    assert!(self.window > 0, "acknowledged without flow control");
                    self.acks += 1;
                    self.outstanding = self
                        .outstanding
                        .checked_sub(ack.bytes.into())
                        .expect("no more acknowledged than sent");
                    continue;
                }
                Body::Control(control) => {
                    if control.key == Control::CONNECTION_BUFFER_SIZE.as_bytes() {
                        let text = std::str::from_utf8(control.value).unwrap();
                        self.window = text.parse().unwrap();
                    }
                    answers.extend(success(&packet));
                }
                Body::StreamRequest(request) => {
                    answers.extend(self.open_stream(&message, &request));
                }
                Body::CloseStream => {
                    self.streams
                        .retain(|stream| stream.opaque != message.opaque);
                    answers.extend(success(&packet));
                }
                Body::GetFailoverLog => {
                    let log = log_bytes(&self.vbuckets[&message.vbucket].log);
                    answers.extend(reply_bytes(&Reply {
                        body: ReplyBody::FailoverLog(FailoverLog::parse(&log).unwrap()),
                        ..Reply::new(packet.opcode, Status::SUCCESS, packet.opaque)
                    }));
                }
                _ => answers.extend(success(&packet)),
            }
        }
        answers
    }

    fn open_stream(&mut self, message: &Message<'_>, request: &StreamRequest<'_>) -> Vec<u8> {
        let reply = Reply::new(Opcode::DCP_STREAM_REQ, Status::SUCCESS, message.opaque);
        let Some(vbucket) = self.vbuckets.get(&message.vbucket) else {
            return reply_bytes(&Reply {
                status: Status::NOT_MY_VBUCKET,
                ..reply
            });
        };
        assert!(request.snapshot_start <= request.start_seqno);
        assert!(request.start_seqno <= request.snapshot_end);
        if let Some(seqno) = vbucket.rollback(request.vbucket_uuid, request.start_seqno) {
            return reply_bytes(&Reply {
                status: Status::ROLLBACK,
                body: ReplyBody::Rollback { seqno },
                ..reply
            });
        }
        self.streams.push(Stream {
            vbucket: message.vbucket,
            opaque: message.opaque,
            next: request.start_seqno + 1,
            end: request.end_seqno,
            marked_to: request.start_seqno,
        });
        let log = log_bytes(&vbucket.log);
        reply_bytes(&Reply {
            body: ReplyBody::FailoverLog(FailoverLog::parse(&log).unwrap()),
            ..reply
        })
    }

    /// At most so many bytes of changes, stream by stream, while the window is open.
    pub(crate) fn produce(&mut self, bytes_max: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut idle = 0;
        while bytes.len() < bytes_max && idle < self.streams.len() {
            if self.window > 0 && self.outstanding >= self.window {
                break;
            }
            self.turn = (self.turn + 1) % self.streams.len();
            let Some(next) = self.next_of_turn() else {
                idle += 1;
                continue;
            };
            idle = 0;
            self.outstanding += next.len() as u64;
            bytes.extend(next);
        }
        bytes
    }

    fn next_of_turn(&mut self) -> Option<Vec<u8>> {
        let stream = &mut self.streams[self.turn];
        let vbucket = &self.vbuckets[&stream.vbucket];
        let high = vbucket.high.min(stream.end);
        if stream.next > high {
            return None;
        }
        let body = if stream.next > stream.marked_to {
            let end_seqno = high.min(stream.next + self.snapshot_len - 1);
            let start_seqno = stream.next;
            stream.marked_to = end_seqno;
            Body::SnapshotMarker(SnapshotMarker {
                start_seqno,
                end_seqno,
                flags: SnapshotFlags::MEMORY,
                ..SnapshotMarker::default()
            })
        } else {
            let seqno = stream.next;
            stream.next += 1;
            let value = format!("{seqno} of {:x}", vbucket.history(seqno));
            let message = Message::new(
                stream.vbucket,
                stream.opaque,
                Body::Mutation(Mutation {
                    seqno,
                    key: b"some key",
                    value: value.as_bytes(),
                    ..Mutation::default()
                }),
            );
            return Some(message_bytes(&message));
        };
        Some(message_bytes(&Message::new(
            stream.vbucket,
            stream.opaque,
            body,
        )))
    }
}

fn success(packet: &Packet<'_>) -> Vec<u8> {
    reply_bytes(&Reply::new(packet.opcode, Status::SUCCESS, packet.opaque))
}
