//! The server's side of one connection.

use super::{CloseReason, ConnectionOptions, Next, Progress};
use crate::handler::{Admission, Handler, Outcome, REPLY_ROOM_MIN, Reply, ValueStart};
use crate::wire::{HEADER_LEN, Header, Limits, Magic, Opcode, Request, Status};

/// What a client of the text protocol is told. The text protocol has its place here once it is spoken.
const TEXT_REFUSED: &[u8] = b"ERROR only the memcached binary protocol is spoken here\r\n";

const _: () = assert!(TEXT_REFUSED.len() <= REPLY_ROOM_MIN);

/// [`REPLY_ROOM_MIN`] as steps carry it.
const ROOM_MIN: u32 = REPLY_ROOM_MIN as u32;

/// The server's side of one connection; see the [module](super) for the order of calls.
///
/// It holds no buffer and takes some 40 bytes beside the handler's session.
#[derive(Debug)]
pub struct ServerConnection<H: Handler> {
    session: H::Session,
    options: ConnectionOptions,
    state: State,
}

/// Where in the stream of requests a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No byte has arrived.
    Start,
    /// Between two requests, or in one that is not complete.
    Ready,
    /// The request at the front of the input is answered up to the cursor.
    Partial { cursor: u32 },
    /// A value goes to the handler in pieces.
    Value {
        opcode: Opcode,
        opaque: u32,
        offset: u32,
        remaining: u32,
    },
    /// The rest of an answered request is dropped.
    Skip { remaining: u32 },
    /// Nothing is done any more.
    Closed(CloseReason),
}

/// What to do after a step; small enough to come back in registers on a device.
#[derive(Clone, Copy)]
enum Step {
    /// Look at what follows.
    Continue,
    /// Wait for as many bytes.
    Read(u32),
    /// Wait for as much room.
    Write(u32),
    /// Wait for the handler.
    Wait,
    /// End.
    Close(CloseReason),
}

/// Input and output of one call.
struct Run<'i, 'o> {
    input: &'i [u8],
    consumed: usize,
    reply: Reply<'o>,
    now: u32,
}

impl<'i> Run<'i, '_> {
    #[inline]
    fn rest(&self) -> &'i [u8] {
        self.input.get(self.consumed..).unwrap_or_default()
    }

    #[inline]
    fn consume(&mut self, len: usize) {
        // Never more than there is.
        self.consumed = self.consumed.wrapping_add(len);
    }
}

impl<H: Handler> ServerConnection<H> {
    /// A connection over which nothing has come yet.
    #[must_use]
    pub fn new(options: &ConnectionOptions) -> ServerConnection<H> {
        let mut options = *options;
        options.stream_from = options.stream_from.min(options.input_capacity);
        ServerConnection {
            session: H::Session::default(),
            options,
            state: State::Start,
        }
    }

    /// Sets another [`ConnectionOptions::input_capacity`], for a caller whose memory for input is short or no longer so.
    ///
    /// Requests that the handler wants whole and that are longer are refused from now on, one of which a part has arrived
    /// included: the next [`handle_input`](ServerConnection::handle_input) answers it and skips what is still to come.
    /// Not less than `stream_from` has an effect.
    pub fn set_input_capacity(&mut self, input_capacity: u32) {
        self.options.input_capacity = input_capacity.max(self.options.stream_from);
    }

    /// Executes everything complete in `input` and appends the answers to `output`, in order.
    ///
    /// `input` starts with the bytes that earlier calls did not consume. `output` is written from its front; it must
    /// have room for [`REPLY_ROOM_MIN`] bytes, or nothing is done but to ask for it. `now` is unix time in seconds.
    ///
    /// What is answered, and in which bytes, does not depend on how the input was cut into pieces or on how large the
    /// output was.
    pub fn handle_input(
        &mut self,
        handler: &mut H,
        input: &[u8],
        output: &mut [u8],
        now: u32,
    ) -> Progress {
        let mut run = Run {
            input,
            consumed: 0,
            reply: Reply::new(output, Opcode::NOOP, 0),
            now,
        };
        let next = loop {
            let step = match self.state {
                State::Ready => self.handle_requests(handler, 0, &mut run),
                State::Partial { cursor } => self.handle_requests(handler, cursor, &mut run),
                State::Start => self.handle_first_byte(&mut run),
                State::Value { .. } => self.handle_value(handler, &mut run),
                State::Skip { remaining } => self.skip(remaining, &mut run),
                State::Closed(reason) => break Next::Close(reason),
            };
            match step {
                Step::Continue => {}
                Step::Read(missing) => {
                    break Next::Read {
                        missing: missing.into(),
                    };
                }
                Step::Write(room) => {
                    break Next::Write {
                        room: room as usize,
                    };
                }
                Step::Wait => break Next::Wait,
                Step::Close(reason) => {
                    handler.end_session(&mut self.session);
                    break Next::Close(reason);
                }
            }
        };
        let progress = Progress {
            consumed: run.consumed,
            written: run.reply.written(),
            next,
        };
        handler.note_traffic(progress.consumed as u64, progress.written as u64);
        progress
    }

    /// Ends the connection because the peer has closed its side, with `unconsumed` bytes of input left over.
    ///
    /// A value that is incomplete is forgotten. Returns whether the peer stopped between two requests or in one.
    pub fn handle_end_of_input(&mut self, handler: &mut H, unconsumed: usize) -> CloseReason {
        let within = unconsumed > 0 || !self.is_between_requests();
        self.end(
            handler,
            if within {
                CloseReason::Truncated
            } else {
                CloseReason::EndOfInput
            },
        )
    }

    /// Ends the connection for a reason of the caller's; a value that is incomplete is forgotten.
    pub fn abandon(&mut self, handler: &mut H) -> CloseReason {
        self.end(handler, CloseReason::Abandoned)
    }

    /// Whether no request is half received or half answered, unconsumed input aside.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        matches!(self.state, State::Start | State::Ready | State::Closed(_))
    }

    /// What the handler keeps for this connection.
    #[must_use]
    pub fn session(&self) -> &H::Session {
        &self.session
    }

    /// What the handler keeps for this connection.
    pub fn session_mut(&mut self) -> &mut H::Session {
        &mut self.session
    }

    fn end(&mut self, handler: &mut H, reason: CloseReason) -> CloseReason {
        if let State::Closed(reason) = self.state {
            return reason;
        }
        if let State::Value { .. } = self.state {
            handler.abandon_value(&mut self.session);
        }
        handler.end_session(&mut self.session);
        self.state = State::Closed(reason);
        reason
    }

    /// Answers one request after the other while they come complete; the first one from `cursor` on.
    ///
    /// This is the path of every ordinary request: the header is parsed once and nothing is looked at twice.
    #[inline]
    fn handle_requests(&mut self, handler: &mut H, cursor: u32, run: &mut Run<'_, '_>) -> Step {
        let mut cursor = cursor;
        loop {
            let rest = run.rest();
            let Some((bytes, body)) = rest.split_first_chunk::<HEADER_LEN>() else {
                return self.handle_short_header(rest);
            };
            if run.reply.room() < REPLY_ROOM_MIN {
                return Step::Write(ROOM_MIN);
            }
            let &[magic, ..] = bytes;
            if Magic(magic) != Magic::CLIENT_REQUEST {
                return self.close(CloseReason::Magic);
            }
            let Ok(header) = Header::from_bytes(bytes) else {
                return self.close(CloseReason::Magic);
            };
            run.reply.begin(header.opcode, header.opaque, cursor);
            let Some(value_len) = header.value_len_within(&Limits::NONE) else {
                return self.refuse(handler, Status::UNKNOWN_COMMAND, CloseReason::Lengths, run);
            };
            if header.body_len > self.options.limits.body_len_max {
                return self.refuse(handler, Status::EINVAL, CloseReason::Lengths, run);
            }
            if let Admission::Reject(status) = handler.admit(&self.session, &header) {
                return self.refuse(handler, status, CloseReason::Rejected, run);
            }
            if header.key_len > self.options.limits.key_len_max {
                return self.refuse(handler, Status::EINVAL, CloseReason::Lengths, run);
            }
            if packet_len(&header) > self.options.stream_from
                && let Some(step) = self.handle_long(handler, &header, value_len, run)
            {
                return step;
            }
            let body_len = header.body_len as usize;
            let Some(body) = body.get(..body_len) else {
                return Step::Read(header.body_len.saturating_sub(body.len() as u32));
            };
            let Some(request) = request(&header, body) else {
                return self.close(CloseReason::Lengths);
            };
            match handler.handle(&mut self.session, &request, &mut run.reply, run.now) {
                Outcome::Done => {}
                other => match self.handle_outcome(
                    handler,
                    other,
                    HEADER_LEN.wrapping_add(body_len),
                    run,
                ) {
                    Step::Continue => {}
                    wait => return wait,
                },
            }
            run.consume(HEADER_LEN.wrapping_add(body_len));
            if cursor != 0 {
                cursor = 0;
                self.state = State::Ready;
            }
        }
    }

    /// Handles any other outcome than that a request is done with; `Continue` says that it is after all.
    fn handle_outcome(
        &mut self,
        handler: &mut H,
        outcome: Outcome,
        packet_len: usize,
        run: &mut Run<'_, '_>,
    ) -> Step {
        match outcome {
            Outcome::Done => Step::Continue,
            Outcome::Close => {
                run.consume(packet_len);
                self.close(CloseReason::Requested)
            }
            Outcome::NeedOutput(room) => self.need_output(handler, room, run),
            Outcome::Wait => Step::Wait,
            Outcome::Again(cursor) => {
                self.state = State::Partial { cursor };
                Step::Write(ROOM_MIN.min(self.options.output_capacity))
            }
        }
    }

    /// Asks for room in the output, or answers that there can never be so much.
    ///
    /// A handler that wants more room while it has all there can be is treated alike, lest the connection stall.
    #[cold]
    fn need_output(&self, handler: &mut H, room: usize, run: &mut Run<'_, '_>) -> Step {
        match u32::try_from(room) {
            Ok(wanted) if wanted <= self.options.output_capacity && room > run.reply.room() => {
                Step::Write(wanted)
            }
            _ => {
                // There is room for an error: no handler is called without.
                let text = "Response too large for the server's buffer";
                let _ = run.reply.error_text(Status::ENOMEM, text);
                handler.note_refused(run.reply.opcode(), (HEADER_LEN + text.len()) as u64);
                Step::Continue
            }
        }
    }

    /// Waits for the rest of a header, unless its first byte shows already that it is none.
    fn handle_short_header(&mut self, rest: &[u8]) -> Step {
        match rest.first() {
            Some(&magic) if Magic(magic) != Magic::CLIENT_REQUEST => self.close(CloseReason::Magic),
            _ => Step::Read(HEADER_LEN.saturating_sub(rest.len()) as u32),
        }
    }

    /// Chooses the protocol by the first byte, as memcached does.
    fn handle_first_byte(&mut self, run: &mut Run<'_, '_>) -> Step {
        match run.rest().first() {
            None => Step::Read(HEADER_LEN as u32),
            Some(&byte) if Magic(byte) == Magic::CLIENT_REQUEST => {
                self.state = State::Ready;
                Step::Continue
            }
            Some(_) if run.reply.room() < REPLY_ROOM_MIN => Step::Write(ROOM_MIN),
            Some(_) => {
                run.reply.raw(TEXT_REFUSED);
                run.consumed = run.input.len();
                self.close(CloseReason::Text)
            }
        }
    }

    /// Lets the handler choose what becomes of a long value; `None` says that the request is waited for whole.
    #[inline(never)]
    fn handle_long(
        &mut self,
        handler: &mut H,
        header: &Header,
        value_len: u32,
        run: &mut Run<'_, '_>,
    ) -> Option<Step> {
        let rest = run.rest();
        let head_len = packet_len(header).wrapping_sub(value_len);
        if head_len > self.options.input_capacity {
            // Not even the key can be presented.
            return Some(self.refuse_value(
                handler,
                Status::E2BIG,
                HEADER_LEN,
                header.body_len,
                run,
            ));
        }
        let Some(body) = rest.get(HEADER_LEN..head_len as usize) else {
            return Some(Step::Read(head_len.saturating_sub(rest.len() as u32)));
        };
        let Some(head) = request(header, body) else {
            return Some(self.close(CloseReason::Lengths));
        };
        let head_len = head_len as usize;
        Some(
            match handler.begin_value(&mut self.session, &head, value_len, &mut run.reply, run.now)
            {
                ValueStart::Stream => {
                    run.consume(head_len);
                    let (opcode, opaque) = (header.opcode, header.opaque);
                    self.state = State::Value {
                        opcode,
                        opaque,
                        offset: 0,
                        remaining: value_len,
                    };
                    Step::Continue
                }
                ValueStart::Whole(status) => {
                    if packet_len(header) <= self.options.input_capacity {
                        return None;
                    }
                    handler.refuse_value(&head, status, &mut run.reply, run.now);
                    self.skip_after(head_len, value_len, run)
                }
                ValueStart::Skip => self.skip_after(head_len, value_len, run),
                ValueStart::Close => {
                    run.consume(head_len);
                    self.close(CloseReason::Requested)
                }
                ValueStart::NeedOutput(room) => match self.need_output(handler, room, run) {
                    Step::Continue => self.skip_after(head_len, value_len, run),
                    wait => wait,
                },
            },
        )
    }

    /// Answers with an error and drops what follows. The room for it has been seen to.
    fn refuse_value(
        &mut self,
        handler: &mut H,
        status: Status,
        consumed: usize,
        remaining: u32,
        run: &mut Run<'_, '_>,
    ) -> Step {
        answer_error(handler, status, run);
        self.skip_after(consumed, remaining, run)
    }

    /// Hands what has come of a value to the handler, and lets it answer once that was all.
    fn handle_value(&mut self, handler: &mut H, run: &mut Run<'_, '_>) -> Step {
        let State::Value {
            opcode,
            opaque,
            offset,
            remaining,
        } = self.state
        else {
            return Step::Continue;
        };
        let (piece, remaining) = take(run.rest(), remaining);
        if !piece.is_empty() {
            handler.handle_value(&mut self.session, offset, piece);
            run.consume(piece.len());
            // A piece is never longer than what remained, so it fits 32 bits.
            let offset = offset.wrapping_add(piece.len() as u32);
            self.state = State::Value {
                opcode,
                opaque,
                offset,
                remaining,
            };
        }
        if remaining > 0 {
            return self.read_some(remaining);
        }
        if run.reply.room() < REPLY_ROOM_MIN {
            return Step::Write(ROOM_MIN);
        }
        run.reply.begin(opcode, opaque, 0);
        let step = match handler.finish_value(&mut self.session, &mut run.reply, run.now) {
            Outcome::Again(_) => Step::Continue,
            outcome => self.handle_outcome(handler, outcome, 0, run),
        };
        if let Step::Continue = step {
            self.state = State::Ready;
        }
        step
    }

    fn skip_after(&mut self, consumed: usize, remaining: u32, run: &mut Run<'_, '_>) -> Step {
        run.consume(consumed);
        self.state = State::Skip { remaining };
        Step::Continue
    }

    /// Drops what has come of a body that nobody wants.
    fn skip(&mut self, remaining: u32, run: &mut Run<'_, '_>) -> Step {
        let (piece, remaining) = take(run.rest(), remaining);
        run.consume(piece.len());
        if remaining > 0 {
            self.state = State::Skip { remaining };
            return self.read_some(remaining);
        }
        self.state = State::Ready;
        Step::Continue
    }

    /// Asks for as much of a long value as the caller's usual buffer holds.
    fn read_some(&self, remaining: u32) -> Step {
        Step::Read(remaining.min(self.options.stream_from).max(1))
    }

    fn close(&mut self, reason: CloseReason) -> Step {
        self.state = State::Closed(reason);
        Step::Close(reason)
    }

    /// Answers with an error and closes. The room for it has been seen to.
    #[cold]
    fn refuse(
        &mut self,
        handler: &mut H,
        status: Status,
        reason: CloseReason,
        run: &mut Run<'_, '_>,
    ) -> Step {
        answer_error(handler, status, run);
        self.close(reason)
    }
}

/// Length of the whole packet in bytes. One that 32 bits cannot say is beyond every buffer.
#[inline]
fn packet_len(header: &Header) -> u32 {
    header.body_len.saturating_add(HEADER_LEN as u32)
}

/// The first bytes of `input` that belong to the `remaining` ones, and how many then still remain.
fn take(input: &[u8], remaining: u32) -> (&[u8], u32) {
    match input.get(..remaining as usize) {
        Some(piece) => (piece, 0),
        None => (input, remaining.wrapping_sub(input.len() as u32)),
    }
}

/// The request of this header and body; `None` when the lengths do not add up.
#[inline]
fn request<'a>(header: &Header, body: &'a [u8]) -> Option<Request<'a>> {
    let (extras, rest) = body.split_at_checked(usize::from(header.extras_len))?;
    let (key, value) = rest.split_at_checked(usize::from(header.key_len))?;
    Some(Request {
        magic: header.magic,
        opcode: header.opcode,
        datatype: header.datatype,
        vbucket: header.vbucket_or_status,
        opaque: header.opaque,
        cas: header.cas,
        framing_extras: &[],
        extras,
        key,
        value,
    })
}

/// Answers a request in the handler's place, with the status's own text if there is none. The room has been seen to.
#[cold]
fn answer_error<H: Handler>(handler: &mut H, status: Status, run: &mut Run<'_, '_>) {
    let start = run.reply.written();
    let _ = run.reply.error(status);
    let response_len = run.reply.written().saturating_sub(start);
    handler.note_refused(run.reply.opcode(), response_len as u64);
}
