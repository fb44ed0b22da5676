//! TAP_VBUCKET_SET: a vbucket gets another state.

use core::fmt;

use crate::wire::{Opcode, ParseError, Presence};

use super::frame::{Frame, Head, Parts};
use super::shape::{PLAIN, Shape, first_u32, judge};

const SHAPE: Shape = Shape {
    opcodes: &[0x45],
    extras_lens: PLAIN,
    engine_len_min: 4,
    key: Presence::Forbidden,
    value: Presence::Forbidden,
};

/// What a node does with a vbucket. Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VbucketState(pub u32);

impl VbucketState {
    /// 1: it serves clients.
    pub const ACTIVE: VbucketState = VbucketState(1);
    /// 2: it holds a copy.
    pub const REPLICA: VbucketState = VbucketState(2);
    /// 3: it is about to serve clients.
    pub const PENDING: VbucketState = VbucketState(3);
    /// 4: it does not answer for it.
    pub const DEAD: VbucketState = VbucketState(4);

    /// The name of a number that has one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            VbucketState::ACTIVE => "active",
            VbucketState::REPLICA => "replica",
            VbucketState::PENDING => "pending",
            VbucketState::DEAD => "dead",
            _ => return None,
        })
    }
}

/// The name; a number without one as hexadecimal.
impl fmt::Display for VbucketState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "0x{:02x}", self.0),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for VbucketState {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::format::name_or_number(f, self.name(), self.0);
    }
}

/// A vbucket gets another state (0x45; memcached binary protocol: TAP message layouts).
///
/// ```text
///  byte 24           26     28   29        32     36
///  engine bytes      flags  ttl  reserved  state  more engine bytes
///  length, 4 or more
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VbucketSet<'a> {
    /// The fields that every message has.
    pub head: Head,
    /// The state, from the first 4 engine-private bytes.
    pub state: VbucketState,
    /// The engine-private bytes behind the state; Couchbase sends none.
    pub engine: &'a [u8],
}

format_fields!(VbucketSet {
    head,
    state,
    engine: Length
});

impl<'a> VbucketSet<'a> {
    pub(super) fn from_frame(frame: &Frame<'a>) -> Result<Self, ParseError> {
        judge(frame, &SHAPE)?;
        let (state, engine) = first_u32(frame.engine);
        Ok(VbucketSet {
            head: frame.head,
            state: VbucketState(state),
            engine,
        })
    }

    pub(super) fn with_parts<R>(&self, write: impl FnOnce(&Parts<'_>) -> R) -> R {
        write(&Parts {
            opcode: Opcode::TAP_VBUCKET_SET,
            head: &self.head,
            item: None,
            engine: [&self.state.0.to_be_bytes(), self.engine],
            key: &[],
            value: [&[], &[]],
        })
    }
}
