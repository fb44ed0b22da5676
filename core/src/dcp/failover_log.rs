//! The failover log of a vbucket, in the answers to STREAM_REQ and GET_FAILOVER_LOG.

use core::iter::FusedIterator;

use super::fields::{Fields, found_len};
use crate::wire::{Allowed, Field, ParseError, ParseErrorKind};

/// One history of a vbucket (memcached binary protocol: failover log and rollback).
///
/// ```text
///  16 bytes:  vbucket uuid u64 | seqno u64
/// ```
#[doc(alias = "UprFailoverEntry")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FailoverEntry {
    /// What the history is called.
    pub vbucket_uuid: u64,
    /// The seqno from which on it holds.
    pub seqno: u64,
}

impl FailoverEntry {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// The entry at the front of 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; FailoverEntry::LEN]) -> FailoverEntry {
        let mut fields = Fields::new(bytes);
        FailoverEntry {
            vbucket_uuid: fields.u64(),
            seqno: fields.u64(),
        }
    }

    /// The entry as it goes over the wire; a log is entries one behind the other, the newest first.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; FailoverEntry::LEN] {
        ((self.vbucket_uuid as u128) << 64 | self.seqno as u128).to_be_bytes()
    }
}

/// The histories of a vbucket, the newest first.
#[doc(alias = "UprFailoverLog")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FailoverLog<'a> {
    entries: &'a [[u8; FailoverEntry::LEN]],
}

#[cfg(feature = "defmt")]
impl defmt::Format for FailoverLog<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::format::list(f, self.iter());
    }
}

impl<'a> FailoverLog<'a> {
    /// Reads the value of an answer, or of anything else that is entries one behind the other.
    ///
    /// # Errors
    /// [`ParseErrorKind::ValueLength`] unless the length is a multiple of 16; the offset is 0, the value's start.
    pub fn parse(value: &'a [u8]) -> Result<FailoverLog<'a>, ParseError> {
        match value.as_chunks() {
            (entries, []) => Ok(FailoverLog { entries }),
            _ => Err(ParseError::new(
                ParseErrorKind::ValueLength,
                Field::Value,
                0,
                found_len(value),
                Allowed::MultipleOf(FailoverEntry::LEN as u32),
            )),
        }
    }

    /// The history that the vbucket is in now; `None` of an empty log.
    #[doc(alias = "Latest")]
    #[must_use]
    pub fn newest(&self) -> Option<FailoverEntry> {
        self.entries.first().map(FailoverEntry::from_bytes)
    }

    /// The entries, the newest first.
    #[must_use]
    pub fn iter(&self) -> FailoverEntries<'a> {
        FailoverEntries {
            rest: self.entries.iter(),
        }
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The log as it goes over the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.entries.as_flattened()
    }
}

impl<'a> IntoIterator for &FailoverLog<'a> {
    type Item = FailoverEntry;
    type IntoIter = FailoverEntries<'a>;

    fn into_iter(self) -> FailoverEntries<'a> {
        self.iter()
    }
}

/// The entries of a [`FailoverLog`], the newest first.
#[doc(alias = "UprFailoverEntries")]
#[derive(Clone, Debug)]
pub struct FailoverEntries<'a> {
    rest: core::slice::Iter<'a, [u8; FailoverEntry::LEN]>,
}

impl Iterator for FailoverEntries<'_> {
    type Item = FailoverEntry;

    fn next(&mut self) -> Option<FailoverEntry> {
        self.rest.next().map(FailoverEntry::from_bytes)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl ExactSizeIterator for FailoverEntries<'_> {}
impl FusedIterator for FailoverEntries<'_> {}
