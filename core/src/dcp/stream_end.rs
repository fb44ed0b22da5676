//! STREAM_END, 0x55.

use super::fields::{Fields, Fixed, Parts, open_number};
use crate::wire::{Opcode, Packet};

open_number! {
    /// Why a stream is over (memcached binary protocol: STREAM_END reasons).
    #[doc(alias = "UprStreamEndReason")]
    StreamEndReason(u32) {
        /// All that was asked for has been sent.
        OK = 0, "ok";
        /// The consumer closed it; only told when [`Control::SEND_STREAM_END_ON_CLIENT_CLOSE_STREAM`] is on.
        ///
        /// [`Control::SEND_STREAM_END_ON_CLIENT_CLOSE_STREAM`]: super::Control::SEND_STREAM_END_ON_CLIENT_CLOSE_STREAM
        CLOSED = 1, "closed";
        /// The vbucket has another state.
        STATE_CHANGED = 2, "state-changed";
        /// The connection goes away.
        DISCONNECTED = 3, "disconnected";
        /// The consumer is too slow and should ask again.
        SLOW = 4, "slow";
        /// Reading from disk failed.
        BACKFILL_FAILED = 5, "backfill-failed";
        /// The vbucket rolls back; producers tell 2 in its place.
        ROLLBACK = 6, "rollback";
        /// Every collection that was asked for is gone.
        FILTER_EMPTY = 7, "filter-empty";
        /// The consumer may no longer read them.
        LOST_PRIVILEGES = 8, "lost-privileges";
    }
}

/// STREAM_END: the stream is over (memcached binary protocol: UPR and DCP).
///
/// ```text
///  extras, 4:  reason u32
/// ```
#[doc(alias = "UprStreamEnd")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StreamEnd {
    /// Why.
    pub reason: StreamEndReason,
}

impl StreamEnd {
    pub(super) fn parse(packet: &Packet<'_>) -> StreamEnd {
        StreamEnd {
            reason: StreamEndReason(Fields::new(packet.extras).u32()),
        }
    }

    pub(super) fn parts<'a>(&self) -> Parts<'a> {
        Parts::new(Opcode::DCP_STREAM_END, Fixed::new().u32(self.reason.0))
    }
}
