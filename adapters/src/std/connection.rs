//! One connection of the event loop: a socket, the protocol machine, and what neither of them has taken yet.
//!
//! ```text
//!            ┌────────────── readable ──────────────┐
//!            ▼                                      │
//!   Idle: nothing kept, or part of a request ──▶ a turn: read once, execute all; then write once
//!            ▲                                      │
//!            │ written                              ├─ the handler waits for something ─▶ Waiting: until it says so
//!            │                                      ├─ the socket takes no more ─▶ Blocked: neither read nor execute
//!            └───────── writable ◀──────────────────┤
//!                                                   ├─ much was done, more waits ─▶ Again: after the others' turns
//!                                                   └─ closed by either side ─────▶ Closed
//! ```
//!
//! The buffers of a turn are shared by all connections of a thread. A connection keeps only what is left over, so an
//! idle one costs a few hundred bytes.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fmt, mem, task};

use memlet_core::connection::{CloseReason, ConnectionOptions, Next, ServerConnection};
use memlet_core::handler::{Handler, REPLY_ROOM_MIN};

/// What is read at once, in bytes.
const INPUT_LEN: usize = 64 << 10;

/// What is answered before it is written, in bytes, unless a single answer is longer.
const OUTPUT_LEN: usize = 64 << 10;

/// An output buffer that a long answer has made larger than this is given back, in bytes.
const OUTPUT_KEPT_MAX: usize = 4 << 20;

/// Bytes read and written after which a connection lets the others have their turn.
const TURN_LEN: usize = 256 << 10;

/// An unfinished request longer than this is added to where it lies instead of going through the shared buffer, so that
/// a long request which arrives in small pieces is not copied for each of them.
const SHARED_INPUT_MAX: usize = 16 << 10;

/// The buffers that all connections of a thread share.
#[derive(Debug)]
pub(super) struct Buffers {
    input: Box<[u8]>,
    output: Vec<u8>,
    /// Bytes at the front of the output that are answers of turns which have not been settled yet.
    held: usize,
}

impl Buffers {
    pub(super) fn new() -> Buffers {
        Buffers {
            input: vec![0; INPUT_LEN].into(),
            output: vec![0; OUTPUT_LEN],
            held: 0,
        }
    }

    /// Whether the answers of more turns should wait until those held are sent.
    #[inline]
    pub(super) fn is_half_full(&self) -> bool {
        self.held >= OUTPUT_LEN / 2
    }

    /// Forgets the answers of turns, which are all settled.
    #[inline]
    pub(super) fn release(&mut self) {
        self.held = 0;
        if self.output.len() > OUTPUT_KEPT_MAX {
            self.output = vec![0; OUTPUT_LEN];
        }
    }

    /// The answers of a turn.
    #[inline]
    pub(super) fn answers(&self, range: Range<usize>) -> &[u8] {
        &self.output[range]
    }

    /// Reads and forgets what a peer still says.
    pub(super) fn discard(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        stream.read(&mut self.input)
    }
}

/// What a turn needs besides the connection.
pub(super) struct Context<'a, H, P> {
    pub(super) handler: &'a mut H,
    pub(super) buffers: &'a mut Buffers,
    /// Unix time in seconds.
    pub(super) now: u32,
    /// Bytes that the connection may keep of requests it waits for; beyond it long ones are refused.
    pub(super) room: usize,
    /// Called before answers leave in the middle of a turn, so that whoever has read one finds it counted.
    pub(super) publish: P,
}

/// How a turn ended.
#[derive(Debug)]
pub(super) enum Turn {
    /// There is nothing to do until more arrives.
    Idle,
    /// There is more to do, but it is the others' turn.
    Again,
    /// The handler waits for something outside: [`Connection::poll_wait`] tells when it no longer does.
    Waiting,
    /// Answers wait until the peer takes them.
    Blocked,
    /// The connection is at its end.
    Closed(Closed),
}

/// Why a connection has ended.
#[derive(Debug)]
pub(super) enum Closed {
    /// By either side, by the rules of the protocol or against them.
    Protocol(CloseReason),
    /// The transport failed.
    Transport(io::Error),
    /// The handler panicked.
    Panicked,
    /// Nothing was got done for too long.
    Idle,
    /// It stood still and its memory was needed.
    Crowded,
    /// The server stops.
    Drained,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::Protocol(reason) => reason.fmt(f),
            Closed::Transport(error) => error.fmt(f),
            Closed::Panicked => f.write_str("the handler panicked"),
            Closed::Idle => f.write_str("idle for too long"),
            Closed::Crowded => f.write_str("stood still while its memory was needed"),
            Closed::Drained => f.write_str("the server stops"),
        }
    }
}

/// What came of reading.
enum Input {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// Nothing any more.
    End,
}

/// One connection.
pub(super) struct Connection<S, H: Handler> {
    stream: S,
    machine: ServerConnection<H>,
    /// How long a request may be for which the machine waits, in bytes, as long as there is memory.
    input_capacity: u32,
    /// Input that is not consumed: part of a request or, if `backlog`, requests that wait for their turn.
    input: Vec<u8>,
    /// Answers of which the socket has taken `output_sent` bytes.
    output: Vec<u8>,
    output_sent: usize,
    /// How many bytes must follow `input` until there is something to do.
    missing: u64,
    /// There may be something to read: since the last time that the socket said so it was not found empty.
    readable: bool,
    /// The last attempt to read found nothing.
    starved: bool,
    /// The peer has closed its side: the socket is read until it says so.
    ended: bool,
    /// The machine has work to do without further input.
    backlog: bool,
    /// What happened in the last turn was more than waiting.
    progressed: bool,
    /// Bytes came or went in the last turn.
    moved: bool,
    /// To be closed once the output is written.
    closing: Option<CloseReason>,
}

impl<S: Read + Write, H: Handler> Connection<S, H> {
    pub(super) fn new(stream: S, options: &ConnectionOptions) -> Connection<S, H> {
        Connection {
            stream,
            machine: ServerConnection::new(options),
            input_capacity: options.input_capacity,
            input: Vec::new(),
            output: Vec::new(),
            output_sent: 0,
            missing: 0,
            readable: false,
            starved: false,
            ended: false,
            backlog: false,
            progressed: false,
            moved: false,
            closing: None,
        }
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    pub(super) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// What the handler keeps for the connection.
    pub(super) fn session_mut(&mut self) -> &mut H::Session {
        self.machine.session_mut()
    }

    /// The stream, and what was read from it and not handled.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.input)
    }

    /// Notes that there may be something to read, and whether the peer is said to have closed.
    pub(super) fn handle_readable(&mut self, ended: bool) {
        self.readable = true;
        self.ended |= ended;
    }

    /// Whether the last attempt to read found nothing: with a stream that blocks, that is an error.
    pub(super) fn is_starved(&self) -> bool {
        self.starved
    }

    /// Bytes that the connection keeps in memory of its own.
    pub(super) fn retained(&self) -> usize {
        self.input.capacity() + self.output.capacity()
    }

    /// Whether nothing is half received, half answered or not yet sent.
    pub(super) fn is_between_requests(&self) -> bool {
        self.input.is_empty()
            && self.output.is_empty()
            && !self.backlog
            && self.machine.is_between_requests()
    }

    /// Whether the last turn got something done: executed a request, took part of a value or sent something.
    pub(super) fn has_progressed(&self) -> bool {
        self.progressed
    }

    /// Whether bytes came or went in the last turn, done with or not.
    pub(super) fn has_moved(&self) -> bool {
        self.moved
    }

    /// Does all there is to do but to send the last answers: sends what is kept, then reads, executes and answers what
    /// has arrived.
    ///
    /// The answers lie in the buffers at the returned range. Unless that is empty, [`settle`](Connection::settle) has to
    /// follow before anything else is done with the connection.
    pub(super) fn turn<P: FnMut(&mut H)>(
        &mut self,
        context: &mut Context<'_, H, P>,
    ) -> (Turn, Range<usize>) {
        self.progressed = false;
        self.moved = false;
        let mut budget = TURN_LEN;
        let start = context.buffers.held;
        let turn = match self.try_turn(context, &mut budget) {
            Ok(turn) => turn,
            Err(error) => Turn::Closed(Closed::Transport(error)),
        };
        (turn, start..context.buffers.held)
    }

    /// Sends the answers of a turn; what the socket does not take is kept. Returns how the turn has ended then.
    pub(super) fn settle(&mut self, turn: Turn, answers: &[u8]) -> Turn {
        match self.send_or_keep(answers) {
            Ok(true) => turn,
            Ok(false) => match turn {
                Turn::Closed(Closed::Protocol(reason)) => {
                    self.closing = Some(reason);
                    Turn::Blocked
                }
                Turn::Closed(closed) => Turn::Closed(closed),
                Turn::Idle | Turn::Again | Turn::Waiting | Turn::Blocked => Turn::Blocked,
            },
            Err(error) => Turn::Closed(Closed::Transport(error)),
        }
    }

    /// Whether the handler, which waits, has a use for another turn; if not, it wakes the context's waker when it has.
    pub(super) fn poll_wait(&mut self, handler: &mut H, context: &mut task::Context<'_>) -> bool {
        let session = self.machine.session_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| handler.poll_wait(session, context)));
        // After a panic the turn shows what is left.
        polled.map_or(true, |polled| polled.is_ready())
    }

    /// Releases what the handler holds for the connection. Nothing but dropping may follow.
    pub(super) fn abandon(&mut self, handler: &mut H) {
        let machine = &mut self.machine;
        // The handler may be in disorder after a panic; its second one changes nothing.
        let _ = catch_unwind(AssertUnwindSafe(|| machine.abandon(handler)));
    }

    fn try_turn<P: FnMut(&mut H)>(
        &mut self,
        context: &mut Context<'_, H, P>,
        budget: &mut usize,
    ) -> io::Result<Turn> {
        if !self.flush()? {
            return Ok(Turn::Blocked);
        }
        loop {
            if let Some(reason) = self.closing {
                return Ok(Turn::Closed(Closed::Protocol(reason)));
            }
            if !self.backlog && !self.readable {
                return Ok(Turn::Idle);
            }
            if *budget == 0 {
                return Ok(Turn::Again);
            }
            let turn = if self.input.len() > SHARED_INPUT_MAX {
                self.run_kept(context, budget)?
            } else {
                self.run_shared(context, budget)?
            };
            if let Some(turn) = turn {
                return Ok(turn);
            }
        }
    }

    /// Reads behind the kept input in the shared buffer and executes both.
    fn run_shared<P: FnMut(&mut H)>(
        &mut self,
        context: &mut Context<'_, H, P>,
        budget: &mut usize,
    ) -> io::Result<Option<Turn>> {
        let kept = self.input.len();
        if kept > 0 {
            context.buffers.input[..kept].copy_from_slice(&self.input);
        }
        let mut filled = kept;
        if !self.backlog {
            match self.read(Target::Shared(&mut context.buffers.input[kept..]))? {
                Input::Bytes(len) => filled += len,
                Input::Nothing => return Ok(Some(Turn::Idle)),
                Input::End => return Ok(Some(self.end(context.handler))),
            }
            *budget = budget.saturating_sub(filled - kept);
        }
        // The buffer is taken out for the time of the run because the context is lent as a whole.
        let input = mem::take(&mut context.buffers.input);
        // What is left over may be as long as the buffer.
        self.limit_input(context.room < INPUT_LEN);
        let run = self.execute(&input[..filled], context, budget);
        if let Ok((consumed, _)) = run {
            let rest = &input[consumed..filled];
            if rest.is_empty() {
                self.input = Vec::new();
            } else {
                self.input.clear();
                self.input.extend_from_slice(rest);
            }
        }
        context.buffers.input = input;
        Ok(run?.1)
    }

    /// Adds to the kept input where it lies and executes it, once it is what the machine waits for or there is no room for
    /// more.
    fn run_kept<P: FnMut(&mut H)>(
        &mut self,
        context: &mut Context<'_, H, P>,
        budget: &mut usize,
    ) -> io::Result<Option<Turn>> {
        // Not more than has come already: what a peer announces is not yet worth memory.
        let chunk = self
            .missing
            .clamp(1, self.input.len().max(INPUT_LEN) as u64) as usize;
        let is_short = self.input.len() + chunk > context.room;
        if !self.backlog {
            match self.read(Target::Kept(chunk))? {
                Input::Bytes(len) => {
                    *budget = budget.saturating_sub(len);
                    self.missing = self.missing.saturating_sub(len as u64);
                }
                Input::Nothing => return Ok(Some(Turn::Idle)),
                Input::End => return Ok(Some(self.end(context.handler))),
            }
            if self.missing > 0 && !is_short {
                return Ok(None);
            }
        }
        let mut input = mem::take(&mut self.input);
        self.limit_input(is_short && self.missing > 0);
        let (consumed, turn) = self.execute(&input, context, budget)?;
        if consumed < input.len() {
            input.drain(..consumed);
            self.input = input;
        }
        Ok(turn)
    }

    /// Lets the machine refuse long requests that it would have to wait for, or no longer.
    #[inline]
    fn limit_input(&mut self, is_short: bool) {
        let capacity = if is_short { 0 } else { self.input_capacity };
        self.machine.set_input_capacity(capacity);
    }

    /// Lets the machine execute `input`. Its answers are held in the output buffer; those that do not fit are sent.
    /// Returns how much of the input is done with.
    fn execute<P: FnMut(&mut H)>(
        &mut self,
        input: &[u8],
        context: &mut Context<'_, H, P>,
        budget: &mut usize,
    ) -> io::Result<(usize, Option<Turn>)> {
        let start = context.buffers.held;
        let mut consumed = 0;
        let mut end = start;
        self.backlog = false;
        loop {
            let (machine, handler, now) = (&mut self.machine, &mut *context.handler, context.now);
            let (rest, room) = (&input[consumed..], &mut context.buffers.output[end..]);
            // A handler's fault costs the connection that met it, and no other.
            let progress = catch_unwind(AssertUnwindSafe(|| {
                machine.handle_input(handler, rest, room, now)
            }));
            let Ok(progress) = progress else {
                context.buffers.held = end;
                return Ok((consumed, Some(Turn::Closed(Closed::Panicked))));
            };
            consumed += progress.consumed;
            end += progress.written;
            self.progressed |= progress.consumed > 0 || progress.written > 0;
            match progress.next {
                Next::Read { missing } => {
                    self.missing = missing;
                    context.buffers.held = end;
                    let turn = if self.readable {
                        Turn::Again
                    } else {
                        Turn::Idle
                    };
                    // Answers leave before more is read: a peer may wait for them.
                    return Ok((consumed, (end > start).then_some(turn)));
                }
                Next::Wait => {
                    self.backlog = true;
                    context.buffers.held = end;
                    return Ok((consumed, Some(Turn::Waiting)));
                }
                Next::Close(reason) => {
                    context.buffers.held = end;
                    return Ok((consumed, Some(Turn::Closed(Closed::Protocol(reason)))));
                }
                // An answer in parts goes on where it stopped.
                Next::Write { room } if room <= context.buffers.output.len() - end => {}
                Next::Write { room } => {
                    *budget = budget.saturating_sub(end - start);
                    (context.publish)(context.handler);
                    let sent = self.send_or_keep(&context.buffers.output[start..end])?;
                    if !sent || *budget == 0 {
                        self.backlog = true;
                        let turn = if sent { Turn::Again } else { Turn::Blocked };
                        return Ok((consumed, Some(turn)));
                    }
                    end = start;
                    let needed = start + room.max(REPLY_ROOM_MIN);
                    if context.buffers.output.len() < needed {
                        context.buffers.output.resize(needed, 0);
                    }
                }
            }
        }
    }

    /// Sends `answers`; what the socket does not take is kept. Returns whether it took all.
    fn send_or_keep(&mut self, answers: &[u8]) -> io::Result<bool> {
        let sent = send(&mut self.stream, answers)?;
        self.moved |= sent > 0;
        if sent < answers.len() {
            self.output = answers[sent..].to_vec();
            self.output_sent = 0;
        }
        Ok(sent == answers.len())
    }

    /// Sends what is kept; returns whether nothing is left.
    fn flush(&mut self) -> io::Result<bool> {
        if self.output.is_empty() {
            return Ok(true);
        }
        let sent = send(&mut self.stream, &self.output[self.output_sent..])?;
        self.progressed |= sent > 0;
        self.moved |= sent > 0;
        self.output_sent += sent;
        if self.output_sent < self.output.len() {
            return Ok(false);
        }
        self.output = Vec::new();
        Ok(true)
    }

    /// Reads once.
    ///
    /// Less than there was room for means that the socket is empty: the next read would only find that out, and what
    /// comes later is announced. Not so at the end of the stream, which is announced together with the last bytes.
    fn read(&mut self, target: Target<'_>) -> io::Result<Input> {
        let (kept, room) = match target {
            Target::Shared(room) => (None, room),
            Target::Kept(len) => {
                let kept = self.input.len();
                self.input.reserve_exact(len);
                self.input.resize(kept + len, 0);
                (Some(kept), &mut self.input[kept..])
            }
        };
        let room_len = room.len();
        let result = loop {
            match self.stream.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        if let Some(kept) = kept {
            self.input.truncate(kept + *result.as_ref().unwrap_or(&0));
        }
        match result {
            Ok(0) => Ok(Input::End),
            Ok(len) => {
                self.moved = true;
                self.readable = len == room_len || self.ended;
                Ok(Input::Bytes(len))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                self.starved = true;
                Ok(Input::Nothing)
            }
            Err(error) => Err(error),
        }
    }

    fn end(&mut self, handler: &mut H) -> Turn {
        let (machine, unconsumed) = (&mut self.machine, self.input.len());
        let reason = catch_unwind(AssertUnwindSafe(|| {
            machine.handle_end_of_input(handler, unconsumed)
        }));
        Turn::Closed(reason.map_or(Closed::Panicked, Closed::Protocol))
    }
}

/// Where to read to.
enum Target<'a> {
    Shared(&'a mut [u8]),
    /// Behind the kept input, at most so many bytes.
    Kept(usize),
}

/// Sends as much as the socket takes.
fn send(stream: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => sent += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
