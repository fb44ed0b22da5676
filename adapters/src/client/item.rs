//! Replies as values.

use memlet_core::connection::client::ReplyErrorKind;
use memlet_core::wire::extras::FlagsExtras;
use memlet_core::wire::{DataType, Field, Response};

/// An item, as a get found it; its parts stand in the client's buffer until the next operation.
#[doc(alias = "MCItem")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The key, if the command was one of those that give it back.
    pub key: &'a [u8],
    /// What was stored.
    pub value: &'a [u8],
    /// What was stored with it.
    pub flags: u32,
    /// The version of the item; 0 when the server keeps none.
    pub cas: u64,
    /// What the value is.
    pub datatype: DataType,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Item<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Item {{ key: {}, value: {=usize} bytes, flags: {=u32}, cas: {=u64}, datatype: {} }}",
            memlet_core::wire::Escaped(self.key),
            self.value.len(),
            self.flags,
            self.cas,
            self.datatype
        );
    }
}

impl<'a> Item<'a> {
    /// Reads the reply to a get that has hit.
    pub(crate) fn read(response: &Response<'a>) -> Result<Item<'a>, ReplyErrorKind> {
        let extras = FlagsExtras::parse(response.extras)
            .map_err(|_| wrong_length(Field::Extras, response.extras, FlagsExtras::LEN))?;
        Ok(Item {
            key: response.key,
            value: response.value,
            flags: extras.flags,
            cas: response.cas,
            datatype: response.datatype,
        })
    }

    /// A copy that outlives the client's buffer.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_owned(&self) -> OwnedItem {
        OwnedItem {
            value: self.value.into(),
            flags: self.flags,
            cas: self.cas,
            datatype: self.datatype,
        }
    }
}

/// An [`Item`] with a value of its own.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedItem {
    /// What was stored.
    pub value: alloc::vec::Vec<u8>,
    /// What was stored with it.
    pub flags: u32,
    /// The version of the item; 0 when the server keeps none.
    pub cas: u64,
    /// What the value is.
    pub datatype: DataType,
}

#[cfg(all(feature = "alloc", feature = "defmt"))]
impl defmt::Format for OwnedItem {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "OwnedItem {{ value: {=usize} bytes, flags: {=u32}, cas: {=u64}, datatype: {} }}",
            self.value.len(),
            self.flags,
            self.cas,
            self.datatype
        );
    }
}

/// A counter after it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counter {
    /// Its value.
    pub value: u64,
    /// The version of the item; 0 when the server keeps none.
    pub cas: u64,
}

impl Counter {
    /// Reads the reply to an increment or decrement.
    pub(crate) fn read(response: &Response<'_>) -> Result<Counter, ReplyErrorKind> {
        let value = <[u8; 8]>::try_from(response.value)
            .map_err(|_| wrong_length(Field::Value, response.value, 8))?;
        Ok(Counter {
            value: u64::from_be_bytes(value),
            cas: response.cas,
        })
    }
}

/// What is left of an item when its value has gone another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Touched {
    /// What was stored with the item.
    pub flags: u32,
    /// The version of the item; 0 when the server keeps none.
    pub cas: u64,
    /// Length of the value in bytes.
    pub value_len: u32,
}

pub(crate) fn wrong_length(field: Field, found: &[u8], allowed: usize) -> ReplyErrorKind {
    ReplyErrorKind::Length {
        field,
        found: u32::try_from(found.len()).unwrap_or(u32::MAX),
        allowed: allowed as u32,
    }
}
