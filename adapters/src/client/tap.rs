//! A TAP consumer's machine and buffers: everything but the waiting.

use core::fmt;
use core::ops::Range;

use memlet_core::connection::feed::{TapConsumer, TapEnd, TapNext, TapOptions};
use memlet_core::counters::Tally;
use memlet_core::tap::{Ack, Connect, Message};
use memlet_core::wire::{EmitError, Limits, Parsed, Status};

use super::Buffer;
use super::inbox::Inbox;

/// Why a TAP feed gave no message; `E` is the error of its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TapError<E> {
    /// The transport failed, or its time was over. Nothing is lost by a wait that took too long: it may be repeated.
    Transport(E),
    /// The stream is over without the producer having said so properly.
    Ended(TapEnd),
    /// The request or the answer does not fit the output buffer, or its length fields. Nothing of it was sent.
    Emit(EmitError),
}

impl<E> TapError<E> {
    /// How the stream ended, if it did.
    #[must_use]
    pub fn end(&self) -> Option<TapEnd> {
        match self {
            TapError::Ended(end) => Some(*end),
            TapError::Transport(_) | TapError::Emit(_) => None,
        }
    }
}

impl<E: embedded_io::Error> TapError<E> {
    /// Whether the time for reading or writing was over.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            TapError::Transport(error) => error.kind() == embedded_io::ErrorKind::TimedOut,
            TapError::Ended(_) | TapError::Emit(_) => false,
        }
    }
}

impl<E> From<EmitError> for TapError<E> {
    fn from(error: EmitError) -> TapError<E> {
        TapError::Emit(error)
    }
}

impl<E: fmt::Display> fmt::Display for TapError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TapError::Transport(error) => write!(f, "transport: {error}"),
            TapError::Ended(end) => end.fmt(f),
            TapError::Emit(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for TapError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            TapError::Transport(error) => Some(error),
            TapError::Ended(end) => Some(end),
            TapError::Emit(error) => Some(error),
        }
    }
}

/// What a feed's driver is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TapTurn {
    /// Send what is unsent, then ask again.
    Send,
    /// Read into the inbox, then ask again.
    Read,
    /// Hand out the message.
    Message(At),
    /// Nothing more will come.
    End(TapEnd),
    /// The output can never take an answer.
    NoRoom(EmitError),
}

/// A message by where it stands in the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    start: usize,
    end: usize,
}

/// The machine, the bytes that wait to be sent, and those that have arrived.
///
/// All progress is in here: whoever drives it may stop between any two calls.
#[derive(Debug)]
pub(crate) struct TapExchange<B, T: Tally> {
    machine: TapConsumer<T>,
    inbox: Inbox<B>,
    output: B,
    sent: usize,
    staged: usize,
    /// A message that was found while something had to be sent first.
    found: Option<TapTurn>,
    /// Where in the input the text of a refusal stands.
    refusal: Range<usize>,
    skipped: u64,
}

impl<B: Buffer, T: Tally> TapExchange<B, T> {
    pub(crate) fn new(
        options: &TapOptions,
        input: B,
        unread: Range<usize>,
        output: B,
        tally: T,
    ) -> Self {
        let inbox = Inbox::new(input, unread);
        let options = TapOptions {
            input_capacity: options.input_capacity.min(inbox.capacity()),
            ..*options
        };
        TapExchange {
            machine: TapConsumer::with_tally(&options, tally),
            inbox,
            output,
            sent: 0,
            staged: 0,
            found: None,
            refusal: 0..0,
            skipped: 0,
        }
    }

    pub(crate) fn machine(&self) -> &TapConsumer<T> {
        &self.machine
    }

    pub(crate) fn refuse(&mut self, status: Status) {
        self.machine.refuse(status);
    }

    /// Whether nothing is left but to answer the last message.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.found, Some(TapTurn::End(TapEnd::Closed)))
    }

    /// How many requests came that were none of TAP's.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The text of the producer's refusal.
    pub(crate) fn refusal(&self) -> &[u8] {
        self.inbox.at(self.refusal.clone())
    }

    /// The input buffer and where in it the bytes are that nobody has consumed.
    pub(crate) fn into_input(self) -> (B, Range<usize>) {
        self.inbox.into_parts()
    }

    pub(crate) fn stage_connect(&mut self, connect: &Connect<'_>) -> Result<(), EmitError> {
        let len = connect.encoded_len()?;
        let output = room(&mut self.output, self.staged, len);
        self.staged += self.machine.connect(connect, output)?;
        Ok(())
    }

    pub(crate) fn stage_ack(&mut self, ack: &Ack) -> Result<(), EmitError> {
        let output = room(&mut self.output, self.staged, Ack::LEN);
        self.staged += self.machine.acknowledge(ack, output)?;
        Ok(())
    }

    /// What is to be sent now.
    pub(crate) fn unsent(&self) -> &[u8] {
        let unsent = self.output.as_ref().get(self.sent..self.staged);
        unsent.unwrap_or_default()
    }

    /// Says that so many bytes of [`TapExchange::unsent`] have been sent.
    pub(crate) fn handle_sent(&mut self, len: usize) {
        self.sent = self.sent.saturating_add(len).min(self.staged);
        if self.sent == self.staged {
            (self.sent, self.staged) = (0, 0);
        }
    }

    /// Where to read to.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.inbox.space()
    }

    /// Says that so many bytes have been read into [`TapExchange::space`]; 0 that the producer has closed.
    pub(crate) fn handle_read(&mut self, len: usize) {
        if len == 0 {
            self.machine.handle_end_of_input(self.inbox.unread());
        }
        self.inbox.handle_read(len);
    }

    /// What is to be done now.
    pub(crate) fn poll(&mut self) -> TapTurn {
        if !self.unsent().is_empty() {
            return TapTurn::Send;
        }
        if let Some(found) = self.found.take() {
            return found;
        }
        loop {
            let output = room(&mut self.output, self.staged, Ack::LEN);
            let progress = self.machine.handle_input(self.inbox.unread(), output);
            let (consumed, written) = (progress.consumed, progress.written);
            let end = self.inbox.position().saturating_add(consumed);
            let turn = match progress.next {
                TapNext::Read { missing } => {
                    self.inbox.need(missing);
                    Some(TapTurn::Read)
                }
                TapNext::Write { .. } if written > 0 => Some(TapTurn::Send),
                TapNext::Write { room: needed } => {
                    Some(TapTurn::NoRoom(EmitError::OutputTooShort {
                        needed,
                        available: self.output.as_ref().len(),
                    }))
                }
                TapNext::Message(message) => {
                    let len = message.encoded_len().unwrap_or(0);
                    let start = end.saturating_sub(len);
                    Some(TapTurn::Message(At { start, end }))
                }
                TapNext::Refused(response) => {
                    self.refusal = end.saturating_sub(response.value.len())..end;
                    None
                }
                TapNext::End(end) => Some(TapTurn::End(end)),
                // Requests unheard of.
                _ => {
                    self.skipped = self.skipped.wrapping_add(1);
                    None
                }
            };
            self.inbox.consume(consumed);
            self.staged += written;
            let Some(turn) = turn else { continue };
            if self.unsent().is_empty() {
                return turn;
            }
            // The answer goes out before anything else happens; what was found is kept.
            if matches!(turn, TapTurn::Message(_) | TapTurn::End(_)) {
                self.found = Some(turn);
            }
            return TapTurn::Send;
        }
    }

    /// The message that stands there.
    pub(crate) fn message(&self, at: At) -> Option<Message<'_>> {
        match Message::parse(self.inbox.at(at.start..at.end), &Limits::NONE) {
            Ok(Parsed::Complete { value, .. }) => Some(value),
            // It was read from these bytes a moment ago.
            _ => None,
        }
    }
}

/// Free space of `len` bytes in the output, or as much as there is.
fn room<B: Buffer>(output: &mut B, staged: usize, len: usize) -> &mut [u8] {
    output.grow(staged.saturating_add(len));
    output.as_mut().get_mut(staged..).unwrap_or_default()
}
