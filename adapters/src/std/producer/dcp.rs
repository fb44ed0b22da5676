//! The producer's side of a DCP (UPR) connection: streams, flow control, NOOP. No socket and no clock.
//!
//! Requests come in by [`Dcp::handle`], messages go out by [`Dcp::fill`], each into a buffer of the caller's.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use memlet_core::dcp::{
    Body, Deletion, DeletionForm, FailoverEntry, FailoverLog, Message, Mutation, Open, OpenFlags,
    Reply, ReplyBody, SeqnoAdvanced, SnapshotFlags, SnapshotMarker, StreamEnd, StreamEndReason,
    StreamFlags, StreamRequest,
};
use memlet_core::wire::{Magic, Opcode, Packet, Response, Status};

use super::super::ShardedStore;
use super::control::Settings;
use super::reader::{Event, Over, Reader, Step};
use super::{Closed, Filled, HEAD_LEN_MAX, OUTPUT_LEN, emit};

/// Bytes of a snapshot marker: header and extras.
const MARKER_LEN: usize = 44;

/// The flags of OPEN that are known.
const OPEN_FLAGS: u32 = OpenFlags::PRODUCER.0
    | OpenFlags::INCLUDE_XATTRS.0
    | OpenFlags::NO_VALUE.0
    | OpenFlags::INCLUDE_DELETE_TIMES.0
    | OpenFlags::NO_VALUE_WITH_UNDERLYING_DATATYPE.0
    | OpenFlags::INCLUDE_DELETED_USER_XATTRS.0
    | OpenFlags::SKIP_DELETES_IN_INITIAL_BACKFILL.0;

/// The flags of STREAM_REQ that are known; those that are not supported are not among them.
const STREAM_FLAGS: u32 = StreamFlags::DISK_ONLY.0
    | StreamFlags::TO_LATEST.0
    | StreamFlags::ACTIVE_ONLY.0
    | StreamFlags::STRICT_VBUCKET_UUID.0
    | StreamFlags::FROM_LATEST.0
    | StreamFlags::IGNORE_PURGED_TOMBSTONES.0;

/// What OPEN is answered with.
pub(in super::super) fn judge_open(open: &Open<'_>) -> Status {
    if open.flags.0 & !OPEN_FLAGS != 0 || open.name.len() > Open::NAME_LEN_MAX {
        Status::EINVAL
    } else if !open.flags.contains(OpenFlags::PRODUCER) {
        // To consume is for a server that was told whom to follow.
        Status::NOT_SUPPORTED
    } else {
        Status::SUCCESS
    }
}

/// The producer's side of one connection.
#[derive(Debug)]
pub(super) struct Dcp {
    flags: OpenFlags,
    settings: Settings,
    streams: BTreeMap<u16, Stream>,
    /// The vbucket whose turn was last.
    turn: u16,
    /// Bytes sent and not acknowledged.
    outstanding: u64,
    /// The second in which something was last sent other than an answer, and in which a NOOP was that is not answered. A
    /// consumer that asks often is no less to be told that it is to show that it lives.
    sent: u32,
    noop_sent: Option<u32>,
    noop_opaque: u32,
}

#[derive(Debug)]
struct Stream {
    opaque: u32,
    reader: Reader,
}

impl Dcp {
    /// A connection that OPEN has made with these flags.
    pub(super) fn new(flags: OpenFlags, now: u32) -> Dcp {
        Dcp {
            flags,
            settings: Settings::default(),
            streams: BTreeMap::new(),
            turn: 0,
            outstanding: 0,
            sent: now,
            noop_sent: None,
            noop_opaque: 0,
        }
    }

    /// Bytes sent and not acknowledged.
    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// The streams' vbuckets, and the seqnos up to which they have been sent.
    pub(super) fn positions(&self) -> impl Iterator<Item = (u16, u64)> {
        let streams = self.streams.iter();
        streams.map(|(vbucket, stream)| (*vbucket, stream.reader.position()))
    }

    /// Takes a packet of the consumer's and answers it.
    pub(super) fn handle(
        &mut self,
        packet: &Packet<'_>,
        shards: &ShardedStore,
        output: &mut Vec<u8>,
    ) -> Result<(), Closed> {
        if packet.opcode == Opcode::DCP_NOOP {
            // gomemcached answers with a request; either shows that it lives.
            self.noop_sent = None;
            return Ok(());
        }
        if packet.magic == Magic::CLIENT_RESPONSE {
            return Ok(());
        }
        match packet.opcode {
            Opcode::NOOP => answer(output, packet, Status::SUCCESS, b""),
            Opcode::QUIT => {
                answer(output, packet, Status::SUCCESS, b"");
                return Err(Closed::Quit);
            }
            Opcode::QUITQ => return Err(Closed::Quit),
            Opcode::GET_ALL_VB_SEQNOS => {
                answer(output, packet, Status::SUCCESS, &highest(shards));
            }
            Opcode(0x50..=0x67) => match Message::parse(packet) {
                Ok(message) => self.handle_message(&message, packet, shards, output),
                Err(error) => {
                    let text = error.to_string();
                    answer(output, packet, Status::EINVAL, text.as_bytes());
                }
            },
            _ => answer(output, packet, Status::UNKNOWN_COMMAND, b"Unknown command"),
        }
        Ok(())
    }

    fn handle_message(
        &mut self,
        message: &Message<'_>,
        packet: &Packet<'_>,
        shards: &ShardedStore,
        output: &mut Vec<u8>,
    ) {
        let vbucket = message.vbucket;
        let status = match &message.body {
            Body::Open(open) => {
                let status = judge_open(open);
                if status == Status::SUCCESS {
                    self.flags = open.flags;
                }
                status
            }
            Body::Control(control) => self.settings.set(control),
            Body::BufferAck(ack) => {
                // Who acknowledges more than it got has no credit for it.
                self.outstanding = self.outstanding.saturating_sub(ack.bytes.into());
                return;
            }
            Body::GetFailoverLog => match history(shards, vbucket) {
                Some((history, _)) => return answer_log(output, packet, history),
                None => Status::NOT_MY_VBUCKET,
            },
            Body::StreamRequest(request) => match self.open_stream(message, request, shards) {
                Opened::Stream(history) => return answer_log(output, packet, history),
                Opened::Rollback => return answer_rollback(output, packet),
                Opened::Refused(status) => status,
            },
            Body::CloseStream => match self.streams.remove(&vbucket) {
                Some(stream) => {
                    answer(output, packet, Status::SUCCESS, b"");
                    if self.settings.tells_close {
                        self.end(vbucket, stream.opaque, StreamEndReason::CLOSED, output);
                    }
                    return;
                }
                None => Status::KEY_ENOENT,
            },
            _ => Status::NOT_SUPPORTED,
        };
        answer(output, packet, status, status.text().as_bytes());
    }

    fn open_stream(
        &mut self,
        message: &Message<'_>,
        request: &StreamRequest<'_>,
        shards: &ShardedStore,
    ) -> Opened {
        let vbucket = message.vbucket;
        let Some((history, log)) = history(shards, vbucket) else {
            return Opened::Refused(Status::NOT_MY_VBUCKET);
        };
        if self.streams.contains_key(&vbucket) {
            return Opened::Refused(Status::KEY_EEXISTS);
        }
        if request.flags.0 & !STREAM_FLAGS != 0
            || !request.value.is_empty()
            || !message.framing_extras.is_empty()
        {
            // Takeover, cache transfer, collections, several streams of a vbucket.
            return Opened::Refused(Status::NOT_SUPPORTED);
        }
        let has = |flag| request.flags.contains(flag);
        let start = match has(StreamFlags::FROM_LATEST) {
            true => log.last,
            false => request.start_seqno,
        };
        let end = match has(StreamFlags::TO_LATEST) || has(StreamFlags::DISK_ONLY) {
            true => log.last.max(start),
            false => request.end_seqno,
        };
        let is_in_snapshot =
            (request.snapshot_start..=request.snapshot_end).contains(&request.start_seqno);
        if start > end || !(is_in_snapshot || has(StreamFlags::FROM_LATEST)) {
            return Opened::Refused(Status::ERANGE);
        }
        let is_purged = start < log.purged && !has(StreamFlags::IGNORE_PURGED_TOMBSTONES);
        let is_strict = has(StreamFlags::STRICT_VBUCKET_UUID);
        let is_foreign = request.vbucket_uuid != history;
        let rolls_back = match start {
            0 => is_strict && is_foreign,
            _ if has(StreamFlags::FROM_LATEST) => false,
            _ => is_foreign || is_purged || start > log.last,
        };
        if rolls_back {
            return Opened::Rollback;
        }
        self.streams.insert(
            vbucket,
            Stream {
                opaque: message.opaque,
                reader: Reader::new(vbucket.into(), history, start, end),
            },
        );
        Opened::Stream(history)
    }

    /// Writes messages of all streams in turn until there are none, no room, or no window.
    pub(super) fn fill(&mut self, shards: &ShardedStore, output: &mut Vec<u8>, now: u32) -> Filled {
        let mut filled = Filled::Idle;
        let vbuckets: Vec<u16> = {
            let after = (Bound::Excluded(self.turn), Bound::Unbounded);
            let others = self.streams.range(..=self.turn);
            let in_turn = self.streams.range(after).chain(others);
            in_turn.map(|(vbucket, _)| *vbucket).collect()
        };
        for vbucket in vbuckets {
            if output.len() >= OUTPUT_LEN {
                return Filled::More;
            }
            self.turn = vbucket;
            let before = output.len();
            match self.read(vbucket, shards, output, now) {
                Step::More => filled = Filled::More,
                Step::Full if output.len() > before => filled = Filled::More,
                Step::Idle | Step::Queued | Step::Full => {}
                Step::Over(over) => {
                    filled = Filled::More;
                    let reason = match over {
                        Over::Complete => StreamEndReason::OK,
                        Over::TooSlow => StreamEndReason::SLOW,
                        Over::HistoryLost => StreamEndReason::STATE_CHANGED,
                    };
                    if let Some(stream) = self.streams.remove(&vbucket) {
                        self.end(vbucket, stream.opaque, reason, output);
                    }
                }
            }
            if output.len() > before {
                self.sent = now;
            }
        }
        filled
    }

    /// Writes messages of one stream.
    fn read(
        &mut self,
        vbucket: u16,
        shards: &ShardedStore,
        output: &mut Vec<u8>,
        now: u32,
    ) -> Step {
        let may_backfill = !self
            .streams
            .values()
            .any(|stream| stream.reader.is_backfilling());
        let (window, outstanding) = (self.settings.window, self.outstanding);
        let tells_advance = self.settings.tells_advance;
        let flags = self.flags;
        let Some(stream) = self.streams.get_mut(&vbucket) else {
            return Step::Idle;
        };
        let opaque = stream.opaque;
        let writer = Writer {
            vbucket,
            opaque,
            flags,
            now,
        };
        // What comes from the log is a snapshot of its own, whose end is known afterwards.
        let is_live = stream.reader.is_live();
        let position = stream.reader.position();
        let start = output.len();
        let mut last = None;
        let step = stream
            .reader
            .read(shards, may_backfill, now, &mut |event, _| {
                let sent = outstanding + (output.len() - start) as u64;
                if output.len() >= OUTPUT_LEN || (window != 0 && sent >= window) {
                    return ControlFlow::Break(());
                }
                let is_change = !matches!(event, Event::Advanced { .. });
                if is_live && last.is_none() && is_change {
                    output.resize(start + MARKER_LEN, 0);
                }
                last = writer.write(&event, tells_advance, output).or(last);
                ControlFlow::Continue(())
            });
        if is_live && let Some(last) = last {
            let marker = writer.marker(position, last, SnapshotFlags::MEMORY);
            // It has exactly this length.
            let _ = marker.emit(&mut output[start..start + MARKER_LEN]);
        }
        self.outstanding += (output.len() - start) as u64;
        step
    }

    fn end(&mut self, vbucket: u16, opaque: u32, reason: StreamEndReason, output: &mut Vec<u8>) {
        let message = Message::new(vbucket, opaque, Body::StreamEnd(StreamEnd { reason }));
        let before = output.len();
        emit(output, |out| message.emit(out));
        self.outstanding += (output.len() - before) as u64;
    }

    /// Ends all streams because the server stops.
    pub(super) fn end_all(&mut self, output: &mut Vec<u8>) {
        for (vbucket, stream) in std::mem::take(&mut self.streams) {
            self.end(
                vbucket,
                stream.opaque,
                StreamEndReason::DISCONNECTED,
                output,
            );
        }
    }

    /// Sends a NOOP if it is time, and sees whether the last one was answered.
    pub(super) fn handle_time(&mut self, output: &mut Vec<u8>, now: u32) -> Result<(), Closed> {
        if !self.settings.noop_enabled {
            return Ok(());
        }
        let interval_s = self.settings.noop_interval_s;
        if let Some(noop_sent) = self.noop_sent {
            return if now.saturating_sub(noop_sent) > interval_s {
                Err(Closed::NoAnswer)
            } else {
                Ok(())
            };
        }
        if now.saturating_sub(self.sent) >= interval_s {
            self.noop_opaque = self.noop_opaque.wrapping_add(1);
            let noop = Message::new(0, self.noop_opaque, Body::Noop);
            emit(output, |out| noop.emit(out));
            self.noop_sent = Some(now);
            self.sent = now;
        }
        Ok(())
    }
}

/// What came of a STREAM_REQ.
enum Opened {
    /// It is open; the vbucket's uuid.
    Stream(u64),
    /// The consumer has to start at 0.
    Rollback,
    Refused(Status),
}

/// Writes a stream's messages.
struct Writer {
    vbucket: u16,
    opaque: u32,
    flags: OpenFlags,
    now: u32,
}

impl Writer {
    fn message<'a>(&self, body: Body<'a>) -> Message<'a> {
        Message::new(self.vbucket, self.opaque, body)
    }

    fn marker(&self, from: u64, to: u64, flags: SnapshotFlags) -> Message<'static> {
        self.message(Body::SnapshotMarker(SnapshotMarker {
            start_seqno: from,
            end_seqno: to,
            flags,
            ..SnapshotMarker::default()
        }))
    }

    /// Writes one; its seqno, if it is a change.
    fn write(&self, event: &Event<'_>, tells_advance: bool, output: &mut Vec<u8>) -> Option<u64> {
        match *event {
            Event::BackfillStart { from, to } => {
                let marker = self.marker(from, to, SnapshotFlags::DISK);
                emit(output, |out| marker.emit(out));
                None
            }
            Event::Advanced { to } => {
                if tells_advance {
                    let advanced = SeqnoAdvanced { seqno: to };
                    let message = self.message(Body::SeqnoAdvanced(advanced));
                    emit(output, |out| message.emit(out));
                }
                None
            }
            Event::Stored { number, key, item } => {
                let without_value =
                    OpenFlags::NO_VALUE.0 | OpenFlags::NO_VALUE_WITH_UNDERLYING_DATATYPE.0;
                let pieces = match self.flags.0 & without_value {
                    0 => item.value.pieces(),
                    _ => (&[][..], &[][..]),
                };
                let mutation = Mutation {
                    seqno: number,
                    revision: number,
                    flags: item.flags,
                    expiration: item.expiration,
                    key,
                    ..Mutation::default()
                };
                let mut message = self.message(Body::Mutation(mutation));
                message.cas = item.cas;
                // A store's values are shorter than 4 GiB.
                let len = (pieces.0.len() + pieces.1.len()) as u32;
                emit(output, |out| message.emit_head(len, out));
                output.extend_from_slice(pieces.0);
                output.extend_from_slice(pieces.1);
                Some(number)
            }
            Event::Removed { number, key } => {
                let mut form = DeletionForm::default();
                if self.flags.contains(OpenFlags::INCLUDE_DELETE_TIMES) {
                    form = DeletionForm::V2 {
                        delete_time: self.now,
                        unused: 0,
                    };
                }
                let deletion = Deletion {
                    seqno: number,
                    revision: number,
                    key,
                    form,
                    ..Deletion::default()
                };
                let mut message = self.message(Body::Deletion(deletion));
                message.cas = number;
                emit(output, |out| message.emit(out));
                Some(number)
            }
            Event::Flushed { number } => {
                emit(output, |out| self.message(Body::Flush).emit(out));
                Some(number)
            }
        }
    }
}

/// What a shard's log says of itself.
struct LogState {
    last: u64,
    purged: u64,
}

/// The name of a vbucket's history, and how far it goes.
fn history(shards: &ShardedStore, vbucket: u16) -> Option<(u64, LogState)> {
    shards.with_shard(vbucket.into(), |store| {
        let state = LogState {
            last: store.last_change(),
            purged: store.observer().purged(),
        };
        (store.observer().history(), state)
    })
}

/// Every vbucket with its highest seqno, as GET_ALL_VB_SEQNOS answers: vbucket u16, seqno u64.
fn highest(shards: &ShardedStore) -> Vec<u8> {
    let mut value = Vec::new();
    for vbucket in 0..shards.shards() {
        if let Some(last) = shards.with_shard(vbucket, |store| store.last_change()) {
            value.extend_from_slice(&(vbucket as u16).to_be_bytes());
            value.extend_from_slice(&last.to_be_bytes());
        }
    }
    value
}

fn answer(output: &mut Vec<u8>, packet: &Packet<'_>, status: Status, value: &[u8]) {
    let response = Response {
        opaque: packet.opaque,
        value,
        ..Response::new(packet.opcode, status)
    };
    let start = output.len();
    output.resize(start + HEAD_LEN_MAX + value.len(), 0);
    let written = response.emit(&mut output[start..]).unwrap_or(0);
    output.truncate(start + written);
}

fn reply(output: &mut Vec<u8>, packet: &Packet<'_>, status: Status, body: ReplyBody<'_>) {
    let reply = Reply {
        body,
        ..Reply::new(packet.opcode, status, packet.opaque)
    };
    emit(output, |out| reply.emit(out));
}

/// A history has one entry: nobody has taken over from anybody.
fn answer_log(output: &mut Vec<u8>, packet: &Packet<'_>, history: u64) {
    let entry = FailoverEntry {
        vbucket_uuid: history,
        seqno: 0,
    };
    let bytes = entry.to_bytes();
    if let Ok(log) = FailoverLog::parse(&bytes) {
        reply(output, packet, Status::SUCCESS, ReplyBody::FailoverLog(log));
    }
}

fn answer_rollback(output: &mut Vec<u8>, packet: &Packet<'_>) {
    let body = ReplyBody::Rollback { seqno: 0 };
    reply(output, packet, Status::ROLLBACK, body);
}

#[cfg(test)]
mod tests {
    use memlet_core::dcp::{BufferAck, Control};
    use memlet_core::store::{Attributes, Seed, SetMode, Shards};
    use memlet_core::wire::{Limits, Parsed};

    use super::*;

    const NOW: u32 = 1_700_000_000;

    /// A connection to one shard with some items.
    struct Scenario {
        shards: ShardedStore,
        dcp: Dcp,
        output: Vec<u8>,
    }

    impl Scenario {
        fn new(items: usize) -> Scenario {
            let mut shards =
                ShardedStore::with_seed(4 << 20, 1 << 20, Seed([1, 2]), false).unwrap();
            shards.log_changes(1 << 16);
            for number in 0..items {
                let key = format!("key{number}");
                shards.with(key.as_bytes(), |shard, key| {
                    let none = Attributes::default();
                    shard
                        .set(SetMode::Set, key, &[7; 100], none, 0, NOW)
                        .unwrap();
                });
            }
            Scenario {
                shards,
                dcp: Dcp::new(OpenFlags::PRODUCER, NOW),
                output: Vec::new(),
            }
        }

        /// Hands a message over; the status of the answer, if there is one.
        fn ask(&mut self, body: Body<'_>) -> Option<Status> {
            self.say(&Message::new(0, 9, body))
        }

        fn say(&mut self, message: &Message<'_>) -> Option<Status> {
            let mut bytes = [0; 512];
            let len = message.emit(&mut bytes).unwrap();
            let before = self.output.len();
            self.hand(&bytes[..len]).unwrap();
            let answer = self.output.split_off(before);
            match Packet::parse(&answer, &Limits::NONE) {
                Ok(Parsed::Complete { value, .. }) => Some(Status(value.vbucket_or_status)),
                _ => None,
            }
        }

        fn hand(&mut self, bytes: &[u8]) -> Result<(), Closed> {
            let Ok(Parsed::Complete { value, .. }) = Packet::parse(bytes, &Limits::NONE) else {
                panic!("it is a packet");
            };
            let output = &mut self.output;
            self.dcp.handle(&value, &self.shards, output)
        }

        fn control(&mut self, key: &str, value: &str) -> Option<Status> {
            self.ask(Body::Control(Control::new(key, value)))
        }

        /// Asks for the stream of the only vbucket from the start.
        fn follow(&mut self) {
            let request = StreamRequest {
                end_seqno: u64::MAX,
                ..StreamRequest::default()
            };
            assert_eq!(
                self.ask(Body::StreamRequest(request)),
                Some(Status::SUCCESS)
            );
        }

        /// Lets it write all it may; how many bytes that were.
        fn fill(&mut self) -> usize {
            let before = self.output.len();
            while self.dcp.fill(&self.shards, &mut self.output, NOW) == Filled::More {}
            self.output.len() - before
        }
    }

    #[test]
    fn properties_are_set_or_refused() {
        let mut scenario = Scenario::new(0);
        let (ok, invalid, unsupported) = (
            Some(Status::SUCCESS),
            Some(Status::EINVAL),
            Some(Status::NOT_SUPPORTED),
        );
        for (key, value, status) in [
            ("connection_buffer_size", "1024", ok),
            ("connection_buffer_size", "much", invalid),
            ("enable_noop", "true", ok),
            ("enable_noop", "maybe", invalid),
            ("enable_noop", "false", ok),
            ("set_noop_interval", "20", ok),
            ("set_noop_interval", "0", invalid),
            ("set_noop_interval", "10801", invalid),
            ("set_priority", "high", ok),
            ("send_stream_end_on_client_close_stream", "true", ok),
            ("send_stream_end_on_client_close_stream", "false", invalid),
            (
                "enable_out_of_order_snapshots",
                "true_with_seqno_advanced",
                ok,
            ),
            ("force_value_compression", "true", invalid),
            ("stream_buffer_size", "1024", unsupported),
            ("enable_stream_id", "true", unsupported),
            ("nonsense", "true", invalid),
        ] {
            assert_eq!(scenario.control(key, value), status, "{key}={value}");
        }
    }

    #[test]
    fn a_window_is_kept_and_acknowledgements_are_not_credit() {
        let mut scenario = Scenario::new(1000);
        scenario.control("connection_buffer_size", "1000");
        scenario.follow();
        let message_len = 24 + 31 + 6 + 100;
        let first = scenario.fill();
        assert!((1000..1000 + message_len).contains(&first), "{first}");
        assert_eq!(scenario.fill(), 0);
        // More than was sent frees what was sent and no more.
        let ack = BufferAck { bytes: u32::MAX };
        assert_eq!(scenario.ask(Body::BufferAck(ack)), None);
        assert_eq!(scenario.dcp.outstanding(), 0);
        let second = scenario.fill();
        assert!((1000..1000 + message_len).contains(&second), "{second}");
    }

    #[test]
    fn a_noop_is_sent_after_silence_and_wants_an_answer() {
        let mut scenario = Scenario::new(1);
        scenario.control("enable_noop", "true");
        scenario.control("set_noop_interval", "20");
        scenario.output.clear();
        let at = |scenario: &mut Scenario, seconds| {
            scenario
                .dcp
                .handle_time(&mut scenario.output, NOW + seconds)
        };
        at(&mut scenario, 19).unwrap();
        assert!(scenario.output.is_empty());
        at(&mut scenario, 20).unwrap();
        let noop = std::mem::take(&mut scenario.output);
        assert_eq!(noop[..2], [0x80, 0x5c]);
        at(&mut scenario, 40).unwrap();
        // Both kinds of answers do.
        let mut answer = noop.clone();
        answer[0] = 0x81;
        scenario.hand(&answer).unwrap();
        at(&mut scenario, 41).unwrap();
        assert_eq!(scenario.output.len(), 24);
        scenario.hand(&noop).unwrap();
        at(&mut scenario, 61).unwrap();
        assert!(matches!(at(&mut scenario, 82), Err(Closed::NoAnswer)));
    }

    #[test]
    fn what_a_producer_is_not_asked_is_refused() {
        let mut scenario = Scenario::new(10);
        let refused = Some(Status::NOT_SUPPORTED);
        assert_eq!(scenario.ask(Body::Flush), refused);
        assert_eq!(scenario.ask(Body::AddStream(Default::default())), refused);
        let filtered = StreamRequest {
            end_seqno: u64::MAX,
            value: b"{\"collections\":[\"8\"]}",
            ..StreamRequest::default()
        };
        assert_eq!(scenario.ask(Body::StreamRequest(filtered)), refused);
        let takeover = StreamRequest {
            flags: StreamFlags::TAKEOVER,
            value: b"",
            ..filtered
        };
        assert_eq!(scenario.ask(Body::StreamRequest(takeover)), refused);
        let consumer = Open {
            name: b"other",
            ..Open::default()
        };
        assert_eq!(scenario.ask(Body::Open(consumer)), refused);
        // A GET, and an OPEN whose extras are too short.
        let mut get = [0; 24];
        get[..2].copy_from_slice(&[0x80, 0x00]);
        scenario.hand(&get).unwrap();
        assert_eq!(scenario.output[6..8], [0x00, 0x81]);
        scenario.output.clear();
        get[1] = 0x50;
        scenario.hand(&get).unwrap();
        assert_eq!(scenario.output[6..8], [0x00, 0x04]);
        get[1] = Opcode::QUIT.0;
        assert!(matches!(scenario.hand(&get), Err(Closed::Quit)));
    }

    #[test]
    fn values_and_delete_times_are_as_open_wants_them() {
        let mut scenario = Scenario::new(1);
        scenario.dcp.flags = OpenFlags(
            OpenFlags::PRODUCER.0 | OpenFlags::NO_VALUE.0 | OpenFlags::INCLUDE_DELETE_TIMES.0,
        );
        scenario.follow();
        let len = scenario.fill();
        assert_eq!(len, MARKER_LEN + 24 + 31 + 4);
        scenario.output.clear();
        scenario.shards.with(b"key0", |shard, key| {
            shard.delete(key, 0, NOW).unwrap();
        });
        scenario.fill();
        let deletion = &scenario.output[MARKER_LEN..];
        assert_eq!((deletion[1], deletion.len()), (0x58, 24 + 21 + 4));
        assert_eq!(deletion[24 + 16..24 + 20], NOW.to_be_bytes());
    }

    #[test]
    fn a_closed_stream_is_ended_if_that_is_wanted() {
        for wanted in [false, true] {
            let mut scenario = Scenario::new(1);
            if wanted {
                scenario.control("send_stream_end_on_client_close_stream", "true");
            }
            scenario.follow();
            scenario.output.clear();
            let mut close = [0; 24];
            let len = Message::new(0, 9, Body::CloseStream).emit(&mut close);
            scenario.hand(&close[..len.unwrap()]).unwrap();
            let end_len = if wanted { 28 } else { 0 };
            assert_eq!(scenario.output.len(), 24 + end_len);
            assert_eq!(scenario.fill(), 0);
        }
    }
}
