//! The relations between the lengths in a header; nothing else in the crate judges them.

use super::error::{Allowed, Field, ParseError, ParseErrorKind};
use super::header::Header;

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
                if self.magic.is_flex() {
                    FLEX_KEY_LEN_AT
                } else {
                    KEY_LEN_AT
                },
                self.key_len.into(),
                Allowed::AtMost(limits.key_len_max.into()),
            ));
        }
        Ok(value_len)
    }
}
