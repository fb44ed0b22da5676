//! What goes into a store and what comes out of it.

use super::KEY_LEN_MAX;
use super::bytes::{copy_front, equal};

/// What a store keeps beside the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Attributes {
    /// The client's 32 bits, handed back unchanged. Zero takes no room.
    pub flags: u32,
    /// The unix second from which on the item is gone; 0 = never, and takes no room.
    pub expiration: u32,
}

/// When a value may be stored (memcached binary protocol: set, add, replace, append, prepend).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SetMode {
    /// Only if the key is missing; with a CAS that matches it replaces the item, as memcached does.
    Add,
    /// Joins the value to the end of the item's; flags and expiration stay the item's.
    Append,
    /// Joins the value to the front of the item's; flags and expiration stay the item's.
    Prepend,
    /// Only if the key is there.
    Replace,
    /// In any case.
    Set,
}

impl SetMode {
    /// Whether the new value is made of the old one.
    pub(super) fn is_join(self) -> bool {
        matches!(self, SetMode::Append | SetMode::Prepend)
    }
}

/// An item as found in the store, borrowed from its memory.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Item<'a> {
    /// The id of the store operation that wrote the item; unlike that of any other in this store.
    pub cas: u64,
    /// The client's 32 bits.
    pub flags: u32,
    /// The unix second from which on the item is gone; 0 = never.
    pub expiration: u32,
    /// The value.
    pub value: Value<'a>,
}

/// A string of bytes that lies in the store's memory, in two pieces if it wraps around the end of a log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Value<'a> {
    first: &'a [u8],
    second: &'a [u8],
}

#[cfg(feature = "defmt")]
impl defmt::Format for Value<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=usize} bytes", self.len());
    }
}

impl<'a> Value<'a> {
    /// A string in two pieces, either of which may be empty.
    #[must_use]
    pub fn new(first: &'a [u8], second: &'a [u8]) -> Self {
        Value { first, second }
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len().saturating_add(self.second.len())
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.second.is_empty()
    }

    /// Both pieces in order; the second is empty unless the value wraps around the end of its log.
    #[must_use]
    pub fn pieces(&self) -> (&'a [u8], &'a [u8]) {
        (self.first, self.second)
    }

    /// Copies as much as fits to the front of `out` and returns how many bytes that was.
    pub fn copy_to(&self, out: &mut [u8]) -> usize {
        let first = copy_front(self.first, out);
        if self.second.is_empty() {
            return first;
        }
        let rest = out.get_mut(first..).unwrap_or_default();
        first.saturating_add(copy_front(self.second, rest))
    }

    /// A key, for a log.
    #[cfg(feature = "defmt")]
    pub(super) fn as_key(&self) -> impl defmt::Format {
        let mut key = KeyBytes::new();
        self.copy_key_to(&mut key);
        LoggedKey(key)
    }

    /// Copies a key, so that it is in one piece.
    pub(super) fn copy_key_to(&self, out: &mut KeyBytes) {
        // No key is longer than the room.
        let _ = out.extend_from_slice(self.first);
        let _ = out.extend_from_slice(self.second);
    }
}

/// Room for a key; on a device an array would cost the time and the code that fill it with zeros.
pub(super) type KeyBytes = heapless::Vec<u8, KEY_LEN_MAX>;

#[cfg(feature = "defmt")]
struct LoggedKey(KeyBytes);

#[cfg(feature = "defmt")]
impl defmt::Format for LoggedKey {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::format::Text(&self.0).format(f);
    }
}

impl PartialEq<[u8]> for Value<'_> {
    #[inline]
    fn eq(&self, other: &[u8]) -> bool {
        match other.split_at_checked(self.first.len()) {
            Some((front, back)) => {
                back.len() == self.second.len()
                    && equal(front, self.first)
                    && (back.is_empty() || equal(back, self.second))
            }
            None => false,
        }
    }
}
