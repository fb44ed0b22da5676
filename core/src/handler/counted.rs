//! Counts by opcode what a handler is asked and what it answers.

use core::task::{Context, Poll};

use super::{Admission, Handler, Outcome, Reply, ValueStart};
use crate::counters::Tally;
use crate::wire::{HEADER_LEN, Header, Opcode, Request, Status};

/// A handler that tells a [`Tally`] of every request and response of another.
///
/// Requests are the tally's `received` (with [`Status::SUCCESS`], because a request has none), responses its `sent`. A
/// request with several responses counts each. One that the connection refuses (a key too long, no login, a value that
/// its buffers cannot hold) counts as `received` and failed, with the bytes of its header or head, whatever arrives of
/// the rest.
///
/// Without it nothing is counted and nothing is spent:
///
/// ```
/// use memlet_core::counters::Counters;
/// use memlet_core::handler::{Counted, Outcome, Reply};
/// use memlet_core::wire::{Opcode, Request};
///
/// let answer = |_: &Request<'_>, reply: &mut Reply<'_>| -> Outcome { reply.success(0).into() };
/// let mut handler = Counted::new(answer, Counters::new());
/// # use memlet_core::connection::{ConnectionOptions, ServerConnection};
/// # let mut connection = ServerConnection::new(&ConnectionOptions::default());
/// # let noop = *b"\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// # connection.handle_input(&mut handler, &noop, &mut [0; 256], 0);
/// // ... a connection hands it requests, and then:
/// assert_eq!(handler.tally().received.get(Opcode::NOOP).operations, 1);
/// assert_eq!(handler.tally().sent.total().bytes, 24);
/// ```
#[derive(Debug)]
pub struct Counted<H, T> {
    handler: H,
    tally: T,
}

/// What is kept for one connection: the inner handler's session, and the request whose value is arriving.
#[derive(Debug, Default)]
pub struct CountedSession<S> {
    session: S,
    /// The length in bytes of a request whose value is taken in pieces.
    streamed: u64,
}

impl<S> CountedSession<S> {
    /// What the inner handler keeps.
    pub const fn inner(&self) -> &S {
        &self.session
    }

    /// What the inner handler keeps.
    pub const fn inner_mut(&mut self) -> &mut S {
        &mut self.session
    }
}

impl<H, T> Counted<H, T> {
    /// Lets `tally` know what `handler` does.
    pub const fn new(handler: H, tally: T) -> Counted<H, T> {
        Counted { handler, tally }
    }

    /// The handler that answers.
    pub const fn inner(&self) -> &H {
        &self.handler
    }

    /// The handler that answers.
    pub const fn inner_mut(&mut self) -> &mut H {
        &mut self.handler
    }

    /// What has been told so far.
    pub const fn tally(&self) -> &T {
        &self.tally
    }
}

impl<H, T: Tally> Counted<H, T> {
    /// Tells of a request that was done with.
    fn count_request(&mut self, opcode: Opcode, bytes: u64) {
        self.tally.received(opcode, Status::SUCCESS, bytes, false);
    }

    /// Tells of the responses behind the first `start` bytes of what has been written.
    fn count_responses(&mut self, reply: &Reply<'_>, start: usize) {
        let mut rest = reply.bytes().get(start..).unwrap_or_default();
        while let Some((bytes, behind)) = rest.split_first_chunk::<HEADER_LEN>() {
            let Ok(header) = Header::from_bytes(bytes) else {
                return;
            };
            let body_len = header.body_len as usize;
            self.tally
                .sent(header.opcode, (HEADER_LEN as u64) + body_len as u64, false);
            rest = behind.get(body_len..).unwrap_or_default();
        }
    }
}

/// Whether a request has been seen to for good: one that waits is presented again.
const fn is_done(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::NeedOutput(_) | Outcome::Wait)
}

/// Length of a whole packet in bytes.
fn packet_len(request: &Request<'_>) -> u64 {
    let parts = [request.extras, request.key, request.value];
    let body: usize = parts.iter().map(|part| part.len()).sum();
    (HEADER_LEN + body) as u64
}

impl<H: Handler, T: Tally> Handler for Counted<H, T> {
    type Session = CountedSession<H::Session>;

    #[inline]
    fn admit(&self, session: &Self::Session, header: &Header) -> Admission {
        self.handler.admit(&session.session, header)
    }

    #[inline]
    fn handle(
        &mut self,
        session: &mut Self::Session,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let (start, first) = (reply.written(), reply.cursor() == 0);
        let outcome = self
            .handler
            .handle(&mut session.session, request, reply, now);
        if first && is_done(outcome) {
            self.count_request(request.opcode, packet_len(request));
        }
        self.count_responses(reply, start);
        outcome
    }

    fn begin_value(
        &mut self,
        session: &mut Self::Session,
        head: &Request<'_>,
        value_len: u32,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> ValueStart {
        let start = reply.written();
        let begun = self
            .handler
            .begin_value(&mut session.session, head, value_len, reply, now);
        let bytes = packet_len(head) + u64::from(value_len);
        match begun {
            ValueStart::Stream => session.streamed = bytes,
            ValueStart::Skip | ValueStart::Close => self.count_request(head.opcode, bytes),
            // It is presented again, whole or when there is room.
            ValueStart::Whole(_) | ValueStart::NeedOutput(_) => {}
        }
        self.count_responses(reply, start);
        begun
    }

    fn refuse_value(
        &mut self,
        head: &Request<'_>,
        status: Status,
        reply: &mut Reply<'_>,
        now: u32,
    ) {
        let start = reply.written();
        self.handler.refuse_value(head, status, reply, now);
        // The value is skipped; nobody takes its bytes, so only those of the head count.
        self.tally
            .received(head.opcode, Status::SUCCESS, packet_len(head), true);
        self.count_responses(reply, start);
    }

    #[inline]
    fn handle_value(&mut self, session: &mut Self::Session, offset: u32, bytes: &[u8]) {
        self.handler
            .handle_value(&mut session.session, offset, bytes);
    }

    fn finish_value(
        &mut self,
        session: &mut Self::Session,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let (start, opcode) = (reply.written(), reply.opcode());
        let outcome = self.handler.finish_value(&mut session.session, reply, now);
        if is_done(outcome) {
            self.count_request(opcode, session.streamed);
        }
        self.count_responses(reply, start);
        outcome
    }

    fn abandon_value(&mut self, session: &mut Self::Session) {
        self.handler.abandon_value(&mut session.session);
    }

    fn poll_wait(&mut self, session: &mut Self::Session, context: &mut Context<'_>) -> Poll<()> {
        self.handler.poll_wait(&mut session.session, context)
    }

    fn end_session(&mut self, session: &mut Self::Session) {
        self.handler.end_session(&mut session.session);
    }

    fn note_traffic(&mut self, read: u64, written: u64) {
        self.handler.note_traffic(read, written);
    }

    fn note_refused(&mut self, opcode: Opcode, response_len: u64) {
        self.tally
            .received(opcode, Status::SUCCESS, HEADER_LEN as u64, true);
        self.tally.sent(opcode, response_len, false);
        self.handler.note_refused(opcode, response_len);
    }
}
