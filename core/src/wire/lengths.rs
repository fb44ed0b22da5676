//! The relations between the lengths in a header; nothing else in the crate judges them.

use super::error::{Allowed, Field, ParseError, ParseErrorKind};
use super::header::Header;
use super::shape::{Presence, Shape};

/// The longest key and body that a receiver is willing to take.
///
/// The default is memcached's: keys of 250 bytes, bodies of 2^30 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest key in bytes.
    pub key_len_max: u16,
    /// Longest total body in bytes.
    pub body_len_max: u32,
}

impl Limits {
    /// Whatever the header can express.
    pub const NONE: Limits = Limits {
        key_len_max: u16::MAX,
        body_len_max: u32::MAX,
    };
    /// memcached's: keys of 250 bytes, bodies of 2^30 bytes.
    pub const MEMCACHED: Limits = Limits {
        key_len_max: 250,
        body_len_max: 1 << 30,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Limits::MEMCACHED
    }
}

/// Byte offsets of the length fields of a header.
const KEY_LEN_AT: u32 = 2;
const FLEX_KEY_LEN_AT: u32 = 3;
const EXTRAS_LEN_AT: u32 = 4;
const BODY_LEN_AT: u32 = 8;

impl Header {
    /// Length of the value in bytes: what framing extras, extras and key leave of the body.
    ///
    /// # Errors
    /// [`ParseErrorKind::PartsExceedBody`] when they are longer than the body.
    #[inline]
    pub fn value_len(&self) -> Result<u32, ParseError> {
        let parts = u32::from(self.framing_extras_len)
            + u32::from(self.extras_len)
            + u32::from(self.key_len);
        match self.body_len.checked_sub(parts) {
            Some(value_len) => Ok(value_len),
            None => Err(ParseError::new(
                ParseErrorKind::PartsExceedBody,
                Field::Body,
                BODY_LEN_AT,
                self.body_len,
                Allowed::AtLeast(parts),
            )),
        }
    }

    /// Judges the lengths in memcached's order: the sum, the body's limit, the key's limit; then gives the length of
    /// the value in bytes.
    ///
    /// # Errors
    /// [`ParseErrorKind::PartsExceedBody`], [`ParseErrorKind::BodyTooLong`] or [`ParseErrorKind::KeyTooLong`].
    #[inline]
    pub fn check(&self, limits: &Limits) -> Result<u32, ParseError> {
        let value_len = self.value_len()?;
        if self.body_len > limits.body_len_max {
            return Err(ParseError::new(
                ParseErrorKind::BodyTooLong,
                Field::Body,
                BODY_LEN_AT,
                self.body_len,
                Allowed::AtMost(limits.body_len_max),
            ));
        }
        if self.key_len > limits.key_len_max {
            return Err(ParseError::new(
                ParseErrorKind::KeyTooLong,
                Field::Key,
                self.key_len_at(),
                self.key_len.into(),
                Allowed::AtMost(limits.key_len_max.into()),
            ));
        }
        Ok(value_len)
    }

    /// Judges whether extras, key and value are what a request of the opcode takes.
    ///
    /// The shape is [`Opcode::shape`](super::Opcode::shape) of the header's opcode, or another that the caller wants.
    ///
    /// # Errors
    /// [`ParseErrorKind::PartsExceedBody`], [`ParseErrorKind::ExtrasLength`], [`ParseErrorKind::KeyMissing`],
    /// [`ParseErrorKind::KeyForbidden`], [`ParseErrorKind::ValueMissing`] or [`ParseErrorKind::ValueForbidden`].
    #[inline]
    pub fn check_shape(&self, shape: &Shape) -> Result<(), ParseError> {
        let value_len = self.value_len()?;
        if !shape.allows_extras_len(self.extras_len) {
            return Err(ParseError::new(
                ParseErrorKind::ExtrasLength,
                Field::Extras,
                EXTRAS_LEN_AT,
                self.extras_len.into(),
                Allowed::Bits(shape.extras_len_bits()),
            ));
        }
        let key_len = u32::from(self.key_len);
        let kind = match shape.key {
            Presence::Required if key_len == 0 => {
                Some((ParseErrorKind::KeyMissing, Allowed::AtLeast(1)))
            }
            Presence::Forbidden if key_len != 0 => {
                Some((ParseErrorKind::KeyForbidden, Allowed::AtMost(0)))
            }
            _ => None,
        };
        if let Some((kind, allowed)) = kind {
            return Err(ParseError::new(
                kind,
                Field::Key,
                self.key_len_at(),
                key_len,
                allowed,
            ));
        }
        let kind = match shape.value {
            Presence::Required if value_len == 0 => {
                Some((ParseErrorKind::ValueMissing, Allowed::AtLeast(1)))
            }
            Presence::Forbidden if value_len != 0 => {
                Some((ParseErrorKind::ValueForbidden, Allowed::AtMost(0)))
            }
            _ => None,
        };
        if let Some((kind, allowed)) = kind {
            return Err(ParseError::new(
                kind,
                Field::Value,
                BODY_LEN_AT,
                value_len,
                allowed,
            ));
        }
        Ok(())
    }

    const fn key_len_at(&self) -> u32 {
        if self.magic.is_flex() {
            FLEX_KEY_LEN_AT
        } else {
            KEY_LEN_AT
        }
    }
}
