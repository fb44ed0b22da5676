//! Entering keys into the index, and its growth and shrinking by one bucket at a time.

use super::bytes::{load_u32, store_u32};
use super::index::{Index, Pair, SLOTS};
use super::observer::Observer;
use super::operation::Operation;

/// How many buckets an operation adds at most to find a free slot; only in an index of very few buckets does an item
/// need that.
const GROWTHS_MAX: u32 = 3;

impl<O: Observer> Operation<'_, O> {
    /// Lets the index follow the number of items; called before an item is added.
    pub(super) fn tend_index(&mut self) {
        if self.state.index.is_crowded() {
            self.grow_index();
        } else if self.state.index.is_sparse() {
            self.shrink_index();
        }
    }

    /// Enters the record at `at` into the index, at a free slot of one of its buckets.
    pub(super) fn link(&mut self, slot: u32, hash: u64, at: u32, len: u32) {
        let index = &mut self.state.index;
        store_u32(self.memory, slot, index.slot(hash, at));
        index.items = index.items.wrapping_add(1);
        let counters = &mut self.state.counters;
        counters.total_items = counters.total_items.wrapping_add(1);
        counters.bytes = counters.bytes.wrapping_add(u64::from(len));
    }

    /// A free slot in one of the two buckets of a key; if there is none, one is made: by moving an item to its other
    /// bucket, or by moving one there to its other bucket first, or by more buckets, or by evicting an item.
    ///
    /// It stays free while room is made in the logs.
    pub(super) fn free_slot(&mut self, hash: u64) -> u32 {
        for _ in 0..GROWTHS_MAX {
            if let Some(slot) = self.free_slot_at_once(hash) {
                return slot;
            }
            self.grow_index();
        }
        self.evict_from(hash)
    }

    fn free_slot_at_once(&mut self, hash: u64) -> Option<u32> {
        let pair = self.state.index.pair(hash);
        let free = self.state.index.free_in_pair(self.memory, pair);
        free.or_else(|| self.displace_for(pair))
    }

    /// Makes a slot free in one of two full buckets, by moving one or two items.
    fn displace_for(&mut self, pair: Pair) -> Option<u32> {
        let at_once = pair.into_iter().find_map(|bucket| self.displace(bucket));
        if at_once.is_some() {
            return at_once;
        }
        for bucket in pair {
            for slot in 0..SLOTS {
                let slot = self.state.index.slot_at(bucket, slot);
                let Some(other) = self.other_bucket(slot, bucket) else {
                    continue;
                };
                if other != bucket
                    && self.displace(other).is_some()
                    && let Some(slot) = self.displace(bucket)
                {
                    return Some(slot);
                }
            }
        }
        None
    }

    /// Moves one item of a full bucket to its other bucket; returns the slot that is free then.
    fn displace(&mut self, bucket: u32) -> Option<u32> {
        for slot in 0..SLOTS {
            let slot = self.state.index.slot_at(bucket, slot);
            let Some(other) = self.other_bucket(slot, bucket) else {
                continue;
            };
            if other != bucket
                && let Some(free) = self.state.index.free_in(self.memory, other)
            {
                let content = load_u32(self.memory, slot);
                store_u32(self.memory, free, content);
                store_u32(self.memory, slot, 0);
                return Some(slot);
            }
        }
        None
    }

    /// The other bucket where the item in a slot of `bucket` may be.
    fn other_bucket(&self, slot: u32, bucket: u32) -> Option<u32> {
        let [first, second] = self.state.index.pair(self.hash_in(slot)?);
        Some(if first == bucket { second } else { first })
    }

    /// The hash of the key whose record a slot holds.
    fn hash_in(&self, slot: u32) -> Option<u64> {
        let at = self.state.index.position(load_u32(self.memory, slot))?;
        let log = self.state.log_of(at);
        Some(self.hash_at(log, at, &log.header(self.memory, at)?))
    }

    /// Evicts an item of one of the full buckets of a key.
    #[cold]
    fn evict_from(&mut self, hash: u64) -> u32 {
        let [bucket, _] = self.state.index.pair(hash);
        let slot = self.state.index.slot_at(bucket, 0);
        let at = self.state.index.position(load_u32(self.memory, slot));
        let header = at.and_then(|at| self.state.log_of(at).header(self.memory, at));
        if let (Some(at), Some(header)) = (at, header) {
            self.count_eviction(at, &header);
            self.state.counters.evicted_index = self.state.counters.evicted_index.wrapping_add(1);
            let len = header.record_len();
            self.unlink(slot, len);
            self.bury(at, len);
        } else {
            self.unlink(slot, 0);
        }
        slot
    }

    /// Adds a bucket, if the main log can spare the room, and moves to it what belongs there.
    fn grow_index(&mut self) {
        if !self.shorten_main() {
            return;
        }
        let index = &mut self.state.index;
        let new = index.buckets;
        let source = Index::split_source(new);
        index.buckets = new.wrapping_add(1);
        let index = *index;
        index.clear_bucket(self.memory, new);
        index.copy_ghosts(self.memory, source, new);
        let mut new_load = 0;
        for slot in 0..SLOTS {
            let slot = index.slot_at(source, slot);
            let content = load_u32(self.memory, slot);
            let stays = self
                .hash_in(slot)
                .is_none_or(|hash| index.pair(hash).contains(&source));
            if content != 0 && !stays {
                store_u32(self.memory, index.slot_at(new, new_load), content);
                store_u32(self.memory, slot, 0);
                new_load += 1;
            }
        }
    }

    /// Takes a bucket away, after its items have moved to other buckets, and gives its bytes to the main log.
    fn shrink_index(&mut self) {
        if !self.prepare_longer_main() {
            return;
        }
        let last = self.state.index.buckets.wrapping_sub(1);
        self.state.index.buckets = last;
        for slot in 0..SLOTS {
            let slot = self.state.index.slot_at(last, slot);
            let Some(hash) = self.hash_in(slot) else {
                continue;
            };
            let content = load_u32(self.memory, slot);
            let target = self
                .free_slot_at_once(hash)
                .unwrap_or_else(|| self.evict_from(hash));
            store_u32(self.memory, target, content);
        }
        self.lengthen_main();
    }
}
