//! The protocol machine with its buffers.

use core::task::{Context, Poll};

use memlet_core::connection::CloseReason;
use memlet_core::handler::Handler;

use super::incoming::{Incoming, Stage};
use super::{BufferError, error};

/// What is to be done next with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Step {
    /// Read into [`Connection::space`], then [`Connection::handle_read`].
    Read,
    /// [`Connection::execute`].
    Execute,
    /// Write [`Connection::unsent`], then [`Connection::handle_sent`].
    Write,
    /// All has been written: see that the stream does not hold it back, then [`Connection::handle_flushed`].
    Flush,
    /// Wait until [`Connection::poll_wait`] is ready. Only handlers that [wait](Handler#waiting) bring it about.
    Wait,
    /// Nothing, but to close the stream.
    Close(CloseReason),
}

/// The server's side of one connection, with the buffers that the caller has given it; see the [module](super).
///
/// ```text
///              space                    unread
///   stream ───────────▶ input buffer ───────────▶ ┌──────────────────┐
///                                                 │ ServerConnection │◀──▶ handler
///   stream ◀─────────── output buffer ◀────────── └──────────────────┘
///              unsent
/// ```
///
/// Ask [`step`](Connection::step) what to do, do it, ask again. As everything that has been begun is kept here, any wait
/// for the stream may be given up and taken up again. All complete requests of the input are executed at once and their
/// answers written together.
///
/// A connection that is dropped before its end has to be told so with [`abandon`](Connection::abandon), or a value that
/// was half received keeps its place in the handler's store.
pub struct Connection<'b, H: Handler> {
    incoming: Incoming<'b, H>,
    output: &'b mut [u8],
    /// Where the bytes that are not sent start and end in the output.
    sent: usize,
    written: usize,
    is_flush_due: bool,
}

impl<'b, H: Handler> Connection<'b, H> {
    /// A connection over which nothing has come yet. What the buffers hold is of no importance.
    ///
    /// # Errors
    /// An input of less than 24 bytes, or an output of less than
    /// [`REPLY_ROOM_MIN`](memlet_core::handler::REPLY_ROOM_MIN). See the [module](super) for lengths that are of use.
    pub fn new(input: &'b mut [u8], output: &'b mut [u8]) -> Result<Self, BufferError> {
        error::check_buffers(input.len(), output.len())?;
        Ok(Connection {
            incoming: Incoming::new(input, output.len()),
            output,
            sent: 0,
            written: 0,
            is_flush_due: false,
        })
    }

    /// What to do next.
    #[must_use]
    pub fn step(&self) -> Step {
        if self.sent < self.written {
            return Step::Write;
        }
        if self.is_flush_due {
            return Step::Flush;
        }
        match self.incoming.stage() {
            Stage::Read => Step::Read,
            Stage::Execute { .. } | Stage::Ended => Step::Execute,
            Stage::Wait => Step::Wait,
            Stage::Close(reason) => Step::Close(reason),
        }
    }

    /// Where to read to; never empty when it is time to read.
    pub fn space(&mut self) -> &mut [u8] {
        self.incoming.space()
    }

    /// Bytes that have been read and not consumed: the front of a request, or what followed the end of the connection.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.incoming.unread()
    }

    /// Learns that `len` bytes have been read to the front of the [`space`](Connection::space); none mean that the peer has
    /// closed its side.
    pub fn handle_read(&mut self, len: usize) {
        self.incoming.handle_read(len);
    }

    /// Lets the handler answer what has arrived, as far as the answers fit the output. `now` is unix time in seconds.
    ///
    /// Does nothing while there are answers to be sent.
    pub fn execute(&mut self, handler: &mut H, now: u32) {
        if self.step() != Step::Execute {
            return;
        }
        let written = self.incoming.execute(handler, self.output, now);
        self.sent = 0;
        self.written = written.min(self.output.len());
    }

    /// Asks the handler, which waits, whether it has a use for another call; if not, it wakes the context's waker once it has.
    pub fn poll_wait(&mut self, handler: &mut H, context: &mut Context<'_>) -> Poll<()> {
        self.incoming.poll_wait(handler, context)
    }

    /// Answers that have not been sent.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.output.get(self.sent..self.written).unwrap_or_default()
    }

    /// Learns that so many bytes at the front of the [`unsent`](Connection::unsent) ones have been written.
    pub fn handle_sent(&mut self, len: usize) {
        self.sent = self.sent.saturating_add(len).min(self.written);
        self.is_flush_due = true;
    }

    /// Learns that the stream holds nothing back of what has been written.
    pub fn handle_flushed(&mut self) {
        self.is_flush_due = false;
    }

    /// Ends the connection for a reason of the caller's. A value that was half received is forgotten, and so are answers
    /// that have not been sent.
    ///
    /// Returns the reason for which it ends: an earlier one, if it had come to its end before.
    pub fn abandon(&mut self, handler: &mut H) -> CloseReason {
        self.forget_output();
        self.incoming.abandon(handler)
    }

    /// Begins anew over a stream that knows no connections. A value that was half received is forgotten, and so are answers
    /// that have not been sent; what is [unread](Connection::unread) belongs to the new session or is dropped.
    pub fn restart(&mut self, handler: &mut H, keeps_unread: bool) {
        self.forget_output();
        let output_len = self.output.len();
        self.incoming.restart(handler, output_len, keeps_unread);
    }

    fn forget_output(&mut self) {
        self.sent = self.written;
        self.is_flush_due = false;
    }

    /// Whether the last [`execute`](Connection::execute) got something done: a request, an answer, or part of a value. What
    /// a peer sends in drops, to keep a connection, does not.
    #[must_use]
    pub fn has_progressed(&self) -> bool {
        self.incoming.has_progressed()
    }

    /// Whether no request is half received or half answered, and no answer left to be sent.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        self.sent >= self.written && !self.is_flush_due && self.incoming.is_between_requests()
    }

    /// What the handler keeps for this connection.
    #[must_use]
    pub fn session(&self) -> &H::Session {
        self.incoming.session()
    }
}
