//! CACHE_TRANSFER, 0x66; CACHE_TRANSFER_END, 0x67, has nothing in it.

use core::iter::FusedIterator;

use super::fields::{Fields, Fixed, Parts, found_len};
use crate::wire::emit::Writer;
use crate::wire::{Allowed, DataType, EmitError, Field, Opcode, ParseError, ParseErrorKind};

/// CACHE_TRANSFER: documents that the producer holds in memory, record behind record in the value (memcached binary
/// protocol: cache transfer record).
#[doc(alias = "UprCacheTransfer")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CacheRecords<'a> {
    /// The records as they go over the wire, at least one byte.
    pub bytes: &'a [u8],
}

format_fields!(CacheRecords { bytes: Length });

impl<'a> CacheRecords<'a> {
    /// The records, in order.
    #[must_use]
    pub const fn iter(&self) -> CacheRecordsIter<'a> {
        CacheRecordsIter {
            all: self.bytes,
            rest: self.bytes,
        }
    }

    pub(super) fn parts(&self) -> Parts<'a> {
        Parts {
            value: self.bytes,
            ..Parts::new(Opcode::DCP_CACHE_TRANSFER, Fixed::new())
        }
    }
}

impl<'a> IntoIterator for &CacheRecords<'a> {
    type Item = Result<CacheRecord<'a>, ParseError>;
    type IntoIter = CacheRecordsIter<'a>;

    fn into_iter(self) -> CacheRecordsIter<'a> {
        self.iter()
    }
}

/// One document that the producer has in memory (memcached binary protocol: cache transfer record).
///
/// ```text
///  40 bytes:  cas u64 | seqno u64 | revision u64 | value length u32 | flags u32 | expiration u32 | key length u16 |
///             datatype u8 | cache hint u8
///  then       key, value
/// ```
#[doc(alias = "UprCacheRecord")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CacheRecord<'a> {
    /// The version of the item.
    pub cas: u64,
    /// The number of its last change in its vbucket.
    pub seqno: u64,
    /// How often it has been changed.
    pub revision: u64,
    /// The flags of the item.
    pub flags: u32,
    /// When the item expires, in unix seconds; 0 for never.
    pub expiration: u32,
    /// What the value is.
    pub datatype: DataType,
    /// How recently the item was used, in the producer's own scale.
    pub cache_hint: u8,
    /// The key with its collection id, at most 65535 bytes.
    pub key: &'a [u8],
    /// The document.
    pub value: &'a [u8],
}

format_fields!(CacheRecord {
    cas,
    seqno,
    revision,
    flags,
    expiration,
    datatype,
    cache_hint,
    key: Text,
    value: Length,
});

impl<'a> CacheRecord<'a> {
    /// Length in bytes of what stands before the key.
    pub const HEAD_LEN: usize = 40;

    /// The record at the front of `bytes`, and what is behind it.
    fn split(bytes: &'a [u8]) -> Option<(CacheRecord<'a>, &'a [u8])> {
        let (head, rest) = bytes.split_at_checked(CacheRecord::HEAD_LEN)?;
        let mut fields = Fields::new(head);
        let (cas, seqno, revision) = (fields.u64(), fields.u64(), fields.u64());
        let (value_len, flags, expiration) = (fields.u32(), fields.u32(), fields.u32());
        let (key, rest) = rest.split_at_checked(fields.u16().into())?;
        let (value, rest) = rest.split_at_checked(usize::try_from(value_len).ok()?)?;
        let record = CacheRecord {
            cas,
            seqno,
            revision,
            flags,
            expiration,
            datatype: DataType(fields.u8()),
            cache_hint: fields.u8(),
            key,
            value,
        };
        Some((record, rest))
    }

    /// Bytes that [`CacheRecord::emit`] writes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when key or value is longer than its length field can tell.
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        let (key_len, value_len) = self.lens()?;
        usize::try_from(value_len)
            .ok()
            .and_then(|len| len.checked_add(CacheRecord::HEAD_LEN + usize::from(key_len)))
            .ok_or_else(|| too_long(Field::Value, value_len.into(), usize::MAX as u64))
    }

    /// Writes the record to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when key or value is longer than its length field can tell, or too little room. `out` is
    /// untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let needed = self.encoded_len()?;
        let (key_len, value_len) = self.lens()?;
        let mut writer = Writer::new(out, needed)?;
        for number in [self.cas, self.seqno, self.revision] {
            writer.put(&number.to_be_bytes());
        }
        for number in [value_len, self.flags, self.expiration] {
            writer.put(&number.to_be_bytes());
        }
        writer.put(&key_len.to_be_bytes());
        writer.put(&[self.datatype.0, self.cache_hint]);
        writer.put(self.key);
        writer.put(self.value);
        Ok(needed)
    }

    fn lens(&self) -> Result<(u16, u32), EmitError> {
        let (key_len, value_len) = (self.key.len() as u64, self.value.len() as u64);
        Ok((
            u16::try_from(key_len).map_err(|_| too_long(Field::Key, key_len, u16::MAX.into()))?,
            u32::try_from(value_len)
                .map_err(|_| too_long(Field::Value, value_len, u32::MAX.into()))?,
        ))
    }
}

#[cold]
fn too_long(field: Field, found: u64, allowed: u64) -> EmitError {
    EmitError::TooLong {
        field,
        found,
        allowed,
    }
}

/// The records of a [`CacheRecords`], in order. After an error there are no more.
#[doc(alias = "UprCacheRecordsIter")]
#[derive(Clone, Debug)]
pub struct CacheRecordsIter<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Iterator for CacheRecordsIter<'a> {
    /// The error tells the offset of the record in the value, and how many bytes are left for it.
    type Item = Result<CacheRecord<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let here = core::mem::take(&mut self.rest);
        Some(match CacheRecord::split(here) {
            Some((record, rest)) => {
                self.rest = rest;
                Ok(record)
            }
            None => Err(ParseError::new(
                ParseErrorKind::PartExceedsValue,
                Field::Value,
                u32::try_from(self.all.len().saturating_sub(here.len())).unwrap_or(u32::MAX),
                found_len(here),
                Allowed::AtLeast(
                    u32::try_from(CacheRecord::announced_len(here)).unwrap_or(u32::MAX),
                ),
            )),
        })
    }
}

impl CacheRecord<'_> {
    /// How long the record at the front of `bytes` says it is, as far as it goes.
    fn announced_len(bytes: &[u8]) -> u64 {
        let head = CacheRecord::HEAD_LEN as u64;
        let (Some(value_len), Some(key_len)) = (bytes.get(24..28), bytes.get(36..38)) else {
            return head;
        };
        let (value_len, key_len) = (Fields::new(value_len).u32(), Fields::new(key_len).u16());
        head.saturating_add(value_len.into())
            .saturating_add(key_len.into())
    }
}

impl FusedIterator for CacheRecordsIter<'_> {}
