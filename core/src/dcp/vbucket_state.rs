//! SET_VBUCKET_STATE, 0x5b.

use super::fields::{Fields, Fixed, Parts, open_number};
use crate::wire::{Opcode, Packet};

open_number! {
    /// SET_VBUCKET_STATE: the consumer's vbucket gets this state (memcached binary protocol: UPR and DCP).
    ///
    /// ```text
    ///  extras, 1:  state u8
    /// ```
    ///
    /// Has to be answered.
    #[doc(alias = "UprSetVbucketState")]
    VbucketState(u8) {
        /// Serves clients.
        ACTIVE = 1, "active";
        /// Follows an active one.
        REPLICA = 2, "replica";
        /// About to become active.
        PENDING = 3, "pending";
        /// Serves nobody.
        DEAD = 4, "dead";
    }
}

impl VbucketState {
    pub(super) fn parse(packet: &Packet<'_>) -> VbucketState {
        VbucketState(Fields::new(packet.extras).u8())
    }

    pub(super) fn parts<'a>(self) -> Parts<'a> {
        Parts::new(Opcode::DCP_SET_VBUCKET_STATE, Fixed::new().u8(self.0))
    }
}
