//! TAP_MUTATION: an item was stored.

use crate::wire::{Opcode, ParseError, Presence};

use super::MessageFlags;
use super::frame::{Frame, Head, ItemFields, Parts};
use super::shape::{ITEM, Shape, judge};

const SHAPE: Shape = Shape {
    opcodes: &[0x41],
    extras_lens: ITEM,
    engine_len_min: 0,
    key: Presence::Required,
    value: Presence::Optional,
};

/// An item was stored (0x41; memcached binary protocol: TAP message layouts).
///
/// ```text
///  byte 24       26     28   29        32          36          40
///  engine bytes  flags  ttl  reserved  item flags  expiration  engine bytes, key, value
///  length
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mutation<'a> {
    /// The fields that every message has; the CAS is the item's.
    pub head: Head,
    /// Flags and expiration of the item; [`Mutation::item_flags`] puts the flags in order.
    pub item: ItemFields,
    /// What the producer's engine tells the consumer's; [`Mutation::revision`] reads Couchbase's.
    pub engine: &'a [u8],
    /// The key, never empty.
    pub key: &'a [u8],
    /// The value; empty also when it is left out, which [`Mutation::value_sent`] tells apart.
    pub value: &'a [u8],
}

format_fields!(Mutation {
    head,
    item,
    engine: Length,
    key: Text,
    value: Length
});

impl<'a> Mutation<'a> {
    /// Couchbase's engine-private bytes: how often the document was changed, and its "not recently used" value.
    #[must_use]
    pub const fn engine_bytes(revision: u64, nru: u8) -> [u8; 9] {
        let [a, b, c, d, e, f, g, h] = revision.to_be_bytes();
        [a, b, c, d, e, f, g, h, nru]
    }

    pub(super) fn from_frame(frame: &Frame<'a>) -> Result<Self, ParseError> {
        judge(frame, &SHAPE)?;
        Ok(Mutation {
            head: frame.head,
            item: frame.item.unwrap_or_default(),
            engine: frame.engine,
            key: frame.key,
            value: frame.value,
        })
    }

    pub(super) fn with_parts<R>(&self, write: impl FnOnce(&Parts<'_>) -> R) -> R {
        write(&Parts {
            opcode: Opcode::TAP_MUTATION,
            head: &self.head,
            item: Some(self.item),
            engine: [self.engine, &[]],
            key: self.key,
            value: [self.value, &[]],
        })
    }

    /// The flags of the item as the client that stored it gave them.
    ///
    /// Without [`MessageFlags::NETWORK_BYTE_ORDER`] they are taken for swapped, as producers on little-endian machines
    /// send them; a producer on a big-endian machine that does not set that bit is misread.
    #[must_use]
    pub const fn item_flags(&self) -> u32 {
        if self.head.flags.contains(MessageFlags::NETWORK_BYTE_ORDER) {
            self.item.flags
        } else {
            self.item.flags.swap_bytes()
        }
    }

    /// The value, or `None` when the producer left it out.
    #[must_use]
    pub const fn value_sent(&self) -> Option<&'a [u8]> {
        if self.head.flags.contains(MessageFlags::NO_VALUE) {
            None
        } else {
            Some(self.value)
        }
    }

    /// Couchbase's count of changes to the document, from the first 8 engine-private bytes.
    #[must_use]
    pub fn revision(&self) -> Option<u64> {
        Some(u64::from_be_bytes(*self.engine.first_chunk()?))
    }

    /// Couchbase's "not recently used" value of the document, from the engine-private byte behind the revision.
    #[must_use]
    pub fn nru(&self) -> Option<u8> {
        self.engine.get(8).copied()
    }
}
