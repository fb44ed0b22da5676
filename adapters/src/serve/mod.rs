//! One connection of a server, whatever its stream: what the loops of `memlet::blocking` and `memlet::asynch` have in common.
//!
//! [`Connection`] joins a [`ServerConnection`](memlet_core::connection::ServerConnection) with the caller's two buffers and
//! knows what has to be done next. It does no I/O, so whoever has a stream of another kind (a UART that is polled, a ring of
//! DMA buffers) writes a loop of a few lines around it:
//!
//! ```
//! use core::task::{Context, Waker};
//!
//! use memlet::serve::{BufferError, Connection, Step};
//! # use memlet_core::connection::CloseReason;
//! # use memlet_core::handler::{Handler, Outcome, Reply};
//! # use memlet_core::wire::Request;
//! # fn read_port(space: &mut [u8]) -> usize { 0 }
//! # fn write_port(bytes: &[u8]) -> usize { bytes.len() }
//! # fn seconds() -> u32 { 0 }
//!
//! fn serve<H: Handler>(handler: &mut H) -> Result<CloseReason, BufferError> {
//!     let (mut input, mut output) = ([0; 512], [0; 512]);
//!     let mut connection = Connection::new(&mut input, &mut output)?;
//!     loop {
//!         match connection.step() {
//!             Step::Read => {
//!                 let len = read_port(connection.space());
//!                 connection.handle_read(len);
//!             }
//!             Step::Execute => connection.execute(handler, seconds()),
//!             Step::Write => {
//!                 let len = write_port(connection.unsent());
//!                 connection.handle_sent(len);
//!             }
//!             Step::Flush => connection.handle_flushed(),
//!             // The cache never does.
//!             Step::Wait => {
//!                 let mut context = Context::from_waker(Waker::noop());
//!                 let _ = connection.poll_wait(handler, &mut context);
//!             }
//!             Step::Close(reason) => return Ok(reason),
//!         }
//!     }
//! }
//! # let mut handler = |_: &Request<'_>, reply: &mut Reply<'_>| -> Outcome { reply.success(0).into() };
//! # assert_eq!(serve(&mut handler).unwrap(), CloseReason::EndOfInput);
//! ```
//!
//! # Buffers
//! 512 bytes each are a good choice for a device. The input holds a request's header, extras and key
//! ([`ConnectionOptions::INPUT_CAPACITY_MIN`](memlet_core::connection::ConnectionOptions::INPUT_CAPACITY_MIN), 294 bytes);
//! a longer value goes into the store piece by piece, unless it is to be appended or prepended: those packets have to fit, or
//! are answered with 0x82, out of memory. The output holds what is answered at once. A response that is longer than all of it
//! (a value of more than the output's length less 28 bytes) is answered with 0x82 as well.

mod connection;
mod error;
mod incoming;

pub use connection::{Connection, Step};
#[cfg(feature = "embassy")]
pub(crate) use error::check_buffers;
pub use error::{BufferError, ServeError};
#[cfg(feature = "embassy")]
pub(crate) use incoming::{Incoming, Stage};
