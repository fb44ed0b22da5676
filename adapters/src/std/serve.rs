//! One connection, served in the calling thread, over anything that reads and writes.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::{self, Wake, Waker};
use std::thread::{self, Thread};
use std::{error, fmt};

use memlet_core::connection::{CloseReason, ConnectionOptions};
use memlet_core::handler::Handler;

use super::clock::Clock;
use super::connection::{Buffers, Closed, Connection, Context, Turn};

/// Why [`serve()`] ended before either side had closed the connection in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The peer broke the rules of the protocol, was refused, or stopped in the middle of a request. What there was to
    /// say has been said to it.
    Protocol(CloseReason),
    /// The stream failed.
    Transport(io::Error),
    /// The handler panicked.
    Panicked,
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Protocol(reason) => reason.fmt(f),
            ServeError::Transport(error) => error.fmt(f),
            ServeError::Panicked => f.write_str("the handler panicked"),
        }
    }
}

impl error::Error for ServeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            ServeError::Transport(error) => Some(error),
            ServeError::Protocol(_) | ServeError::Panicked => None,
        }
    }
}

/// Serves one connection until it ends: reads requests from `stream`, lets `handler` answer, writes the answers.
///
/// For those who accept connections themselves. Everything that has arrived is answered with one write. The call blocks
/// as long as the stream does; a stream that would block, or whose timeout is over, ends it with that error.
///
/// # Errors
/// `Ok` means that the peer closed between two requests or asked for the end (QUIT). All else is a [`ServeError`].
///
/// ```no_run
/// use memlet::std::serve;
/// use memlet_core::handler::{Outcome, Reply};
/// use memlet_core::wire::{Opcode, Request, Status};
///
/// # fn main() -> std::io::Result<()> {
/// let mut handler = |request: &Request<'_>, reply: &mut Reply<'_>| -> Outcome {
///     match request.opcode {
///         Opcode::NOOP => reply.success(0).into(),
///         _ => reply.error(Status::UNKNOWN_COMMAND).into(),
///     }
/// };
/// for stream in std::net::TcpListener::bind("127.0.0.1:11211")?.incoming() {
///     if let Err(error) = serve(stream?, &mut handler) {
///         eprintln!("connection ended: {error}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// While `handler` [waits](Handler#waiting) the thread sleeps, until the waker that `poll_wait` gets is woken.
pub fn serve<S: Read + Write, H: Handler>(stream: S, handler: &mut H) -> Result<(), ServeError> {
    let clock = Clock::start();
    let mut buffers = Buffers::new();
    let mut connection = Connection::new(stream, &ConnectionOptions::default());
    let closed = loop {
        connection.handle_readable(false);
        let (turn, answers) = connection.turn(&mut Context {
            handler: &mut *handler,
            buffers: &mut buffers,
            now: clock.now(),
            room: usize::MAX,
            publish: |_: &mut H| {},
        });
        let turn = connection.settle(turn, buffers.answers(answers));
        buffers.release();
        match turn {
            Turn::Idle if !connection.is_starved() => {}
            Turn::Again => {}
            Turn::Waiting => park_until_ready(&mut connection, handler),
            Turn::Idle | Turn::Blocked => {
                break Closed::Transport(io::ErrorKind::WouldBlock.into());
            }
            Turn::Closed(closed) => break closed,
        }
    };
    connection.abandon(handler);
    match closed {
        Closed::Protocol(CloseReason::EndOfInput | CloseReason::Requested) => Ok(()),
        Closed::Protocol(reason) => Err(ServeError::Protocol(reason)),
        Closed::Transport(error) => Err(ServeError::Transport(error)),
        _ => Err(ServeError::Panicked),
    }
}

/// Wakes a thread that has parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Sleeps until the handler no longer waits.
fn park_until_ready<S: Read + Write, H: Handler>(
    connection: &mut Connection<S, H>,
    handler: &mut H,
) {
    // One that is always ready wants others to get something done first.
    thread::yield_now();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    while !connection.poll_wait(handler, &mut task::Context::from_waker(&waker)) {
        thread::park();
    }
}
