//! One cache out of many stores, each behind a lock of its own.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use super::changes::{ChangeLog, Wakers};
use super::memory::ShardMemory;
use memlet_core::store::{Key, MEMORY_LEN_MIN, Seed, Shards, Store, StoreOptions};

/// A shard has about so many bytes when there is memory for many: then an index entry tells keys apart best.
const SHARD_LEN: usize = 16 << 20;

/// So many shards are wanted at least, lest threads wait for each other.
const SHARDS_WANTED: usize = 8;

/// A shard is not made smaller than this, in bytes: with thousands of items each they fill evenly.
const SHARD_LEN_MIN: usize = 8 << 20;

/// A shard holds at least so many items of the largest size, lest a few of them push out everything else.
const SHARD_ITEMS_MIN: usize = 8;

/// The most shards that the part of the hash which is meant for them can tell apart.
const SHARDS_MAX: usize = 1 << 16;

/// A cache that threads share: stores behind locks, chosen by the hash of the key.
///
/// Its memory is exactly the limit it is made with, index and headers of the items included. The system gives it page by
/// page as items arrive. Clones are handles to the same cache.
#[derive(Clone)]
pub struct ShardedStore {
    shards: Arc<[Shard]>,
    seed: Seed,
    large_pages: bool,
    wakers: Arc<Wakers>,
}

/// Locks on different cache lines, so that threads which work on different shards leave each other alone.
#[repr(align(128))]
struct Shard {
    store: Mutex<Store<ShardMemory, ChangeLog>>,
    len: usize,
}

/// A cache cannot be made with this much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShardedStoreError {
    /// The limit is too low to hold even a few items of the largest size.
    LimitTooLow {
        /// The limit in bytes.
        limit: usize,
        /// The least that would do, in bytes.
        min: usize,
    },
    /// The items would have to be so large, or so many, that positions of 32 bits do not reach them.
    LimitTooHigh {
        /// The limit in bytes.
        limit: usize,
    },
    /// The system has no source of random numbers for the seed of the hash.
    NoRandomness,
}

impl fmt::Display for ShardedStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShardedStoreError::LimitTooLow { limit, min } => {
                write!(
                    f,
                    "a memory limit of {limit} bytes is too low for this item size: it takes at least {min}"
                )
            }
            ShardedStoreError::LimitTooHigh { limit } => {
                write!(f, "a memory limit of {limit} bytes is too high")
            }
            ShardedStoreError::NoRandomness => {
                f.write_str("the system has no random numbers to seed the hash with")
            }
        }
    }
}

impl std::error::Error for ShardedStoreError {}

impl ShardedStore {
    /// A cache of `limit` bytes for items of at most `item_len_max` bytes, seeded by the system's random numbers;
    /// in large pages if `large_pages` asks for them and the system has them.
    ///
    /// # Errors
    /// [`ShardedStoreError`] if the limit is below four items of the largest size, or beyond what can be addressed.
    pub fn new(
        limit: usize,
        item_len_max: u32,
        large_pages: bool,
    ) -> Result<ShardedStore, ShardedStoreError> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|_| ShardedStoreError::NoRandomness)?;
        let seed = u128::from_ne_bytes(seed);
        ShardedStore::with_seed(
            limit,
            item_len_max,
            Seed([seed as u64, (seed >> 64) as u64]),
            large_pages,
        )
    }

    /// As [`new`](ShardedStore::new), with a seed of your own; for tests that must repeat.
    ///
    /// # Errors
    /// As [`new`](ShardedStore::new).
    pub fn with_seed(
        limit: usize,
        item_len_max: u32,
        seed: Seed,
        large_pages: bool,
    ) -> Result<ShardedStore, ShardedStoreError> {
        // The largest item takes a quarter of its shard at the most, so four of them make the smallest cache.
        let item_len_max = item_len_max as usize;
        let min = item_len_max.saturating_mul(4).max(MEMORY_LEN_MIN);
        if limit < min {
            return Err(ShardedStoreError::LimitTooLow { limit, min });
        }
        let shard_len_min = item_len_max
            .saturating_mul(SHARD_ITEMS_MIN)
            .max(SHARD_LEN_MIN);
        let wanted = (limit / SHARD_LEN)
            .max(SHARDS_WANTED)
            .min(limit / shard_len_min);
        let wanted = wanted.clamp(1, SHARDS_MAX);
        let count = 1 << wanted.ilog2();
        let options = StoreOptions {
            seed,
            ..StoreOptions::default()
        };
        let wakers = Arc::<Wakers>::default();
        let mut shards = Vec::with_capacity(count);
        for number in 0..count {
            // The remainder goes to the first shards, byte by byte, so that the sum is the limit.
            let len = limit / count + usize::from(number < limit % count);
            let memory = ShardMemory::new(len, large_pages)
                .map_err(|_| ShardedStoreError::LimitTooHigh { limit })?;
            let log = ChangeLog::new(history()?, Arc::clone(&wakers));
            let store = Store::with_observer(memory, options, log)
                .map_err(|_| ShardedStoreError::LimitTooHigh { limit })?;
            shards.push(Shard {
                store: Mutex::new(store),
                len,
            });
        }
        Ok(ShardedStore {
            shards: shards.into(),
            seed,
            large_pages,
            wakers,
        })
    }

    /// How many shards there are; a power of two.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The memory of all shards, in bytes: the limit it was made with.
    #[must_use]
    pub fn memory_len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len).sum()
    }

    /// Calls `f` with a shard, counted from 0; none if there are not so many.
    pub(super) fn with_shard<R>(
        &self,
        number: usize,
        f: impl FnOnce(&mut Store<ShardMemory, ChangeLog>) -> R,
    ) -> Option<R> {
        self.shards
            .get(number)
            .map(|shard| f(&mut self.lock(shard)))
    }

    /// Those who sleep until something changes.
    pub(super) fn wakers(&self) -> &Wakers {
        &self.wakers
    }

    /// Numbers the changes to come above `number`, in all shards.
    pub(super) fn skip_changes(&self, number: u64) {
        for shard in &*self.shards {
            self.lock(shard).skip_changes(number);
        }
    }

    /// Begins to log the changes of all shards, `len` bytes of them together, unless that was done before.
    pub(super) fn log_changes(&self, len: usize) {
        for shard in &*self.shards {
            let mut store = self.lock(shard);
            let number = store.last_change();
            store.observer_mut().begin(len / self.shards.len(), number);
        }
    }

    /// The shard for keys of this hash.
    #[inline]
    fn shard(&self, hash: u64) -> &Shard {
        // The number of shards is a power of two and at most 2^16: the top 16 bits, cut to it, are an index.
        &self.shards[(hash >> 48) as usize & (self.shards.len() - 1)]
    }

    #[inline]
    fn lock<'a>(&self, shard: &'a Shard) -> MutexGuard<'a, Store<ShardMemory, ChangeLog>> {
        shard.store.lock().unwrap_or_else(|poisoned| {
            // Somebody panicked in the middle of a change, so what the shard holds cannot be trusted. It is a cache:
            // it starts again, empty.
            shard.store.clear_poison();
            let mut store = poisoned.into_inner();
            let options = StoreOptions {
                seed: self.seed,
                ..StoreOptions::default()
            };
            // Another history: who follows must not take what comes now for what continues the old one.
            let history = history().unwrap_or_else(|_| store.observer().history().wrapping_add(1));
            let number = store.last_change();
            let log = store.observer().successor(history, number);
            if let Some(mut empty) = ShardMemory::new(shard.len, self.large_pages)
                .ok()
                .and_then(|memory| Store::with_observer(memory, options, log).ok())
            {
                empty.skip_changes(number);
                *store = empty;
            }
            store
        })
    }
}

/// A name for the history of a shard's changes: random, and not 0, which stands for none.
fn history() -> Result<u64, ShardedStoreError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| ShardedStoreError::NoRandomness)?;
    Ok(u64::from_ne_bytes(bytes).max(1))
}

impl Shards for ShardedStore {
    type Memory = ShardMemory;
    type Observer = ChangeLog;

    #[inline]
    fn with<R>(
        &mut self,
        key: &[u8],
        f: impl FnOnce(&mut Store<ShardMemory, ChangeLog>, Key<'_>) -> R,
    ) -> R {
        let key = Key::new(key, &self.seed);
        f(&mut self.lock(self.shard(key.hash())), key)
    }

    #[inline]
    fn with_hash<R>(
        &mut self,
        key_hash: u64,
        f: impl FnOnce(&mut Store<ShardMemory, ChangeLog>) -> R,
    ) -> R {
        f(&mut self.lock(self.shard(key_hash)))
    }

    fn for_each(&mut self, mut f: impl FnMut(&mut Store<ShardMemory, ChangeLog>)) {
        for shard in &*self.shards {
            f(&mut self.lock(shard));
        }
    }
}

impl fmt::Debug for ShardedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedStore")
            .field("shards", &self.shards())
            .field("memory_len", &self.memory_len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use memlet_core::store::{Attributes, Observer, SetMode};

    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn shards_sum_up_to_the_limit() {
        for limit in [4 * MIB, 64 * MIB, 100 * MIB + 3, 1000 * MIB + 1] {
            let store = ShardedStore::with_seed(limit, MIB as u32, Seed([1, 2]), false).unwrap();
            assert_eq!(store.memory_len(), limit);
            assert!(store.shards().is_power_of_two());
        }
    }

    #[test]
    fn shards_grow_with_the_item_limit() {
        let shards = |limit: usize, item: usize| {
            ShardedStore::with_seed(limit, item as u32, Seed([1, 2]), false)
                .unwrap()
                .shards()
        };
        assert_eq!(shards(64 * MIB, MIB), 8);
        assert_eq!(shards(64 * MIB, 8 * MIB), 1);
        assert_eq!(shards(63 * MIB, MIB), 4);
        assert_eq!(shards(1024 * MIB, MIB), 64);
        assert_eq!(shards(MIB, 1024), 1);
    }

    #[test]
    fn a_limit_below_four_items_is_refused() {
        let error = ShardedStore::with_seed(MIB, MIB as u32, Seed([1, 2]), false).unwrap_err();
        assert_eq!(
            error,
            ShardedStoreError::LimitTooLow {
                limit: MIB,
                min: 4 * MIB
            }
        );
    }

    #[test]
    fn handles_share_their_items() {
        let mut one = ShardedStore::new(64 * MIB, MIB as u32, false).unwrap();
        let mut other = one.clone();
        for number in 0..100_u8 {
            let stored = one.with(&[number], |store, key| {
                store.set(SetMode::Set, key, &[number], Attributes::default(), 0, 1)
            });
            assert!(stored.is_ok());
        }
        for number in 0..100_u8 {
            assert!(other.with(&[number], |store, key| {
                store.get(key, 1).is_some_and(|item| item.value.len() == 1)
            }));
        }
    }

    #[test]
    fn a_shard_in_disorder_starts_again() {
        let mut store = ShardedStore::new(4 * MIB, 1024, false).unwrap();
        let _ = store.with(b"key", |store, key| {
            store.set(SetMode::Set, key, b"value", Attributes::default(), 0, 1)
        });
        store.log_changes(1000);
        let state = |store: &ShardedStore| {
            let shard = |shard: &mut Store<ShardMemory, ChangeLog>| {
                (shard.observer().history(), shard.last_change())
            };
            store.with_shard(0, shard).unwrap()
        };
        let before = state(&store);
        let mut other = store.clone();
        let panicked =
            std::thread::spawn(move || other.with(b"key", |_, _| panic!("on purpose"))).join();
        assert!(panicked.is_err());
        assert!(store.with(b"key", |store, key| store.get(key, 1).is_none()));
        let after = state(&store);
        assert!(after.0 != before.0, "followers notice");
        assert_eq!(after.1, before.1, "no CAS is given twice");
        assert!(store.with(b"key", |store, _| store.observer().is_active()));
        assert!(
            store
                .with(b"key", |store, key| store.set(
                    SetMode::Set,
                    key,
                    b"new",
                    Attributes::default(),
                    0,
                    1
                ))
                .is_ok()
        );
    }
}
