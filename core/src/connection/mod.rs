//! Sans-IO connections: bytes in, bytes out, no socket and no clock.
//!
//! [`client`] is the client's side, [`feed`] both sides of a stream of changes. [`ServerConnection`] is the server's side
//! of one connection. It holds no buffer: the caller reads from its socket into an input buffer, hands it over, writes
//! out what came into the output buffer, and keeps the input that was not consumed. A server with thousands of idle
//! connections needs one pair of buffers for all of them; a device keeps a few hundred bytes for each.
//!
//! ```text
//!                      first byte is no 0x80
//!          ┌───────┐  (one line of text)           ┌────────┐
//!  new ──▶ │ Start ├──────────────────────────────▶│ Closed │◀── from every state: end of input,
//!          └───┬───┘                               └────────┘    abandon
//!              │ 0x80                                   ▲
//!              ▼      bad magic, lengths that do not    │
//!          ┌───────┐  add up, refused by its header,    │
//!     ┌───▶│ Ready ├──the handler closes (QUIT)─────────┤
//!     │    └┬─┬───┬┘                                    │
//!     │     │ │   │ answered in part (STAT)             │
//!     │     │ │   └──────────────▶ Partial ─────────────┤
//!     │     │ │ value too long    (answers the rest     │
//!     │     │ │ for the buffer,    when there is room)  │
//!     │     │ │ handler takes it       │ done           │
//!     ├─────┼─┼────────────────────────┘                │
//!     │     │ └─────────────────▶ Value ────────────────┤
//!     │     │                    (piece by piece)       │
//!     ├─────┼─────────────────────┘ all of it arrived   │
//!     │     │ answered, value is to be dropped          │
//!     │     └────────────────────▶ Skip ────────────────┘
//!     └────────────────────────────┘ all of it arrived
//! ```
//!
//! # Order of calls
//! 1. [`ServerConnection::new`] when a peer has connected.
//! 2. [`ServerConnection::handle_input`] with all the input there is. Everything complete in it is executed and
//!    answered in one run. Afterwards drop the `consumed` bytes, send the `written` ones, and do what
//!    [`Progress::next`] says: read more, send first, wait for the handler, or send and close.
//! 3. [`ServerConnection::handle_end_of_input`] when the peer has closed, or [`ServerConnection::abandon`] when the
//!    connection ends for any other reason. A value that was on its way into the store is released by it.
//!
//! ```
//! use memlet_core::connection::{CloseReason, ConnectionOptions, Next, ServerConnection};
//! use memlet_core::handler::{Outcome, Reply};
//! use memlet_core::wire::{Opcode, Request, Status};
//!
//! let mut handler = |request: &Request<'_>, reply: &mut Reply<'_>| match request.opcode {
//!     Opcode::NOOP => reply.success(0).into(),
//!     Opcode::QUIT => match reply.success(0) {
//!         Ok(()) => Outcome::Close,
//!         Err(no_room) => Outcome::NeedOutput(no_room.needed),
//!     },
//!     _ => reply.error(Status::UNKNOWN_COMMAND).into(),
//! };
//! let mut connection = ServerConnection::new(&ConnectionOptions::default());
//! let mut output = [0; 512];
//!
//! // A NOOP and the first bytes of a QUIT arrive.
//! let mut input = [0; 40];
//! input[..2].copy_from_slice(&[0x80, 0x0a]);
//! input[24..26].copy_from_slice(&[0x80, 0x07]);
//! let progress = connection.handle_input(&mut handler, &input, &mut output, 0);
//! assert_eq!((progress.consumed, progress.written), (24, 24));
//! assert_eq!(&output[..8], &[0x81, 0x0a, 0, 0, 0, 0, 0, 0]);
//! assert_eq!(progress.next, Next::Read { missing: 8 });
//!
//! // The rest of the QUIT arrives.
//! let mut quit = [0; 24];
//! quit[..2].copy_from_slice(&[0x80, 0x07]);
//! let progress = connection.handle_input(&mut handler, &quit, &mut output, 0);
//! assert_eq!((progress.consumed, progress.written), (24, 24));
//! assert_eq!(progress.next, Next::Close(CloseReason::Requested));
//! ```
//!
//! # What is refused, and how
//! In this order (memcached binary protocol: malformed requests), each as soon as the bytes that show it are there:
//!
//! | defect | answer | then |
//! | --- | --- | --- |
//! | first byte of the connection is not 0x80 | one line of text: `ERROR …` | closed |
//! | first byte of a later request is not 0x80 | none | closed |
//! | key length, or key and extras length, beyond the body's | 0x81 | closed |
//! | body beyond [`Limits`](crate::wire::Limits) | 0x04 | closed |
//! | whatever [`Handler::admit`](crate::handler::Handler::admit) refuses (login, lengths that do not fit the command) | its status | closed |
//! | key beyond the limits | 0x04 | closed |
//! | body that does not fit the input buffer and that the handler does not take in pieces | 0x03, or what the handler answers (the engine: 0x82) | value skipped, connection lives |
//! | response longer than the output buffer can ever hold | 0x82 | connection lives |

pub mod client;
pub mod feed;

mod options;
mod progress;
mod server;

pub use options::ConnectionOptions;
pub use progress::{CloseReason, Next, Progress};
pub use server::ServerConnection;
