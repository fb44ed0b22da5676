//! Why a store refused; grouped by who can do something about it.

use core::fmt;

/// Why nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SetError {
    /// The client: the key exists although it must not, or its CAS is not the one given.
    Exists,
    /// The client: the key is missing although it must exist.
    NotFound,
    /// The client: there is nothing to append or prepend to.
    NotStored,
    /// The client: the key is empty or longer than 250 bytes.
    KeyLength {
        /// The key's length in bytes.
        len: usize,
    },
    /// The client or the configuration: the item can never fit.
    TooLarge {
        /// The bytes the item would take in the store.
        needed: u64,
        /// The most that any item may take.
        available: u64,
    },
    /// Time: there is no room now, because values that are still arriving hold it.
    Full,
    /// The caller: the reservation was given up by the store, or belongs to another one.
    NotReserved,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetError::Exists => f.write_str("the key exists with another CAS"),
            SetError::NotFound => f.write_str("the key does not exist"),
            SetError::NotStored => f.write_str("there is no value to join to"),
            SetError::KeyLength { len } => write!(f, "a key has 1 to 250 bytes, this one {len}"),
            SetError::TooLarge { needed, available } => {
                write!(
                    f,
                    "the item takes {needed} bytes, at most {available} are possible"
                )
            }
            SetError::Full => f.write_str("values that are still arriving hold the room"),
            SetError::NotReserved => f.write_str("the reservation is no longer held"),
        }
    }
}

impl core::error::Error for SetError {}

/// Why no room was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ReserveError {
    /// The client: the key is empty or longer than 250 bytes.
    KeyLength {
        /// The key's length in bytes.
        len: usize,
    },
    /// The client or the configuration: the item can never fit.
    TooLarge {
        /// The bytes the item would take in the store.
        needed: u64,
        /// The most that any item may take.
        available: u64,
    },
    /// Time: there is no room now, because values that are still arriving hold it.
    Full,
    /// Time: as many values as the store can follow are arriving at this moment.
    Busy,
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReserveError::KeyLength { len } => SetError::KeyLength { len: *len }.fmt(f),
            ReserveError::TooLarge { needed, available } => SetError::TooLarge {
                needed: *needed,
                available: *available,
            }
            .fmt(f),
            ReserveError::Full => SetError::Full.fmt(f),
            ReserveError::Busy => f.write_str("too many values are arriving at once"),
        }
    }
}

impl core::error::Error for ReserveError {}

/// Why bytes of a streamed value were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WriteError {
    /// The caller: the reservation was given up by the store, or belongs to another one.
    NotReserved,
    /// The caller: the bytes reach beyond the reserved length.
    OutOfRange,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriteError::NotReserved => "the reservation is no longer held",
            WriteError::OutOfRange => "the bytes reach beyond the reserved length",
        })
    }
}

impl core::error::Error for WriteError {}

/// Why nothing was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DeleteError {
    /// The client: the item's CAS is not the one given.
    Exists,
    /// The client: the key is missing.
    NotFound,
}

impl fmt::Display for DeleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeleteError::Exists => "the key exists with another CAS",
            DeleteError::NotFound => "the key does not exist",
        })
    }
}

impl core::error::Error for DeleteError {}

/// Why memory cannot become a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StoreConfigError {
    /// There is less memory than the smallest store takes.
    MemoryTooSmall {
        /// The length of the memory in bytes.
        len: u64,
        /// The least that is needed.
        min: u64,
    },
    /// There is more memory than 32-bit positions can reach: split it into shards.
    MemoryTooLarge {
        /// The length of the memory in bytes.
        len: u64,
        /// The most that is possible.
        max: u64,
    },
}

impl fmt::Display for StoreConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreConfigError::MemoryTooSmall { len, min } => {
                write!(
                    f,
                    "a store takes at least {min} bytes of memory, these are {len}"
                )
            }
            StoreConfigError::MemoryTooLarge { len, max } => {
                write!(
                    f,
                    "a store takes at most {max} bytes of memory, these are {len}: split it into shards"
                )
            }
        }
    }
}

impl core::error::Error for StoreConfigError {}
