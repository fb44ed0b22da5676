//! TAP_FLUSH: every item was removed.

use crate::wire::{Opcode, ParseError, Presence};

use super::frame::{Frame, Head, Parts};
use super::shape::{PLAIN, Shape, judge};

const SHAPE: Shape = Shape {
    opcodes: &[0x43],
    extras_lens: PLAIN,
    engine_len_min: 0,
    key: Presence::Forbidden,
    value: Presence::Forbidden,
};

/// Every item was removed (0x43; memcached binary protocol: TAP message layouts).
///
/// ```text
///  byte 24       26     28   29        32
///  engine bytes  flags  ttl  reserved  engine bytes
///  length
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flush<'a> {
    /// The fields that every message has.
    pub head: Head,
    /// What the producer's engine tells the consumer's; Couchbase sends none.
    pub engine: &'a [u8],
}

format_fields!(Flush {
    head,
    engine: Length
});

impl<'a> Flush<'a> {
    pub(super) fn from_frame(frame: &Frame<'a>) -> Result<Self, ParseError> {
        judge(frame, &SHAPE)?;
        Ok(Flush {
            head: frame.head,
            engine: frame.engine,
        })
    }

    pub(super) fn with_parts<R>(&self, write: impl FnOnce(&Parts<'_>) -> R) -> R {
        write(&Parts {
            opcode: Opcode::TAP_FLUSH,
            head: &self.head,
            item: None,
            engine: [self.engine, &[]],
            key: &[],
            value: [&[], &[]],
        })
    }
}
