//! One connection: from the socket's received bytes over its input to the handler, and from the output that all share
//! straight to the socket.
//!
//! ```text
//!   receive ring ──▶ input ──▶ ┌──────────────────┐
//!    (socket's)      (own)     │ ServerConnection │◀──▶ handler (shared)
//!   transmit ring ◀── output ◀─└──────────────────┘
//!    (socket's)    (shared)
//! ```
//!
//! Requests are executed only into as much output as the transmit ring has room for. So all that is answered goes to the ring
//! in the same call, nothing is left in the output when the next connection has its turn, and what a peer does not read
//! stays in its own socket.

use core::cell::RefCell;
use core::future::poll_fn;
use core::mem;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embassy_net::tcp::{Error, TcpSocket};
#[cfg(any(feature = "defmt", feature = "tracing"))]
use embassy_net::{IpAddress, IpEndpoint};
use embassy_time::with_deadline;
use memlet_core::handler::Handler;

use super::options::after;
use super::{AcceptOptions, Ended};
use crate::asynch::{note_waiting, yield_now};
#[cfg(any(feature = "defmt", feature = "tracing"))]
use crate::log::Label;
use crate::serve::{Incoming, Stage};

/// What all connections share.
pub(super) struct Shared<'a, H> {
    pub(super) handler: &'a RefCell<H>,
    pub(super) output: &'a RefCell<[u8]>,
}

/// A connection that makes the handler forget a value half received when it is dropped.
struct Connection<'a, H: Handler> {
    incoming: Incoming<'a, H>,
    shared: &'a Shared<'a, H>,
}

impl<H: Handler> Drop for Connection<'_, H> {
    fn drop(&mut self) {
        // Nobody else can have it borrowed but a caller who holds it over an await.
        if let Ok(mut handler) = self.shared.handler.try_borrow_mut() {
            self.incoming.abandon(&mut handler);
        }
    }
}

/// Serves until the connection ends or the peer has taken too long over something. `output_len` is the longest answer.
pub(super) async fn serve<H: Handler>(
    socket: &mut TcpSocket<'_>,
    shared: &Shared<'_, H>,
    input: &mut [u8],
    output_len: usize,
    options: &AcceptOptions,
    clock: impl Fn() -> u32,
) -> Ended {
    let mut connection = Connection {
        incoming: Incoming::new(input, output_len),
        shared,
    };
    // To ask the socket for its peer would cost flash even where nobody is told.
    #[cfg(any(feature = "defmt", feature = "tracing"))]
    connection
        .incoming
        .set_label(label(socket.remote_endpoint()));
    let mut idle_at = after(options.idle_after);
    // Something had to be waited for since the last read was begun, so other tasks have had their turn.
    let mut has_waited = true;
    loop {
        match connection.incoming.stage() {
            Stage::Read => {
                // A peer that sends without end would have the executor to itself.
                if !mem::replace(&mut has_waited, false) {
                    yield_now().await;
                }
                let read = {
                    let future = pin!(socket.read(connection.incoming.space()));
                    with_deadline(idle_at, note_waiting(&mut has_waited, future)).await
                };
                match read {
                    Ok(Ok(len)) => connection.incoming.handle_read(len),
                    Ok(Err(error)) => return connection.ended(Ended::Failed(error)),
                    Err(_) => return connection.ended(Ended::Idle),
                }
            }
            Stage::Execute { .. } | Stage::Ended => match connection.execute(socket, &clock) {
                Ok(true) => idle_at = after(options.idle_after),
                Ok(false) => {}
                Err(Stopped::Room(room)) => {
                    let ready = poll_fn(|context| poll_room(socket, room, context));
                    if with_deadline(after(options.unread_after), ready)
                        .await
                        .is_err()
                    {
                        return connection.ended(Ended::Unread);
                    }
                    if free(socket) < room {
                        return connection.ended(Ended::Failed(Error::ConnectionReset));
                    }
                    has_waited = true;
                }
                // Somebody holds the handler over an await: wait until that is over.
                Err(Stopped::Borrowed) => yield_now().await,
                Err(Stopped::Failed(error)) => return connection.ended(Ended::Failed(error)),
            },
            Stage::Wait => {
                // A handler that is always ready wants others to get something done first.
                has_waited = true;
                yield_now().await;
                let ready = poll_fn(|context| connection.poll_wait(context));
                // The peer has done its part, however long it was silent before.
                idle_at = after(options.idle_after);
                if with_deadline(idle_at, ready).await.is_err() {
                    return connection.ended(Ended::Idle);
                }
            }
            Stage::Close(reason) => return Ended::Closed(reason),
        }
    }
}

/// Tells a new connection from others in logs, and who it is.
#[cfg(any(feature = "defmt", feature = "tracing"))]
fn label(peer: Option<IpEndpoint>) -> Label {
    let Some(peer) = peer else {
        return Label::default();
    };
    let label = Label::new(peer.port);
    match peer.addr {
        IpAddress::Ipv4(address) => {
            let [a, b, c, d] = address.octets();
            log!(info, "{}connected from {}.{}.{}.{}", label, a, b, c, d);
        }
        #[allow(
            unreachable_patterns,
            reason = "there are others if the stack has been built for them"
        )]
        _ => log!(info, "{}connected", label),
    }
    label
}

/// Why nothing was executed.
enum Stopped {
    /// So many bytes must be free in the transmit ring.
    Room(usize),
    /// The handler or the output is in use.
    Borrowed,
    /// The socket takes nothing.
    Failed(Error),
}

impl<H: Handler> Connection<'_, H> {
    /// Logs an end that the protocol does not know of.
    fn ended(&self, ended: Ended) -> Ended {
        let label = self.incoming.label();
        match ended {
            Ended::Unread => log!(warn, "{}closed: {}", label, ended),
            _ => log!(info, "{}closed: {}", label, ended),
        }
        ended
    }

    /// Executes what has arrived and sends the answers; whether something got done.
    fn execute(
        &mut self,
        socket: &mut TcpSocket<'_>,
        clock: &impl Fn() -> u32,
    ) -> Result<bool, Stopped> {
        let free = free(socket);
        if let Stage::Execute { room } = self.incoming.stage()
            && room > free
        {
            return Err(Stopped::Room(room));
        }
        let (Ok(mut handler), Ok(mut output)) = (
            self.shared.handler.try_borrow_mut(),
            self.shared.output.try_borrow_mut(),
        ) else {
            return Err(Stopped::Borrowed);
        };
        let len = output.len().min(free);
        let output = output.get_mut(..len).unwrap_or_default();
        let written = self.incoming.execute(&mut handler, output, clock());
        let answers = output.get(..written).unwrap_or_default();
        send(socket, answers).map_err(Stopped::Failed)?;
        Ok(self.incoming.has_progressed())
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.shared.handler.try_borrow_mut() {
            Ok(mut handler) => self.incoming.poll_wait(&mut handler, context),
            Err(_) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// Bytes that the transmit ring takes at once.
fn free(socket: &TcpSocket<'_>) -> usize {
    let capacity = socket.send_capacity();
    capacity.saturating_sub(socket.send_queue())
}

/// Puts answers into the transmit ring, which has room for them.
fn send(socket: &mut TcpSocket<'_>, answers: &[u8]) -> Result<(), Error> {
    if answers.is_empty() {
        return Ok(());
    }
    let write = pin!(socket.write(answers));
    match write.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(len)) if len == answers.len() => Ok(()),
        Poll::Ready(Err(error)) => Err(error),
        // It had room a moment ago; without all of the answers the peer can make nothing of the rest.
        _ => Err(Error::ConnectionReset),
    }
}

/// Ready when so many bytes are free in the transmit ring, or never will be.
fn poll_room(socket: &mut TcpSocket<'_>, room: usize, context: &mut Context<'_>) -> Poll<()> {
    if free(socket) >= room {
        return Poll::Ready(());
    }
    // What waits for all to be sent is woken for every part of it.
    pin!(socket.flush()).poll(context).map(|_| ())
}
