//! A DCP feed over anything that reads and writes and is awaited.

use core::ops::Range;

use embedded_io_async::{ErrorKind, Read, Write};
use memlet_core::connection::feed::{
    DcpConsumer, DcpEvent, DcpFailure, DcpOptions, DcpPosition, DcpStatistics, DcpStream,
};
use memlet_core::counters::Tally;
use memlet_core::dcp::{Control, Open, Reply, StreamFlags, StreamOpaque, StreamRequest};

use crate::client::{Buffer, DcpError, DcpExchange, DcpTurn};

/// What a feed gives, or why it failed.
type Outcome<T, S> = Result<T, DcpError<<S as embedded_io_async::ErrorType>::Error>>;

/// The changes of a server that speaks DCP, or UPR as it was first called, vbucket by vbucket over one connection.
///
/// `S` is the stream, `B` the kind of its two buffers, `K` where the streams of vbuckets are kept, `C` tells unix time in
/// seconds, `T` counts the packets.
///
/// # Order of calls
/// [`DcpFeed::open`] once, then a request for each vbucket ([`DcpFeed::request_stream`], [`DcpFeed::resume_stream`]), then
/// [`DcpFeed::next_event`] again and again; commands may come between. Asking for the next event says that the one before
/// is done with, so that its bytes may be acknowledged, unless the options leave that to [`DcpFeed::take`].
///
/// # Waiting
/// How long is the caller's and the executor's to say: a future that is dropped loses nothing, so call again. A producer
/// that has agreed to show that it lives, and does not, ends the feed ([`DcpFailure::Silent`]); that is noticed by the
/// first call of [`DcpFeed::next_event`] after [`DcpConsumer::deadline`], so wait no longer than until then.
///
/// # After the end
/// [`DcpFeed::into_streams`] gives the streams with their positions: a feed over a new connection goes on with them.
///
/// # Memory
/// With `alloc` the buffers are `Vec`s that grow to the longest message, at most the options' `input_capacity`. Of fixed
/// size the output must hold [`DCP_ROOM_MIN`](memlet_core::connection::feed::DCP_ROOM_MIN) bytes and the longest command;
/// a message that is longer than the input is passed over and told of.
///
/// ```no_run
/// # async fn print() -> Result<(), Box<dyn core::error::Error>> {
/// # fn unix_time() -> u32 { 0 }
/// use std::time::Duration;
///
/// use embedded_io_adapters::tokio_1::FromTokio;
/// use memlet::asynch::DcpFeed;
/// use memlet_core::connection::feed::{DcpEvent, DcpOptions, DcpStream};
/// use memlet_core::dcp::{Body, Message, Open, OpenFlags, StreamFlags, StreamOpaque, StreamRequest};
///
/// // All changes of vbucket 0, from the first on.
/// let stream = FromTokio::new(tokio::net::TcpStream::connect("127.0.0.1:11211").await?);
/// let mut feed = DcpFeed::new(stream, &DcpOptions::default(), [DcpStream::EMPTY; 1], unix_time);
/// feed.open(&Open { name: b"printer", flags: OpenFlags::PRODUCER, ..Open::default() }).await?;
/// let stream = StreamOpaque { application: 1, vbucket: 0 };
/// feed.resume_stream(stream, StreamFlags::NONE, StreamRequest::NO_END).await?;
/// loop {
///     match tokio::time::timeout(Duration::from_secs(10), feed.next_event()).await {
///         Ok(Ok(DcpEvent::Message(Message { body: Body::Mutation(mutation), .. }))) => {
///             println!("{} {}", mutation.seqno, String::from_utf8_lossy(mutation.key));
///         }
///         Ok(event) => drop(event?),
///         // Nothing is lost, and a silent producer is found out.
///         Err(_) => {}
///     }
/// }
/// # }
/// ```
#[doc(alias = "UprFeed")]
#[doc(alias = "upr")]
#[derive(Debug)]
pub struct DcpFeed<S, B, K, C, T = ()> {
    stream: S,
    exchange: DcpExchange<B, K, T>,
    /// Whether the stream has passed on all that was written to it.
    is_flushed: bool,
    clock: C,
}

#[cfg(feature = "alloc")]
impl<S: Read + Write, K, C: FnMut() -> u32> DcpFeed<S, alloc::vec::Vec<u8>, K, C>
where
    K: AsRef<[DcpStream]> + AsMut<[DcpStream]>,
{
    /// A feed over a connected stream, with buffers that grow. `streams` are new slots, or those of an earlier feed.
    #[doc(alias = "NewUprFeed")]
    pub fn new(stream: S, options: &DcpOptions, streams: K, clock: C) -> Self {
        let (input, output) = (alloc::vec::Vec::new(), alloc::vec::Vec::new());
        DcpFeed::with(stream, options, streams, clock, input, output, ())
    }
}

impl<S: Read + Write, B: Buffer, K, C: FnMut() -> u32, T: Tally> DcpFeed<S, B, K, C, T>
where
    K: AsRef<[DcpStream]> + AsMut<[DcpStream]>,
{
    /// A feed over a connected stream, with its own buffers and tally.
    pub fn with(
        stream: S,
        options: &DcpOptions,
        streams: K,
        clock: C,
        input: B,
        output: B,
        tally: T,
    ) -> Self {
        DcpFeed::from_parts(
            (stream, input, 0..0),
            options,
            streams,
            clock,
            output,
            tally,
        )
    }

    /// A feed that goes on where a client, logged in perhaps, has been taken apart by
    /// [`Client::into_parts`](super::Client::into_parts).
    pub fn from_parts(
        (stream, input, unread): (S, B, Range<usize>),
        options: &DcpOptions,
        streams: K,
        clock: C,
        output: B,
        tally: T,
    ) -> Self {
        DcpFeed {
            stream,
            exchange: DcpExchange::new(options, streams, input, unread, output, tally),
            is_flushed: true,
            clock,
        }
    }

    /// Opens the connection under a name, with the window and the signs of life of the options, and waits for the answer.
    ///
    /// Dropped, the command goes out with the next call, at the latest; [`DcpFeed::next_event`] gives [`DcpEvent::Opened`].
    ///
    /// # Errors
    /// [`DcpFailure::OpenRefused`]. After a wait that took too long, [`DcpFeed::next_event`] waits on, and gives
    /// [`DcpEvent::Opened`].
    #[doc(alias = "UprOpen")]
    pub async fn open(&mut self, open: &Open<'_>) -> Outcome<(), S> {
        self.command(|machine, out| machine.open(open, out)).await?;
        loop {
            if let DcpEvent::Opened = self.next_event().await? {
                return Ok(());
            }
        }
    }

    /// Waits for the next event.
    ///
    /// Dropped, it loses nothing: call again.
    ///
    /// # Errors
    /// [`DcpError::Failed`] when the feed is over, which stays so.
    pub async fn next_event(&mut self) -> Outcome<DcpEvent<'_>, S> {
        loop {
            let turn = match self.is_flushed {
                true => self.exchange.settle((self.clock)()),
                // A future was dropped while it was sending.
                false => DcpTurn::Send,
            };
            match turn {
                DcpTurn::Send => self.send().await?,
                DcpTurn::Read => self.read().await?,
                DcpTurn::Ready => break,
            }
        }
        Ok(self.exchange.event((self.clock)())?)
    }

    /// Asks for the changes of a vbucket; see [`DcpConsumer::request_stream`].
    ///
    /// Dropped, the command goes out with the next call, at the latest: do not repeat it.
    ///
    /// # Errors
    /// As there, and the transport's.
    #[doc(alias = "UprRequestStream")]
    pub async fn request_stream(
        &mut self,
        stream: StreamOpaque,
        request: &StreamRequest<'_>,
    ) -> Outcome<(), S> {
        self.command(|machine, out| machine.request_stream(stream, request, out))
            .await
    }

    /// Asks for the changes of a vbucket from where its stream has come to; see [`DcpConsumer::resume_stream`].
    ///
    /// Dropped, the command goes out with the next call, at the latest: do not repeat it.
    ///
    /// # Errors
    /// As there, and the transport's.
    pub async fn resume_stream(
        &mut self,
        stream: StreamOpaque,
        flags: StreamFlags,
        end_seqno: u64,
    ) -> Outcome<(), S> {
        self.command(|machine, out| machine.resume_stream(stream, flags, end_seqno, out))
            .await
    }

    /// Asks for the end of a stream; see [`DcpConsumer::close_stream`].
    ///
    /// Dropped, the command goes out with the next call, at the latest: do not repeat it.
    ///
    /// # Errors
    /// As there, and the transport's.
    pub async fn close_stream(
        &mut self,
        stream: StreamOpaque,
        stream_id: Option<u16>,
    ) -> Outcome<(), S> {
        self.command(|machine, out| machine.close_stream(stream, stream_id, out))
            .await
    }

    /// Asks for the failover log of a vbucket; see [`DcpConsumer::failover_log`].
    ///
    /// Dropped, the command goes out with the next call, at the latest: do not repeat it.
    ///
    /// # Errors
    /// As there, and the transport's.
    #[doc(alias = "UprGetFailoverLog")]
    pub async fn failover_log(&mut self, vbucket: u16) -> Outcome<(), S> {
        self.command(|machine, out| machine.failover_log(vbucket, out))
            .await
    }

    /// Asks which vbuckets there are and how far each has come; see [`DcpConsumer::vbucket_seqnos`].
    ///
    /// Dropped, the command goes out with the next call, at the latest: do not repeat it.
    ///
    /// # Errors
    /// As there, and the transport's.
    pub async fn vbucket_seqnos(&mut self) -> Outcome<(), S> {
        self.command(DcpConsumer::vbucket_seqnos).await
    }

    /// Sets a property of the connection, and gives the opaque of its answer; see [`DcpConsumer::control`].
    ///
    /// Dropped, the command goes out with the next call, at the latest, and its opaque is not known.
    ///
    /// # Errors
    /// As there, and the transport's.
    pub async fn control(&mut self, control: &Control<'_>) -> Outcome<u32, S> {
        let mut given = 0;
        self.command(|machine, out| {
            let (len, opaque) = machine.control(control, out)?;
            given = opaque;
            Ok(len)
        })
        .await?;
        Ok(given)
    }

    /// Tells a consumer to ask for a stream; see [`DcpConsumer::add_stream`].
    ///
    /// Dropped, the command goes out with the next call, at the latest: do not repeat it.
    ///
    /// # Errors
    /// As there, and the transport's.
    #[doc(alias = "UprAddStream")]
    pub async fn add_stream(&mut self, vbucket: u16, flags: StreamFlags) -> Outcome<(), S> {
        self.command(|machine, out| machine.add_stream(vbucket, flags, out))
            .await
    }

    /// Says how far this replica holds prepared writes; see [`DcpConsumer::acknowledge_seqno`].
    ///
    /// Dropped, the command goes out with the next call, at the latest: do not repeat it.
    ///
    /// # Errors
    /// As there, and the transport's.
    pub async fn acknowledge_seqno(
        &mut self,
        stream: StreamOpaque,
        prepared_seqno: u64,
    ) -> Outcome<(), S> {
        self.command(|machine, out| machine.acknowledge_seqno(stream, prepared_seqno, out))
            .await
    }

    /// Answers a request of the producer's that is left to the caller; see [`DcpConsumer::answer`].
    ///
    /// Dropped, the command goes out with the next call, at the latest: do not repeat it.
    ///
    /// # Errors
    /// As there, and the transport's.
    pub async fn answer(&mut self, reply: &Reply<'_>) -> Outcome<(), S> {
        self.command(|machine, out| machine.answer(reply, out))
            .await
    }

    /// Acknowledges what has been taken though the threshold has not been reached; see [`DcpConsumer::acknowledge`].
    ///
    /// Dropped, the command goes out with the next call, at the latest: do not repeat it.
    ///
    /// # Errors
    /// As there, and the transport's.
    pub async fn acknowledge(&mut self) -> Outcome<(), S> {
        self.command(DcpConsumer::acknowledge).await
    }

    /// At most `counted` bytes of events are done with; see [`DcpConsumer::take`]. They are acknowledged by the next
    /// [`DcpFeed::next_event`].
    pub fn take(&mut self, counted: u64) {
        self.exchange.machine_mut().take(counted);
    }

    /// How far a stream has come; `None` when it has no slot.
    #[must_use]
    pub fn position(&mut self, stream: StreamOpaque) -> Option<DcpPosition> {
        self.exchange.machine_mut().position(stream)
    }

    /// Sets where a stream goes on from; see [`DcpConsumer::set_position`].
    ///
    /// # Errors
    /// As there.
    pub fn set_position(&mut self, stream: StreamOpaque, position: &DcpPosition) -> Outcome<(), S> {
        let machine = self.exchange.machine_mut();
        Ok(machine.set_position(stream, position)?)
    }

    /// Frees the slot of a stream that is not open; see [`DcpConsumer::forget`].
    ///
    /// # Errors
    /// As there.
    pub fn forget(&mut self, stream: StreamOpaque) -> Outcome<(), S> {
        Ok(self.exchange.machine_mut().forget(stream)?)
    }

    /// The streams that have a slot.
    pub fn streams(&self) -> impl Iterator<Item = &DcpStream> {
        self.machine().streams()
    }

    /// What has been received until now.
    #[doc(alias = "GetUprStats")]
    #[must_use]
    pub fn statistics(&self) -> DcpStatistics {
        self.machine().statistics()
    }

    /// What counts the packets.
    pub fn tally(&self) -> &T {
        self.machine().tally()
    }

    /// The machine, for all else that it tells.
    pub fn machine(&self) -> &DcpConsumer<K, T> {
        self.exchange.machine()
    }

    /// The stream, for its settings.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Ends the feed and gives its streams back, with the positions that they have come to. The connection is closed.
    #[doc(alias = "Close")]
    #[must_use]
    pub fn into_streams(self) -> K {
        self.exchange.into_streams()
    }

    async fn command(
        &mut self,
        command: impl FnMut(
            &mut DcpConsumer<K, T>,
            &mut [u8],
        ) -> Result<usize, memlet_core::connection::feed::DcpCommandError>,
    ) -> Outcome<(), S> {
        self.exchange.stage(command)?;
        self.send().await
    }

    /// Sends what is staged.
    async fn send(&mut self) -> Outcome<(), S> {
        self.is_flushed = false;
        while !self.exchange.unsent().is_empty() {
            match self.stream.write(self.exchange.unsent()).await {
                // A stream that takes nothing has ended.
                Ok(0) => {
                    self.exchange.handle_read(0);
                    return Err(DcpFailure::EndOfInput.into());
                }
                Ok(len) => self.exchange.handle_sent(len),
                Err(error) => self.interrupted(error)?,
            }
        }
        while let Err(error) = self.stream.flush().await {
            self.interrupted(error)?;
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
                Err(error) => self.interrupted(error)?,
            }
        }
    }

    /// An interruption is no failure, and a wait that took too long does not end the feed.
    fn interrupted(&mut self, error: S::Error) -> Outcome<(), S> {
        match embedded_io_async::Error::kind(&error) {
            ErrorKind::Interrupted => return Ok(()),
            ErrorKind::TimedOut => {}
            _ => {
                self.exchange.machine_mut().abandon();
            }
        }
        Err(DcpError::Transport(error))
    }
}
