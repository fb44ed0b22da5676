//! The producer's side of a TAP connection. No socket and no clock.
//!
//! The machine of core numbers the messages and asks for answers; here is what it is given: the items and the changes of
//! the vbuckets that were asked for. A time before which items are of no interest counts as none at all, because items
//! do not have one: everything is sent.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use memlet_core::connection::feed::{
    SendError, TapChange, TapProducer, TapProducerEnd, TapProducerNext,
};
use memlet_core::tap::{Connect, ConnectFlags, Subtype};

use super::super::ShardedStore;
use super::reader::{Event, Over, Reader, Step};
use super::{Closed, Filled, HEAD_LEN_MAX, OUTPUT_LEN};

/// How long nothing is sent to a consumer that could not take a message, in seconds.
const BACK_OFF_S: u32 = 1;

/// After how many messages it is noted where the streams are; so many may be sent again without need.
const MARK_INTERVAL: u64 = 100;

/// The producer's side of one connection.
#[derive(Debug)]
pub(super) struct Tap {
    producer: TapProducer,
    streams: Vec<Stream>,
    /// The stream whose turn was last.
    turn: usize,
    /// The number of the last message.
    position: u64,
    /// Where the streams were at some positions that are not acknowledged, the oldest first.
    marks: VecDeque<Mark>,
    /// Nothing is sent before this second.
    pause_until: u32,
    is_closing: bool,
    /// Why there is no more to send, if it is not that all was.
    failure: Option<&'static str>,
}

#[derive(Debug)]
struct Stream {
    vbucket: u16,
    history: u64,
    end: u64,
    reader: Reader,
    /// A backfill was announced whose end was not.
    in_backfill: bool,
    is_over: bool,
}

#[derive(Debug)]
struct Mark {
    position: u64,
    readers: Vec<u64>,
}

impl Tap {
    /// What a TAP_CONNECT asks for.
    pub(super) fn new(connect: &Connect<'_>, shards: &ShardedStore, now: u32) -> Tap {
        let is_dump = connect.all_flags().contains(ConnectFlags::DUMP);
        let has_backfill = match connect.backfill {
            Some(time) => time != Connect::NOTHING_OLD,
            None => is_dump,
        };
        let wanted = connect.vbuckets.filter(|list| !list.is_empty());
        let mut streams = Vec::new();
        for number in 0..shards.shards() {
            let vbucket = number as u16;
            if wanted.is_some_and(|list| !list.iter().any(|wanted| wanted == vbucket)) {
                continue;
            }
            let state = shards.with_shard(number, |store| {
                (store.observer().history(), store.last_change())
            });
            let Some((history, last)) = state else {
                continue;
            };
            let start = if has_backfill { 0 } else { last };
            let end = if is_dump { last } else { u64::MAX };
            streams.push(Stream {
                vbucket,
                history,
                end,
                reader: Reader::new(number, history, start, end),
                in_backfill: false,
                is_over: false,
            });
        }
        Tap {
            producer: TapProducer::new(connect, now),
            streams,
            turn: 0,
            position: 0,
            marks: VecDeque::new(),
            pause_until: 0,
            is_closing: false,
            failure: None,
        }
    }

    /// Messages sent and not acknowledged.
    pub(super) fn outstanding(&self) -> u64 {
        self.position - self.producer.acknowledged().min(self.position)
    }

    /// The streams' vbuckets, and the seqnos up to which they have been sent.
    pub(super) fn positions(&self) -> impl Iterator<Item = (u16, u64)> {
        let streams = self.streams.iter();
        streams.map(|stream| (stream.vbucket, stream.reader.position()))
    }

    /// Takes the consumer's answers; how many bytes that were.
    pub(super) fn take(&mut self, input: &[u8], now: u32) -> Result<usize, Closed> {
        let progress = self.producer.handle_input(input);
        match progress.next {
            TapProducerNext::End(TapProducerEnd::Done) => return Err(self.done()),
            TapProducerNext::End(end) => return Err(Closed::Ended(end.to_string())),
            TapProducerNext::BackOff { position } => self.rewind(position, now),
            _ => {}
        }
        Ok(progress.consumed)
    }

    fn done(&self) -> Closed {
        Closed::Ended(self.failure.unwrap_or("everything was sent").into())
    }

    /// Goes back to where everything was confirmed, or a little before.
    fn rewind(&mut self, position: u64, now: u32) {
        self.pause_until = now + BACK_OFF_S;
        self.is_closing = false;
        while self
            .marks
            .back()
            .is_some_and(|mark| mark.position > position)
        {
            self.marks.pop_back();
        }
        let readers = self.marks.back().map(|mark| mark.readers.clone());
        let readers = readers.unwrap_or_default();
        for (stream, position) in self.streams.iter_mut().zip(readers) {
            let shard = stream.vbucket.into();
            stream.reader = Reader::new(shard, stream.history, position, stream.end);
            stream.in_backfill = false;
            stream.is_over = false;
        }
    }

    /// Writes messages of all streams in turn until there are none, no room, or too many unanswered.
    pub(super) fn fill(
        &mut self,
        shards: &ShardedStore,
        output: &mut Vec<u8>,
        now: u32,
    ) -> Result<Filled, Closed> {
        if now < self.pause_until || self.is_closing {
            return Ok(Filled::Idle);
        }
        let mut filled = Filled::Idle;
        for _ in 0..self.streams.len() {
            if output.len() >= OUTPUT_LEN {
                return Ok(Filled::More);
            }
            self.mark();
            self.turn = (self.turn + 1) % self.streams.len();
            let before = output.len();
            match self.read(self.turn, shards, output, now) {
                Step::More => filled = Filled::More,
                Step::Full if output.len() > before => filled = Filled::More,
                Step::Idle | Step::Queued | Step::Full => {}
                Step::Over(over) => {
                    self.streams[self.turn].is_over = true;
                    match over {
                        Over::Complete => {}
                        Over::TooSlow => self.failure = Some("the peer is too slow"),
                        Over::HistoryLost => self.failure = Some("the items were lost"),
                    }
                    filled = Filled::More;
                }
            }
        }
        if self.failure.is_some() || self.streams.iter().all(|stream| stream.is_over) {
            return self.close(output, now);
        }
        Ok(filled)
    }

    /// Says that no more will come.
    fn close(&mut self, output: &mut Vec<u8>, now: u32) -> Result<Filled, Closed> {
        let position = self.position + 1;
        let sent = append(output, 0, |out| self.producer.close(position, out, now));
        if sent.is_continue() {
            self.position = position;
            self.is_closing = true;
            if !self.producer.awaits_answers() {
                return Err(self.done());
            }
        }
        Ok(Filled::Idle)
    }

    /// Remembers where the streams are, in case that what follows has to be sent again.
    fn mark(&mut self) {
        let acknowledged = self.producer.acknowledged();
        while self
            .marks
            .get(1)
            .is_some_and(|mark| mark.position <= acknowledged)
        {
            self.marks.pop_front();
        }
        let position = self.position;
        let is_due = |mark: &Mark| position >= mark.position + MARK_INTERVAL;
        if self.marks.back().is_none_or(is_due) {
            let readers = self.streams.iter().map(|stream| stream.reader.position());
            self.marks.push_back(Mark {
                position,
                readers: readers.collect(),
            });
        }
    }

    /// Writes messages of one stream.
    fn read(
        &mut self,
        number: usize,
        shards: &ShardedStore,
        output: &mut Vec<u8>,
        now: u32,
    ) -> Step {
        let mut streams = self.streams.iter();
        let may_backfill = !streams.any(|stream| stream.reader.is_backfilling());
        let Some(stream) = self.streams.get_mut(number) else {
            return Step::Idle;
        };
        if stream.is_over {
            return Step::Idle;
        }
        let mut writer = Writer {
            producer: &mut self.producer,
            position: &mut self.position,
            in_backfill: &mut stream.in_backfill,
            vbucket: stream.vbucket,
            now,
        };
        stream
            .reader
            .read(shards, may_backfill, now, &mut |event, is_last| {
                if output.len() >= OUTPUT_LEN {
                    return ControlFlow::Break(());
                }
                writer.write(&event, is_last, output)
            })
    }

    /// Sends a sign of life if it is time, and sees whether the peer's answers are.
    pub(super) fn handle_time(&mut self, output: &mut Vec<u8>, now: u32) -> Result<(), Closed> {
        let start = output.len();
        output.resize(start + TapProducer::KEEP_ALIVE_LEN, 0);
        let timer = self.producer.handle_time(&mut output[start..], now);
        output.truncate(start + timer.written);
        match timer.end {
            Some(end) => Err(Closed::Ended(end.to_string())),
            None => Ok(()),
        }
    }

    /// Ends the stream because the server stops.
    pub(super) fn end_all(&mut self, output: &mut Vec<u8>, now: u32) {
        // A consumer that owes answers learns it from the end of the connection.
        let _ = self.close(output, now);
    }
}

/// Writes a stream's messages.
struct Writer<'a> {
    producer: &'a mut TapProducer,
    position: &'a mut u64,
    in_backfill: &'a mut bool,
    vbucket: u16,
    now: u32,
}

impl Writer<'_> {
    fn write(&mut self, event: &Event<'_>, is_last: bool, output: &mut Vec<u8>) -> ControlFlow<()> {
        let (vbucket, now) = (self.vbucket, self.now);
        let position = *self.position + 1;
        let producer = &mut *self.producer;
        let change = |number, key| TapChange {
            vbucket,
            key,
            cas: number,
            flags: 0,
            expiration: 0,
            value: (&[][..], &[][..]),
            revision: number,
        };
        let sent = match *event {
            Event::BackfillStart { .. } => append(output, 0, |out| {
                let subtype = Subtype::INITIAL_VBUCKET_STREAM;
                producer.opaque(vbucket, subtype, position, out, now)
            }),
            Event::Advanced { .. } if !*self.in_backfill => return ControlFlow::Continue(()),
            Event::Advanced { .. } => append(output, 0, |out| {
                producer.opaque(vbucket, Subtype::CLOSE_BACKFILL, position, out, now)
            }),
            Event::Stored { number, key, item } => {
                let change = TapChange {
                    cas: item.cas,
                    flags: item.flags,
                    expiration: item.expiration,
                    value: item.value.pieces(),
                    ..change(number, key)
                };
                append(output, item.value.len(), |out| {
                    producer.mutation(&change, position, is_last, out, now)
                })
            }
            Event::Removed { number, key } => append(output, 0, |out| {
                producer.deletion(&change(number, key), position, is_last, out, now)
            }),
            Event::Flushed { .. } => append(output, 0, |out| {
                producer.flush(vbucket, position, is_last, out, now)
            }),
        };
        if sent.is_continue() {
            *self.position = position;
            match event {
                Event::BackfillStart { .. } => *self.in_backfill = true,
                Event::Advanced { .. } => *self.in_backfill = false,
                _ => {}
            }
        }
        sent
    }
}

/// Appends a message whose value has this length; `Break` says that the peer has to answer first.
fn append(
    output: &mut Vec<u8>,
    value_len: usize,
    send: impl FnOnce(&mut [u8]) -> Result<usize, SendError>,
) -> ControlFlow<()> {
    let start = output.len();
    output.resize(start + HEAD_LEN_MAX + value_len, 0);
    let sent = send(&mut output[start..]);
    output.truncate(start + sent.unwrap_or(0));
    match sent {
        Ok(_) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}
