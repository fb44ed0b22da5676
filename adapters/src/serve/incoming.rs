//! The protocol machine with the input buffer. Where answers go to is its caller's matter.

use core::task::{Context, Poll};

use memlet_core::connection::{CloseReason, ConnectionOptions, Next, ServerConnection};
use memlet_core::handler::Handler;

use crate::client::move_to_front;
use crate::log::{Headers, Label, Packets};

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// More input is to be read.
    Read,
    /// There is input that the machine has not seen, or could not answer for lack of room.
    Execute {
        /// How many bytes must be free in the output, or nothing comes of it.
        room: usize,
    },
    /// The handler waits for something outside.
    Wait,
    /// The peer has closed its side: [`Incoming::execute`] sees to that.
    Ended,
    /// The connection is at its end.
    Close(CloseReason),
}

/// A connection's machine and what has been read for it.
pub(crate) struct Incoming<'b, H: Handler> {
    machine: ServerConnection<H>,
    buffer: &'b mut [u8],
    /// Where the bytes that are not consumed start and end in the buffer.
    consumed: usize,
    filled: usize,
    stage: Stage,
    has_progressed: bool,
    label: Label,
}

impl<'b, H: Handler> Incoming<'b, H> {
    /// A connection whose answers find at most `output_len` bytes of room.
    pub(crate) fn new(buffer: &'b mut [u8], output_len: usize) -> Self {
        let options = ConnectionOptions::for_buffers(buffer.len(), output_len);
        Incoming {
            machine: ServerConnection::new(&options),
            buffer,
            consumed: 0,
            filled: 0,
            stage: Stage::Read,
            has_progressed: false,
            label: Label::default(),
        }
    }

    /// Tells the connection from others in logs.
    #[cfg(all(feature = "embassy", any(feature = "defmt", feature = "tracing")))]
    pub(crate) fn set_label(&mut self, label: Label) {
        self.label = label;
    }

    #[cfg(feature = "embassy")]
    pub(crate) fn label(&self) -> Label {
        self.label
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Where to read to; never empty when it is time to read.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        move_to_front(self.buffer, self.consumed, self.filled);
        self.filled = self.filled.saturating_sub(self.consumed);
        self.consumed = 0;
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// Bytes that have been read and not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        let unread = self.buffer.get(self.consumed..self.filled);
        unread.unwrap_or_default()
    }

    /// Learns that `len` bytes have been read to the front of the space; none mean that the peer has closed its side.
    pub(crate) fn handle_read(&mut self, len: usize) {
        if len == 0 {
            self.stage = Stage::Ended;
        } else {
            self.filled = self.filled.saturating_add(len).min(self.buffer.len());
            self.stage = Stage::Execute { room: 0 };
        }
    }

    /// Lets the handler answer what has arrived, as far as the answers fit the output. Returns how many bytes they are.
    pub(crate) fn execute(&mut self, handler: &mut H, output: &mut [u8], now: u32) -> usize {
        let unread = self.buffer.get(self.consumed..self.filled);
        let unread = unread.unwrap_or_default();
        match self.stage {
            Stage::Execute { .. } => {}
            Stage::Ended => {
                let reason = self.machine.handle_end_of_input(handler, unread.len());
                self.close(reason);
                return 0;
            }
            Stage::Read | Stage::Wait | Stage::Close(_) => return 0,
        }
        let starts_packet = self.machine.is_between_requests();
        let progress = self.machine.handle_input(handler, unread, output, now);
        self.consumed = self.consumed.saturating_add(progress.consumed);
        self.has_progressed = progress.consumed > 0 || progress.written > 0;
        if self.has_progressed {
            let requests = Packets {
                bytes: unread.get(..progress.consumed).unwrap_or_default(),
                starts_packet,
            };
            let answers = Packets {
                bytes: output.get(..progress.written).unwrap_or_default(),
                starts_packet: true,
            };
            log!(trace, "{}received {}", self.label, Headers(requests));
            log!(debug, "{}{} => {}", self.label, requests, answers);
            log!(trace, "{}answered {}", self.label, Headers(answers));
        }
        self.stage = match progress.next {
            Next::Read { .. } => Stage::Read,
            Next::Write { room } => Stage::Execute { room },
            Next::Wait => Stage::Wait,
            Next::Close(reason) => {
                self.close(reason);
                return progress.written;
            }
        };
        progress.written
    }

    fn close(&mut self, reason: CloseReason) {
        match reason {
            CloseReason::EndOfInput | CloseReason::Requested => {
                log!(info, "{}closed: {}", self.label, reason);
            }
            _ => log!(warn, "{}closed: {}", self.label, reason),
        }
        self.stage = Stage::Close(reason);
    }

    /// Asks the handler, which waits, whether it has a use for another call.
    pub(crate) fn poll_wait(&mut self, handler: &mut H, context: &mut Context<'_>) -> Poll<()> {
        let Stage::Wait = self.stage else {
            return Poll::Ready(());
        };
        let polled = handler.poll_wait(self.machine.session_mut(), context);
        if polled.is_ready() {
            self.stage = Stage::Execute { room: 0 };
        }
        polled
    }

    /// Ends the connection for a reason of the caller's, unless it has come to its end before.
    pub(crate) fn abandon(&mut self, handler: &mut H) -> CloseReason {
        let reason = self.machine.abandon(handler);
        self.stage = Stage::Close(reason);
        reason
    }

    /// Begins a new session, with what has been read and not consumed or without.
    pub(crate) fn restart(&mut self, handler: &mut H, output_len: usize, keeps_unread: bool) {
        self.machine.abandon(handler);
        let options = ConnectionOptions::for_buffers(self.buffer.len(), output_len);
        self.machine = ServerConnection::new(&options);
        if !keeps_unread {
            self.consumed = self.filled;
        }
        self.stage = if self.unread().is_empty() {
            Stage::Read
        } else {
            Stage::Execute { room: 0 }
        };
    }

    /// Whether the last run got something done.
    pub(crate) fn has_progressed(&self) -> bool {
        self.has_progressed
    }

    /// Whether no request is half received or half answered.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.consumed >= self.filled
            && matches!(self.stage, Stage::Read | Stage::Close(_))
            && self.machine.is_between_requests()
    }

    /// What the handler keeps for this connection.
    pub(crate) fn session(&self) -> &H::Session {
        self.machine.session()
    }
}
