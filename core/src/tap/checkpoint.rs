//! TAP_CHECKPOINT_START and TAP_CHECKPOINT_END: bounds of a group of changes that belong together.

use crate::wire::{Opcode, ParseError, Presence};

use super::frame::{Frame, Head, ItemFields, Parts};
use super::shape::{EITHER, Shape, checkpoint_id, judge};

const SHAPE: Shape = Shape {
    opcodes: &[0x46, 0x47],
    extras_lens: EITHER,
    engine_len_min: 0,
    key: Presence::Optional,
    value: Presence::Required,
};

/// A checkpoint begins (0x46) or ends (0x47; memcached binary protocol: TAP message layouts).
///
/// ```text
///  byte 24       26     28   29        32                      32 or 40
///  engine bytes  flags  ttl  reserved  item flags, expiration  engine bytes, marker, checkpoint id (8 bytes)
///  length                              (both 0; or left out)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint<'a> {
    /// The fields that every message has.
    pub head: Head,
    /// Flags and expiration, both 0. Couchbase sends them; the protocol's own example leaves them out.
    pub item: Option<ItemFields>,
    /// What the producer's engine tells the consumer's; [`Checkpoint::highest_deleted_revision`] reads Couchbase's.
    pub engine: &'a [u8],
    /// The name of the marker, perhaps empty: the key.
    pub marker: &'a [u8],
    /// The number of the checkpoint: the value.
    pub id: u64,
}

format_fields!(Checkpoint {
    head,
    item,
    engine: Length,
    marker: Length,
    id
});

impl<'a> Checkpoint<'a> {
    pub(super) fn from_frame(frame: &Frame<'a>) -> Result<Self, ParseError> {
        judge(frame, &SHAPE)?;
        Ok(Checkpoint {
            head: frame.head,
            item: frame.item,
            engine: frame.engine,
            marker: frame.key,
            id: checkpoint_id(frame)?,
        })
    }

    pub(super) fn with_parts<R>(&self, opcode: Opcode, write: impl FnOnce(&Parts<'_>) -> R) -> R {
        write(&Parts {
            opcode,
            head: &self.head,
            item: self.item,
            engine: [self.engine, &[]],
            key: self.marker,
            value: [&self.id.to_be_bytes(), &[]],
        })
    }

    /// Couchbase's highest revision of a removed document, from the first 8 engine-private bytes of a checkpoint's
    /// begin.
    #[must_use]
    pub fn highest_deleted_revision(&self) -> Option<u64> {
        Some(u64::from_be_bytes(*self.engine.first_chunk()?))
    }
}
