//! A server over embassy-net's TCP sockets: one task, one socket and one set of buffers for each connection there may be.
//!
//! embassy-net has no backlog: a peer that finds no socket listening is refused. So as many tasks as there may be
//! connections run [`accept`], each of which listens, serves who comes, and listens again, for ever. They share one handler
//! without a lock, as all run in one executor.
//!
//! ```no_run
//! use core::cell::RefCell;
//!
//! use embassy_net::Stack;
//! use memlet::embassy::{AcceptOptions, Buffers, ListenError, accept};
//! use memlet_core::engine::Engine;
//! use memlet_core::store::Store;
//!
//! type Cache = Engine<Store<&'static mut [u8]>>;
//!
//! // The body of a task: `#[embassy_executor::task(pool_size = 4)]`.
//! async fn connection(
//!     stack: Stack<'static>,
//!     cache: &'static RefCell<Cache>,
//!     memory: &'static mut ([u8; 1024], [u8; 2048], [u8; 304]),
//!     output: &'static RefCell<[u8; 2048]>,
//! ) -> ListenError {
//!     let (receive, transmit, input) = memory;
//!     let buffers = Buffers { receive, transmit, input, output };
//!     let options = AcceptOptions::default();
//!     let clock = || embassy_time::Instant::now().as_secs() as u32;
//!     accept(stack, 11211, buffers, cache, &options, clock, &()).await
//! }
//! ```
//!
//! # Memory
//! Beside the socket's own two buffers, a connection takes its input ([how long](crate::serve#buffers)) and the task, some
//! 400 bytes on a 32-bit machine. All share one output. The longest answer, and with it the longest value that can be read
//! back, is what fits both the output and the transmit buffer. The stack's `StackResources` need a place for each socket,
//! or embassy-net panics as it is made.
//!
//! # Peers that are gone, or stay
//! | peer | noticed by |
//! | --- | --- |
//! | vanished: no power, no cable | [`keep_alive`](AcceptOptions::keep_alive), [`vanished_after`](AcceptOptions::vanished_after) |
//! | does nothing, or sends a request in drops | [`idle_after`](AcceptOptions::idle_after) |
//! | sends, and does not read the answers | [`unread_after`](AcceptOptions::unread_after) |
//! | does not close after having been told all | [`close_within`](AcceptOptions::close_within) |
//!
//! While the link is down connections stay; when it is back in time they go on. Sockets that listen need nothing.

mod accept;
mod connection;
mod options;
#[cfg(feature = "near")]
mod upstream;

pub use accept::{Buffers, ListenError, accept};
pub use options::{AcceptOptions, Ended, Observer};
#[cfg(feature = "near")]
pub use upstream::{Upstream, UpstreamSocket, delay};
