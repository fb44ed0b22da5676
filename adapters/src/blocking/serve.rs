//! The server's side of one connection over a stream that blocks.

use core::hint;
use core::task::{Context, Waker};

use embedded_io::{Error, ErrorKind, Read, Write};
use memlet_core::connection::CloseReason;
use memlet_core::handler::Handler;

use crate::serve::{self, BufferError, ServeError, Step};

/// Serves one connection until it ends: reads requests from `stream`, lets `handler` answer, writes the answers.
///
/// `input` and `output` are the connection's buffers: [how long](crate::serve#buffers). `clock` gives unix time in seconds.
/// All that has arrived is answered with one write; a value longer than the input goes to the handler piece by piece.
///
/// The call takes as long as the connection lives. Whoever wants to go on after a timeout of the stream's, or to know what
/// the connection is about, uses a [`Connection`].
///
/// A handler that [waits](Handler#waiting) is asked again and again, which takes all of the processor's time.
///
/// Returns why the connection ended: closed by the peer in order, asked for (QUIT), or for what the peer did wrong, which
/// it has been told. The stream is the caller's to close.
///
/// # Errors
/// What the stream says, unless it was merely [interrupted](ErrorKind::Interrupted).
///
/// ```
/// # struct Uart;
/// # impl embedded_io::ErrorType for Uart { type Error = core::convert::Infallible; }
/// # impl embedded_io::Read for Uart {
/// #     fn read(&mut self, _: &mut [u8]) -> Result<usize, core::convert::Infallible> { Ok(0) }
/// # }
/// # impl embedded_io::Write for Uart {
/// #     fn write(&mut self, bytes: &[u8]) -> Result<usize, core::convert::Infallible> { Ok(bytes.len()) }
/// #     fn flush(&mut self) -> Result<(), core::convert::Infallible> { Ok(()) }
/// # }
/// # fn seconds() -> u32 { 0 }
/// # let mut uart = Uart;
/// use memlet_core::connection::CloseReason;
/// use memlet_core::engine::{Engine, EngineSettings};
/// use memlet_core::store::{Store, StoreOptions};
///
/// let mut memory = [0; 16 << 10];
/// let store = Store::new(&mut memory[..], StoreOptions::default()).unwrap();
/// let mut engine = Engine::new(store, EngineSettings::default());
/// let (mut input, mut output) = ([0; 512], [0; 512]);
/// let ended = memlet::blocking::serve(&mut uart, &mut engine, &mut input, &mut output, seconds);
/// assert_eq!(ended, Ok(CloseReason::EndOfInput));
/// ```
pub fn serve<S: Read + Write, H: Handler>(
    stream: S,
    handler: &mut H,
    input: &mut [u8],
    output: &mut [u8],
    clock: impl Fn() -> u32,
) -> Result<CloseReason, ServeError<S::Error>> {
    Connection::new(stream, handler, input, output, clock)?.run()
}

/// The server's side of one connection over a blocking stream.
///
/// Dropped before the connection has ended, it makes the handler forget a value that was half received.
pub struct Connection<'a, S, H: Handler, C> {
    stream: S,
    handler: &'a mut H,
    clock: C,
    inner: serve::Connection<'a, H>,
}

impl<'a, S: Read + Write, H: Handler, C: Fn() -> u32> Connection<'a, S, H, C> {
    /// A connection over which nothing has come yet; the arguments are those of [`serve()`].
    ///
    /// # Errors
    /// When a [buffer](crate::serve#buffers) is too short.
    pub fn new(
        stream: S,
        handler: &'a mut H,
        input: &'a mut [u8],
        output: &'a mut [u8],
        clock: C,
    ) -> Result<Self, BufferError> {
        Ok(Connection {
            stream,
            handler,
            clock,
            inner: serve::Connection::new(input, output)?,
        })
    }

    /// Serves until the connection ends.
    ///
    /// # Errors
    /// What the stream says. After an error that passes (a timeout) nothing is lost: call it again.
    pub fn run(&mut self) -> Result<CloseReason, ServeError<S::Error>> {
        loop {
            match self.inner.step() {
                Step::Read => match self.stream.read(self.inner.space()) {
                    Ok(len) => self.inner.handle_read(len),
                    Err(error) => passing(error)?,
                },
                Step::Execute => self.inner.execute(self.handler, (self.clock)()),
                Step::Write => match self.stream.write(self.inner.unsent()) {
                    Ok(0) => return Err(ServeError::WriteZero),
                    Ok(len) => self.inner.handle_sent(len),
                    Err(error) => passing(error)?,
                },
                Step::Flush => match self.stream.flush() {
                    Ok(()) => self.inner.handle_flushed(),
                    Err(error) => passing(error)?,
                },
                Step::Wait => {
                    // There is nobody to be woken by: it is asked again and again.
                    let mut context = Context::from_waker(Waker::noop());
                    if self
                        .inner
                        .poll_wait(self.handler, &mut context)
                        .is_pending()
                    {
                        hint::spin_loop();
                    }
                }
                Step::Close(reason) => return Ok(reason),
            }
        }
    }

    /// Whether no request is half received or half answered, and no answer left to be sent.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        self.inner.is_between_requests()
    }
}

impl<S, H: Handler, C> Connection<'_, S, H, C> {
    /// The stream, for its settings. What is read from or written to it directly is missing here.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// What answers the requests.
    pub fn handler_mut(&mut self) -> &mut H {
        self.handler
    }
}

impl<S, H: Handler, C> Drop for Connection<'_, S, H, C> {
    fn drop(&mut self) {
        self.inner.abandon(self.handler);
    }
}

/// Lets an interruption pass, after which the same is tried again.
fn passing<E: Error>(error: E) -> Result<(), ServeError<E>> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        _ => Err(ServeError::Transport(error)),
    }
}
