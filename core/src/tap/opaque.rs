//! TAP_OPAQUE: where the stream of a vbucket stands.

use core::fmt;

use crate::wire::{Opcode, ParseError, Presence};

use super::frame::{Frame, Head, Parts};
use super::shape::{PLAIN, Shape, first_u32, judge};

const SHAPE: Shape = Shape {
    opcodes: &[0x44],
    extras_lens: PLAIN,
    engine_len_min: 4,
    key: Presence::Forbidden,
    value: Presence::Forbidden,
};

/// What a TAP_OPAQUE says (memcached binary protocol: TAP opaque subtypes). Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtype(pub u32);

impl Subtype {
    /// 0: the consumer may refuse messages.
    pub const ENABLE_AUTO_NACK: Subtype = Subtype(0);
    /// 1: the backfill of the vbucket begins.
    #[doc(alias = "TapBeginBackfill")]
    pub const INITIAL_VBUCKET_STREAM: Subtype = Subtype(1);
    /// 2: checkpoint messages will come.
    pub const ENABLE_CHECKPOINT_SYNC: Subtype = Subtype(2);
    /// 3: the stream has reached the open checkpoint.
    pub const OPEN_CHECKPOINT: Subtype = Subtype(3);
    /// 4: the list of vbuckets was changed; older producers: an online update starts.
    #[doc(alias = "START_ONLINEUPDATE")]
    pub const COMPLETE_VB_FILTER_CHANGE: Subtype = Subtype(4);
    /// 5: an online update stops; only older producers.
    pub const STOP_ONLINEUPDATE: Subtype = Subtype(5);
    /// 6: an online update is taken back; only older producers.
    pub const REVERT_ONLINEUPDATE: Subtype = Subtype(6);
    /// 7: no more data will come.
    pub const CLOSE_TAP_STREAM: Subtype = Subtype(7);
    /// 8: the backfill of the vbucket is done.
    #[doc(alias = "TapEndBackfill")]
    pub const CLOSE_BACKFILL: Subtype = Subtype(8);

    /// The name of a number that has one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Subtype::ENABLE_AUTO_NACK => "ENABLE_AUTO_NACK",
            Subtype::INITIAL_VBUCKET_STREAM => "INITIAL_VBUCKET_STREAM",
            Subtype::ENABLE_CHECKPOINT_SYNC => "ENABLE_CHECKPOINT_SYNC",
            Subtype::OPEN_CHECKPOINT => "OPEN_CHECKPOINT",
            Subtype::COMPLETE_VB_FILTER_CHANGE => "COMPLETE_VB_FILTER_CHANGE",
            Subtype::STOP_ONLINEUPDATE => "STOP_ONLINEUPDATE",
            Subtype::REVERT_ONLINEUPDATE => "REVERT_ONLINEUPDATE",
            Subtype::CLOSE_TAP_STREAM => "CLOSE_TAP_STREAM",
            Subtype::CLOSE_BACKFILL => "CLOSE_BACKFILL",
            _ => return None,
        })
    }
}

/// The name; a number without one as hexadecimal.
impl fmt::Display for Subtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "0x{:02x}", self.0),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Subtype {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::format::name_or_number(f, self.name(), self.0);
    }
}

/// Where the stream of a vbucket stands (0x44; memcached binary protocol: TAP message layouts).
///
/// ```text
///  byte 24           26     28   29        32       36
///  engine bytes      flags  ttl  reserved  subtype  more engine bytes
///  length, 4 or more
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opaque<'a> {
    /// The fields that every message has.
    pub head: Head,
    /// What it says, from the first 4 engine-private bytes.
    pub subtype: Subtype,
    /// The engine-private bytes behind the subtype; Couchbase sends none.
    pub engine: &'a [u8],
}

format_fields!(Opaque {
    head,
    subtype,
    engine: Length
});

impl<'a> Opaque<'a> {
    pub(super) fn from_frame(frame: &Frame<'a>) -> Result<Self, ParseError> {
        judge(frame, &SHAPE)?;
        let (subtype, engine) = first_u32(frame.engine);
        Ok(Opaque {
            head: frame.head,
            subtype: Subtype(subtype),
            engine,
        })
    }

    pub(super) fn with_parts<R>(&self, write: impl FnOnce(&Parts<'_>) -> R) -> R {
        write(&Parts {
            opcode: Opcode::TAP_OPAQUE,
            head: &self.head,
            item: None,
            engine: [&self.subtype.0.to_be_bytes(), self.engine],
            key: &[],
            value: [&[], &[]],
        })
    }
}
