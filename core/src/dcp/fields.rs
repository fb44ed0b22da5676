//! The numbers of fixed width in messages, read and written one behind the other, and the message put together.

use crate::wire::emit::Writer;
use crate::wire::{
    Allowed, EmitError, Field, HEADER_LEN, Opcode, Packet, ParseError, ParseErrorKind,
};

/// Numbers off the front of some bytes, whose length has been judged before; past their end everything is 0.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes }
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                *bytes
            }
            None => [0; N],
        }
    }

    pub(super) fn u8(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }
}

/// Numbers to be written, at most [`Fixed::LEN_MAX`] bytes of them.
#[derive(Clone, Copy)]
pub(super) struct Fixed {
    bytes: [u8; Fixed::LEN_MAX],
    len: usize,
    /// How many of the bytes are extras; the others begin the value.
    extras_len: usize,
}

impl Fixed {
    /// The version byte and the value of a snapshot marker are the longest.
    const LEN_MAX: usize = 53;

    pub(super) fn new() -> Fixed {
        Fixed {
            bytes: [0; Fixed::LEN_MAX],
            len: 0,
            extras_len: 0,
        }
    }

    fn put(mut self, number: &[u8]) -> Fixed {
        let places = self.bytes.iter_mut().skip(self.len);
        for (place, byte) in places.zip(number) {
            *place = *byte;
        }
        self.len = Fixed::LEN_MAX.min(self.len.saturating_add(number.len()));
        self
    }

    /// Appends to the extras.
    fn put_extras(self, number: &[u8]) -> Fixed {
        let mut fixed = self.put(number);
        fixed.extras_len = fixed.len;
        fixed
    }

    pub(super) fn u8(self, number: u8) -> Fixed {
        self.put_extras(&[number])
    }

    pub(super) fn u16(self, number: u16) -> Fixed {
        self.put_extras(&number.to_be_bytes())
    }

    pub(super) fn u32(self, number: u32) -> Fixed {
        self.put_extras(&number.to_be_bytes())
    }

    pub(super) fn u64(self, number: u64) -> Fixed {
        self.put_extras(&number.to_be_bytes())
    }

    /// Appends to the value, behind all extras.
    pub(super) fn value_u32(self, number: u32) -> Fixed {
        self.put(&number.to_be_bytes())
    }

    /// Appends to the value, behind all extras.
    pub(super) fn value_u64(self, number: u64) -> Fixed {
        self.put(&number.to_be_bytes())
    }

    /// The extras, and the front of the value.
    fn split(&self) -> (&[u8], &[u8]) {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        bytes
            .split_at_checked(self.extras_len)
            .unwrap_or((bytes, &[]))
    }
}

/// What a message puts into its packet.
pub(super) struct Parts<'a> {
    pub(super) opcode: Opcode,
    /// The extras, and of some messages the front of the value.
    pub(super) fixed: Fixed,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// What follows the value without a length field of the header.
    pub(super) metadata: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn new(opcode: Opcode, fixed: Fixed) -> Parts<'a> {
        Parts {
            opcode,
            fixed,
            key: &[],
            value: &[],
            metadata: &[],
        }
    }

    fn packet<'p>(&'p self, frame: &Packet<'p>) -> Packet<'p> {
        Packet {
            opcode: self.opcode,
            extras: self.fixed.split().0,
            key: self.key,
            value: &[],
            ..*frame
        }
    }

    /// Length in bytes of what follows the key when the value has `value_len` bytes.
    fn value_len(&self, value_len: u64) -> Result<u32, EmitError> {
        let (_, front) = self.fixed.split();
        let ends = (front.len() as u64).saturating_add(self.metadata.len() as u64);
        let found = value_len.saturating_add(ends);
        u32::try_from(found).map_err(|_| EmitError::TooLong {
            field: Field::Value,
            found,
            allowed: u32::MAX.into(),
        })
    }

    /// Length in bytes of the packet that has the header's fields of `frame` and these parts.
    pub(super) fn encoded_len(&self, frame: &Packet<'_>) -> Result<usize, EmitError> {
        let value_len = self.value_len(self.value.len() as u64)?;
        let head_len = self.packet(frame).encoded_len()?;
        (value_len as usize)
            .checked_add(head_len)
            .ok_or(EmitError::TooLong {
                field: Field::Body,
                found: u64::from(value_len).saturating_add(head_len as u64),
                allowed: usize::MAX as u64,
            })
    }

    /// Writes the packet.
    pub(super) fn emit(&self, frame: &Packet<'_>, out: &mut [u8]) -> Result<usize, EmitError> {
        let needed = self.encoded_len(frame)?;
        let out = room(out, needed)?;
        let value_len = self.value_len(self.value.len() as u64)?;
        let head_len = self.packet(frame).emit_head(value_len, out)?;
        let mut writer = Writer::new(
            out.get_mut(head_len..).unwrap_or_default(),
            needed.saturating_sub(head_len),
        )?;
        writer.put(self.fixed.split().1);
        writer.put(self.value);
        writer.put(self.metadata);
        Ok(needed)
    }

    /// Writes all but the value and what follows it.
    pub(super) fn emit_head(
        &self,
        frame: &Packet<'_>,
        value_len: u32,
        out: &mut [u8],
    ) -> Result<usize, EmitError> {
        let (_, front) = self.fixed.split();
        let packet = self.packet(frame);
        let needed = packet.encoded_len()?.saturating_add(front.len());
        let out = room(out, needed)?;
        let head_len = packet.emit_head(self.value_len(value_len.into())?, out)?;
        Writer::new(out.get_mut(head_len..).unwrap_or_default(), front.len())?.put(front);
        Ok(needed)
    }
}

/// The front of `out`, before anything is written: the head of a packet may fit where the whole does not.
fn room(out: &mut [u8], needed: usize) -> Result<&mut [u8], EmitError> {
    let available = out.len();
    out.get_mut(..needed)
        .ok_or(EmitError::OutputTooShort { needed, available })
}

/// Where the value of a packet starts, in bytes from the packet's start.
pub(super) fn value_offset(packet: &Packet<'_>) -> u32 {
    let parts = [packet.framing_extras, packet.extras, packet.key];
    let parts_len: usize = parts.iter().map(|part| part.len()).sum();
    u32::try_from(HEADER_LEN.saturating_add(parts_len)).unwrap_or(u32::MAX)
}

/// The length of some bytes as errors tell it.
pub(super) fn found_len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Says that a value has another length than `allowed`.
#[cold]
pub(super) fn wrong_value_len(packet: &Packet<'_>, allowed: Allowed) -> ParseError {
    ParseError::new(
        ParseErrorKind::ValueLength,
        Field::Value,
        value_offset(packet),
        found_len(packet.value),
        allowed,
    )
}

/// Cuts `metadata_len` bytes of extended metadata off the end of a packet's value (2015's mutations, deletions and
/// expirations); the length itself stands at `len_at` in the extras.
pub(super) fn cut_metadata<'a>(
    packet: &Packet<'a>,
    metadata_len: u16,
    len_at: u32,
) -> Result<(&'a [u8], &'a [u8]), ParseError> {
    let value_len = packet.value.len().checked_sub(metadata_len.into());
    match value_len.and_then(|len| packet.value.split_at_checked(len)) {
        Some(parts) => Ok(parts),
        None => Err(ParseError::new(
            ParseErrorKind::PartExceedsValue,
            Field::Extras,
            (HEADER_LEN as u32)
                .saturating_add(found_len(packet.framing_extras))
                .saturating_add(len_at),
            metadata_len.into(),
            Allowed::AtMost(found_len(packet.value)),
        )),
    }
}

/// The length of extended metadata as its field tells it.
pub(super) fn metadata_len(metadata: &[u8]) -> Result<u16, EmitError> {
    u16::try_from(metadata.len()).map_err(|_| EmitError::TooLong {
        field: Field::Value,
        found: metadata.len() as u64,
        allowed: u16::MAX.into(),
    })
}

/// A newtype over bits of which some have names.
macro_rules! bit_flags {
    ($(#[$meta:meta])* $name:ident($number:ident) { $( $(#[$flag_meta:meta])* $flag:ident = $bits:literal, $text:literal; )* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $number);

        impl $name {
            /// No bit.
            pub const NONE: $name = $name(0);
            $( $(#[$flag_meta])* pub const $flag: $name = $name($bits); )*

            /// Whether all bits of `other` are set.
            #[inline]
            #[must_use]
            pub const fn contains(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits that have no name.
            #[inline]
            #[must_use]
            pub const fn unnamed_bits(self) -> $number {
                self.0 & !(0 $( | $bits )*)
            }
        }

        impl core::ops::BitOr for $name {
            type Output = $name;

            fn bitor(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }
        }

        /// `none`, or the names of the bits joined by `|`; bits without a name as one hexadecimal number.
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                if *self == $name::NONE {
                    return f.write_str("none");
                }
                let mut separator = "";
                for (bits, text) in [$( ($bits, $text) ),*] {
                    if self.0 & bits != 0 {
                        write!(f, "{separator}{text}")?;
                        separator = "|";
                    }
                }
                if self.unnamed_bits() != 0 {
                    write!(f, "{separator}0x{:x}", self.unnamed_bits())?;
                }
                Ok(())
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $name {
            fn format(&self, f: defmt::Formatter<'_>) {
                if *self == $name::NONE {
                    return defmt::write!(f, "none");
                }
                let bits = [$( (self.0 & $bits, $text) ),*].map(|(bits, text)| (u32::from(bits), text));
                crate::format::bits(f, bits, self.unnamed_bits().into());
            }
        }
    };
}

/// A newtype over a number some of whose values have names.
macro_rules! open_number {
    ($(#[$meta:meta])* $name:ident($number:ident) { $( $(#[$value_meta:meta])* $value:ident = $raw:literal, $text:literal; )* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $number);

        impl $name {
            $( $(#[$value_meta])* pub const $value: $name = $name($raw); )*

            /// What it is called, if it has a name.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( $raw => Some($text), )*
                    _ => None,
                }
            }
        }

        /// The name, or the number in hexadecimal.
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, "0x{:x}", self.0),
                }
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $name {
            fn format(&self, f: defmt::Formatter<'_>) {
                match self.name() {
                    Some(name) => defmt::write!(f, "{=str:a}", name),
                    None => defmt::write!(f, "{=u32:#x}", self.0.into()),
                }
            }
        }
    };
}

pub(super) use {bit_flags, open_number};
