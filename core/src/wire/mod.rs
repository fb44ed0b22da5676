//! Packets: bytes to values and back, without state.
//!
//! | to | start at |
//! | --- | --- |
//! | read any packet, whichever its direction | [`Packet::parse`] |
//! | look at a few fields of a packet, or pass it on | [`PacketView::parse`] |
//! | read what a client sends | [`Request::parse`] |
//! | read what a server sends | [`Response::parse`] |
//! | decide on a packet before its body is there | [`Header::parse`], [`Header::check`], [`Header::check_shape`] |
//! | read the fixed fields of a command | [`extras`] |
//! | read the frame infos of a flex packet | [`FrameInfo::iter`] |
//! | show people what each byte says, and what is odd about it | `fields` (feature `fields`) |
//! | write | [`Request::emit`], [`Response::emit`], [`Packet::emit`], or `emit_head` when the value goes another way |
//!
//! Parsing has three answers: [`Parsed::Complete`], [`Parsed::NeedMore`] with the number of bytes that are missing, or a
//! [`ParseError`] that says which field broke which rule, where. What is well-formed is accepted and kept, whether or
//! not its numbers have names here: parsing and emitting give the same bytes again. Whether a request makes sense is
//! for the engine to judge.
//!
//! Emission knows its length beforehand and, when it fails, has written nothing.
//!
//! ```
//! use memlet_core::wire::{Limits, Opcode, Parsed, Request};
//!
//! let request = Request { key: b"Hello", opaque: 1, ..Request::new(Opcode::GET) };
//! let mut bytes = [0; 64];
//! let len = request.emit(&mut bytes)?;
//! assert_eq!(len, 29);
//!
//! match Request::parse(&bytes[..len], &Limits::default())? {
//!     Parsed::Complete { value, consumed } => {
//!         assert_eq!(value, request);
//!         assert_eq!(consumed, 29);
//!     }
//!     Parsed::NeedMore { missing } => println!("{missing} bytes to go"),
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

pub mod extras;
#[cfg(feature = "fields")]
pub mod fields;

mod datatype;
mod dialect;
mod directed;
mod duration;
pub(crate) mod emit;
mod error;
mod framing;
mod header;
mod lengths;
mod magic;
mod opcode;
mod packet;
pub(crate) mod parse;
mod request;
mod response;
mod server_opcode;
mod shape;
mod status;
mod text;
mod view;

pub use datatype::DataType;
pub use dialect::Dialect;
pub use duration::{pack_duration, unpack_duration};
pub use error::{Allowed, EmitError, Field, ParseError, ParseErrorKind};
pub use framing::{FrameInfo, FrameInfos};
pub use header::{HEADER_LEN, Header, KEY_LEN_MAX, Parsed};
pub use lengths::Limits;
pub use magic::Magic;
pub use opcode::{Opcode, OpcodeName};
pub use packet::Packet;
pub use request::Request;
pub use response::{Response, ResponseError};
pub use server_opcode::ServerOpcode;
pub use shape::{Presence, Shape};
pub use status::Status;
pub use text::Escaped;
pub use view::PacketView;
