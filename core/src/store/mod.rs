//! A byte-exact cache over memory that the caller owns.
//!
//! ```
//! use memlet_core::store::{Attributes, Seed, SetMode, Store, StoreOptions};
//!
//! let options = StoreOptions { seed: Seed([1, 2]), ..StoreOptions::default() };
//! let mut store = Store::new([0; 4096], options).expect("4 KiB are enough");
//! let now = 1_700_000_000; // The store has no clock: every operation is told the unix time.
//!
//! let key = store.key(b"answer");
//! let cas = store.set(SetMode::Set, key, b"42", Attributes::default(), 0, now).expect("it fits");
//! let item = store.get(key, now).expect("it was just stored");
//! assert_eq!(item.value.pieces().0, b"42");
//! assert_eq!(item.cas, cas);
//! ```
//!
//! # Layout
//!
//! All bytes lie in the memory that was handed over; the [`Store`] itself only holds positions and counters.
//!
//! ```text
//! | starts | small log, a tenth | main log ...                      -> | <- index |
//! ```
//!
//! Records lie in two circular logs, each behind the one before it, without alignment or size classes; one may wrap
//! around the end of its log. The index grows from the end of the memory, by one bucket of 64 bytes at a time, into the
//! main log's room, and gives the room back when items get fewer and larger. So the metadata of an item is its header of
//! 7 to 10 bytes (15 to 18 with flags and expiration; 4 more beyond 64 KiB or 2^48 ids) and 5.8 to 6 bytes of index. The table of starts takes
//! a thousandth of the memory (in less than 64 KiB four thousandths).
//!
//! # Eviction
//!
//! S3-FIFO over the two logs: what is read once passes through the small log, what is read again is moved to the main
//! one. Nothing is evicted before all of the memory is in use, and an item that is overwritten by one that fits into its
//! place takes nobody else's. Dead bytes (deleted, overwritten or expired items) are reclaimed when the end of their log
//! passes; when they are more than a thirty-second of the log, live records are moved together to get at them.
//!
//! # Work of one operation
//!
//! A search reads at most two buckets and, but for tags that agree by chance, one record. A store that needs room for `n`
//! bytes takes at most as many records from the ends of the logs as make up `n` bytes, and moves at most 64 + `n`/8
//! records or, if that comes first, 64 KiB + 32 `n` and one record, to keep them; a new bucket of the index moves up to
//! 13 slots and the records that lie where it goes. What is beyond that bound is evicted instead. Values that are
//! arriving are moved beside that, each at most twice.
//!
//! # Limits
//!
//! * Key: 1 to 250 bytes. Memory: 1 KiB to 4 GiB - 1; shards of 16 to 64 MiB are the fastest, because the index then
//!   has 6 to 8 bits of a position's word for a tag.
//! * The largest record, header included: a quarter of the memory.
//! * Values that are arriving at a time: [`RESERVATIONS_MAX`], and together half of the main log.

mod bytes;
mod error;
mod evict;
mod flush;
mod hash;
mod index;
mod item;
mod link;
mod log;
mod observer;
mod operation;
mod record;
mod reserve;
mod resize;
mod set;
mod shards;
mod starts;
mod statistics;
#[cfg(test)]
mod verify;
mod walk;

use evict::Budget;
use operation::{Operation, State};

pub use error::{DeleteError, ReserveError, SetError, StoreConfigError, WriteError};
pub use hash::{KEY_LEN_MAX, Key, Seed};
pub use item::{Attributes, Item, SetMode, Value};
pub use observer::{Change, Observer};
pub use reserve::Reservation;
pub use shards::Shards;
pub use statistics::StoreStatistics;
pub use walk::Cursor;

/// The smallest memory a store can work with, in bytes.
pub const MEMORY_LEN_MIN: usize = 1024;

/// How many values can be arriving at the same time in one store.
pub const RESERVATIONS_MAX: usize = 16;

/// From this length on the index is laid out so that a bucket is one cache line.
const ALIGNED_LEN_MIN: usize = 64 * 1024;

/// What a store is told at its start.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StoreOptions {
    /// The seed of the hash; the same for all shards of a cache.
    pub seed: Seed,
    /// The most bytes that one record may take, header and key included. A quarter of the memory is the limit in any
    /// case.
    pub item_len_max: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            seed: Seed::default(),
            item_len_max: u32::MAX,
        }
    }
}

/// A store in an array of its own, for a `static` on a device.
///
/// ```
/// use memlet_core::store::{FixedStore, Seed, Store, StoreOptions};
///
/// const OPTIONS: StoreOptions = StoreOptions { seed: Seed([1, 2]), item_len_max: 2048 };
/// static CACHE: std::sync::Mutex<FixedStore<32768>> = std::sync::Mutex::new(Store::fixed(OPTIONS));
/// ```
pub type FixedStore<const BYTES: usize> = Store<[u8; BYTES]>;

/// A bounded cache over the bytes of `M`; `O` learns of its changes.
#[derive(Debug)]
pub struct Store<M, O = ()> {
    memory: M,
    state: State<O>,
}

impl<const BYTES: usize> Store<[u8; BYTES]> {
    /// A store in zeroed memory of its own; can be the value of a `static`.
    #[must_use]
    pub const fn fixed(options: StoreOptions) -> Self {
        const {
            assert!(
                BYTES >= MEMORY_LEN_MIN && BYTES as u64 <= u32::MAX as u64,
                "1 KiB to 4 GiB - 1"
            );
        };
        Store {
            memory: [0; BYTES],
            state: State::new(BYTES as u32, 0, options, ()),
        }
    }
}

impl<M, O> Store<M, O> {
    /// Hashes a key for this store.
    #[must_use]
    #[inline]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key::new(bytes, &self.state.options.seed)
    }

    /// The seed of the hash.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.state.options.seed
    }

    /// The store's counters and sizes.
    #[must_use]
    pub fn statistics(&self) -> StoreStatistics {
        let state = &self.state;
        let counters = &state.counters;
        let free_bytes = u64::from(state.small.free()) + u64::from(state.main.free());
        let reservations = state.reservations.count() as u64;
        StoreStatistics {
            curr_items: u64::from(state.index.items),
            total_items: counters.total_items,
            bytes: counters.bytes,
            evictions: counters.evictions,
            reclaimed: counters.reclaimed,
            expired_unfetched: counters.expired_unfetched,
            evicted_unfetched: counters.evicted_unfetched,
            evicted_index: counters.evicted_index,
            moves: counters.moves,
            memory_bytes: u64::from(state.memory_len),
            index_bytes: u64::from(state.index.len()),
            dead_bytes: u64::from(state.small.dead) + u64::from(state.main.dead),
            free_bytes,
            reservations,
        }
    }

    /// Takes back that the last store counted as a new item: for a change that memcached makes in place.
    pub(crate) fn uncount_item(&mut self) {
        let total_items = &mut self.state.counters.total_items;
        *total_items = total_items.wrapping_sub(1);
    }

    /// The number of the last change: the highest CAS, or that of a removal if an [`Observer`] was told of one since.
    #[must_use]
    pub fn last_change(&self) -> u64 {
        self.state.cas
    }

    /// Numbers the changes to come from above `number`, if that is more than there have been.
    pub fn skip_changes(&mut self, number: u64) {
        self.state.cas = self.state.cas.max(number);
    }

    /// Who learns of the changes.
    pub fn observer(&self) -> &O {
        &self.state.observer
    }

    /// Who learns of the changes.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.state.observer
    }

    /// Sets the counters of events to zero; what tells the present state stays.
    pub fn reset_statistics(&mut self) {
        self.state.counters = StoreStatistics {
            bytes: self.state.counters.bytes,
            ..StoreStatistics::ZERO
        };
    }
}

impl<M: AsRef<[u8]> + AsMut<[u8]>> Store<M> {
    /// Makes `memory` an empty store; what the memory holds does not matter.
    ///
    /// # Errors
    /// If the memory is smaller than [`MEMORY_LEN_MIN`] or larger than 32-bit positions reach.
    #[inline]
    pub fn new(memory: M, options: StoreOptions) -> Result<Self, StoreConfigError> {
        Store::with_observer(memory, options, ())
    }
}

impl<M: AsRef<[u8]> + AsMut<[u8]>, O: Observer> Store<M, O> {
    /// As [`Store::new`], with somebody who learns of all changes.
    ///
    /// # Errors
    /// As [`Store::new`].
    pub fn with_observer(
        mut memory: M,
        options: StoreOptions,
        observer: O,
    ) -> Result<Self, StoreConfigError> {
        let bytes = memory.as_mut();
        let len = bytes.len();
        let (min, max) = (MEMORY_LEN_MIN as u64, u64::from(u32::MAX));
        if len < MEMORY_LEN_MIN {
            return Err(StoreConfigError::MemoryTooSmall {
                len: len as u64,
                min,
            });
        }
        let Ok(memory_len) = u32::try_from(len) else {
            return Err(StoreConfigError::MemoryTooLarge {
                len: len as u64,
                max,
            });
        };
        let unaligned = match len {
            ALIGNED_LEN_MIN.. => (bytes.as_ptr().addr().wrapping_add(len) % 64) as u32,
            _ => 0,
        };
        let state = State::new(memory_len, unaligned, options, observer);
        state.starts.reset(bytes, memory_len);
        state.index.reset(bytes);
        Ok(Store { memory, state })
    }

    /// Finds the item of `key` and counts the visit.
    #[inline]
    pub fn get(&mut self, key: Key<'_>, now: u32) -> Option<Item<'_>> {
        let state = &mut self.state;
        state.settle(now);
        let memory = self.memory.as_mut();
        // What is found stays in its place, here and elsewhere: a device would call a routine to move it.
        let Some(found) = &state.locate(memory, &key) else {
            return None;
        };
        if state.is_gone(&found.header, now) {
            self.operation(now)
                .reclaim(found.slot, found.at, &found.header);
            return None;
        }
        state.count_visit(memory, found.at, &found.header);
        Some(
            self.state
                .item(self.memory.as_ref(), found.at, &found.header),
        )
    }

    /// Finds the item of `key` without counting a visit.
    pub fn peek(&mut self, key: Key<'_>, now: u32) -> Option<Item<'_>> {
        let Some(found) = &self.operation(now).find(key) else {
            return None;
        };
        Some(
            self.state
                .item(self.memory.as_ref(), found.at, &found.header),
        )
    }

    /// Gives the item of `key` another expiration (absolute unix seconds, 0 = never), counts the visit, and returns
    /// the item as it was found; its CAS stays.
    pub fn touch(&mut self, key: Key<'_>, expiration: u32, now: u32) -> Option<Item<'_>> {
        let mut operation = self.operation(now);
        operation.touch(key, expiration)?;
        let Some(found) = &operation.locate(key) else {
            return None;
        };
        Some(
            self.state
                .item(self.memory.as_ref(), found.at, &found.header),
        )
    }

    /// Stores `value` under `key` and returns the item's new CAS.
    ///
    /// `cas` = 0 stores whatever is there; another one only over the item that has it. Append and prepend keep the
    /// item's attributes. An item whose expiration is not later than `now` is stored, and missing at once.
    ///
    /// # Errors
    /// As [`SetError`] says; the old item stays as it was.
    pub fn set(
        &mut self,
        mode: SetMode,
        key: Key<'_>,
        value: &[u8],
        attributes: Attributes,
        cas: u64,
        now: u32,
    ) -> Result<u64, SetError> {
        self.operation_for(value.len(), now)
            .set(mode, key, value, attributes, cas)
    }

    /// Deletes the item of `key`, if its CAS is `cas` or `cas` is 0.
    ///
    /// # Errors
    /// If there is none, or it has another CAS.
    pub fn delete(&mut self, key: Key<'_>, cas: u64, now: u32) -> Result<(), DeleteError> {
        self.operation(now).delete(key, cas)
    }

    /// Makes everything missing: at once if `when` is 0 or earlier than `now`, else in the second `when`, including what
    /// is stored until the end of that second. A later flush replaces one that is still pending.
    pub fn flush(&mut self, when: u32, now: u32) {
        let state = &mut self.state;
        state.settle(now);
        if state.flush.set(when, state.cas, now) {
            state.note(Change::Flushed);
        }
    }

    /// Reserves room for a value of `value_len` bytes that arrives in pieces.
    ///
    /// A reservation to which nothing is written while the whole log passes by is given up, so that silent peers don't
    /// hold the room; [`Store::write`] and [`Store::commit`] then say so.
    ///
    /// # Errors
    /// As [`ReserveError`] says.
    pub fn reserve(
        &mut self,
        key: Key<'_>,
        value_len: u32,
        attributes: Attributes,
        now: u32,
    ) -> Result<Reservation, ReserveError> {
        self.operation_for(value_len as usize, now)
            .reserve(key, value_len, attributes)
    }

    /// Writes `bytes` at `offset` of the reserved value. What is never written holds anything.
    ///
    /// # Errors
    /// If the reservation is not held any more or the bytes reach beyond its end; nothing is written then.
    pub fn write(
        &mut self,
        reservation: &Reservation,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        self.operation_for(0, 0).write(reservation, offset, bytes)
    }

    /// Stores the reserved value, as [`Store::set`] does; the reservation ends in any case.
    ///
    /// # Errors
    /// As [`SetError`] says; the old item stays as it was.
    pub fn commit(
        &mut self,
        reservation: Reservation,
        mode: SetMode,
        cas: u64,
        now: u32,
    ) -> Result<u64, SetError> {
        let mut operation = self.operation_for(reservation.value_len() as usize, now);
        let result = operation.commit(&reservation, mode, cas);
        operation.give_up(reservation.id());
        result
    }

    /// Gives the reserved room back.
    pub fn cancel(&mut self, reservation: Reservation) {
        self.operation(0).give_up(reservation.id());
    }

    /// Shows up to `steps_max` records to `f`, as key and item, and returns where to go on; none at the end.
    ///
    /// An item that is there during a whole walk is shown at least once; one that is moved meanwhile may be shown again,
    /// and one that is stored meanwhile may be missing: its CAS is higher than any that was shown before the start.
    pub fn walk(
        &self,
        cursor: Cursor,
        steps_max: u32,
        now: u32,
        mut f: impl FnMut(Value<'_>, &Item<'_>),
    ) -> Option<Cursor> {
        self.state
            .walk(self.memory.as_ref(), cursor, steps_max, now, &mut f)
    }

    fn operation(&mut self, now: u32) -> Operation<'_, O> {
        self.operation_for(0, now)
    }

    /// Starts an operation that will need room for a value of `len` bytes.
    #[inline]
    fn operation_for(&mut self, len: usize, now: u32) -> Operation<'_, O> {
        let state = &mut self.state;
        state.settle(now);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        Operation {
            memory: self.memory.as_mut(),
            state,
            now,
            budget: Budget::new(len),
            pinned: None,
            committing: None,
        }
    }
}
