//! A feed's connection: a thread that sleeps until the peer says something, takes something, or something changes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use memlet_core::counters::Tally;
use memlet_core::wire::{HEADER_LEN, Header, Opcode, Response, Status};
use mio::{Events, Interest, Poll, Token, Waker};
use tracing::{debug, warn};

use super::super::{CounterWriter, ShardedStore, SharedCounters, TakenConnection};
use super::protocol::{Protocol, Start};
use super::{Closed, Filled, OUTPUT_LEN, emit};

/// What a consumer may say at once, in bytes; its longest request is much shorter.
const INPUT_LEN_MAX: usize = 64 << 10;

/// What is read at once, in bytes.
const READ_LEN: usize = 16 << 10;

/// How long a feed that is not woken sleeps.
const SLEEP: Duration = Duration::from_millis(500);

/// How long changes are gathered after some came, so that a slow trickle does not wake the thread for each.
const PAUSE: Duration = Duration::from_millis(1);

/// How often others are shown how far a feed is that does not sleep.
const SHOW_INTERVAL: Duration = Duration::from_millis(250);

/// How long a peer that is told of the end is waited for.
const DRAIN_MAX: Duration = Duration::from_secs(1);

const STREAM: Token = Token(0);
const WAKE: Token = Token(1);

/// What a feed is to be.
#[derive(Clone, Debug)]
pub(in super::super) struct Feed {
    pub(in super::super) name: String,
    pub(in super::super) start: Start,
    pub(in super::super) opaque: u32,
}

/// The feeds of a server.
#[derive(Debug)]
pub(in super::super) struct Feeds {
    shards: ShardedStore,
    /// The most at a time.
    max: usize,
    /// Bytes for the log of changes.
    change_log: usize,
    /// How long a peer may take nothing.
    timeout: Duration,
    open: Mutex<BTreeMap<u64, FeedStatus>>,
    next: AtomicU64,
    /// Where packets are counted by opcode, if they are.
    counters: OnceLock<SharedCounters>,
}

/// How far a feed is: a connection over which a cache tells what it holds and every change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FeedStatus {
    /// The name that the consumer gave.
    pub name: String,
    /// The consumer's address.
    pub peer: String,
    /// Bytes of DCP, or messages of TAP, that are sent and not acknowledged.
    pub outstanding: u64,
    /// Changes that are yet to be sent, at the most.
    pub behind: u64,
    /// Vbuckets that it streams.
    pub streams: usize,
}

impl Feeds {
    /// Feeds of these shards, at most `max` at a time; `change_log` bytes tell them the last changes.
    pub(in super::super) fn new(
        shards: ShardedStore,
        max: usize,
        change_log: usize,
        timeout: Duration,
    ) -> Feeds {
        Feeds {
            shards,
            max,
            change_log,
            timeout,
            open: Mutex::default(),
            next: AtomicU64::new(0),
            counters: OnceLock::new(),
        }
    }

    /// Counts the packets of feeds from now on; false if they were counted already.
    pub(in super::super) fn count(&self, counters: SharedCounters) -> bool {
        self.counters.set(counters).is_ok()
    }

    /// The feeds that are open.
    pub(in super::super) fn open(&self) -> Vec<FeedStatus> {
        self.lock().values().cloned().collect()
    }

    /// Whether there may be any.
    pub(in super::super) fn are_enabled(&self) -> bool {
        self.max > 0
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, FeedStatus>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a feed until it ends.
    pub(in super::super) fn serve(&self, feed: &Feed, connection: TakenConnection) {
        let peer = connection.peer();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let is_admitted = {
            let mut open = self.lock();
            let is_admitted = open.len() < self.max;
            if is_admitted {
                let shown = FeedStatus {
                    name: feed.name.clone(),
                    peer: peer.clone(),
                    outstanding: 0,
                    behind: 0,
                    streams: 0,
                };
                open.insert(number, shown);
            }
            is_admitted
        };
        if !is_admitted {
            warn!(peer, name = feed.name, "feed refused: there are too many");
        }
        // Before anything is promised: from now on changes are numbered and kept.
        self.shards.log_changes(self.change_log);
        let closed = Link::new(self, number, connection)
            .map(|mut link| link.serve(feed, is_admitted))
            .unwrap_or_else(Closed::Transport);
        self.lock().remove(&number);
        debug!(peer, name = feed.name, reason = %closed, "feed ended");
    }
}

/// A connection at work.
struct Link<'a> {
    feeds: &'a Feeds,
    number: u64,
    connection: TakenConnection,
    poll: Poll,
    /// It is woken as long as this is there.
    _waker: Arc<Waker>,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Bytes of the output that the socket has taken.
    sent: usize,
    /// Bytes of the output that have been counted, all of them in whole packets.
    counted: usize,
    tally: Option<CounterWriter>,
    readable: bool,
    writable: bool,
    /// When the socket last took something, or had nothing to take.
    taken: Instant,
    /// When others were last shown how far it is.
    shown: Instant,
}

impl<'a> Link<'a> {
    fn new(feeds: &'a Feeds, number: u64, mut connection: TakenConnection) -> io::Result<Link<'a>> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        connection.register(
            poll.registry(),
            STREAM,
            Interest::READABLE | Interest::WRITABLE,
        )?;
        feeds.shards.wakers().add(&waker);
        Ok(Link {
            feeds,
            number,
            connection,
            poll,
            _waker: waker,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            counted: 0,
            tally: feeds.counters.get().map(SharedCounters::writer),
            readable: true,
            writable: true,
            taken: Instant::now(),
            shown: Instant::now(),
        })
    }

    fn serve(&mut self, feed: &Feed, is_admitted: bool) -> Closed {
        let status = match is_admitted {
            true => Status::SUCCESS,
            false => Status::EBUSY,
        };
        if feed.start.is_answered() || !is_admitted {
            let answer = Response {
                opaque: feed.opaque,
                value: status.text().as_bytes(),
                ..Response::new(feed.start.opcode(), status)
            };
            emit(&mut self.output, |out| answer.emit(out));
        }
        if !is_admitted {
            self.finish();
            return Closed::Ended("there are too many feeds".into());
        }
        let now = self.connection.now();
        let mut protocol = match Protocol::new(&feed.start, &self.feeds.shards, now) {
            Ok(protocol) => protocol,
            Err(closed) => return closed,
        };
        let closed = match self.run(&mut protocol) {
            Ok(closed) | Err(closed) => closed,
        };
        if let Closed::Drained = closed {
            protocol.end_all(&mut self.output, self.connection.now());
        }
        if let Closed::Drained | Closed::Quit | Closed::Ended(_) | Closed::Malformed(_) = closed {
            self.finish();
        }
        closed
    }

    fn run(&mut self, protocol: &mut Protocol) -> Result<Closed, Closed> {
        let mut events = Events::with_capacity(16);
        // It rests after some work, so that more of it gathers.
        let mut is_tired = false;
        loop {
            let now = self.connection.now();
            if self.shown.elapsed() > SHOW_INTERVAL {
                self.show(protocol);
            }
            if self.connection.is_draining() {
                return Ok(Closed::Drained);
            }
            let progressed = self.send()?;
            self.receive(protocol, now)?;
            protocol.handle_time(&mut self.output, now)?;
            let mut filled = Filled::Idle;
            let has_room = self.output.len() - self.sent < OUTPUT_LEN / 2;
            if has_room {
                self.compact();
                filled = protocol.fill(&self.feeds.shards, &mut self.output, now)?;
            }
            let is_waiting = self.sent < self.output.len();
            let is_busy = (has_room && filled == Filled::More)
                || (is_waiting && self.writable)
                || (self.readable && self.output.len() < OUTPUT_LEN);
            if is_busy {
                is_tired |= progressed;
                continue;
            }
            if is_waiting && self.taken.elapsed() > self.feeds.timeout {
                return Ok(Closed::Stalled);
            }
            let mut sleep = PAUSE;
            if !is_tired {
                self.feeds.shards.wakers().want();
                // What changed before that is not announced.
                if has_room {
                    filled = protocol.fill(&self.feeds.shards, &mut self.output, now)?;
                }
                let is_waiting = self.sent < self.output.len();
                if (has_room && filled == Filled::More) || (is_waiting && self.writable) {
                    continue;
                }
                sleep = SLEEP;
                self.show(protocol);
            }
            is_tired = self.sleep(&mut events, sleep)?;
        }
    }

    /// Sleeps; whether a change has ended that.
    fn sleep(&mut self, events: &mut Events, timeout: Duration) -> Result<bool, Closed> {
        let mut is_woken = false;
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Closed::Transport(error)),
            Ok(()) => {
                for event in &*events {
                    if event.token() == STREAM {
                        self.readable |= event.is_readable() || event.is_read_closed();
                        self.writable |= event.is_writable() || event.is_write_closed();
                    } else {
                        is_woken = true;
                    }
                }
            }
        }
        Ok(is_woken)
    }

    /// Sends what the socket takes; whether that was something.
    fn send(&mut self) -> Result<bool, Closed> {
        self.count_output();
        let before = self.sent;
        while self.sent < self.output.len() {
            match self.connection.write(&self.output[self.sent..]) {
                Ok(0) => return Err(Closed::Transport(io::ErrorKind::WriteZero.into())),
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writable = false;
                    break;
                }
                Err(error) => return Err(Closed::Transport(error)),
            }
        }
        if self.sent > before || self.sent == self.output.len() {
            self.taken = Instant::now();
        }
        Ok(self.sent > before)
    }

    /// Forgets what was sent.
    fn compact(&mut self) {
        self.output.drain(..self.sent);
        self.counted = self.counted.saturating_sub(self.sent);
        self.sent = 0;
        if self.output.capacity() > 4 * OUTPUT_LEN && self.output.is_empty() {
            // A long item has made it larger.
            self.output = Vec::new();
        }
    }

    /// Takes what the peer has said, unless it does not take its answers.
    fn receive(&mut self, protocol: &mut Protocol, now: u32) -> Result<(), Closed> {
        if !self.readable || self.output.len() >= OUTPUT_LEN {
            return Ok(());
        }
        let kept = self.input.len();
        self.input.resize(kept + READ_LEN, 0);
        let read = self.connection.read(&mut self.input[kept..]);
        self.input.truncate(kept + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => return Err(Closed::EndOfInput),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(());
            }
            Err(error) => return Err(Closed::Transport(error)),
        }
        let done = protocol.take(&self.input, &self.feeds.shards, &mut self.output, now)?;
        if let Some(tally) = &mut self.tally {
            for (opcode, len) in packets(&self.input[..done]) {
                tally.received(opcode, Status::SUCCESS, len, false);
            }
        }
        self.input.drain(..done);
        if self.input.len() > INPUT_LEN_MAX {
            return Err(Closed::Malformed("a request is too long".into()));
        }
        Ok(())
    }

    /// Counts the packets that were written since the last time.
    fn count_output(&mut self) {
        if let Some(tally) = &mut self.tally {
            for (opcode, len) in packets(&self.output[self.counted..]) {
                tally.sent(opcode, len, false);
            }
        }
        self.counted = self.output.len();
    }

    /// Lets others see how far it is.
    fn show(&mut self, protocol: &Protocol) {
        self.shown = Instant::now();
        let mut behind = 0;
        let mut streams = 0;
        for (vbucket, position) in protocol.positions() {
            let last = self
                .feeds
                .shards
                .with_shard(vbucket.into(), |store| store.last_change());
            behind += last.unwrap_or(0).saturating_sub(position);
            streams += 1;
        }
        if let Some(open) = self.feeds.lock().get_mut(&self.number) {
            open.outstanding = protocol.outstanding();
            open.behind = behind;
            open.streams = streams;
        }
    }

    /// Sends what is left, for as long as that may take.
    fn finish(&mut self) {
        let until = Instant::now() + DRAIN_MAX;
        let mut events = Events::with_capacity(16);
        while self.sent < self.output.len() && Instant::now() < until {
            let is_sent = self.writable && self.send().is_err();
            let has_failed = self.sleep(&mut events, DRAIN_MAX / 20).is_err();
            if is_sent || has_failed {
                return;
            }
        }
    }
}

/// The opcodes and lengths in bytes of whole packets behind each other.
fn packets(mut bytes: &[u8]) -> impl Iterator<Item = (Opcode, u64)> + '_ {
    std::iter::from_fn(move || {
        let header = Header::from_bytes(bytes.first_chunk()?).ok()?;
        let len = HEADER_LEN + header.body_len as usize;
        bytes = bytes.get(len..).unwrap_or_default();
        Some((header.opcode, len as u64))
    })
}
