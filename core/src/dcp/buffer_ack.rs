//! BUFFER_ACK, 0x5d.

use super::fields::{Fields, Fixed, Parts};
use crate::wire::{Opcode, Packet};

/// BUFFER_ACK: the consumer is done with so many bytes (memcached binary protocol: flow control).
///
/// ```text
///  extras, 4:  bytes u32
/// ```
///
/// The opaque is 0: it speaks for the whole connection. Answered only when it fails. What counts is the whole length of
/// every request of the producer except NOOP; a consumer never acknowledges more than it got.
#[doc(alias = "UprBufferAck")]
#[doc(alias = "UprBufferAcknowledgement")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BufferAck {
    /// Bytes that are done with since the last such message.
    pub bytes: u32,
}

impl BufferAck {
    pub(super) fn parse(packet: &Packet<'_>) -> BufferAck {
        BufferAck {
            bytes: Fields::new(packet.extras).u32(),
        }
    }

    pub(super) fn parts<'a>(&self) -> Parts<'a> {
        Parts::new(Opcode::DCP_BUFFER_ACK, Fixed::new().u32(self.bytes))
    }
}
