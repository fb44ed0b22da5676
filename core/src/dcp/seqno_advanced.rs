//! SEQNO_ADVANCED, 0x64.

use super::fields::{Fields, Fixed, Parts};
use crate::wire::{Opcode, Packet};

/// SEQNO_ADVANCED: up to here there is nothing more that the stream's filter lets through (memcached binary protocol: UPR
/// and DCP).
///
/// ```text
///  extras, 8:  seqno u64
/// ```
#[doc(alias = "UprSeqnoAdvanced")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SeqnoAdvanced {
    /// The number that the vbucket has come to.
    pub seqno: u64,
}

impl SeqnoAdvanced {
    pub(super) fn parse(packet: &Packet<'_>) -> SeqnoAdvanced {
        SeqnoAdvanced {
            seqno: Fields::new(packet.extras).u64(),
        }
    }

    pub(super) fn parts<'a>(&self) -> Parts<'a> {
        Parts::new(Opcode::DCP_SEQNO_ADVANCED, Fixed::new().u64(self.seqno))
    }
}
