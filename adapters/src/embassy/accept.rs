//! The life of one socket.
//!
//! ```text
//!   listen ──▶ serve ──┬─ closed, idle ──▶ close; read on until the peer has closed ──▶ abort ──▶ listen
//!                      └─ failed, unread ───────────────────────────────────────────────▲
//! ```

use core::cell::RefCell;
use core::fmt;

use embassy_net::Stack;
use embassy_net::tcp::{AcceptError, TcpSocket};
use embassy_time::{Duration, Timer, with_deadline};
use memlet_core::connection::CloseReason;
use memlet_core::handler::Handler;

use super::connection::{Shared, serve};
use super::options::after;
use super::{AcceptOptions, Ended, Observer};
use crate::serve::{BufferError, check_buffers};

/// How long it takes to try again to listen with a socket that is not closed yet.
const RETRY: Duration = Duration::from_millis(100);

/// The memory of one socket and its connection.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// What the stack has received; its length in bytes is the largest window.
    pub receive: &'b mut [u8],
    /// What the peer has not acknowledged. No answer can be longer.
    pub transmit: &'b mut [u8],
    /// The connection's input: [how long](crate::serve#buffers).
    pub input: &'b mut [u8],
    /// Where answers are made, for all connections of the executor: it is in use for the length of one synchronous call.
    /// No answer can be longer.
    pub output: &'b RefCell<[u8]>,
}

/// What a caller has to put right before anybody can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ListenError {
    /// Port 0 cannot be listened on.
    Port,
    /// A buffer of the connection is too short. The output's length is that of the transmit buffer if that is shorter.
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
    let output_len = output.try_borrow().map_or(0, |output| output.len());
    let output_len = output_len.min(transmit.len());
    if let Err(error) = check_buffers(input.len(), output_len) {
        log!(error, "cannot serve: {}", error);
        return ListenError::Buffer(error);
    }
    let shared = Shared { handler, output };
    let mut socket = TcpSocket::new(stack, receive, transmit);
    // Answers leave at once, as those of every batch come in one write.
    socket.set_nagle_enabled(false);
    socket.set_keep_alive(options.keep_alive);
    socket.set_timeout(options.vanished_after);
    loop {
        match socket.accept(port).await {
            Ok(()) => {}
            Err(AcceptError::InvalidPort) => {
                log!(error, "cannot serve: {}", ListenError::Port);
                return ListenError::Port;
            }
            Err(_) => {
                log!(debug, "cannot listen yet");
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
        open.ended = serve(&mut socket, &shared, input, output_len, options, &clock).await;
        if matches!(open.ended, Ended::Closed(_) | Ended::Idle) {
            close(&mut socket, input, options.close_within).await;
        }
        // Whatever is left of the connection ends here; a peer that still has it is told.
        socket.abort();
        let _ = with_deadline(after(Some(options.close_within)), socket.flush()).await;
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
