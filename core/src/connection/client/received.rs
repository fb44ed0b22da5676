//! What a client gets out of its input.

use crate::wire::Response;

/// What one call of [`ClientConnection::handle_input`](super::ClientConnection::handle_input) has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'i> {
    /// Nothing is complete.
    NeedMore {
        /// How many bytes must follow the input: exact once a header is there, at least so many before.
        missing: u64,
    },
    /// A reply.
    Reply(Reply<'i>),
    /// A piece of the value whose reply came before it; all that the input holds of it, never empty.
    Value(&'i [u8]),
}

#[cfg(feature = "defmt")]
impl defmt::Format for Received<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Received::NeedMore { missing } => {
                defmt::write!(f, "NeedMore {{ missing: {=u64} }}", missing);
            }
            Received::Reply(reply) => defmt::write!(f, "Reply({})", reply),
            Received::Value(piece) => defmt::write!(f, "Value({=usize} bytes)", piece.len()),
        }
    }
}

/// A response, and what it says of the requests before its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reply<'i> {
    /// The response. Its opaque is that of the request, as [`ClientConnection::stage`](super::ClientConnection::stage)
    /// gave it out.
    pub response: Response<'i>,
    /// Length of the value in bytes. When the head was asked for alone, `response` has no value and this many bytes of
    /// it follow.
    pub value_len: u32,
    /// How many quiet requests right before this one are done with, as this reply closes their silence.
    pub silent: u32,
    /// Whether the request is done with; false while a statistic is not the last.
    pub is_last: bool,
    /// Bytes at the front of the input that are done with.
    pub consumed: usize,
}
