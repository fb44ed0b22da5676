//! A thread that serves connections.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};
use std::{io, mem, task};

use memlet_core::connection::CloseReason;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use tracing::{debug, warn};

use super::connection::{Buffers, Closed, Connection, Context, Turn};
use super::net::Stream;
use super::{Figures, Service, TakenConnection};

/// Readiness events taken from the system at once.
const EVENTS: usize = 1024;

/// Answers of so many turns are sent together.
///
/// Reading and executing, and then sending, several times each: either way's code stays in the processor's caches, and
/// peers find more to do when they wake. Beyond a few turns nothing is gained, and the first answer would wait.
const GROUP: usize = 8;

/// How long a peer that was hung up on may still talk: to close at once would let the system throw away what it was
/// told last.
const LINGER_S: u32 = 2;

/// A connection over which no byte has come or gone for longer than this is closed if memory is short: its peer has
/// stalled, or is gone.
const STALL_S: u32 = 2;

/// How often a thread looks for connections whose time is over.
const SWEEP: Duration = Duration::from_secs(1);

/// How often a thread that is to stop looks whether it can.
const DRAIN_SWEEP: Duration = Duration::from_millis(50);

const WAKE: Token = Token(usize::MAX);

/// How a thread is given connections and told to stop.
#[derive(Debug)]
pub(super) struct Inbox {
    streams: Mutex<Vec<Stream>>,
    draining: AtomicBool,
    waker: Waker,
}

impl Inbox {
    pub(super) fn new(poll: &Poll) -> io::Result<Inbox> {
        let waker = Waker::new(poll.registry(), WAKE)?;
        Ok(Inbox {
            streams: Mutex::default(),
            draining: AtomicBool::new(false),
            waker,
        })
    }

    /// Hands over a connection.
    pub(super) fn give(&self, stream: Stream) -> io::Result<()> {
        self.streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(stream);
        self.waker.wake()
    }

    /// Tells the thread to finish what it has and to stop.
    pub(super) fn drain(&self) -> io::Result<()> {
        self.draining.store(true, Ordering::Release);
        self.waker.wake()
    }

    fn take(&self) -> Vec<Stream> {
        mem::take(&mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl task::Wake for Inbox {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(error) = self.waker.wake() {
            warn!(%error, "thread not woken");
        }
    }
}

/// A connection and what the thread has to know about it.
struct Entry<V: Service> {
    connection: Connection<Stream, V::Handler>,
    /// Memory of its own, in bytes, as it is counted in the thread's sum.
    retained: usize,
    /// The second in which something was last got done.
    active: u32,
    /// The thread's count of turns at the last one in which bytes came or went: the lower, the longer it has stood still.
    moved: u64,
    /// The second of that turn.
    moved_at: u32,
    /// It waits for another turn.
    queued: bool,
    /// Its handler waits for something outside.
    waiting: bool,
    /// The poller tells when it can be written. That is only asked for once it could not.
    writable_wanted: bool,
    /// It has been hung up on; until this second the peer may still talk.
    lingering: Option<u32>,
}

/// A turn whose answers lie in the buffers.
struct Unsent {
    key: usize,
    turn: Turn,
    answers: Range<usize>,
}

/// A thread that serves connections.
pub(super) struct Worker<'scope, 'env, V: Service> {
    thread: usize,
    service: &'scope V,
    figures: Arc<Figures>,
    inbox: Arc<Inbox>,
    poll: Poll,
    /// Where connections that are taken get threads.
    scope: &'scope Scope<'scope, 'env>,
    handler: V::Handler,
    buffers: Buffers,
    connections: Slab<Entry<V>>,
    /// Turns whose answers are yet to be sent.
    unsent: Vec<Unsent>,
    /// Connections that have more to do after the others' turns.
    queue: Vec<usize>,
    /// Connections whose handler waits for something outside.
    waiting: Vec<usize>,
    /// Wakes the thread when it need not wait any more.
    waker: task::Waker,
    /// Connections that are lingering.
    lingering: usize,
    /// Turns that have ended.
    turns: u64,
    /// Memory of the connections' own, in bytes.
    retained: usize,
    /// From here on no more is given to long requests, and connections that have stalled are closed.
    retained_short: usize,
    /// Beyond this the stillest connection is closed, whatever it is doing.
    retained_max: usize,
    now: u32,
    /// The second of the last look for connections whose time is over.
    swept: u32,
    drain_until: Option<Instant>,
}

impl<'scope, 'env, V: Service> Worker<'scope, 'env, V> {
    pub(super) fn new(
        thread: usize,
        service: &'scope V,
        figures: Arc<Figures>,
        inbox: Arc<Inbox>,
        poll: Poll,
        scope: &'scope Scope<'scope, 'env>,
    ) -> Worker<'scope, 'env, V> {
        let now = figures.clock.now();
        let options = &figures.options;
        let share = options.retained_bytes_max / options.threads.max(1);
        let (input, output) = (
            options.connection.input_capacity as usize,
            options.connection.output_capacity as usize,
        );
        let retained_short = (share / 2).max(input).max(output);
        Worker {
            thread,
            service,
            handler: service.handler(thread, &figures),
            waker: task::Waker::from(Arc::clone(&inbox)),
            inbox,
            poll,
            scope,
            buffers: Buffers::new(),
            connections: Slab::new(),
            unsent: Vec::with_capacity(GROUP),
            queue: Vec::new(),
            waiting: Vec::new(),
            lingering: 0,
            turns: 0,
            retained: 0,
            retained_short,
            retained_max: share.max(2 * retained_short),
            now,
            swept: now,
            drain_until: None,
            figures,
        }
    }

    /// Serves until it is told to stop and has finished.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut queue = Vec::new();
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.now = self.figures.clock.now();
            for event in &events {
                match event.token() {
                    WAKE => self.handle_wake(),
                    Token(key) => self.handle_event(key, event),
                }
            }
            self.send_all();
            self.poll_waiting();
            mem::swap(&mut queue, &mut self.queue);
            for key in queue.drain(..) {
                if let Some(entry) = self.connections.get_mut(key) {
                    entry.queued = false;
                    self.turn(key);
                }
            }
            self.send_all();
            if self.now != self.swept {
                self.sweep();
            }
            if self.drain_until.is_some() && self.is_drained() {
                return Ok(());
            }
        }
    }

    /// How long to wait for events: for ever if there is nothing that time alone brings about.
    fn timeout(&self) -> Option<Duration> {
        if !self.queue.is_empty() {
            return Some(Duration::ZERO);
        }
        if self.drain_until.is_some() {
            return Some(DRAIN_SWEEP);
        }
        let idle = self.figures.options.idle_timeout.is_some() && !self.connections.is_empty();
        (idle || self.lingering > 0 || self.is_short()).then_some(SWEEP)
    }

    /// Gives turns to those connections whose handler no longer waits.
    fn poll_waiting(&mut self) {
        let mut waiting = mem::take(&mut self.waiting);
        waiting.retain(|&key| {
            let Some(entry) = self.connections.get_mut(key).filter(|entry| entry.waiting) else {
                return false;
            };
            let mut context = task::Context::from_waker(&self.waker);
            let is_ready = entry.connection.poll_wait(&mut self.handler, &mut context);
            if is_ready {
                entry.waiting = false;
                if !mem::replace(&mut entry.queued, true) {
                    self.queue.push(key);
                }
            }
            !is_ready
        });
        self.waiting = waiting;
    }

    fn handle_wake(&mut self) {
        // What follows may give places away and turns to everybody.
        self.send_all();
        for stream in self.inbox.take() {
            self.insert(stream);
        }
        if self.drain_until.is_none() && self.inbox.draining.load(Ordering::Acquire) {
            self.drain_until = Some(Instant::now() + self.figures.options.drain_timeout);
            // What has arrived is still answered, so each connection gets a turn.
            for key in self.keys() {
                if let Some(entry) = self.connections.get_mut(key) {
                    entry.connection.handle_readable(false);
                    self.turn(key);
                }
            }
        }
    }

    fn insert(&mut self, mut stream: Stream) {
        let slot = self.connections.vacant_entry();
        let key = slot.key();
        if let Err(error) = stream.register(self.poll.registry(), Token(key), Interest::READABLE) {
            debug!(%error, "connection lost");
            self.figures.current.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        debug!(
            thread = self.thread,
            connection = key,
            peer = stream.peer(),
            "accepted"
        );
        slot.insert(Entry {
            connection: Connection::new(stream, &self.figures.options.connection),
            retained: 0,
            active: self.now,
            moved: self.turns,
            moved_at: self.now,
            queued: false,
            waiting: false,
            writable_wanted: false,
            lingering: None,
        });
    }

    #[inline]
    fn handle_event(&mut self, key: usize, event: &Event) {
        let Some(entry) = self.connections.get_mut(key) else {
            return;
        };
        let ended = event.is_read_closed() || event.is_error();
        if event.is_readable() || ended {
            entry.connection.handle_readable(ended);
        }
        if entry.lingering.is_some() {
            self.linger(key);
        } else if !entry.queued {
            self.turn(key);
        }
    }

    /// Gives a connection its turn.
    #[inline]
    fn turn(&mut self, key: usize) {
        let Some(entry) = self.connections.get_mut(key) else {
            return;
        };
        let (turn, answers) = entry.connection.turn(&mut Context {
            handler: &mut self.handler,
            buffers: &mut self.buffers,
            now: self.now,
            room: self
                .retained_short
                .saturating_sub(self.retained - entry.retained),
            publish: |handler: &mut V::Handler| self.service.publish(self.thread, handler),
        });
        if entry.connection.has_progressed() {
            entry.active = self.now;
        }
        if answers.is_empty() {
            return self.end_turn(key, turn);
        }
        self.unsent.push(Unsent { key, turn, answers });
        if self.unsent.len() >= GROUP || self.buffers.is_half_full() {
            self.send_all();
        }
    }

    /// Sends the answers of the turns so far.
    fn send_all(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        // Whoever has read an answer finds it counted.
        self.service.publish(self.thread, &mut self.handler);
        let mut unsent = mem::take(&mut self.unsent);
        for Unsent { key, turn, answers } in unsent.drain(..) {
            // It may have been closed to make room.
            if let Some(entry) = self.connections.get_mut(key) {
                let turn = entry.connection.settle(turn, self.buffers.answers(answers));
                self.end_turn(key, turn);
            }
        }
        self.unsent = unsent;
        self.buffers.release();
    }

    /// Sees to what follows from how a turn ended.
    #[inline]
    fn end_turn(&mut self, key: usize, turn: Turn) {
        let Some(entry) = self.connections.get_mut(key) else {
            return;
        };
        self.turns += 1;
        if entry.connection.has_moved() {
            entry.moved = self.turns;
            entry.moved_at = self.now;
        }
        let retained = entry.connection.retained();
        self.retained = self.retained - entry.retained + retained;
        entry.retained = retained;
        match turn {
            Turn::Idle => {}
            Turn::Again => {
                entry.queued = true;
                self.queue.push(key);
            }
            Turn::Waiting if entry.waiting => {}
            Turn::Waiting => {
                entry.waiting = true;
                self.waiting.push(key);
                // What it waits for may have happened by now, or may be nothing that wakes.
                let _ = self.inbox.waker.wake();
            }
            Turn::Blocked if entry.writable_wanted => {}
            Turn::Blocked => {
                // Asking makes the poller look again: no change since the attempt to write is missed.
                entry.writable_wanted = true;
                let interests = Interest::READABLE | Interest::WRITABLE;
                let stream = entry.connection.stream_mut();
                if let Err(error) = stream.reregister(self.poll.registry(), Token(key), interests) {
                    return self.close(key, &Closed::Transport(error));
                }
            }
            Turn::Closed(Closed::Protocol(CloseReason::Requested)) => return self.end(key),
            Turn::Closed(closed) => return self.hang_up(key, &closed),
        }
        if self.retained > self.retained_max {
            self.make_room();
        }
    }

    /// Ends a connection as its handler wants it, unless the service goes on with it.
    fn end(&mut self, key: usize) {
        let Some(entry) = self.connections.get_mut(key) else {
            return;
        };
        let Some(task) = self.service.take(entry.connection.session_mut()) else {
            return self.hang_up(key, &Closed::Protocol(CloseReason::Requested));
        };
        let Some(mut entry) = self.connections.try_remove(key) else {
            return;
        };
        debug!(thread = self.thread, connection = key, "taken");
        self.retained -= entry.retained;
        entry.connection.abandon(&mut self.handler);
        let (mut stream, input) = entry.connection.into_parts();
        let deregistered = stream.deregister(self.poll.registry());
        let figures = Arc::clone(&self.figures);
        let run = move || {
            let taken = TakenConnection::new(stream, input, Arc::clone(&figures));
            // A task's fault ends its connection and no other.
            let _ = catch_unwind(AssertUnwindSafe(|| task(taken)));
            figures.current.fetch_sub(1, Ordering::Relaxed);
        };
        let thread = thread::Builder::new().name("memlet-taken".into());
        let spawned = deregistered.and_then(|()| thread.spawn_scoped(self.scope, run).map(|_| ()));
        if let Err(error) = spawned {
            warn!(%error, "connection lost");
            self.figures.current.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Ends a connection; if it is the server that does, lets the peer read why.
    fn hang_up(&mut self, key: usize, closed: &Closed) {
        let by_us = match closed {
            Closed::Protocol(reason) => {
                !matches!(reason, CloseReason::EndOfInput | CloseReason::Truncated)
            }
            _ => false,
        };
        let Some(entry) = self.connections.get_mut(key) else {
            return;
        };
        if !by_us || entry.connection.stream().finish().is_err() {
            return self.close(key, closed);
        }
        debug!(thread = self.thread, connection = key, reason = %closed, "hung up");
        entry.lingering = Some(self.now + LINGER_S);
        self.lingering += 1;
        self.linger(key);
    }

    /// Forgets what a peer says that was hung up on.
    fn linger(&mut self, key: usize) {
        let Some(entry) = self.connections.get_mut(key) else {
            return;
        };
        // A peer that talks faster than this is not listening.
        for _ in 0..16 {
            match self.buffers.discard(entry.connection.stream_mut()) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        self.close(key, &Closed::Protocol(CloseReason::EndOfInput));
    }

    /// Closes and forgets a connection.
    fn close(&mut self, key: usize, closed: &Closed) {
        let Some(mut entry) = self.connections.try_remove(key) else {
            return;
        };
        debug!(thread = self.thread, connection = key, reason = %closed, "closed");
        entry.connection.abandon(&mut self.handler);
        self.retained -= entry.retained;
        self.lingering -= usize::from(entry.lingering.is_some());
        self.figures.current.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether memory of the connections' own is so much that no more should be kept.
    fn is_short(&self) -> bool {
        self.retained > self.retained_short
    }

    /// Closes connections whose peers have stalled, the stillest first, until memory is no longer short.
    fn close_stalled(&mut self) {
        let mut stalled: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, entry)| {
                entry.retained > 0
                    && !entry.queued
                    && self.now.saturating_sub(entry.moved_at) > STALL_S
            })
            .map(|(key, entry)| (entry.moved, key))
            .collect();
        stalled.sort_unstable();
        for (_, key) in stalled {
            if !self.is_short() {
                break;
            }
            self.close(key, &Closed::Crowded);
        }
    }

    /// Closes the connections that have stood still for the longest time until the others' memory is within its limit.
    fn make_room(&mut self) {
        while self.retained > self.retained_max {
            let holding = self
                .connections
                .iter()
                .filter(|(_, entry)| entry.retained > 0);
            let Some((key, _)) = holding.min_by_key(|(_, entry)| entry.moved) else {
                return;
            };
            self.close(key, &Closed::Crowded);
        }
    }

    /// Once a second: closes the connections whose time is over.
    fn sweep(&mut self) {
        self.swept = self.now;
        if self.is_short() {
            self.close_stalled();
        }
        let idle_s = self
            .figures
            .options
            .idle_timeout
            .map(|timeout| u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX));
        if idle_s.is_none() && self.lingering == 0 {
            return;
        }
        for key in self.keys() {
            let Some(entry) = self.connections.get(key) else {
                continue;
            };
            let idle = idle_s.is_some_and(|idle_s| self.now.saturating_sub(entry.active) > idle_s);
            match entry.lingering {
                Some(until) if self.now > until => self.close(key, &Closed::Idle),
                None if idle => self.close(key, &Closed::Idle),
                _ => {}
            }
        }
    }

    /// Closes the connections that have nothing under way, or all of them if the time is over; whether none is left.
    fn is_drained(&mut self) -> bool {
        let over = self
            .drain_until
            .is_some_and(|until| Instant::now() >= until);
        for key in self.keys() {
            let Some(entry) = self.connections.get(key) else {
                continue;
            };
            if over
                || entry.lingering.is_some()
                || (!entry.queued && entry.connection.is_between_requests())
            {
                self.close(key, &Closed::Drained);
            }
        }
        self.connections.is_empty()
    }

    fn keys(&self) -> Vec<usize> {
        self.connections.iter().map(|(key, _)| key).collect()
    }
}
