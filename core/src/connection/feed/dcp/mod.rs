//! The consumer's side of a DCP connection: [`DcpConsumer`].
//!
//! ```text
//!   a connection                             a stream of it
//!
//!   new                                      empty slot ◀── forget ──────────────┐
//!    │ open                                   │ request, resume, set_position    │
//!    ▼                                        ▼        refused, rollback         │
//!   opening ── refused ──▶ failed            requested ────────────────────▶ idle, with its position
//!    │ answered               ▲               │ answered                      ▲  │ request, resume
//!    ▼                        │               ▼                               │  └─▶ requested
//!   open ── broken rule, ─────┘              open ── end, connection lost ────┤
//!           silence,                          │ close                         │
//!           end of input                      ▼          answered             │
//!                                            closing ─────────────────────────┘
//! ```
//!
//! # Order of calls
//! 1. [`DcpConsumer::new`] with the slots for streams: as many as vbuckets are to be streamed at the same time.
//! 2. [`DcpConsumer::open`] writes OPEN, and CONTROL for flow control and NOOP if the options ask for them.
//! 3. [`DcpConsumer::poll`] with all the input there is, again and again. It takes packets off the front until one is an
//!    event for the caller; NOOP, markers and states that want an answer, and what flow control demands are seen to. Drop
//!    the `consumed` bytes, send the `written` ones, do what `next` says.
//! 4. After [`DcpEvent::Opened`] the other commands: [`DcpConsumer::request_stream`], [`DcpConsumer::resume_stream`] and
//!    so on. Each writes into the caller's output, behind what is already there.
//! 5. [`DcpConsumer::handle_end_of_input`] when the peer has closed. [`DcpConsumer::into_streams`] gives the slots back,
//!    with which a new connection resumes each stream at its position.
//!
//! ```
//! use memlet_core::connection::feed::{DcpConsumer, DcpEvent, DcpNext, DcpOptions, DcpStream};
//! use memlet_core::dcp::{Open, OpenFlags};
//! use memlet_core::wire::{Opcode, Response, Status};
//!
//! let mut consumer = DcpConsumer::new(&DcpOptions::default(), [DcpStream::EMPTY; 16]);
//! let mut output = [0; 512];
//! let open = Open { name: b"feed", flags: OpenFlags::PRODUCER, ..Open::default() };
//! let _written = consumer.open(&open, &mut output)?;
//! // … the output is sent, and the answer to OPEN arrives.
//! let opaque = u32::from_be_bytes(output[12..16].try_into()?);
//! let mut input = [0; 24];
//! Response { opaque, ..Response::new(Opcode::DCP_OPEN, Status::SUCCESS) }.emit(&mut input)?;
//! let progress = consumer.poll(&input, &mut output, 0);
//! assert_eq!(progress.consumed, 24);
//! assert_eq!(progress.next, DcpNext::Event(DcpEvent::Opened));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod answers;
mod command;
mod consumer;
mod error;
mod event;
mod flow;
mod ledger;
mod options;
mod statistics;
mod stream;

pub use consumer::{DCP_ROOM_MIN, DcpConsumer};
pub use error::{DcpCommandError, DcpFailure};
pub use event::{DcpEvent, DcpNext, DcpProgress, DcpSetting, DcpSkipReason};
pub use options::{DcpOptions, DcpTaking};
pub use statistics::DcpStatistics;
pub use stream::{DcpPosition, DcpStream, DcpStreamState};
