//! TAP_DELETE: an item was removed.

use crate::wire::{Opcode, ParseError, Presence};

use super::frame::{Frame, Head, Parts};
use super::shape::{PLAIN, Shape, judge};

const SHAPE: Shape = Shape {
    opcodes: &[0x42],
    extras_lens: PLAIN,
    engine_len_min: 0,
    key: Presence::Required,
    value: Presence::Optional,
};

/// An item was removed (0x42; memcached binary protocol: TAP message layouts). It has neither flags nor expiration.
///
/// ```text
///  byte 24       26     28   29        32
///  engine bytes  flags  ttl  reserved  engine bytes, key, perhaps a value
///  length
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deletion<'a> {
    /// The fields that every message has; the CAS is that of the removal.
    pub head: Head,
    /// What the producer's engine tells the consumer's; [`Deletion::revision`] reads Couchbase's.
    pub engine: &'a [u8],
    /// The key, never empty.
    pub key: &'a [u8],
    /// What follows the key; usually nothing.
    pub value: &'a [u8],
}

format_fields!(Deletion {
    head,
    engine: Length,
    key: Text,
    value: Length
});

impl<'a> Deletion<'a> {
    /// Couchbase's engine-private bytes: how often the document was changed.
    #[must_use]
    pub const fn engine_bytes(revision: u64) -> [u8; 8] {
        revision.to_be_bytes()
    }

    pub(super) fn from_frame(frame: &Frame<'a>) -> Result<Self, ParseError> {
        judge(frame, &SHAPE)?;
        Ok(Deletion {
            head: frame.head,
            engine: frame.engine,
            key: frame.key,
            value: frame.value,
        })
    }

    pub(super) fn with_parts<R>(&self, write: impl FnOnce(&Parts<'_>) -> R) -> R {
        write(&Parts {
            opcode: Opcode::TAP_DELETE,
            head: &self.head,
            item: None,
            engine: [self.engine, &[]],
            key: self.key,
            value: [self.value, &[]],
        })
    }

    /// Couchbase's count of changes to the document, from the first 8 engine-private bytes.
    #[must_use]
    pub fn revision(&self) -> Option<u64> {
        Some(u64::from_be_bytes(*self.engine.first_chunk()?))
    }
}
