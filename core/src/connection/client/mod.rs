//! The client's side of one connection, sans-IO.
//!
//! A client may believe a reply only if it is the reply to its question. memcached answers in the order it was asked,
//! and quiet commands may stay silent; so of all requests in flight only a few can be answered next, and
//! [`ClientConnection`] knows which. It numbers the requests (their opaques), keeps opcode and number of all that are in
//! flight, and checks every response against them. The first one that does not fit ends the connection: it, and
//! whatever comes behind it, is never handed out.
//!
//! ```text
//!             a reply that fits,                  ┌────────┐  header without its value    ┌───────┐
//!             more replies may come ┌────────────▶│ Ready  ├─────────────────────────────▶│ Value │
//!                                   └─────────────┤        │◀─────────────────────────────┤       │
//!                                                 └───┬────┘         all of it came       └───┬───┘
//!  wrong, missing, late, repeated or unasked reply,   │                                       │
//!  bad magic, bad lengths, end of input, transport    ▼                                       │
//!  failed, abandoned                              ┌────────┐                                  │
//!                                                 │ Broken │◀─────────────────────────────────┘
//!                                                 └────────┘
//! ```
//!
//! # Quiet commands
//! A quiet command is answered only when it has something to say: a get that hits, anything that fails. Its silence ends
//! with the reply to a later command: [`Reply::silent`] counts the requests that this closes. So a batch of quiet
//! commands ends with one that always answers, such as NOOP. The reply to a quiet command after that is an error.
//!
//! # Memory
//! Requests of the same opcode that follow each other share one of the `RUNS` entries of 8 bytes: a get of ten thousand
//! keys takes two entries, one for the quiet gets and one for the NOOP. When a mixed batch fills the table,
//! [`StageError::TableFull`] says so, and the caller takes replies first.
//!
//! # Order of calls
//! 1. [`ClientConnection::stage`] for every request that is to go out, then send the output.
//! 2. [`ClientConnection::handle_input`] with what has arrived, until it says [`Received::NeedMore`]. A reply that does
//!    not fit the caller's input buffer is taken in pieces: [`ClientConnection::handle_input_head`].
//! 3. [`ClientConnection::handle_end_of_input`] when the server has closed, [`ClientConnection::abandon`] when the
//!    transport has failed or its time is over.
//!
//! ```
//! use memlet_core::connection::client::{ClientConnection, ClientOptions, Received};
//! use memlet_core::wire::{Opcode, Request, Status};
//!
//! let mut connection: ClientConnection<4> = ClientConnection::new(ClientOptions::default(), ());
//! let mut output = [0; 128];
//!
//! // Two quiet gets and the NOOP that ends their silence.
//! let mut written = 0;
//! for request in [
//!     Request { key: b"here", ..Request::new(Opcode::GETQ) },
//!     Request { key: b"gone", ..Request::new(Opcode::GETQ) },
//!     Request::new(Opcode::NOOP),
//! ] {
//!     written += connection.stage(&request, &mut output[written..])?.written;
//! }
//! assert_eq!(connection.in_flight(), 3);
//!
//! // The server has only the first of them.
//! let hit = [0x81, 0x09, 0, 0, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, b'!'];
//! let Received::Reply(reply) = connection.handle_input(&hit)? else { panic!() };
//! assert_eq!((reply.response.opaque, reply.response.value), (1, &b"!"[..]));
//!
//! let noop = [0x81, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0];
//! let Received::Reply(reply) = connection.handle_input(&noop)? else { panic!() };
//! assert_eq!((reply.silent, connection.in_flight()), (1, 0));
//!
//! // Nothing else may come.
//! let error = connection.handle_input(&noop).unwrap_err();
//! assert_eq!(error.to_string(), "late or repeated reply; found NOOP with opaque 3 and status SUCCESS");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod connection;
mod error;
mod ledger;
mod options;
mod received;

pub use connection::{ClientConnection, Staged};
pub use error::{Expected, Found, ReplyError, ReplyErrorKind, StageError};
pub use options::ClientOptions;
pub use received::{Received, Reply};
