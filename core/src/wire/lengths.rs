//! The relations between the lengths in a header; nothing else in the crate judges them.

use super::error::{Allowed, Field, ParseError, ParseErrorKind};
use super::header::Header;
use super::packet::Packet;
use super::shape::Shape;

/// The longest key and body that a receiver is willing to take.
///
/// The default is memcached's: keys of 250 bytes, bodies of 2^30 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
        self.check(&Limits::NONE)
    }

    /// Judges the lengths in memcached's order: the sum, the body's limit, the key's limit; then gives the length of
    /// the value in bytes.
    ///
    /// # Errors
    /// [`ParseErrorKind::PartsExceedBody`], [`ParseErrorKind::BodyTooLong`] or [`ParseErrorKind::KeyTooLong`].
    #[inline]
    pub fn check(&self, limits: &Limits) -> Result<u32, ParseError> {
        match self.value_len_within(limits) {
            Some(value_len) => Ok(value_len),
            None => Err(self.explain_length(limits)),
        }
    }

    /// [`Header::check`] without the reason.
    #[inline(always)]
    pub(crate) fn value_len_within(&self, limits: &Limits) -> Option<u32> {
        let value_len = self.body_len.checked_sub(self.parts_len())?;
        let within = self.body_len <= limits.body_len_max && self.key_len <= limits.key_len_max;
        within.then_some(value_len)
    }

    /// Length in bytes of what stands between header and value; no sum of the three can overflow.
    #[inline(always)]
    fn parts_len(&self) -> u32 {
        u32::from(self.framing_extras_len) + u32::from(self.extras_len) + u32::from(self.key_len)
    }

    /// The first rule that [`Header::check`] found broken; apart from it, to keep the common way short.
    #[cold]
    fn explain_length(&self, limits: &Limits) -> ParseError {
        let (body_len, key_len) = (self.body_len, self.key_len.into());
        if body_len < self.parts_len() {
            let allowed = Allowed::AtLeast(self.parts_len());
            let kind = ParseErrorKind::PartsExceedBody;
            return ParseError::new(kind, Field::Body, BODY_LEN_AT, body_len, allowed);
        }
        if body_len > limits.body_len_max {
            let allowed = Allowed::AtMost(limits.body_len_max);
            return ParseError::new(
                ParseErrorKind::BodyTooLong,
                Field::Body,
                BODY_LEN_AT,
                body_len,
                allowed,
            );
        }
        let allowed = Allowed::AtMost(limits.key_len_max.into());
        ParseError::new(
            ParseErrorKind::KeyTooLong,
            Field::Key,
            self.key_len_at(),
            key_len,
            allowed,
        )
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
        if self.has_shape(value_len, shape) {
            return Ok(());
        }
        Err(self.explain_shape(value_len, shape))
    }

    /// What [`Header::check_shape`] says, without a reason.
    #[inline]
    pub(crate) fn fits(&self, shape: &Shape) -> bool {
        self.value_len_within(&Limits::NONE)
            .is_some_and(|value_len| self.has_shape(value_len, shape))
    }

    #[inline(always)]
    fn has_shape(&self, value_len: u32, shape: &Shape) -> bool {
        shape.allows_extras_len(self.extras_len)
            && shape.key.allows(self.key_len != 0)
            && shape.value.allows(value_len != 0)
    }

    #[cold]
    fn explain_shape(&self, value_len: u32, shape: &Shape) -> ParseError {
        let key_len = u32::from(self.key_len);
        if !shape.allows_extras_len(self.extras_len) {
            let (found, allowed) = (
                self.extras_len.into(),
                Allowed::Bits(shape.extras_len_bits()),
            );
            return ParseError::new(
                ParseErrorKind::ExtrasLength,
                Field::Extras,
                EXTRAS_LEN_AT,
                found,
                allowed,
            );
        }
        let missing = Allowed::AtLeast(1);
        let forbidden = Allowed::AtMost(0);
        let (kind, allowed) = match (shape.key.allows(key_len != 0), key_len, value_len) {
            (false, 0, _) => (ParseErrorKind::KeyMissing, missing),
            (false, _, _) => (ParseErrorKind::KeyForbidden, forbidden),
            (true, _, 0) => (ParseErrorKind::ValueMissing, missing),
            (true, _, _) => (ParseErrorKind::ValueForbidden, forbidden),
        };
        match kind {
            ParseErrorKind::KeyMissing | ParseErrorKind::KeyForbidden => {
                ParseError::new(kind, Field::Key, self.key_len_at(), key_len, allowed)
            }
            _ => ParseError::new(kind, Field::Value, BODY_LEN_AT, value_len, allowed),
        }
    }

    const fn key_len_at(&self) -> u32 {
        if self.magic.is_flex() {
            FLEX_KEY_LEN_AT
        } else {
            KEY_LEN_AT
        }
    }
}

impl Packet<'_> {
    /// Judges whether extras, key and value are what a request of the opcode takes, as [`Header::check_shape`] does.
    ///
    /// # Errors
    /// As [`Header::check_shape`].
    #[inline]
    pub fn check_shape(&self, shape: &Shape) -> Result<(), ParseError> {
        // What no length field can tell fits no shape either, so lengths may stop at the largest.
        let [framing_extras, extras] =
            [self.framing_extras, self.extras].map(|part| u8::try_from(part.len()).unwrap_or(0xff));
        let key_len = u16::try_from(self.key.len()).unwrap_or(u16::MAX);
        let value_len = u32::try_from(self.value.len()).unwrap_or(u32::MAX);
        let parts_len = u32::from(framing_extras) + u32::from(extras) + u32::from(key_len);
        let header = Header {
            magic: self.magic,
            opcode: self.opcode,
            framing_extras_len: framing_extras,
            key_len,
            extras_len: extras,
            datatype: self.datatype,
            vbucket_or_status: self.vbucket_or_status,
            body_len: value_len.saturating_add(parts_len),
            opaque: self.opaque,
            cas: self.cas,
        };
        header.check_shape(shape)
    }
}
