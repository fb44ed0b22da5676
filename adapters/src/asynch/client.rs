//! The client's state, and the ways from a request to its reply.

use core::ops::Range;

use embedded_io_async::{Read, Write};
use memlet_core::connection::client::ReplyError;
use memlet_core::counters::Tally;
use memlet_core::wire::{Request, Response};

use crate::client::{
    Arrived, Buffer, ClientSettings, Command, Error, Exchange, RequestError, Stage,
};

/// What an operation gives, or why it failed.
pub(super) type Outcome<T, S> = Result<T, Error<<S as embedded_io_async::ErrorType>::Error>>;

/// A client of one server, over one stream; see the [module](super), also for what dropping a future leaves.
///
/// `S` is the stream, `B` the kind of its two buffers, `T` what counts its packets (nothing, unless it is given
/// [`Counters`](memlet_core::counters::Counters)), `RUNS` how many changes of opcode may be in flight in a batch.
#[derive(Debug)]
pub struct Client<S, B, T = (), const RUNS: usize = 64> {
    stream: S,
    pub(crate) exchange: Exchange<B, RUNS, T>,
    receivable: Receivable,
}

/// Which requests [`Client::receive`] is about: the last ones transmitted, with no other operation in between.
///
/// So a reply to an operation whose future was dropped is never taken for theirs.
#[derive(Debug, Default)]
struct Receivable {
    /// Opaque of the first.
    start: u32,
    /// Opaque behind the last.
    end: u32,
    /// Opaque behind the last that always gets a reply.
    loud_end: u32,
}

impl Receivable {
    fn clear(&mut self) {
        (self.end, self.loud_end) = (self.start, self.start);
    }

    fn push(&mut self, opaque: u32, is_quiet: bool) {
        if self.end != opaque {
            (self.start, self.loud_end) = (opaque, opaque);
        }
        self.end = opaque.wrapping_add(1);
        if !is_quiet {
            self.loud_end = self.end;
        }
    }

    /// The first that may still be answered, if any must be, when the oldest request in flight is `oldest` and the next
    /// gets `next`.
    fn due(&self, oldest: u32, next: u32) -> Option<u32> {
        // Half the numbers lie before any other.
        let is_later = |one: u32, other: u32| one.wrapping_sub(other) < 1 << 31 && one != other;
        let from = match is_later(self.start, oldest) {
            true => self.start,
            false => oldest,
        };
        (self.end == next && is_later(self.loud_end, from)).then_some(from)
    }
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
            receivable: Receivable::default(),
        }
    }

    /// Whether the client is of use: false after the first failure of the transport, the first reply that was not the
    /// one expected, the connection's end, and a future dropped in the middle of a value that did not fit the output.
    /// Whoever keeps clients for later asks this first.
    #[doc(alias = "IsHealthy")]
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.exchange.is_healthy()
    }

    /// Why the client is of no more use. A value left in the middle is known here from the next operation on.
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
    /// What has been read and not consumed is lost with it; [`Client::into_parts`] gives that too. So is what a future
    /// that was dropped has not sent.
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
    /// Dropped, it [goes on with the next operation](super#what-dropping-a-future-leaves); [`Client::receive`] gives its
    /// response.
    ///
    /// # Errors
    /// [`RequestError::Quiet`] for a quiet command, which might never be answered; use [`Client::transmit`].
    #[doc(alias = "Send")]
    pub async fn send(&mut self, request: &Request<'_>) -> Outcome<Response<'_>, S> {
        if self.exchange.machine().is_quiet(request.opcode) {
            return Err(RequestError::Quiet(request.opcode).into());
        }
        self.exchange.begin()?;
        self.receivable.clear();
        self.make_way(request, &[]).await?;
        let opaque = self.write_request(request, &[], true).await?;
        let arrived = self.wait(opaque).await?;
        self.exchange.whole(&arrived)
    }

    /// Sends any request, quiet ones among them, and waits for nothing. Returns the opaque that it was given.
    ///
    /// [`Client::receive`] takes the replies. Any other operation drops those that nobody has taken.
    ///
    /// Dropped, the request is sent or not; what of it waits to be sent
    /// [goes out with the next operation](super#what-dropping-a-future-leaves).
    #[doc(alias = "Transmit")]
    pub async fn transmit(&mut self, request: &Request<'_>) -> Outcome<u32, S> {
        self.exchange.begin()?;
        self.write_request(request, &[], true).await
    }

    /// Waits for the next response to a request that was [transmitted](Client::transmit), whatever its status.
    ///
    /// Dropped, it loses nothing: call it again.
    ///
    /// # Errors
    /// [`RequestError::NothingToReceive`] when none of those in flight is always answered, or there was another operation
    /// since; after quiet ones transmit a NOOP.
    #[doc(alias = "Receive")]
    pub async fn receive(&mut self) -> Outcome<Response<'_>, S> {
        self.exchange.begin()?;
        // What a future that was dropped has left.
        self.flush_output().await?;
        let machine = self.exchange.machine();
        let next = machine.next_opaque();
        let oldest = next.wrapping_sub(machine.in_flight());
        let Some(from) = self.receivable.due(oldest, next) else {
            return Err(RequestError::NothingToReceive.into());
        };
        let arrived = self.wait(from).await?;
        self.exchange.whole(&arrived)
    }

    /// Sends a command and waits for its reply.
    pub(super) async fn call(&mut self, command: &Command<'_>) -> Outcome<Arrived, S> {
        let opcode = command.opcode();
        if self.exchange.machine().is_quiet(opcode) {
            return Err(RequestError::Quiet(opcode).into());
        }
        let opaque = self.start(command).await?;
        self.wait(opaque).await
    }

    /// Sends a request whose value is in pieces, and waits for its reply.
    pub(super) async fn call_pieces(
        &mut self,
        command: &Command<'_>,
        pieces: &[&[u8]],
    ) -> Outcome<Arrived, S> {
        let mut extras = [0; crate::client::EXTRAS_LEN_MAX];
        let request = command.request(self.settings().vbucket, &mut extras);
        self.exchange.check(&request)?;
        self.exchange.begin()?;
        self.make_way(&request, pieces).await?;
        let opaque = self.write_request(&request, pieces, false).await?;
        self.wait(opaque).await
    }

    /// Sends a command of its own, after what was left by others.
    pub(super) async fn start(&mut self, command: &Command<'_>) -> Outcome<u32, S> {
        self.exchange.begin()?;
        if !self.exchange.may_follow_command(command) {
            self.settle().await?;
        }
        self.write_command(command).await
    }

    async fn make_way(&mut self, request: &Request<'_>, pieces: &[&[u8]]) -> Outcome<(), S> {
        match self.exchange.may_follow(request, pieces) {
            true => Ok(()),
            false => self.settle().await,
        }
    }

    /// Sees to it that nothing is in flight: what futures that were dropped have left, and what nobody has received.
    pub(super) async fn settle(&mut self) -> Outcome<(), S> {
        self.flush_output().await?;
        let next = self.exchange.machine().next_opaque();
        while self.exchange.is_answer_due() {
            if self.exchange.poll(next)?.is_none() && self.exchange.is_answer_due() {
                self.fill().await?;
            }
        }
        if self.exchange.machine().in_flight() == 0 {
            return Ok(());
        }
        // Quiet ones are left, whose silence only a reply behind them ends.
        let opaque = self.write_command(&Command::noop()).await?;
        let arrived = self.wait(opaque).await?;
        self.exchange.accepted(&arrived).map(|_| ())
    }

    pub(super) async fn write_command(&mut self, command: &Command<'_>) -> Outcome<u32, S> {
        loop {
            let stage = self.exchange.stage_command(command)?;
            let value = &[command.value_bytes()];
            if let Some(opaque) = self.finish_stage(stage, value).await? {
                return Ok(opaque);
            }
        }
    }

    async fn write_request(
        &mut self,
        request: &Request<'_>,
        pieces: &[&[u8]],
        is_receivable: bool,
    ) -> Outcome<u32, S> {
        loop {
            let stage = self.exchange.stage(request, pieces)?;
            if let Stage::Staged { opaque } | Stage::Value { opaque } = stage
                && is_receivable
            {
                let is_quiet = self.exchange.machine().is_quiet(request.opcode);
                self.receivable.push(opaque, is_quiet);
            }
            if matches!(stage, Stage::Value { .. }) {
                self.flush_output().await?;
                self.write_value(request.value).await?;
            }
            if let Some(opaque) = self.finish_stage(stage, pieces).await? {
                return Ok(opaque);
            }
        }
    }

    /// Sends what a request came to; `None` if it has to be staged again.
    async fn finish_stage(&mut self, stage: Stage, value: &[&[u8]]) -> Outcome<Option<u32>, S> {
        self.flush_output().await?;
        match stage {
            Stage::Staged { opaque } => Ok(Some(opaque)),
            Stage::OutputFull => Ok(None),
            Stage::TableFull => Err(RequestError::TableFull.into()),
            Stage::Value { opaque } => {
                for piece in value {
                    self.write_value(piece).await?;
                }
                Ok(Some(opaque))
            }
        }
    }

    /// Waits for the next reply to a request from `from` on.
    pub(super) async fn wait(&mut self, from: u32) -> Outcome<Arrived, S> {
        loop {
            match self.exchange.poll(from)? {
                Some(arrived) => return Ok(arrived),
                None => self.fill().await?,
            }
        }
    }

    /// [`Client::wait`] for a reply whose value comes in pieces.
    pub(super) async fn wait_head(&mut self, from: u32) -> Outcome<Arrived, S> {
        loop {
            match self.exchange.poll_head(from)? {
                Some(arrived) => return Ok(arrived),
                None => self.fill().await?,
            }
        }
    }

    /// Reads what there is, waiting for something.
    pub(crate) async fn fill(&mut self) -> Outcome<(), S> {
        loop {
            match self.stream.read(self.exchange.space()).await {
                Ok(len) => return Ok(self.exchange.handle_read(len)?),
                Err(error) => self.exchange.handle_failure(error)?,
            }
        }
    }

    /// Sends all that is staged, in one write if the stream takes it.
    pub(crate) async fn flush_output(&mut self) -> Outcome<(), S> {
        while !self.exchange.unsent().is_empty() {
            match self.stream.write(self.exchange.unsent()).await {
                Ok(0) => return Err(self.exchange.handle_closed().into()),
                Ok(len) => self.exchange.handle_sent(len),
                Err(error) => self.exchange.handle_failure(error)?,
            }
        }
        self.flush_stream().await
    }

    /// Sends a value, or a part of one, from where it is.
    pub(super) async fn write_value(&mut self, value: &[u8]) -> Outcome<(), S> {
        let mut rest = value;
        while !rest.is_empty() {
            match self.stream.write(rest).await {
                Ok(0) => return Err(self.exchange.handle_closed().into()),
                Ok(len) => {
                    self.exchange.handle_value_sent(len);
                    rest = rest.get(len..).unwrap_or_default();
                }
                Err(error) => self.exchange.handle_failure(error)?,
            }
        }
        self.flush_stream().await
    }

    async fn flush_stream(&mut self) -> Outcome<(), S> {
        while let Err(error) = self.stream.flush().await {
            self.exchange.handle_failure(error)?;
        }
        Ok(())
    }
}
