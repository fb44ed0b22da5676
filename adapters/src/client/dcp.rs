//! A DCP consumer's machine and buffers: everything but the waiting.

use core::fmt;
use core::ops::Range;

use memlet_core::connection::feed::{
    DCP_ROOM_MIN, DcpCommandError, DcpConsumer, DcpEvent, DcpFailure, DcpNext, DcpOptions,
    DcpStream,
};
use memlet_core::counters::Tally;
use memlet_core::wire::{EmitError, HEADER_LEN};

use super::Buffer;
use super::inbox::Inbox;

/// Why a DCP feed gave no event, or a command was not sent; `E` is the error of its transport.
#[doc(alias = "UprError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DcpError<E> {
    /// The transport failed, or its time was over. Nothing is lost by a wait that took too long: it may be repeated.
    Transport(E),
    /// The feed is over; its streams keep their positions.
    Failed(DcpFailure),
    /// The command cannot be sent, and has not been.
    Command(DcpCommandError),
}

impl<E> DcpError<E> {
    /// Why the feed is over, if it is.
    #[must_use]
    pub fn failure(&self) -> Option<DcpFailure> {
        match self {
            DcpError::Failed(failure) => Some(*failure),
            DcpError::Transport(_) | DcpError::Command(_) => None,
        }
    }
}

impl<E: embedded_io::Error> DcpError<E> {
    /// Whether the time for reading or writing was over.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            DcpError::Transport(error) => error.kind() == embedded_io::ErrorKind::TimedOut,
            DcpError::Failed(_) | DcpError::Command(_) => false,
        }
    }
}

impl<E> From<DcpFailure> for DcpError<E> {
    fn from(failure: DcpFailure) -> DcpError<E> {
        DcpError::Failed(failure)
    }
}

impl<E> From<DcpCommandError> for DcpError<E> {
    fn from(error: DcpCommandError) -> DcpError<E> {
        match error {
            DcpCommandError::Failed(failure) => DcpError::Failed(failure),
            error => DcpError::Command(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for DcpError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DcpError::Transport(error) => write!(f, "transport: {error}"),
            DcpError::Failed(failure) => failure.fmt(f),
            DcpError::Command(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for DcpError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            DcpError::Transport(error) => Some(error),
            DcpError::Failed(failure) => Some(failure),
            DcpError::Command(error) => Some(error),
        }
    }
}

/// What a feed's driver is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DcpTurn {
    /// Send what is unsent, then ask again.
    Send,
    /// Read into the inbox, then ask again.
    Read,
    /// [`DcpExchange::event`] has an event, or says why the feed is over.
    Ready,
}

/// The machine, the bytes that wait to be sent, and those that have arrived.
///
/// All progress is in here: whoever drives it may stop between any two calls.
#[derive(Debug)]
pub(crate) struct DcpExchange<B, K, T> {
    machine: DcpConsumer<K, T>,
    inbox: Inbox<B>,
    output: B,
    sent: usize,
    staged: usize,
    /// Length of what the last event was read from; it stays until the event is done with.
    lent: usize,
}

/// How long an output is at the least, if it can grow.
const OUTPUT_LEN_MIN: usize = 4 << 10;

impl<B: Buffer, K, T: Tally> DcpExchange<B, K, T>
where
    K: AsRef<[DcpStream]> + AsMut<[DcpStream]>,
{
    pub(crate) fn new(
        options: &DcpOptions,
        streams: K,
        input: B,
        unread: Range<usize>,
        mut output: B,
        tally: T,
    ) -> Self {
        let inbox = Inbox::new(input, unread);
        let options = DcpOptions {
            input_capacity: options.input_capacity.min(inbox.capacity()),
            ..*options
        };
        output.grow(OUTPUT_LEN_MIN);
        DcpExchange {
            machine: DcpConsumer::with_tally(&options, streams, tally),
            inbox,
            output,
            sent: 0,
            staged: 0,
            lent: 0,
        }
    }

    pub(crate) fn machine(&self) -> &DcpConsumer<K, T> {
        &self.machine
    }

    pub(crate) fn machine_mut(&mut self) -> &mut DcpConsumer<K, T> {
        &mut self.machine
    }

    pub(crate) fn into_streams(self) -> K {
        self.machine.into_streams()
    }

    /// Stages a command; an output that can grow does so until it fits.
    pub(crate) fn stage(
        &mut self,
        mut command: impl FnMut(&mut DcpConsumer<K, T>, &mut [u8]) -> Result<usize, DcpCommandError>,
    ) -> Result<(), DcpCommandError> {
        loop {
            let output = self.output.as_mut();
            let room = output.get_mut(self.staged..).unwrap_or_default();
            match command(&mut self.machine, room) {
                Ok(len) => {
                    self.staged += len;
                    return Ok(());
                }
                Err(DcpCommandError::Emit(EmitError::OutputTooShort { needed, available })) => {
                    self.output.grow(self.staged.saturating_add(needed));
                    if self.output.as_ref().len().saturating_sub(self.staged) <= available {
                        let error = EmitError::OutputTooShort { needed, available };
                        return Err(DcpCommandError::Emit(error));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What is to be sent now.
    pub(crate) fn unsent(&self) -> &[u8] {
        let unsent = self.output.as_ref().get(self.sent..self.staged);
        unsent.unwrap_or_default()
    }

    /// Says that so many bytes of [`DcpExchange::unsent`] have been sent.
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

    /// Says that so many bytes have been read into [`DcpExchange::space`]; 0 that the producer has closed.
    pub(crate) fn handle_read(&mut self, len: usize) {
        if len == 0 {
            let unread = self.inbox.unread().len();
            self.machine.handle_end_of_input(unread);
        }
        self.inbox.handle_read(len);
    }

    /// What is to be done now.
    pub(crate) fn settle(&mut self, now: u32) -> DcpTurn {
        self.inbox.consume(core::mem::take(&mut self.lent));
        if !self.unsent().is_empty() {
            return DcpTurn::Send;
        }
        let output = self.output.as_mut();
        let progress = self.machine.settle(self.inbox.unread(), output, now);
        self.inbox.consume(progress.consumed);
        self.staged = progress.written;
        if let DcpNext::Read { missing } = progress.next {
            // Of what is passed over anything is taken at once.
            let is_skip = self.inbox.unread().is_empty();
            let missing = if is_skip { HEADER_LEN as u64 } else { missing };
            self.inbox.need(missing);
        }
        match progress.next {
            _ if !self.unsent().is_empty() => DcpTurn::Send,
            DcpNext::Read { .. } => DcpTurn::Read,
            _ => DcpTurn::Ready,
        }
    }

    /// The event that is ready, or why the feed is over.
    pub(crate) fn event(&mut self, now: u32) -> Result<DcpEvent<'_>, DcpCommandError> {
        let output = self.output.as_mut();
        let available = output.len();
        let progress = self.machine.poll(self.inbox.unread(), output, now);
        self.lent = progress.consumed;
        self.staged = progress.written;
        match progress.next {
            DcpNext::Event(event) => Ok(event),
            DcpNext::Failed(failure) => Err(DcpCommandError::Failed(failure)),
            // An output of fixed size that can never take an answer.
            _ => Err(DcpCommandError::Emit(EmitError::OutputTooShort {
                needed: DCP_ROOM_MIN,
                available,
            })),
        }
    }
}
