//! The server's side of one connection over a stream that is awaited.

use core::cell::RefCell;
use core::future::poll_fn;
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use embedded_io::{Error, ErrorKind};
use embedded_io_async::{Read, Write};
use memlet_core::connection::CloseReason;
use memlet_core::handler::Handler;

use crate::serve::{self, BufferError, ServeError, Step};

/// Serves one connection until it ends: reads requests from `stream`, lets `handler` answer, writes the answers.
///
/// Any number of connections of one executor share the `handler`: it is borrowed for the length of one synchronous call,
/// never while something is awaited, so there is no lock. `input` and `output` are the connection's buffers:
/// [how long](crate::serve#buffers). `clock` gives unix time in seconds. All that has arrived is answered with one write; a
/// value longer than the input goes to the handler piece by piece. After each batch of requests that did not have to be
/// waited for, other tasks of the executor have their turn.
///
/// Returns why the connection ended: closed by the peer in order, asked for (QUIT), or for what the peer did wrong, which
/// it has been told. The stream is the caller's to close.
///
/// Dropped, it makes the handler forget a value that was half received. Whoever wants to go on with the same connection
/// after a future was dropped uses a [`Connection`].
///
/// # Errors
/// What the stream says, unless it was merely [interrupted](ErrorKind::Interrupted).
///
/// ```
/// # struct Stream;
/// # impl embedded_io::ErrorType for Stream { type Error = core::convert::Infallible; }
/// # impl embedded_io_async::Read for Stream {
/// #     async fn read(&mut self, _: &mut [u8]) -> Result<usize, core::convert::Infallible> { Ok(0) }
/// # }
/// # impl embedded_io_async::Write for Stream {
/// #     async fn write(&mut self, bytes: &[u8]) -> Result<usize, core::convert::Infallible> { Ok(bytes.len()) }
/// #     async fn flush(&mut self) -> Result<(), core::convert::Infallible> { Ok(()) }
/// # }
/// # fn seconds() -> u32 { 0 }
/// # let mut stream = Stream;
/// # let done = async {
/// use core::cell::RefCell;
///
/// use memlet_core::connection::CloseReason;
/// use memlet_core::engine::{Engine, EngineSettings};
/// use memlet_core::store::{Store, StoreOptions};
///
/// let mut memory = [0; 16 << 10];
/// let store = Store::new(&mut memory[..], StoreOptions::default()).unwrap();
/// let engine = RefCell::new(Engine::new(store, EngineSettings::default()));
/// let (mut input, mut output) = ([0; 512], [0; 512]);
/// let ended = memlet::asynch::serve(&mut stream, &engine, &mut input, &mut output, seconds).await;
/// assert_eq!(ended, Ok(CloseReason::EndOfInput));
/// # };
/// # let mut context = core::task::Context::from_waker(core::task::Waker::noop());
/// # assert!(core::pin::pin!(done).poll(&mut context).is_ready());
/// ```
pub fn serve<'a, S: Read + Write, H: Handler>(
    stream: S,
    handler: &'a RefCell<H>,
    input: &'a mut [u8],
    output: &'a mut [u8],
    clock: impl Fn() -> u32,
) -> impl Future<Output = Result<CloseReason, ServeError<S::Error>>> {
    // Made outside, the connection is in the future once; an `async fn` would hold its arguments as well.
    let mut connection = Connection::new(stream, handler, input, output, clock);
    async move {
        match &mut connection {
            Ok(connection) => connection.run().await,
            Err(error) => Err((*error).into()),
        }
    }
}

/// The server's side of one connection over a stream that is awaited.
///
/// All progress is kept here and none in the futures: any of them may be dropped at any point, and the next one goes on
/// where it stopped, as long as the stream's own futures can be dropped so.
///
/// Dropped before the connection has ended, it makes the handler forget a value that was half received.
pub struct Connection<'a, S, H: Handler, C> {
    stream: S,
    handler: &'a RefCell<H>,
    clock: C,
    inner: serve::Connection<'a, H>,
    /// Something had to be waited for since the last read was begun, so other tasks have had their turn.
    has_waited: bool,
}

impl<'a, S: Read + Write, H: Handler, C: Fn() -> u32> Connection<'a, S, H, C> {
    /// A connection over which nothing has come yet; the arguments are those of [`serve()`].
    ///
    /// # Errors
    /// When a [buffer](crate::serve#buffers) is too short.
    pub fn new(
        stream: S,
        handler: &'a RefCell<H>,
        input: &'a mut [u8],
        output: &'a mut [u8],
        clock: C,
    ) -> Result<Self, BufferError> {
        Ok(Connection {
            stream,
            handler,
            clock,
            inner: serve::Connection::new(input, output)?,
            has_waited: true,
        })
    }

    /// Serves until the connection ends.
    ///
    /// Dropped, it loses nothing: call it again.
    ///
    /// # Errors
    /// What the stream says. After an error that passes nothing is lost: call it again.
    pub async fn run(&mut self) -> Result<CloseReason, ServeError<S::Error>> {
        loop {
            if let Some(reason) = self.turn().await? {
                return Ok(reason);
            }
        }
    }

    /// Does one thing: sends all answers there are ([`Connection::is_sending`]), or else waits for input and has it
    /// executed. Returns the reason once the connection has ended.
    ///
    /// For callers who bound how long each may take.
    ///
    /// Dropped, it loses nothing: call it again.
    ///
    /// # Errors
    /// What the stream says. After an error that passes nothing is lost: call it again.
    pub async fn turn(&mut self) -> Result<Option<CloseReason>, ServeError<S::Error>> {
        let was_sending = self.is_sending();
        loop {
            match self.inner.step() {
                Step::Read => {
                    if was_sending {
                        return Ok(None);
                    }
                    self.let_others_run().await;
                    let read = {
                        let future = pin!(self.stream.read(self.inner.space()));
                        note_waiting(&mut self.has_waited, future).await
                    };
                    match read {
                        Ok(len) => self.inner.handle_read(len),
                        Err(error) => passing(error)?,
                    }
                }
                Step::Execute => {
                    let Ok(mut handler) = self.handler.try_borrow_mut() else {
                        // Somebody holds it over an await: wait until that is over.
                        yield_now().await;
                        continue;
                    };
                    self.inner.execute(&mut handler, (self.clock)());
                    return Ok(None);
                }
                Step::Write => {
                    let write = {
                        let future = pin!(self.stream.write(self.inner.unsent()));
                        note_waiting(&mut self.has_waited, future).await
                    };
                    match write {
                        Ok(0) => return Err(ServeError::WriteZero),
                        Ok(len) => self.inner.handle_sent(len),
                        Err(error) => passing(error)?,
                    }
                }
                Step::Flush => {
                    let flush = {
                        let future = pin!(self.stream.flush());
                        note_waiting(&mut self.has_waited, future).await
                    };
                    match flush {
                        Ok(()) => self.inner.handle_flushed(),
                        Err(error) => passing(error)?,
                    }
                }
                Step::Wait => {
                    // A handler that is always ready wants others to get something done first.
                    self.has_waited = true;
                    yield_now().await;
                    poll_fn(|context| self.poll_wait(context)).await;
                }
                Step::Close(reason) => return Ok(Some(reason)),
            }
        }
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.handler.try_borrow_mut() {
            Ok(mut handler) => self.inner.poll_wait(&mut handler, context),
            Err(_) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Gives the executor's other tasks their turn if the peer has kept this one busy since the last time: one that sends
    /// without end would have it to itself.
    async fn let_others_run(&mut self) {
        // Noted beforehand, so that a future which is dropped after each poll gets further all the same.
        if !mem::replace(&mut self.has_waited, true) {
            yield_now().await;
        }
        self.has_waited = false;
    }

    /// Whether there are answers to be sent, so that the next thing to wait for is the peer's taking them.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        matches!(self.inner.step(), Step::Write | Step::Flush)
    }

    /// Whether the last input got something done: a request, an answer, or part of a value. What a peer sends in drops, to
    /// keep a connection, does not.
    #[must_use]
    pub fn has_progressed(&self) -> bool {
        self.inner.has_progressed()
    }

    /// Whether no request is half received or half answered, and no answer left to be sent.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        self.inner.is_between_requests()
    }

    /// Whether the rest of a request is waited for.
    pub(super) fn is_within_request(&self) -> bool {
        self.inner.step() == Step::Read && !self.inner.is_between_requests()
    }

    /// Begins anew over the same stream; see [`serve::Connection::restart`].
    pub(super) async fn restart(&mut self, keeps_unread: bool) {
        while !self.try_restart(keeps_unread) {
            yield_now().await;
        }
    }

    fn try_restart(&mut self, keeps_unread: bool) -> bool {
        let Ok(mut handler) = self.handler.try_borrow_mut() else {
            return false;
        };
        self.inner.restart(&mut handler, keeps_unread);
        true
    }

    /// Reads what nobody is to see, right after a [`restart`](Connection::restart). Returns how many bytes that were.
    pub(super) async fn read_past(&mut self) -> Result<usize, S::Error> {
        self.let_others_run().await;
        let read = pin!(self.stream.read(self.inner.space()));
        note_waiting(&mut self.has_waited, read).await
    }
}

impl<S, H: Handler, C> Connection<'_, S, H, C> {
    /// The stream, for its settings. What is read from or written to it directly is missing here.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S, H: Handler, C> Drop for Connection<'_, S, H, C> {
    fn drop(&mut self) {
        // Nobody else can have it borrowed but a caller who holds it over an await.
        if let Ok(mut handler) = self.handler.try_borrow_mut() {
            self.inner.abandon(&mut handler);
        }
    }
}

/// Awaits and notes whether that took more than one poll.
///
/// The future is pinned by the caller, or it would be held twice: as an argument and where it is polled.
pub(crate) fn note_waiting<F: Future>(
    has_waited: &mut bool,
    mut future: Pin<&mut F>,
) -> impl Future<Output = F::Output> {
    poll_fn(move |context| {
        let polled = future.as_mut().poll(context);
        *has_waited |= polled.is_pending();
        polled
    })
}

/// Comes back after the executor's other tasks have had their turn.
///
/// No `async fn`: its future would hold a panic for being polled once more after its end.
pub(crate) fn yield_now() -> impl Future<Output = ()> {
    let mut is_over = false;
    poll_fn(move |context| {
        if mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Lets an interruption pass, after which the same is tried again.
fn passing<E: Error>(error: E) -> Result<(), ServeError<E>> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        _ => Err(ServeError::Transport(error)),
    }
}
