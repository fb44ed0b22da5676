//! OPEN, 0x50.

use super::fields::{Fields, Fixed, Parts, bit_flags};
use crate::wire::{Opcode, Packet};

bit_flags! {
    /// What the connection is to be (memcached binary protocol: OPEN flags). Bits without a name are kept, and refused
    /// by producers with 0x04.
    #[doc(alias = "UprOpenFlags")]
    OpenFlags(u32) {
        /// The side that is asked is the producer; clear: it is the consumer.
        PRODUCER = 0x001, "producer";
        /// Only tells that there is something to stream. UPR of 2015; refused since.
        NOTIFIER = 0x002, "notifier";
        /// Values come with their extended attributes.
        INCLUDE_XATTRS = 0x004, "include-xattrs";
        /// Documents come without value and data type.
        NO_VALUE = 0x008, "no-value";
        /// Deletions come with the time of the deletion, in the second form of the message.
        INCLUDE_DELETE_TIMES = 0x020, "include-delete-times";
        /// Documents come without value but with the data type of the value. Not together with
        /// [`OpenFlags::NO_VALUE`].
        NO_VALUE_WITH_UNDERLYING_DATATYPE = 0x040, "no-value-with-underlying-datatype";
        /// Deletions come with users' extended attributes too. Needs [`OpenFlags::INCLUDE_XATTRS`].
        INCLUDE_DELETED_USER_XATTRS = 0x100, "include-deleted-user-xattrs";
        /// The first backfill leaves deletions out. Needs [`OpenFlags::PRODUCER`].
        SKIP_DELETES_IN_INITIAL_BACKFILL = 0x200, "skip-deletes-in-initial-backfill";
    }
}

/// OPEN: makes the connection a DCP connection and names it (memcached binary protocol: UPR and DCP).
///
/// ```text
///  extras, 8:  seqno u32 | flags u32
///  key:        the connection's name, at most 200 bytes
///  value:      none, or of a consumer JSON: {"consumer_name": "…"}
/// ```
///
/// Answered with a status. A producer with another connection of the same name may cut that one off.
#[doc(alias = "UprOpen")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Open<'a> {
    /// Without a meaning; 0.
    pub seqno: u32,
    /// What the connection is to be.
    pub flags: OpenFlags,
    /// The connection's name.
    pub name: &'a [u8],
    /// JSON, or nothing.
    pub value: &'a [u8],
}

format_fields!(Open {
    seqno,
    flags,
    name: Text,
    value: Length
});

impl<'a> Open<'a> {
    /// Longest name that producers take, in bytes.
    pub const NAME_LEN_MAX: usize = 200;

    pub(super) fn parse(packet: &Packet<'a>) -> Open<'a> {
        let mut fields = Fields::new(packet.extras);
        Open {
            seqno: fields.u32(),
            flags: OpenFlags(fields.u32()),
            name: packet.key,
            value: packet.value,
        }
    }

    pub(super) fn parts(&self) -> Parts<'a> {
        let fixed = Fixed::new().u32(self.seqno).u32(self.flags.0);
        Parts {
            key: self.name,
            value: self.value,
            ..Parts::new(Opcode::DCP_OPEN, fixed)
        }
    }
}
