//! The collection id in front of keys.

use super::fields::found_len;
use crate::wire::emit::Writer;
use crate::wire::{Allowed, EmitError, Field, ParseError, ParseErrorKind};

/// A key on a connection with collections (memcached binary protocol: collection prefix of keys).
///
/// ```text
///  1 to 5 bytes:  collection id as unsigned LEB128, seven bits a byte, the lowest first, in its shortest form
///  then           the key itself, at least one byte
/// ```
#[doc(alias = "UprCollectionKey")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CollectionKey<'a> {
    /// The collection; 0 is the default one, 1 to 7 are reserved.
    pub collection: u32,
    /// The key in its collection.
    pub key: &'a [u8],
}

format_fields!(CollectionKey {
    collection,
    key: Text
});

impl<'a> CollectionKey<'a> {
    /// Longest collection id in bytes.
    pub const ID_LEN_MAX: usize = 5;

    /// Takes the key of a packet apart.
    ///
    /// # Errors
    /// [`ParseErrorKind::CollectionId`] when the id does not end, does not fit 32 bits or is longer than it has to be;
    /// [`ParseErrorKind::KeyMissing`] when nothing follows it. The offset counts from the key's start.
    pub fn parse(bytes: &'a [u8]) -> Result<CollectionKey<'a>, ParseError> {
        let mut collection = 0_u32;
        for (index, &byte) in bytes.iter().enumerate().take(CollectionKey::ID_LEN_MAX) {
            let wrong = |allowed| {
                let offset = index as u32;
                ParseError::new(
                    ParseErrorKind::CollectionId,
                    Field::Key,
                    offset,
                    byte.into(),
                    allowed,
                )
            };
            // Four bits are left for the fifth byte.
            let is_last = index + 1 == CollectionKey::ID_LEN_MAX;
            if is_last && byte > 0x0f {
                return Err(wrong(Allowed::AtMost(0x0f)));
            }
            collection |= u32::from(byte & 0x7f) << (index * 7);
            if byte & 0x80 != 0 {
                continue;
            }
            if byte == 0 && index > 0 {
                return Err(wrong(Allowed::AtLeast(1)));
            }
            let key = bytes.get(index + 1..).unwrap_or_default();
            if key.is_empty() {
                return Err(ParseError::new(
                    ParseErrorKind::KeyMissing,
                    Field::Key,
                    found_len(bytes),
                    0,
                    Allowed::AtLeast(1),
                ));
            }
            return Ok(CollectionKey { collection, key });
        }
        let found = found_len(bytes);
        Err(ParseError::new(
            ParseErrorKind::CollectionId,
            Field::Key,
            0,
            found,
            Allowed::AtLeast(found.saturating_add(1)),
        ))
    }

    /// Bytes that [`CollectionKey::emit`] writes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.id().1.saturating_add(self.key.len())
    }

    /// Writes id and key to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// [`EmitError::OutputTooShort`]; `out` is untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let (id, id_len) = self.id();
        let needed = self.encoded_len();
        let mut writer = Writer::new(out, needed)?;
        writer.put(id.get(..id_len).unwrap_or_default());
        writer.put(self.key);
        Ok(needed)
    }

    /// The id as it goes over the wire, and its length in bytes.
    fn id(&self) -> ([u8; CollectionKey::ID_LEN_MAX], usize) {
        let mut bytes = [0; CollectionKey::ID_LEN_MAX];
        let mut rest = self.collection;
        let mut len = 0_usize;
        for place in &mut bytes {
            len += 1;
            *place = rest as u8 & 0x7f;
            rest >>= 7;
            if rest == 0 {
                break;
            }
            *place |= 0x80;
        }
        (bytes, len)
    }
}
