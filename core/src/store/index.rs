//! From the hash of a key to the position of its record: linear hashing over buckets of one cache line.
//!
//! The index ends where the memory ends and grows downward, one bucket at a time, into the main log's room. Each key has
//! two buckets where it may be; a new one goes to the emptier. A bucket of 64 bytes holds
//!
//! * 13 slots of 32 bits: the position of a record plus one in as many low bits as the memory needs, and in the bits
//!   above them a tag from the hash, so that few records are looked at in vain; 0 = free;
//! * 6 ghosts of 16 bits, newest first: fingerprints of keys that were evicted from the small log; 0 = none.

use super::bytes::{load_u16, load_u32, store_u16, store_u32};

pub(super) const BUCKET_LEN: u32 = 64;
pub(super) const SLOTS: u32 = 13;
const GHOSTS: u32 = 6;
const GHOSTS_AT: u32 = SLOTS * 4;

/// The buckets of an index that is empty; small enough for the smallest store.
pub(super) const BUCKETS_MIN: u32 = 2;

/// Where the index lies and how full it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Index {
    /// One past the last byte of bucket 0.
    pub(super) end: u32,
    pub(super) buckets: u32,
    pub(super) items: u32,
    /// The bits of a slot that hold the tag.
    tag_mask: u32,
}

/// The two buckets of a key; they may be the same.
pub(super) type Pair = [u32; 2];

impl Index {
    /// For a memory of `memory_len` bytes of which the index takes the last ones before `end`.
    pub(super) const fn new(memory_len: u32, end: u32) -> Index {
        let position_bits = 32 - memory_len.leading_zeros();
        let tag_mask = if position_bits < 32 {
            u32::MAX << position_bits
        } else {
            0
        };
        Index {
            end,
            buckets: BUCKETS_MIN,
            items: 0,
            tag_mask,
        }
    }

    /// The first byte of a bucket.
    #[inline]
    pub(super) fn offset(&self, bucket: u32) -> u32 {
        self.end
            .wrapping_sub(bucket.wrapping_add(1).wrapping_mul(BUCKET_LEN))
    }

    /// The two buckets of a key in an index of `buckets` buckets.
    #[inline]
    pub(super) fn pair(&self, hash: u64) -> Pair {
        // Bits that neither chose the shard nor, for as many buckets as a large shard has, the first bucket or the tag.
        let mixed = ((hash >> 16) as u32)
            .wrapping_mul(0x9e37_79b9)
            .rotate_right(6);
        [self.fold(hash as u32), self.fold(mixed)]
    }

    #[inline]
    fn fold(&self, hash: u32) -> u32 {
        let mask = u32::MAX >> (self.buckets.wrapping_sub(1) | 1).leading_zeros();
        let bucket = hash & mask;
        if bucket < self.buckets {
            bucket
        } else {
            hash & mask >> 1
        }
    }

    /// What the slot of a record at `at` holds.
    #[inline]
    pub(super) fn slot(&self, hash: u64, at: u32) -> u32 {
        // The top 16 bits of the hash may have chosen the shard.
        (hash >> 16) as u32 & self.tag_mask | at.wrapping_add(1) & !self.tag_mask
    }

    /// The position that a slot holds.
    #[inline]
    pub(super) fn position(&self, slot: u32) -> Option<u32> {
        (slot & !self.tag_mask).checked_sub(1)
    }

    /// The position that a slot holds if it has the tag of `hash` and is not free.
    #[inline]
    pub(super) fn candidate(&self, slot: u32, hash: u64) -> Option<u32> {
        let same = (slot ^ (hash >> 16) as u32) & self.tag_mask == 0;
        if same { self.position(slot) } else { None }
    }

    /// One bit for each slot of the bucket that has the tag of `hash`; free slots may be among them.
    #[inline]
    pub(super) fn candidates(&self, bucket: &[u8; BUCKET_LEN as usize], hash: u64) -> u32 {
        let tag = (hash >> 16) as u32;
        let (slots, _) = bucket.as_chunks::<4>();
        let mut found = 0;
        for (i, slot) in slots.iter().take(SLOTS as usize).enumerate() {
            let same = (u32::from_le_bytes(*slot) ^ tag) & self.tag_mask == 0;
            found |= u32::from(same) << i;
        }
        found
    }

    /// The bytes of a bucket.
    #[inline]
    pub(super) fn bucket<'m>(
        &self,
        memory: &'m [u8],
        bucket: u32,
    ) -> Option<&'m [u8; BUCKET_LEN as usize]> {
        memory.get(self.offset(bucket) as usize..)?.first_chunk()
    }

    /// Where in the memory slot `slot` of a bucket lies.
    #[inline]
    pub(super) fn slot_at(&self, bucket: u32, slot: u32) -> u32 {
        self.offset(bucket).wrapping_add(slot.wrapping_mul(4))
    }

    /// Makes the first buckets empty.
    pub(super) fn reset(self, memory: &mut [u8]) {
        for bucket in 0..BUCKETS_MIN {
            self.clear_bucket(memory, bucket);
        }
    }

    /// Makes a bucket empty.
    pub(super) fn clear_bucket(self, memory: &mut [u8], bucket: u32) {
        for word in 0..BUCKET_LEN / 4 {
            store_u32(memory, self.slot_at(bucket, word), 0);
        }
    }

    /// Where the slot lies that holds the record at `at`.
    #[inline]
    pub(super) fn find(&self, memory: &[u8], hash: u64, at: u32) -> Option<u32> {
        let wanted = self.slot(hash, at);
        self.pair(hash)
            .into_iter()
            .find_map(|bucket| self.find_in(memory, bucket, wanted))
    }

    fn find_in(&self, memory: &[u8], bucket: u32, wanted: u32) -> Option<u32> {
        let (slots, _) = self.bucket(memory, bucket)?.as_chunks::<4>();
        let slot = slots
            .iter()
            .take(SLOTS as usize)
            .position(|slot| u32::from_le_bytes(*slot) == wanted)?;
        Some(self.slot_at(bucket, slot as u32))
    }

    /// Where a free slot of the bucket lies.
    pub(super) fn free_in(&self, memory: &[u8], bucket: u32) -> Option<u32> {
        self.find_in(memory, bucket, 0)
    }

    /// How many slots of the bucket are taken.
    pub(super) fn load(&self, memory: &[u8], bucket: u32) -> u32 {
        let Some(bucket) = self.bucket(memory, bucket) else {
            return SLOTS;
        };
        let (slots, _) = bucket.as_chunks::<4>();
        slots
            .iter()
            .take(SLOTS as usize)
            .map(|slot| u32::from(u32::from_le_bytes(*slot) != 0))
            .sum()
    }

    /// A free slot in the emptier of the two buckets.
    pub(super) fn free_in_pair(&self, memory: &[u8], pair: Pair) -> Option<u32> {
        let [mut first, mut second] = pair;
        // The first bucket is looked at first by every search, so it gets a little more.
        if self.load(memory, first) > self.load(memory, second).saturating_add(2) {
            (first, second) = (second, first);
        }
        self.free_in(memory, first)
            .or_else(|| self.free_in(memory, second))
    }

    /// The bytes of the index.
    pub(super) fn len(&self) -> u32 {
        self.buckets.wrapping_mul(BUCKET_LEN)
    }

    /// Whether the index should have one bucket more: 85 of 100 slots are taken.
    pub(super) fn is_crowded(&self) -> bool {
        self.items > self.buckets.saturating_mul(11)
    }

    /// Whether the index could do with one bucket less: then no more than 82 of 100 slots are taken, and fewer of few,
    /// because chance fills few buckets less evenly.
    pub(super) fn is_sparse(&self) -> bool {
        self.items.saturating_add(16) < self.buckets.saturating_sub(1).saturating_mul(32) / 3
    }

    /// The bucket that is split when there are `buckets` buckets and one more comes.
    pub(super) fn split_source(buckets: u32) -> u32 {
        buckets & !(1 << (31 - (buckets | 1).leading_zeros()))
    }

    /// Remembers an evicted key in the bucket where it was.
    pub(super) fn push_ghost(&self, memory: &mut [u8], bucket: u32, hash: u64) {
        let at = self.offset(bucket).wrapping_add(GHOSTS_AT);
        let mut newer = fingerprint(hash);
        for i in 0..GHOSTS {
            let place = at.wrapping_add(i * 2);
            let older = load_u16(memory, place);
            store_u16(memory, place, newer);
            if older == 0 {
                break;
            }
            newer = older;
        }
    }

    /// Whether the key was evicted lately; if so, that is forgotten.
    pub(super) fn take_ghost(&self, memory: &mut [u8], hash: u64) -> bool {
        let wanted = fingerprint(hash);
        for bucket in self.pair(hash) {
            let at = self.offset(bucket).wrapping_add(GHOSTS_AT);
            let mut found = false;
            for i in 0..GHOSTS {
                let place = at.wrapping_add(i * 2);
                let ghost = load_u16(memory, place);
                found |= ghost == wanted;
                if found {
                    // The older ones move up.
                    let older = if i + 1 < GHOSTS {
                        load_u16(memory, place.wrapping_add(2))
                    } else {
                        0
                    };
                    store_u16(memory, place, older);
                }
            }
            if found {
                return true;
            }
        }
        false
    }

    /// Gives bucket `to` the ghosts of bucket `from`: a fingerprint doesn't tell in which of the two it belongs.
    pub(super) fn copy_ghosts(&self, memory: &mut [u8], from: u32, to: u32) {
        for i in 0..GHOSTS / 2 {
            let ghosts = load_u32(memory, self.offset(from).wrapping_add(GHOSTS_AT + i * 4));
            store_u32(
                memory,
                self.offset(to).wrapping_add(GHOSTS_AT + i * 4),
                ghosts,
            );
        }
    }
}

/// 16 bits of the hash that neither the choice of the shard nor the first bucket uses; never 0.
fn fingerprint(hash: u64) -> u16 {
    ((hash >> 32) as u16).max(1)
}
