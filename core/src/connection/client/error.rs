//! Why a reply is none, and why a request cannot go out.

use core::fmt;

use crate::wire::{EmitError, Field, Opcode, ParseError, Status};

/// A request that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Expected {
    /// Its command.
    pub opcode: Opcode,
    /// Its number.
    pub opaque: u32,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with opaque {}", self.opcode, self.opaque)
    }
}

/// What a packet's header said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Found {
    /// Its command.
    pub opcode: Opcode,
    /// Its number.
    pub opaque: u32,
    /// Its status.
    pub status: Status,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found {
            opcode,
            opaque,
            status,
        } = self;
        write!(f, "{opcode} with opaque {opaque} and status {status}")
    }
}

/// What is wrong with what the server sent, or did not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ReplyErrorKind {
    /// The bytes are no response: another first byte, lengths that do not add up or exceed the limits.
    Malformed(ParseError),
    /// The opaque is that of a request in flight, but the opcode is another.
    WrongOpcode,
    /// A later request is answered, while one before it that always gets a reply has got none.
    Missing,
    /// The request of this opaque has been answered already, or its silence has been taken for an answer.
    Late,
    /// No request of this opaque has been sent.
    Unasked,
    /// The reply is the right one, but a part of it does not have the length that its command calls for.
    Length {
        /// The part.
        field: Field,
        /// Its length in bytes.
        found: u32,
        /// The length in bytes that it should have.
        allowed: u32,
    },
    /// The reply is the right one, but speaks of something that was not asked for.
    Contents(Field),
    /// The server closed between two replies, while requests were waiting.
    Closed,
    /// The server closed in the middle of a reply.
    Truncated {
        /// Bytes of the reply that had arrived.
        received: u64,
    },
    /// The transport failed, or its time was over, while the connection was in the middle of something.
    Transport,
    /// The caller stopped in the middle of a request, so that nothing else can follow it.
    Abandoned,
    /// The caller has ended the connection, or the server has after it was asked to.
    Ended,
    /// Not even the front of a reply, without its value, fits the caller's buffer.
    BufferTooShort {
        /// Bytes that it would have to have.
        needed: u64,
    },
}

/// Why a connection is of no more use. Nothing that arrives after it can be trusted to be the answer to a question.
///
/// Says what was expected and what was found, as far as there was either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ReplyError {
    /// What is wrong.
    pub kind: ReplyErrorKind,
    /// The request whose reply should have come: the oldest that always gets one, or else the oldest.
    pub expected: Option<Expected>,
    /// The header that came instead.
    pub found: Option<Found>,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ReplyErrorKind::Malformed(error) => write!(f, "malformed reply: {error}"),
            ReplyErrorKind::WrongOpcode => f.write_str("reply with another opcode"),
            ReplyErrorKind::Missing => f.write_str("a reply is missing"),
            ReplyErrorKind::Late => f.write_str("late or repeated reply"),
            ReplyErrorKind::Unasked => f.write_str("reply to a request that was not sent"),
            ReplyErrorKind::Length {
                field,
                found,
                allowed,
            } => write!(f, "reply with {found} bytes of {field}, allowed {allowed}"),
            ReplyErrorKind::Contents(field) => write!(f, "reply with a foreign {field}"),
            ReplyErrorKind::Closed => f.write_str("connection closed by the server"),
            ReplyErrorKind::Truncated { received } => write!(
                f,
                "connection closed by the server after {received} bytes of a reply"
            ),
            ReplyErrorKind::Transport => f.write_str("the transport failed"),
            ReplyErrorKind::Abandoned => f.write_str("a request was left unfinished"),
            ReplyErrorKind::Ended => f.write_str("the connection has been ended"),
            ReplyErrorKind::BufferTooShort { needed } => {
                write!(f, "input buffer too short: {needed} bytes needed")
            }
        }?;
        if let Some(expected) = self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(found) = self.found {
            write!(f, "; found {found}")?;
        }
        Ok(())
    }
}

impl core::error::Error for ReplyError {}

/// Why a request was not written. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StageError {
    /// The table of requests in flight is full: take replies first.
    TableFull,
    /// The request does not fit the output, or cannot be written at all.
    Emit(EmitError),
    /// The connection is of no more use.
    Broken(ReplyError),
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StageError::TableFull => f.write_str("too many requests in flight"),
            StageError::Emit(error) => error.fmt(f),
            StageError::Broken(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StageError {}
