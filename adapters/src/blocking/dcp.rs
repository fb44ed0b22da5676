//! A DCP feed over anything that reads and writes and blocks.

use core::ops::Range;

use embedded_io::{ErrorKind, Read, Write};
use memlet_core::connection::feed::{
    DcpConsumer, DcpEvent, DcpFailure, DcpOptions, DcpPosition, DcpStatistics, DcpStream,
};
use memlet_core::counters::Tally;
use memlet_core::dcp::{Control, Open, Reply, StreamFlags, StreamOpaque, StreamRequest};

use crate::client::{Buffer, DcpError, DcpExchange, DcpTurn};

/// What a feed gives, or why it failed.
type Outcome<T, S> = Result<T, DcpError<<S as embedded_io::ErrorType>::Error>>;

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
/// A wait that takes too long is [`DcpError::is_timeout`] and loses nothing: call again. A producer that has agreed to
/// show that it lives, and does not, ends the feed ([`DcpFailure::Silent`]); a transport whose reads have a timeout is
/// needed to notice.
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
/// # #[cfg(feature = "std")] {
/// use memlet::std::{ConnectOptions, dcp_feed};
/// use memlet_core::connection::feed::{DcpEvent, DcpOptions};
/// use memlet_core::dcp::{Body, Message, Open, OpenFlags, StreamFlags, StreamOpaque, StreamRequest};
///
/// // All changes of vbucket 0, from the first on.
/// let mut feed = dcp_feed("127.0.0.1:11211", &ConnectOptions::default(), &DcpOptions::default(), 1)?;
/// feed.open(&Open { name: b"printer", flags: OpenFlags::PRODUCER, ..Open::default() })?;
/// let stream = StreamOpaque { application: 1, vbucket: 0 };
/// feed.resume_stream(stream, StreamFlags::NONE, StreamRequest::NO_END)?;
/// loop {
///     match feed.next_event() {
///         Ok(DcpEvent::Message(Message { body: Body::Mutation(mutation), .. })) => {
///             println!("{} {}", mutation.seqno, String::from_utf8_lossy(mutation.key));
///         }
///         Ok(_) => {}
///         Err(error) if error.is_timeout() => {}
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[doc(alias = "UprFeed")]
#[doc(alias = "upr")]
#[derive(Debug)]
pub struct DcpFeed<S, B, K, C, T = ()> {
    stream: S,
    exchange: DcpExchange<B, K, T>,
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
            clock,
        }
    }

    /// Opens the connection under a name, with the window and the signs of life of the options, and waits for the answer.
    ///
    /// # Errors
    /// [`DcpFailure::OpenRefused`]. After a wait that took too long, [`DcpFeed::next_event`] waits on, and gives
    /// [`DcpEvent::Opened`].
    #[doc(alias = "UprOpen")]
    pub fn open(&mut self, open: &Open<'_>) -> Outcome<(), S> {
        self.command(|machine, out| machine.open(open, out))?;
        loop {
            if let DcpEvent::Opened = self.next_event()? {
                return Ok(());
            }
        }
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// [`DcpError::Failed`] when the feed is over, which stays so.
    pub fn next_event(&mut self) -> Outcome<DcpEvent<'_>, S> {
        loop {
            match self.exchange.settle((self.clock)()) {
                DcpTurn::Send => self.send()?,
                DcpTurn::Read => self.read()?,
                DcpTurn::Ready => break,
            }
        }
        Ok(self.exchange.event((self.clock)())?)
    }

    /// Asks for the changes of a vbucket; see [`DcpConsumer::request_stream`].
    ///
    /// # Errors
    /// As there, and the transport's.
    #[doc(alias = "UprRequestStream")]
    pub fn request_stream(
        &mut self,
        stream: StreamOpaque,
        request: &StreamRequest<'_>,
    ) -> Outcome<(), S> {
        self.command(|machine, out| machine.request_stream(stream, request, out))
    }

    /// Asks for the changes of a vbucket from where its stream has come to; see [`DcpConsumer::resume_stream`].
    ///
    /// # Errors
    /// As there, and the transport's.
    pub fn resume_stream(
        &mut self,
        stream: StreamOpaque,
        flags: StreamFlags,
        end_seqno: u64,
    ) -> Outcome<(), S> {
        self.command(|machine, out| machine.resume_stream(stream, flags, end_seqno, out))
    }

    /// Asks for the end of a stream; see [`DcpConsumer::close_stream`].
    ///
    /// # Errors
    /// As there, and the transport's.
    pub fn close_stream(&mut self, stream: StreamOpaque, stream_id: Option<u16>) -> Outcome<(), S> {
        self.command(|machine, out| machine.close_stream(stream, stream_id, out))
    }

    /// Asks for the failover log of a vbucket; see [`DcpConsumer::failover_log`].
    ///
    /// # Errors
    /// As there, and the transport's.
    #[doc(alias = "UprGetFailoverLog")]
    pub fn failover_log(&mut self, vbucket: u16) -> Outcome<(), S> {
        self.command(|machine, out| machine.failover_log(vbucket, out))
    }

    /// Asks which vbuckets there are and how far each has come; see [`DcpConsumer::vbucket_seqnos`].
    ///
    /// # Errors
    /// As there, and the transport's.
    pub fn vbucket_seqnos(&mut self) -> Outcome<(), S> {
        self.command(DcpConsumer::vbucket_seqnos)
    }

    /// Sets a property of the connection, and gives the opaque of its answer; see [`DcpConsumer::control`].
    ///
    /// # Errors
    /// As there, and the transport's.
    pub fn control(&mut self, control: &Control<'_>) -> Outcome<u32, S> {
        let mut given = 0;
        self.command(|machine, out| {
            let (len, opaque) = machine.control(control, out)?;
            given = opaque;
            Ok(len)
        })?;
        Ok(given)
    }

    /// Tells a consumer to ask for a stream; see [`DcpConsumer::add_stream`].
    ///
    /// # Errors
    /// As there, and the transport's.
    #[doc(alias = "UprAddStream")]
    pub fn add_stream(&mut self, vbucket: u16, flags: StreamFlags) -> Outcome<(), S> {
        self.command(|machine, out| machine.add_stream(vbucket, flags, out))
    }

    /// Says how far this replica holds prepared writes; see [`DcpConsumer::acknowledge_seqno`].
    ///
    /// # Errors
    /// As there, and the transport's.
    pub fn acknowledge_seqno(
        &mut self,
        stream: StreamOpaque,
        prepared_seqno: u64,
    ) -> Outcome<(), S> {
        self.command(|machine, out| machine.acknowledge_seqno(stream, prepared_seqno, out))
    }

    /// Answers a request of the producer's that is left to the caller; see [`DcpConsumer::answer`].
    ///
    /// # Errors
    /// As there, and the transport's.
    pub fn answer(&mut self, reply: &Reply<'_>) -> Outcome<(), S> {
        self.command(|machine, out| machine.answer(reply, out))
    }

    /// Acknowledges what has been taken though the threshold has not been reached; see [`DcpConsumer::acknowledge`].
    ///
    /// # Errors
    /// As there, and the transport's.
    pub fn acknowledge(&mut self) -> Outcome<(), S> {
        self.command(DcpConsumer::acknowledge)
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

    fn command(
        &mut self,
        command: impl FnMut(
            &mut DcpConsumer<K, T>,
            &mut [u8],
        ) -> Result<usize, memlet_core::connection::feed::DcpCommandError>,
    ) -> Outcome<(), S> {
        self.exchange.stage(command)?;
        self.send()
    }

    /// Sends what is staged.
    fn send(&mut self) -> Outcome<(), S> {
        while !self.exchange.unsent().is_empty() {
            match self.stream.write(self.exchange.unsent()) {
                // A stream that takes nothing has ended.
                Ok(0) => {
                    self.exchange.handle_read(0);
                    return Err(DcpFailure::EndOfInput.into());
                }
                Ok(len) => self.exchange.handle_sent(len),
                Err(error) => self.interrupted(error)?,
            }
        }
        while let Err(error) = self.stream.flush() {
            self.interrupted(error)?;
        }
        Ok(())
    }

    /// Reads what there is, waiting for something.
    fn read(&mut self) -> Outcome<(), S> {
        loop {
            match self.stream.read(self.exchange.space()) {
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
        match embedded_io::Error::kind(&error) {
            ErrorKind::Interrupted => return Ok(()),
            ErrorKind::TimedOut => {}
            _ => {
                self.exchange.machine_mut().abandon();
            }
        }
        Err(DcpError::Transport(error))
    }
}
