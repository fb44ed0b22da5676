//! Any message of a TAP stream, by what it says.

use core::fmt;

use crate::wire::{EmitError, Escaped, Limits, Opcode, ParseError, Parsed, Status};

use super::frame::{Parts, address};
use super::{
    Ack, Checkpoint, Deletion, Flush, Frame, Head, MessageFlags, Mutation, Opaque, Subtype,
    VbucketSet,
};

/// Any message that a producer sends, by what it says.
///
/// Parsing and emitting give the same bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Message<'a> {
    /// 0x41: an item was stored.
    Mutation(Mutation<'a>),
    /// 0x42: an item was removed.
    Deletion(Deletion<'a>),
    /// 0x43: every item was removed.
    Flush(Flush<'a>),
    /// 0x44: where the stream stands.
    Opaque(Opaque<'a>),
    /// 0x45: a vbucket gets another state.
    VbucketSet(VbucketSet<'a>),
    /// 0x46: a checkpoint begins.
    CheckpointStart(Checkpoint<'a>),
    /// 0x47: a checkpoint ends.
    CheckpointEnd(Checkpoint<'a>),
}

impl<'a> Message<'a> {
    /// Reads a message off the front of `input`.
    ///
    /// # Errors
    /// As [`Frame::parse`] and [`Message::from_frame`].
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Parsed<Message<'a>>, ParseError> {
        Ok(match Frame::parse(input, limits)? {
            Parsed::Complete { value, consumed } => Parsed::Complete {
                value: Message::from_frame(&value)?,
                consumed,
            },
            Parsed::NeedMore { missing } => Parsed::NeedMore { missing },
        })
    }

    /// Tells what a frame says.
    ///
    /// # Errors
    /// Another opcode, extras of the wrong length for the opcode, a key or value that must not be there or is missing,
    /// engine-private bytes that lack the subtype or state, a checkpoint's value that is no number of 8 bytes.
    pub fn from_frame(frame: &Frame<'a>) -> Result<Message<'a>, ParseError> {
        Ok(match frame.opcode {
            Opcode::TAP_DELETE => Message::Deletion(Deletion::from_frame(frame)?),
            Opcode::TAP_FLUSH => Message::Flush(Flush::from_frame(frame)?),
            Opcode::TAP_OPAQUE => Message::Opaque(Opaque::from_frame(frame)?),
            Opcode::TAP_VBUCKET_SET => Message::VbucketSet(VbucketSet::from_frame(frame)?),
            Opcode::TAP_CHECKPOINT_START => {
                Message::CheckpointStart(Checkpoint::from_frame(frame)?)
            }
            Opcode::TAP_CHECKPOINT_END => Message::CheckpointEnd(Checkpoint::from_frame(frame)?),
            _ => Message::Mutation(Mutation::from_frame(frame)?),
        })
    }

    /// The command.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Message::Mutation(_) => Opcode::TAP_MUTATION,
            Message::Deletion(_) => Opcode::TAP_DELETE,
            Message::Flush(_) => Opcode::TAP_FLUSH,
            Message::Opaque(_) => Opcode::TAP_OPAQUE,
            Message::VbucketSet(_) => Opcode::TAP_VBUCKET_SET,
            Message::CheckpointStart(_) => Opcode::TAP_CHECKPOINT_START,
            Message::CheckpointEnd(_) => Opcode::TAP_CHECKPOINT_END,
        }
    }

    /// The fields that every message has.
    #[must_use]
    pub const fn head(&self) -> &Head {
        match self {
            Message::Mutation(message) => &message.head,
            Message::Deletion(message) => &message.head,
            Message::Flush(message) => &message.head,
            Message::Opaque(message) => &message.head,
            Message::VbucketSet(message) => &message.head,
            Message::CheckpointStart(message) | Message::CheckpointEnd(message) => &message.head,
        }
    }

    /// Whether the producer waits for an answer.
    #[must_use]
    pub const fn wants_ack(&self) -> bool {
        self.head().flags.contains(MessageFlags::ACK)
    }

    /// The answer that says that this message, and all before it, has been dealt with.
    #[must_use]
    pub const fn ack(&self) -> Ack {
        Ack {
            opcode: self.opcode(),
            sequence: self.head().sequence,
            status: Status::SUCCESS,
        }
    }

    /// Bytes that [`Message::emit`] writes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when a part is longer than its length field can tell.
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        self.with_parts(|parts| parts.packet_len().and_then(address))
    }

    /// Writes the message to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// Too little room, or a part that is too long. `out` is untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        self.with_parts(|parts| parts.emit(out))
    }

    fn with_parts<R>(&self, write: impl FnOnce(&Parts<'_>) -> R) -> R {
        match self {
            Message::Mutation(message) => message.with_parts(write),
            Message::Deletion(message) => message.with_parts(write),
            Message::Flush(message) => message.with_parts(write),
            Message::Opaque(message) => message.with_parts(write),
            Message::VbucketSet(message) => message.with_parts(write),
            Message::CheckpointStart(message) | Message::CheckpointEnd(message) => {
                message.with_parts(self.opcode(), write)
            }
        }
    }
}

/// What gomemcached prints: `<TapEvent Mutation, key="Hello" (5 bytes) flags=0, exp=0>` for changes of items,
/// `<TapEvent BeginBackfill, vbucket=3>` for the rest.
impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, key, value, flags, expiration) = match self {
            Message::Mutation(message) => (
                "Mutation",
                message.key,
                message.value,
                message.item_flags(),
                message.item.expiration,
            ),
            Message::Deletion(message) => ("Deletion", message.key, message.value, 0, 0),
            other => return other.fmt_without_key(f),
        };
        write!(
            f,
            "<TapEvent {name}, key=\"{}\" ({} bytes) flags={flags:x}, exp={expiration}>",
            Escaped(key),
            value.len()
        )
    }
}

impl Message<'_> {
    fn fmt_without_key(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vbucket = self.head().vbucket;
        f.write_str("<TapEvent ")?;
        match self {
            Message::Opaque(message) => match message.subtype {
                Subtype::INITIAL_VBUCKET_STREAM => f.write_str("BeginBackfill")?,
                Subtype::CLOSE_BACKFILL => f.write_str("EndBackfill")?,
                subtype => write!(f, "{subtype}")?,
            },
            Message::VbucketSet(message) => write!(f, "VbucketSet {}", message.state)?,
            Message::CheckpointStart(_) => f.write_str("TapCheckpointStart")?,
            Message::CheckpointEnd(_) => f.write_str("TapCheckpointEnd")?,
            _ => f.write_str("Flush")?,
        }
        write!(f, ", vbucket={vbucket}>")
    }
}
