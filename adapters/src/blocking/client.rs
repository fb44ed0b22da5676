//! The client's state, and the ways from a request to its reply.

use core::ops::Range;

use embedded_io::{Read, Write};
use memlet_core::connection::client::ReplyError;
use memlet_core::counters::Tally;
use memlet_core::wire::{Request, Response};

use crate::client::{
    Arrived, Buffer, ClientSettings, Command, Error, Exchange, RequestError, Stage,
};

/// What an operation gives, or why it failed.
pub(super) type Outcome<T, S> = Result<T, Error<<S as embedded_io::ErrorType>::Error>>;

/// A client of one server, over one stream; see the [module](super).
///
/// `S` is the stream, `B` the kind of its two buffers, `T` what counts its packets (nothing, unless it is given
/// [`Counters`](memlet_core::counters::Counters)), `RUNS` how many changes of opcode may be in flight in a batch.
#[derive(Debug)]
pub struct Client<S, B, T = (), const RUNS: usize = 64> {
    stream: S,
    pub(super) exchange: Exchange<B, RUNS, T>,
}

#[cfg(feature = "alloc")]
impl<S: Read + Write> Client<S, alloc::vec::Vec<u8>> {
    /// A client over a connected stream, with buffers that grow.
    #[doc(alias = "Wrap")]
    pub fn new(stream: S) -> Self {
        Client::with(
            stream,
            ClientSettings::default(),
            alloc::vec::Vec::new(),
            alloc::vec::Vec::new(),
            (),
        )
    }
}

impl<S: Read + Write, B: Buffer, T: Tally, const RUNS: usize> Client<S, B, T, RUNS> {
    /// The least length of a buffer of fixed size, in bytes: a header, extras and a key of 250 bytes.
    pub const BUFFER_LEN_MIN: usize = 24 + 24 + 250;

    /// A client over a connected stream, with its own settings, buffers and tally.
    pub fn with(stream: S, settings: ClientSettings, input: B, output: B, tally: T) -> Self {
        const { assert!(RUNS >= 2, "a batch takes an entry and its NOOP another") };
        Client {
            stream,
            exchange: Exchange::new(settings, input, output, tally),
        }
    }

    /// Whether the client is of use: false after the first failure of the transport, the first reply that was not the
    /// one expected, and the connection's end. Whoever keeps clients for later asks this first.
    #[doc(alias = "IsHealthy")]
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.exchange.machine().is_healthy()
    }

    /// Why the client is of no more use.
    #[must_use]
    pub fn error(&self) -> Option<ReplyError> {
        self.exchange.machine().error()
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &ClientSettings {
        self.exchange.settings()
    }

    /// Sets the vbucket of every command that does not name its own.
    pub fn set_vbucket(&mut self, vbucket: u16) {
        self.exchange.settings_mut().vbucket = vbucket;
    }

    /// What counts the packets.
    pub fn tally(&self) -> &T {
        self.exchange.machine().tally()
    }

    /// What counts the packets.
    pub fn tally_mut(&mut self) -> &mut T {
        self.exchange.machine_mut().tally_mut()
    }

    /// The stream, for its settings. What is read from or written to it directly is missing here.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Takes the stream out: for feeds, and for protocols that follow on the same connection.
    ///
    /// What has been read and not consumed is lost with it; [`Client::into_parts`] gives that too.
    #[doc(alias = "Hijack")]
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// The stream, the input buffer, and where in it the bytes are that have arrived and belong to nobody yet.
    pub fn into_parts(self) -> (S, B, Range<usize>) {
        let (input, unread) = self.exchange.into_input();
        (self.stream, input, unread)
    }

    /// Sends any request and waits for its response, whatever its status.
    ///
    /// The request's opaque is replaced by a number of the client's own. Of a command with several responses (STAT) the
    /// first is returned, and [`Client::receive`] gives the others.
    ///
    /// # Errors
    /// [`RequestError::Quiet`] for a quiet command, which might never be answered; use [`Client::transmit`].
    #[doc(alias = "Send")]
    pub fn send(&mut self, request: &Request<'_>) -> Outcome<Response<'_>, S> {
        if self.exchange.machine().is_quiet(request.opcode) {
            return Err(RequestError::Quiet(request.opcode).into());
        }
        self.exchange.begin()?;
        let opaque = self.write_request(request, &[])?;
        let arrived = self.wait(opaque)?;
        self.exchange.whole(&arrived)
    }

    /// Sends any request, quiet ones among them, and waits for nothing. Returns the opaque that it was given.
    ///
    /// [`Client::receive`] takes the replies. Any other operation drops those that nobody has taken.
    #[doc(alias = "Transmit")]
    pub fn transmit(&mut self, request: &Request<'_>) -> Outcome<u32, S> {
        self.exchange.begin()?;
        self.write_request(request, &[])
    }

    /// Waits for the next response to a request that was [transmitted](Client::transmit), whatever its status.
    ///
    /// # Errors
    /// [`RequestError::NothingToReceive`] when none of those in flight is always answered; after quiet ones transmit a
    /// NOOP.
    #[doc(alias = "Receive")]
    pub fn receive(&mut self) -> Outcome<Response<'_>, S> {
        self.exchange.begin()?;
        let machine = self.exchange.machine();
        if machine.expected().is_none() {
            return Err(RequestError::NothingToReceive.into());
        }
        let oldest = machine.next_opaque().wrapping_sub(machine.in_flight());
        let arrived = self.wait(oldest)?;
        self.exchange.whole(&arrived)
    }

    /// Sends a command and waits for its reply.
    #[inline]
    pub(super) fn call(&mut self, command: &Command<'_>) -> Outcome<Arrived, S> {
        let opcode = command.opcode();
        if self.exchange.machine().is_quiet(opcode) {
            return Err(RequestError::Quiet(opcode).into());
        }
        self.exchange.begin()?;
        let opaque = self.write_command(command)?;
        self.wait(opaque)
    }

    /// Sends a request whose value is in pieces, and waits for its reply.
    pub(super) fn call_pieces(
        &mut self,
        command: &Command<'_>,
        pieces: &[&[u8]],
    ) -> Outcome<Arrived, S> {
        let mut extras = [0; crate::client::EXTRAS_LEN_MAX];
        let request = command.request(self.settings().vbucket, &mut extras);
        self.exchange.check(&request)?;
        self.exchange.begin()?;
        let opaque = self.write_request(&request, pieces)?;
        self.wait(opaque)
    }

    #[inline]
    pub(super) fn write_command(&mut self, command: &Command<'_>) -> Outcome<u32, S> {
        loop {
            let stage = self.exchange.stage_command(command)?;
            if let Some(opaque) = self.finish_stage(stage, &[command.value_bytes()])? {
                return Ok(opaque);
            }
        }
    }

    fn write_request(&mut self, request: &Request<'_>, pieces: &[&[u8]]) -> Outcome<u32, S> {
        loop {
            let stage = self.exchange.stage(request, pieces)?;
            if matches!(stage, Stage::Value { .. }) {
                self.flush_output()?;
                self.write_value(request.value)?;
            }
            if let Some(opaque) = self.finish_stage(stage, pieces)? {
                return Ok(opaque);
            }
        }
    }

    /// Sends what a request came to; `None` if it has to be staged again.
    #[inline]
    fn finish_stage(&mut self, stage: Stage, value: &[&[u8]]) -> Outcome<Option<u32>, S> {
        self.flush_output()?;
        match stage {
            Stage::Staged { opaque } => Ok(Some(opaque)),
            Stage::OutputFull => Ok(None),
            Stage::TableFull => Err(RequestError::TableFull.into()),
            Stage::Value { opaque } => {
                for piece in value {
                    self.write_value(piece)?;
                }
                Ok(Some(opaque))
            }
        }
    }

    /// Waits for the next reply to a request from `from` on.
    #[inline]
    pub(super) fn wait(&mut self, from: u32) -> Outcome<Arrived, S> {
        loop {
            match self.exchange.poll(from)? {
                Some(arrived) => return Ok(arrived),
                None => self.fill()?,
            }
        }
    }

    /// [`Client::wait`] for a reply whose value comes in pieces.
    pub(super) fn wait_head(&mut self, from: u32) -> Outcome<Arrived, S> {
        loop {
            match self.exchange.poll_head(from)? {
                Some(arrived) => return Ok(arrived),
                None => self.fill()?,
            }
        }
    }

    /// Reads what there is, waiting for something.
    #[inline]
    pub(super) fn fill(&mut self) -> Outcome<(), S> {
        loop {
            match self.stream.read(self.exchange.space()) {
                Ok(len) => return Ok(self.exchange.handle_read(len)?),
                Err(error) => self.exchange.handle_failure(error)?,
            }
        }
    }

    /// Sends all that is staged, in one write if the stream takes it.
    #[inline]
    pub(super) fn flush_output(&mut self) -> Outcome<(), S> {
        while !self.exchange.unsent().is_empty() {
            match self.stream.write(self.exchange.unsent()) {
                Ok(0) => return Err(self.exchange.handle_closed().into()),
                Ok(len) => self.exchange.handle_sent(len),
                Err(error) => self.exchange.handle_failure(error)?,
            }
        }
        self.flush_stream()
    }

    /// Sends a value, or a part of one, from where it is.
    pub(super) fn write_value(&mut self, value: &[u8]) -> Outcome<(), S> {
        let mut rest = value;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(self.exchange.handle_closed().into()),
                Ok(len) => {
                    self.exchange.handle_value_sent(len);
                    rest = rest.get(len..).unwrap_or_default();
                }
                Err(error) => self.exchange.handle_failure(error)?,
            }
        }
        self.flush_stream()
    }

    #[inline]
    fn flush_stream(&mut self) -> Outcome<(), S> {
        while let Err(error) = self.stream.flush() {
            self.exchange.handle_failure(error)?;
        }
        Ok(())
    }
}
