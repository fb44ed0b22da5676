//! The life of one socket.
//!
//! ```text
//!   listen ──▶ serve ──┬─ closed, idle ──▶ close; read on until the peer has closed ──▶ abort ──▶ listen
//!                      └─ failed, unread ───────────────────────────────────────────────▲
//! ```

use core::cell::RefCell;
use core::fmt;

use embassy_net::Stack;
use embassy_net::tcp::{AcceptError, Error, TcpSocket};
use embassy_time::{Duration, Instant, Timer, with_deadline};
use embedded_io_async::{ErrorType, Read, Write};
use memlet_core::connection::CloseReason;
use memlet_core::handler::Handler;

use super::{AcceptOptions, Ended, Observer};
use crate::asynch::Connection;
use crate::serve::{self, BufferError, ServeError};

/// How long it takes to try again to listen with a socket that is not closed yet.
const RETRY: Duration = Duration::from_millis(100);

/// The memory of one socket and its connection.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// What the stack has received; its length in bytes is the largest window.
    pub receive: &'b mut [u8],
    /// What the peer has not acknowledged.
    pub transmit: &'b mut [u8],
    /// The connection's input: [how long](crate::serve#buffers).
    pub input: &'b mut [u8],
    /// The connection's output.
    pub output: &'b mut [u8],
}

/// What a caller has to put right before anybody can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenError {
    /// Port 0 cannot be listened on.
    Port,
    /// A buffer of the connection is too short.
    Buffer(BufferError),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenError::Port => f.write_str("port 0 cannot be listened on"),
            ListenError::Buffer(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ListenError {}

/// Accepts one connection after the other on one socket and serves each until it ends.
///
/// `handler` is shared with the tasks of other sockets; it is borrowed for the length of one synchronous call. `clock` gives
/// unix time in seconds. `observer` learns of every connection; `&()` does nothing.
///
/// Returns only if the port or a buffer is of no use. Dropped, it cuts off the peer and makes the handler forget a value
/// that was half received.
pub async fn accept<H: Handler>(
    stack: Stack<'_>,
    port: u16,
    buffers: Buffers<'_>,
    handler: &RefCell<H>,
    options: &AcceptOptions,
    clock: impl Fn() -> u32,
    observer: &impl Observer,
) -> ListenError {
    let Buffers {
        receive,
        transmit,
        input,
        output,
    } = buffers;
    if let Err(error) = serve::check_buffers(input, output) {
        return ListenError::Buffer(error);
    }
    let mut socket = TcpSocket::new(stack, receive, transmit);
    // Answers leave at once, as those of every batch come in one write.
    socket.set_nagle_enabled(false);
    socket.set_keep_alive(options.keep_alive);
    socket.set_timeout(options.vanished_after);
    loop {
        match socket.accept(port).await {
            Ok(()) => {}
            Err(AcceptError::InvalidPort) => return ListenError::Port,
            Err(_) => {
                socket.abort();
                Timer::at(after(Some(RETRY))).await;
                continue;
            }
        }
        let mut open = Open {
            observer,
            ended: Ended::Closed(CloseReason::Abandoned),
        };
        observer.opened(socket.remote_endpoint());
        let stream = Unflushed(&mut socket);
        open.ended = serve_within(stream, handler, input, output, &clock, options).await;
        if matches!(open.ended, Ended::Closed(_) | Ended::Idle) {
            close(&mut socket, input, options.close_within).await;
        }
        // Whatever is left of the connection ends here; a peer that still has it is told.
        socket.abort();
        let _ = with_deadline(after(Some(options.close_within)), socket.flush()).await;
    }
}

/// Serves until the connection ends or the peer has taken too long over something.
async fn serve_within<H: Handler>(
    stream: Unflushed<'_, '_>,
    handler: &RefCell<H>,
    input: &mut [u8],
    output: &mut [u8],
    clock: impl Fn() -> u32,
    options: &AcceptOptions,
) -> Ended {
    let Ok(mut connection) = Connection::new(stream, handler, input, output, clock) else {
        // The buffers have been seen to.
        return Ended::Closed(CloseReason::Abandoned);
    };
    let mut idle_at = after(options.idle_after);
    loop {
        let is_sending = connection.is_sending();
        let deadline = if is_sending {
            after(options.unread_after)
        } else {
            idle_at
        };
        match with_deadline(deadline, connection.turn()).await {
            Ok(Ok(Some(reason))) => return Ended::Closed(reason),
            Ok(Ok(None)) if connection.has_progressed() => idle_at = after(options.idle_after),
            Ok(Ok(None)) => {}
            Ok(Err(ServeError::Transport(error))) => return Ended::Failed(error),
            // The stream takes something or fails.
            Ok(Err(_)) => return Ended::Closed(CloseReason::Abandoned),
            Err(_) if is_sending => return Ended::Unread,
            Err(_) => return Ended::Idle,
        }
    }
}

/// Closes this side and reads on until the peer has closed its own, so that it can read all it was told: the reset that
/// answers what nobody reads any more may take that away.
async fn close(socket: &mut TcpSocket<'_>, space: &mut [u8], within: Duration) {
    let deadline = after(Some(within));
    socket.close();
    while let Ok(Ok(1..)) = with_deadline(deadline, socket.read(space)).await {}
    let _ = with_deadline(deadline, socket.flush()).await;
}

/// The instant so long from now. One beyond the end of time never comes.
fn after(time: Option<Duration>) -> Instant {
    time.and_then(|time| Instant::now().checked_add(time))
        .unwrap_or(Instant::MAX)
}

/// Tells the observer of the end of a connection, also if that comes by its task's being dropped.
struct Open<'a, O: Observer> {
    observer: &'a O,
    ended: Ended,
}

impl<O: Observer> Drop for Open<'_, O> {
    fn drop(&mut self) {
        self.observer.closed(self.ended);
    }
}

/// A socket that is not waited for after each batch of answers: its flush takes until the peer has acknowledged them,
/// and what has been written leaves without.
struct Unflushed<'a, 's>(&'a mut TcpSocket<'s>);

impl ErrorType for Unflushed<'_, '_> {
    type Error = Error;
}

impl Read for Unflushed<'_, '_> {
    async fn read(&mut self, space: &mut [u8]) -> Result<usize, Error> {
        self.0.read(space).await
    }
}

impl Write for Unflushed<'_, '_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
