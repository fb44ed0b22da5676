//! The two sets of flags: what a consumer asks for, and what is said of a message.

use core::fmt;
use core::iter::FusedIterator;
use core::ops::{BitOr, BitOrAssign};

/// What a consumer asks for when it connects: the extras of TAP_CONNECT, as bits.
///
/// Unknown bits are kept.
#[doc(alias = "TapConnectFlag")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectFlags(pub u32);

/// Bits with their names, as constants and as a table.
macro_rules! flags {
    ($type:ident: $table:ident { $( $(#[$meta:meta])* $name:ident = $bit:literal; )* }) => {
        impl $type {
            $( $(#[$meta])* pub const $name: $type = $type($bit); )*
        }

        const $table: &[($type, &str)] = &[$( ($type::$name, stringify!($name)) ),*];
    };
}

flags! {
    ConnectFlags: CONNECT_FLAGS {
        /// 0x001: a body of 8 bytes says how old the items to send may be; see
        /// [`Connect::backfill`](super::Connect::backfill).
        BACKFILL = 0x001;
        /// 0x002: send what there is, then close; no later changes.
        DUMP = 0x002;
        /// 0x004: a body lists the vbuckets to send; see [`Connect::vbuckets`](super::Connect::vbuckets).
        LIST_VBUCKETS = 0x004;
        /// 0x008: the listed vbuckets are to change hands at the end of the stream.
        TAKEOVER_VBUCKETS = 0x008;
        /// 0x010: the consumer answers messages that ask for it.
        SUPPORT_ACK = 0x010;
        /// 0x020: leave the values out.
        REQUEST_KEYS_ONLY = 0x020;
        /// 0x040: send checkpoint messages; a body may list where to go on; see
        /// [`Connect::checkpoints`](super::Connect::checkpoints).
        CHECKPOINT = 0x040;
        /// 0x080: keep this consumer's place under its name when it is away.
        REGISTERED_CLIENT = 0x080;
        /// 0x100: send item flags in network byte order. Without it a producer on a little-endian machine sends them
        /// swapped; [`MessageFlags::NETWORK_BYTE_ORDER`] tells which it is.
        FIX_FLAG_BYTEORDER = 0x100;
    }
}

flags! {
    MessageFlags: MESSAGE_FLAGS {
        /// 0x0001: the consumer is to answer.
        ACK = 0x0001;
        /// 0x0002: the value is left out; the item has one.
        NO_VALUE = 0x0002;
        /// 0x0004: item flags are in network byte order.
        NETWORK_BYTE_ORDER = 0x0004;
    }
}

impl ConnectFlags {
    /// Whether all bits of `other` are set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: ConnectFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These without the bits of `other`.
    #[inline]
    #[must_use]
    pub const fn without(self, other: ConnectFlags) -> ConnectFlags {
        ConnectFlags(self.0 & !other.0)
    }

    /// The name of a single bit, as gomemcached prints it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        name(CONNECT_FLAGS, self)
    }

    /// Every bit that is set, by itself, the lowest first.
    #[doc(alias = "SplitFlags")]
    pub fn split_flags(self) -> impl FusedIterator<Item = ConnectFlags> + Clone {
        (0..u32::BITS)
            .map(|bit| 1 << bit)
            .filter(move |bit| self.0 & bit != 0)
            .map(ConnectFlags)
            .fuse()
    }
}

impl BitOr for ConnectFlags {
    type Output = ConnectFlags;

    fn bitor(self, other: ConnectFlags) -> ConnectFlags {
        ConnectFlags(self.0 | other.0)
    }
}

impl BitOrAssign for ConnectFlags {
    fn bitor_assign(&mut self, other: ConnectFlags) {
        self.0 |= other.0;
    }
}

/// The names of the bits joined by `|`, bits without a name as hexadecimal numbers, nothing when none is set: what
/// gomemcached prints.
impl fmt::Display for ConnectFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.split_flags().map(|flag| (flag.name(), flag.0));
        join(f, bits)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ConnectFlags {
    fn format(&self, f: defmt::Formatter<'_>) {
        let named = CONNECT_FLAGS
            .iter()
            .map(|(flag, name)| (self.0 & flag.0, *name));
        let unnamed = CONNECT_FLAGS
            .iter()
            .fold(self.0, |bits, (flag, _)| bits & !flag.0);
        crate::format::bits(f, named, unnamed);
    }
}

/// What is said of a message, as bits of its extras.
///
/// Unknown bits are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageFlags(pub u16);

impl MessageFlags {
    /// Whether all bits of `other` are set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: MessageFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The name of a single bit.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        name(MESSAGE_FLAGS, self)
    }
}

impl BitOr for MessageFlags {
    type Output = MessageFlags;

    fn bitor(self, other: MessageFlags) -> MessageFlags {
        MessageFlags(self.0 | other.0)
    }
}

impl BitOrAssign for MessageFlags {
    fn bitor_assign(&mut self, other: MessageFlags) {
        self.0 |= other.0;
    }
}

/// As [`ConnectFlags`].
impl fmt::Display for MessageFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = (0..u16::BITS)
            .map(|bit| 1 << bit)
            .filter(|bit| self.0 & bit != 0);
        join(
            f,
            bits.map(|bit| (MessageFlags(bit).name(), u32::from(bit))),
        )
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for MessageFlags {
    fn format(&self, f: defmt::Formatter<'_>) {
        let named = MESSAGE_FLAGS
            .iter()
            .map(|(flag, name)| (u32::from(self.0 & flag.0), *name));
        let unnamed = MESSAGE_FLAGS
            .iter()
            .fold(self.0, |bits, (flag, _)| bits & !flag.0);
        crate::format::bits(f, named, unnamed.into());
    }
}

fn name<T: PartialEq>(table: &[(T, &'static str)], flag: T) -> Option<&'static str> {
    let (_, name) = table.iter().find(|(other, _)| *other == flag)?;
    Some(name)
}

fn join(
    f: &mut fmt::Formatter<'_>,
    bits: impl Iterator<Item = (Option<&'static str>, u32)>,
) -> fmt::Result {
    let mut separator = "";
    for (name, bit) in bits {
        f.write_str(separator)?;
        match name {
            Some(name) => f.write_str(name)?,
            None => write!(f, "0x{bit:x}")?,
        }
        separator = "|";
    }
    Ok(())
}
