//! Packets: bytes to values and back, without state.

pub mod extras;

mod datatype;
mod dialect;
mod emit;
mod error;
mod header;
mod lengths;
mod magic;
mod opcode;
mod packet;
mod parse;
mod request;
mod response;
mod server_opcode;
mod shape;
mod status;
mod text;

pub use datatype::DataType;
pub use dialect::Dialect;
pub use error::{Allowed, EmitError, Field, ParseError, ParseErrorKind};
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
