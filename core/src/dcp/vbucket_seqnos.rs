//! The answer to GET_ALL_VB_SEQNOS, 0x48, by which a consumer learns which vbuckets there are.

use core::iter::FusedIterator;

use super::fields::{Fields, found_len};
use crate::wire::{Allowed, Field, ParseError, ParseErrorKind};

/// How far a vbucket has come.
///
/// ```text
///  10 bytes:  vbucket u16 | highest seqno u64
/// ```
#[doc(alias = "UprVbucketSeqno")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct VbucketSeqno {
    /// The vbucket.
    pub vbucket: u16,
    /// Number of its last change.
    pub seqno: u64,
}

impl VbucketSeqno {
    /// Length in bytes.
    pub const LEN: usize = 10;

    fn from_bytes(bytes: &[u8; VbucketSeqno::LEN]) -> VbucketSeqno {
        let mut fields = Fields::new(bytes);
        VbucketSeqno {
            vbucket: fields.u16(),
            seqno: fields.u64(),
        }
    }

    /// The entry as it goes over the wire; the answer's value is entries one behind the other.
    #[must_use]
    pub fn to_bytes(self) -> [u8; VbucketSeqno::LEN] {
        let number = u128::from(self.vbucket) << 64 | u128::from(self.seqno);
        let [_, _, _, _, _, _, bytes @ ..] = number.to_be_bytes();
        bytes
    }
}

/// How far each vbucket of a server has come.
#[doc(alias = "UprVbucketSeqnos")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VbucketSeqnos<'a> {
    entries: &'a [[u8; VbucketSeqno::LEN]],
}

#[cfg(feature = "defmt")]
impl defmt::Format for VbucketSeqnos<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::format::list(f, self.iter());
    }
}

impl<'a> VbucketSeqnos<'a> {
    /// Reads the value of the answer.
    ///
    /// # Errors
    /// [`ParseErrorKind::ValueLength`] unless the length is a multiple of 10; the offset is 0, the value's start.
    pub fn parse(value: &'a [u8]) -> Result<VbucketSeqnos<'a>, ParseError> {
        match value.as_chunks() {
            (entries, []) => Ok(VbucketSeqnos { entries }),
            _ => Err(ParseError::new(
                ParseErrorKind::ValueLength,
                Field::Value,
                0,
                found_len(value),
                Allowed::MultipleOf(VbucketSeqno::LEN as u32),
            )),
        }
    }

    /// The vbuckets, in the server's order.
    #[must_use]
    pub fn iter(&self) -> VbucketSeqnosIter<'a> {
        VbucketSeqnosIter {
            rest: self.entries.iter(),
        }
    }

    /// Number of vbuckets.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no vbucket.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<'a> IntoIterator for &VbucketSeqnos<'a> {
    type Item = VbucketSeqno;
    type IntoIter = VbucketSeqnosIter<'a>;

    fn into_iter(self) -> VbucketSeqnosIter<'a> {
        self.iter()
    }
}

/// The vbuckets of a [`VbucketSeqnos`].
#[doc(alias = "UprVbucketSeqnosIter")]
#[derive(Clone, Debug)]
pub struct VbucketSeqnosIter<'a> {
    rest: core::slice::Iter<'a, [u8; VbucketSeqno::LEN]>,
}

impl Iterator for VbucketSeqnosIter<'_> {
    type Item = VbucketSeqno;

    fn next(&mut self) -> Option<VbucketSeqno> {
        self.rest.next().map(VbucketSeqno::from_bytes)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl ExactSizeIterator for VbucketSeqnosIter<'_> {}
impl FusedIterator for VbucketSeqnosIter<'_> {}
