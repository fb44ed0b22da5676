//! OSO_SNAPSHOT, 0x65.

use super::fields::{Fields, Fixed, Parts, bit_flags};
use crate::wire::{Opcode, Packet};

bit_flags! {
    /// Which end of an out-of-order snapshot this is.
    #[doc(alias = "UprOsoFlags")]
    OsoFlags(u32) {
        /// It begins.
        START = 1, "start";
        /// It is complete.
        END = 2, "end";
    }
}

/// OSO_SNAPSHOT: the changes from its start to its end come in the order of their keys, not of their seqnos (memcached
/// binary protocol: UPR and DCP).
///
/// ```text
///  extras, 4:  flags u32
/// ```
///
/// A consumer that is cut off within one has to begin it again.
#[doc(alias = "UprOsoSnapshot")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OsoSnapshot {
    /// Start or end.
    pub flags: OsoFlags,
}

impl OsoSnapshot {
    pub(super) fn parse(packet: &Packet<'_>) -> OsoSnapshot {
        OsoSnapshot {
            flags: OsoFlags(Fields::new(packet.extras).u32()),
        }
    }

    pub(super) fn parts<'a>(&self) -> Parts<'a> {
        Parts::new(Opcode::DCP_OSO_SNAPSHOT, Fixed::new().u32(self.flags.0))
    }
}
