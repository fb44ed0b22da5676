//! Learning what changes in a store, for feeds and replicas.

use super::item::Value;

/// Learns of every change of a store, in order, while it happens.
///
/// A store without one has `()`, which costs nothing. Changes are numbered: one that stores an item has the item's new
/// CAS as its number, every other takes a number of its own from the same counter. So the items of a store ordered by
/// CAS, and the removals in between, are its history.
///
/// # What is not told
/// That an item has expired: whoever was told its expiration knows.
pub trait Observer {
    /// Whether changes are to be numbered and told; while it says no, only what is stored takes numbers.
    fn is_active(&self) -> bool;

    /// Takes a change; `number` is higher than that of any change before.
    ///
    /// It is told in the midst of the operation: what became of the item can be looked up afterwards.
    fn note(&mut self, number: u64, change: Change<'_>);
}

/// What happened to a store.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Change<'a> {
    /// An item was stored; the number is its CAS.
    Stored {
        /// Its key.
        key: Value<'a>,
        /// The unix second from which on it is gone; 0 = never.
        expiration: u32,
    },
    /// An item was given another expiration; its CAS stays.
    Touched {
        /// Its key.
        key: Value<'a>,
    },
    /// An item was deleted, or evicted to make room; or a new one found no room, and the old one may have gone.
    Removed {
        /// Its key.
        key: Value<'a>,
    },
    /// Everything was removed.
    Flushed,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Change<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Change::Stored { key, expiration } => defmt::write!(
                f,
                "Stored {{ key: {}, expiration: {=u32} }}",
                key.as_key(),
                expiration
            ),
            Change::Touched { key } => defmt::write!(f, "Touched {{ key: {} }}", key.as_key()),
            Change::Removed { key } => defmt::write!(f, "Removed {{ key: {} }}", key.as_key()),
            Change::Flushed => defmt::write!(f, "Flushed"),
        }
    }
}

impl Observer for () {
    #[inline]
    fn is_active(&self) -> bool {
        false
    }

    #[inline]
    fn note(&mut self, _number: u64, _change: Change<'_>) {}
}
