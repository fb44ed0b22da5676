//! A TAP feed over anything that reads and writes and is awaited.

use core::ops::Range;

use embedded_io_async::{ErrorKind, Read, Write};
use memlet_core::connection::feed::{TapEnd, TapOptions};
use memlet_core::counters::Tally;
use memlet_core::tap::{Ack, Connect, Message};
use memlet_core::wire::Status;

use crate::client::{Buffer, TapError, TapExchange, TapTurn};

/// What a feed gives, or why it failed.
type Outcome<T, S> = Result<T, TapError<<S as embedded_io_async::ErrorType>::Error>>;

/// A stream of every change of a server that speaks TAP, over one connection.
///
/// `S` is the stream, `B` the kind of its two buffers, `T` what counts its packets.
///
/// # Order of calls
/// [`TapFeed::connect`] once, then [`TapFeed::next_message`] until it gives `None`. Each call says that the message
/// before has been dealt with, and answers it if the producer asked for that; with
/// [`TapAcks::Manual`](memlet_core::connection::feed::TapAcks::Manual) nothing is answered but by
/// [`TapFeed::acknowledge`].
///
/// # Waiting
/// How long is the caller's and the executor's to say: a future that is dropped loses nothing, so call again. Producers
/// send a sign of life every 200 seconds or so.
///
/// # Memory
/// With `alloc` the buffers are `Vec`s that grow to the longest message. Of fixed size the input must hold any message
/// whole, and the output [`TapFeed::OUTPUT_LEN_MIN`] bytes and the request.
///
/// ```no_run
/// # async fn print() -> Result<(), Box<dyn core::error::Error>> {
/// use embedded_io_adapters::tokio_1::FromTokio;
/// use memlet::asynch::TapFeed;
/// use memlet_core::tap::{Connect, ConnectFlags, Message};
///
/// // The keys of all that vbucket 0 holds.
/// let stream = tokio::net::TcpStream::connect("127.0.0.1:11211").await?;
/// let mut feed = TapFeed::new(FromTokio::new(stream));
/// feed.connect(&Connect {
///     backfill: Some(Connect::EVERYTHING),
///     vbuckets: Some((&[0]).into()),
///     flags: Some(ConnectFlags::DUMP | ConnectFlags::REQUEST_KEYS_ONLY | ConnectFlags::SUPPORT_ACK),
///     ..Connect::new(b"key-lister")
/// }).await?;
/// while let Some(message) = feed.next_message().await? {
///     if let Message::Mutation(mutation) = message {
///         println!("{}", String::from_utf8_lossy(mutation.key));
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "StartTapFeed")]
#[derive(Debug)]
pub struct TapFeed<S, B, T: Tally = ()> {
    stream: S,
    exchange: TapExchange<B, T>,
    /// Whether the stream has passed on all that was written to it.
    is_flushed: bool,
}

#[cfg(feature = "alloc")]
impl<S: Read + Write> TapFeed<S, alloc::vec::Vec<u8>> {
    /// A feed over a connected stream, with buffers that grow and messages answered as they are dealt with.
    pub fn new(stream: S) -> Self {
        let (input, output) = (alloc::vec::Vec::new(), alloc::vec::Vec::new());
        TapFeed::with(stream, &TapOptions::default(), input, output, ())
    }
}

impl<S: Read + Write, B: Buffer, T: Tally> TapFeed<S, B, T> {
    /// The least length of an output of fixed size, in bytes: an answer.
    pub const OUTPUT_LEN_MIN: usize = Ack::LEN;

    /// A feed over a connected stream, with its own options, buffers and tally.
    pub fn with(stream: S, options: &TapOptions, input: B, output: B, tally: T) -> Self {
        TapFeed::from_parts((stream, input, 0..0), options, output, tally)
    }

    /// A feed that goes on where a client, logged in perhaps, has been taken apart by
    /// [`Client::into_parts`](super::Client::into_parts).
    pub fn from_parts(
        (stream, input, unread): (S, B, Range<usize>),
        options: &TapOptions,
        output: B,
        tally: T,
    ) -> Self {
        TapFeed {
            stream,
            exchange: TapExchange::new(options, input, unread, output, tally),
            is_flushed: true,
        }
    }

    /// Asks for the stream.
    ///
    /// The producer answers with the stream itself: whether it refuses is known by the first
    /// [`TapFeed::next_message`].
    ///
    /// Dropped, the request goes out with the next call, at the latest.
    ///
    /// # Errors
    /// [`TapError::Emit`], and the transport's.
    pub async fn connect(&mut self, connect: &Connect<'_>) -> Outcome<(), S> {
        self.exchange.stage_connect(connect)?;
        self.send().await
    }

    /// Waits for the next message; `None` when the producer has said that there will be no more.
    ///
    /// Dropped, it loses nothing: call again.
    ///
    /// # Errors
    /// [`TapError::Ended`] when the stream is over in any other way, among them the producer's refusal
    /// ([`TapFeed::refusal`]) and a connection closed between two messages without a word ([`TapEnd::EndOfInput`]).
    pub async fn next_message(&mut self) -> Outcome<Option<Message<'_>>, S> {
        let at = loop {
            let turn = match self.is_flushed {
                true => self.exchange.poll(),
                // A future was dropped while it was sending.
                false => TapTurn::Send,
            };
            match turn {
                TapTurn::Send => match self.send().await {
                    // A producer that has said its last and gone does not wait for the answer.
                    Err(TapError::Transport(_)) if self.exchange.is_complete() => return Ok(None),
                    sent => sent?,
                },
                TapTurn::Read => self.read().await?,
                TapTurn::Message(at) => break at,
                TapTurn::End(TapEnd::Closed) => return Ok(None),
                TapTurn::End(end) => return Err(TapError::Ended(end)),
                TapTurn::NoRoom(error) => return Err(TapError::Emit(error)),
            }
        };
        Ok(self.exchange.message(at))
    }

    /// Answers a message ([`Message::ack`]), and with it all before it.
    ///
    /// Dropped, the answer goes out with the next call, at the latest.
    ///
    /// # Errors
    /// [`TapError::Emit`], and the transport's.
    pub async fn acknowledge(&mut self, ack: &Ack) -> Outcome<(), S> {
        self.exchange.stage_ack(ack)?;
        self.send().await
    }

    /// Refuses the last message with the next call of [`TapFeed::next_message`]: [`Status::EBUSY`] or
    /// [`Status::TMPFAIL`] to get it again later, others to be cut off.
    pub fn refuse(&mut self, status: Status) {
        self.exchange.refuse(status);
    }

    /// The producer's text when it has refused the stream.
    #[must_use]
    pub fn refusal(&self) -> &[u8] {
        self.exchange.refusal()
    }

    /// How many keep-alives have come.
    #[must_use]
    pub fn keep_alives(&self) -> u64 {
        self.exchange.machine().keep_alives()
    }

    /// How many requests have come, and were skipped, that are none of TAP's.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.exchange.skipped()
    }

    /// What counts the packets.
    pub fn tally(&self) -> &T {
        self.exchange.machine().tally()
    }

    /// The stream, for its settings.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream, the input buffer, and where in it the bytes are that have arrived and were not looked at.
    pub fn into_parts(self) -> (S, B, Range<usize>) {
        let (input, unread) = self.exchange.into_input();
        (self.stream, input, unread)
    }

    /// Sends what is staged.
    async fn send(&mut self) -> Outcome<(), S> {
        self.is_flushed = false;
        while !self.exchange.unsent().is_empty() {
            match self.stream.write(self.exchange.unsent()).await {
                // A stream that takes nothing has ended.
                Ok(0) => return Err(TapError::Ended(TapEnd::EndOfInput)),
                Ok(len) => self.exchange.handle_sent(len),
                Err(error) => interrupted(error)?,
            }
        }
        while let Err(error) = self.stream.flush().await {
            interrupted(error)?;
        }
        self.is_flushed = true;
        Ok(())
    }

    /// Reads what there is, waiting for something.
    async fn read(&mut self) -> Outcome<(), S> {
        loop {
            match self.stream.read(self.exchange.space()).await {
                Ok(len) => {
                    self.exchange.handle_read(len);
                    return Ok(());
                }
                Err(error) => interrupted(error)?,
            }
        }
    }
}

/// An interruption is no failure.
fn interrupted<E: embedded_io_async::Error>(error: E) -> Result<(), TapError<E>> {
    if error.kind() == ErrorKind::Interrupted {
        return Ok(());
    }
    Err(TapError::Transport(error))
}
