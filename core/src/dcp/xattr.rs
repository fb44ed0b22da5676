//! The extended attributes in front of a document.

use core::iter::FusedIterator;

use super::fields::{Fields, found_len};
use crate::wire::emit::Writer;
use crate::wire::{Allowed, EmitError, Field, ParseError, ParseErrorKind};

/// The extended attributes at the front of a value whose data type says that there are some (memcached binary protocol:
/// xattr section).
///
/// ```text
///  section:        length u32 (of the pairs) | pairs | document
///  pair:           length u32 (of what follows) | key | 0x00 | value | 0x00
/// ```
///
/// A value that is compressed has to be inflated first, section and document together. The value of a deletion, of an
/// expiration and of a prepared deletion is a section with no document behind it.
#[doc(alias = "UprXattrs")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Xattrs<'a> {
    /// The pairs as they go over the wire, without the length before them.
    pub pairs: &'a [u8],
}

format_fields!(Xattrs { pairs: Length });

/// One extended attribute.
#[doc(alias = "UprXattr")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Xattr<'a> {
    /// Its name, without a byte 0; `_` in front marks one of the system.
    pub key: &'a [u8],
    /// JSON.
    pub value: &'a [u8],
}

format_fields!(Xattr {
    key: Text,
    value: Length
});

/// Bytes of a length in the section.
const LEN_LEN: usize = 4;

/// A number of bytes off the front of `bytes` and what is behind them, as the length before them tells.
fn split_counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(LEN_LEN)?;
    rest.split_at_checked(usize::try_from(Fields::new(len).u32()).ok()?)
}

#[cold]
fn exceeds(all: &[u8], here: &[u8]) -> ParseError {
    let announced = here
        .get(..LEN_LEN)
        .map_or(0, |len| Fields::new(len).u32())
        .saturating_add(LEN_LEN as u32);
    ParseError::new(
        ParseErrorKind::PartExceedsValue,
        Field::Value,
        u32::try_from(all.len().saturating_sub(here.len())).unwrap_or(u32::MAX),
        found_len(here),
        Allowed::AtLeast(announced),
    )
}

impl<'a> Xattrs<'a> {
    /// Takes a value apart: the attributes, and the document behind them. The pairs themselves are judged when they are
    /// iterated.
    ///
    /// # Errors
    /// [`ParseErrorKind::PartExceedsValue`] when the section is longer than the value; the offset counts from the
    /// value's start.
    pub fn split(value: &'a [u8]) -> Result<(Xattrs<'a>, &'a [u8]), ParseError> {
        match split_counted(value) {
            Some((pairs, document)) => Ok((Xattrs { pairs }, document)),
            None => Err(exceeds(value, value)),
        }
    }

    /// The attributes, in order.
    #[must_use]
    pub const fn iter(&self) -> XattrsIter<'a> {
        XattrsIter {
            all: self.pairs,
            rest: self.pairs,
        }
    }

    /// Bytes that [`Xattrs::emit`] writes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when the pairs are longer than their length field can tell.
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        let pairs_len = counted(self.pairs.len())?;
        usize::try_from(u64::from(pairs_len).saturating_add(LEN_LEN as u64))
            .map_err(|_| too_long(self.pairs.len()))
    }

    /// Writes length and pairs to the front of `out` and returns how many bytes that took; the document goes behind.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when the pairs are longer than their length field can tell, or too little room. `out` is
    /// untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let needed = self.encoded_len()?;
        let mut writer = Writer::new(out, needed)?;
        writer.put(&counted(self.pairs.len())?.to_be_bytes());
        writer.put(self.pairs);
        Ok(needed)
    }
}

impl<'a> IntoIterator for &Xattrs<'a> {
    type Item = Result<Xattr<'a>, ParseError>;
    type IntoIter = XattrsIter<'a>;

    fn into_iter(self) -> XattrsIter<'a> {
        self.iter()
    }
}

impl<'a> Xattr<'a> {
    /// A pair without the length before it.
    fn parse(pair: &'a [u8]) -> Option<Xattr<'a>> {
        let key_len = pair.iter().position(|&byte| byte == 0)?;
        let (key, rest) = pair.split_at_checked(key_len)?;
        let value = rest.get(1..)?.strip_suffix(&[0])?;
        Some(Xattr { key, value })
    }

    /// Bytes that [`Xattr::emit`] writes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when the pair is longer than its length field can tell.
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        Ok(LEN_LEN.saturating_add(counted(self.pair_len())? as usize))
    }

    /// Writes the pair with its length to the front of `out`, as a part of [`Xattrs::pairs`], and returns how many bytes
    /// that took.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when the pair is longer than its length field can tell, or too little room. `out` is
    /// untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let needed = self.encoded_len()?;
        let mut writer = Writer::new(out, needed)?;
        writer.put(&counted(self.pair_len())?.to_be_bytes());
        writer.put(self.key);
        writer.put(&[0]);
        writer.put(self.value);
        writer.put(&[0]);
        Ok(needed)
    }

    fn pair_len(&self) -> usize {
        self.key
            .len()
            .saturating_add(self.value.len())
            .saturating_add(2)
    }
}

/// A length as it goes over the wire.
fn counted(len: usize) -> Result<u32, EmitError> {
    u32::try_from(len).map_err(|_| too_long(len))
}

#[cold]
fn too_long(len: usize) -> EmitError {
    EmitError::TooLong {
        field: Field::Value,
        found: len as u64,
        allowed: u32::MAX.into(),
    }
}

/// The attributes of a section, in order. After an error there are no more.
#[doc(alias = "UprXattrsIter")]
#[derive(Clone, Debug)]
pub struct XattrsIter<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Iterator for XattrsIter<'a> {
    /// The error tells the offset of the pair among the pairs, and how many bytes are left for it.
    type Item = Result<Xattr<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let here = core::mem::take(&mut self.rest);
        let parsed = split_counted(here)
            .and_then(|(pair, rest)| Xattr::parse(pair).map(|xattr| (xattr, rest)));
        Some(match parsed {
            Some((xattr, rest)) => {
                self.rest = rest;
                Ok(xattr)
            }
            None => Err(exceeds(self.all, here)),
        })
    }
}

impl FusedIterator for XattrsIter<'_> {}
