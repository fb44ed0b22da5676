//! The 24 bytes at the front of every packet, in their classic and their flex form.

use super::error::{EmitError, Field, ParseError};
use super::parse::{self, Direction};
use super::{DataType, Magic, Opcode};

/// Length of a header in bytes.
pub const HEADER_LEN: usize = 24;

/// Longest key that memcached takes, in bytes.
pub const KEY_LEN_MAX: usize = 250;

/// What a parser says of bytes that break no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Parsed<T> {
    /// All of it is there.
    Complete {
        /// What was parsed.
        value: T,
        /// How many bytes of the input it took.
        consumed: usize,
    },
    /// The input ends too early.
    NeedMore {
        /// How many more bytes are needed: exact once a whole header is there, at least so many before.
        missing: u64,
    },
}

impl<T> Parsed<T> {
    /// The same with another value.
    #[inline]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Parsed<U> {
        match self {
            Parsed::Complete { value, consumed } => Parsed::Complete {
                value: f(value),
                consumed,
            },
            Parsed::NeedMore { missing } => Parsed::NeedMore { missing },
        }
    }
}

/// The header of a packet (memcached binary protocol: classic header, flex header).
///
/// ```text
///  byte     0      1        2     3       4       5        6    7       8..12     12..16  16..24
///  classic  magic  opcode   key length    extras  datatype vbucket/     body      opaque  cas
///                                         length           status       length
///  flex     magic  opcode   framing key   extras  datatype vbucket/     body      opaque  cas
///                           extras  len.  length           status       length
/// ```
///
/// A header by itself may claim lengths that do not add up; [`Header::value_len`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// Direction of the packet and form of the header.
    pub magic: Magic,
    /// The command.
    pub opcode: Opcode,
    /// Length of the framing extras in bytes; 0 unless the form is flex.
    pub framing_extras_len: u8,
    /// Length of the key in bytes; at most 255 in the flex form.
    pub key_len: u16,
    /// Length of the extras in bytes.
    pub extras_len: u8,
    /// What the value is.
    pub datatype: DataType,
    /// The vbucket of a request, the status of a response.
    pub vbucket_or_status: u16,
    /// Length of all that follows the header, in bytes: framing extras, extras, key and value.
    pub body_len: u32,
    /// The sender's own number, handed back untouched.
    pub opaque: u32,
    /// The version of the item; 0 for none.
    pub cas: u64,
}

impl Header {
    /// Reads a header off the front of `input`.
    ///
    /// Needs 24 bytes, but refuses a wrong first byte as soon as it is there.
    ///
    /// # Errors
    /// [`ParseErrorKind::UnknownMagic`](super::ParseErrorKind::UnknownMagic). The lengths are not judged here.
    #[inline(always)]
    pub fn parse(input: &[u8]) -> Result<Parsed<Header>, ParseError> {
        parse::header(input, Direction::Any)
    }

    /// Reads a header from exactly its bytes.
    ///
    /// # Errors
    /// As [`Header::parse`].
    #[inline]
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Header, ParseError> {
        parse::header_bytes(bytes)
    }

    /// The header as it goes over the wire.
    ///
    /// # Errors
    /// [`EmitError::Magic`] when no packet starts with the magic; [`EmitError::TooLong`] when a flex header has a key
    /// of more than 255 bytes or a classic one has framing extras.
    #[inline]
    pub fn to_bytes(&self) -> Result<[u8; HEADER_LEN], EmitError> {
        let (key_len_max, framing_extras_len_max) = if self.magic.is_flex() {
            (0xff, 0xff)
        } else {
            (0xffff, 0)
        };
        if !self.magic.is_known() {
            return Err(EmitError::Magic(self.magic));
        }
        for (field, found, allowed) in [
            (Field::Key, self.key_len, key_len_max),
            (
                Field::FramingExtras,
                self.framing_extras_len.into(),
                framing_extras_len_max,
            ),
        ] {
            if found > allowed {
                return Err(EmitError::TooLong {
                    field,
                    found: found.into(),
                    allowed: allowed.into(),
                });
            }
        }
        let mut bytes = [0; HEADER_LEN];
        self.write(&mut bytes);
        Ok(bytes)
    }

    /// Writes a header whose lengths fit its form; in whole words, as what follows reads them in such.
    #[inline(always)]
    pub(crate) fn write(&self, out: &mut [u8; HEADER_LEN]) {
        let two_and_three = if self.magic.is_flex() {
            u16::from(self.framing_extras_len) << 8 | self.key_len & 0xff
        } else {
            self.key_len
        };
        let command = u64::from(self.magic.0) << 56
            | u64::from(self.opcode.0) << 48
            | u64::from(two_and_three) << 32;
        let extras = u64::from(self.extras_len) << 24 | u64::from(self.datatype.0) << 16;
        let (words, _) = out.as_chunks_mut();
        if let [first, second, third] = words {
            *first = (command | extras | u64::from(self.vbucket_or_status)).to_be_bytes();
            *second = (u64::from(self.body_len) << 32 | u64::from(self.opaque)).to_be_bytes();
            *third = self.cas.to_be_bytes();
        }
    }

    /// Length of the whole packet in bytes, header and body.
    #[inline]
    #[must_use]
    pub const fn packet_len(&self) -> u64 {
        HEADER_LEN as u64 + self.body_len as u64
    }
}
