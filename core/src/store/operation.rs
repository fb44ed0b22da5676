//! One operation at work: the memory as bytes, whatever the caller keeps them in, so that this code exists once.

use super::StoreOptions;
use super::bytes::{load_u32, store_u8, store_u32};
use super::evict::Budget;
use super::flush::Flush;
use super::hash::Key;
use super::index::{BUCKET_LEN, BUCKETS_MIN, Index, SLOTS};
use super::log::Log;
use super::observer::{Change, Observer};
use super::record::{Header, Visits};
use super::reserve::Reservations;
use super::starts::Starts;
use super::statistics::StoreStatistics;

/// Everything of a store but its memory.
#[derive(Debug)]
pub(super) struct State<O> {
    pub(super) options: StoreOptions,
    pub(super) memory_len: u32,
    pub(super) index: Index,
    pub(super) starts: Starts,
    pub(super) small: Log,
    pub(super) main: Log,
    /// The last CAS handed out.
    pub(super) cas: u64,
    pub(super) flush: Flush,
    pub(super) reservations: Reservations,
    pub(super) counters: StoreStatistics,
    pub(super) observer: O,
}

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Main,
    Small,
}

/// A record that the index knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Where its slot lies.
    pub(super) slot: u32,
    pub(super) at: u32,
    pub(super) header: Header,
}

pub(super) struct Operation<'a, O> {
    pub(super) memory: &'a mut [u8],
    pub(super) state: &'a mut State<O>,
    pub(super) now: u32,
    pub(super) budget: Budget,
    /// A record that must stay although room is made.
    pub(super) pinned: Option<u32>,
    /// The id of a reservation that must stay although it was not written to.
    pub(super) committing: Option<u32>,
}

impl<O> State<O> {
    /// For a zeroed memory of `memory_len` bytes, the last `unaligned` of which are left alone.
    pub(super) const fn new(
        memory_len: u32,
        unaligned: u32,
        options: StoreOptions,
        observer: O,
    ) -> State<O> {
        let starts = Starts::new(memory_len);
        let small_at = starts.table_len(memory_len);
        let main_at = small_at + memory_len / 10;
        let index = Index::new(memory_len, memory_len - unaligned);
        State {
            options,
            memory_len,
            index,
            starts,
            small: Log::new(small_at, main_at),
            main: Log::new(main_at, memory_len - unaligned - BUCKETS_MIN * BUCKET_LEN),
            cas: 1,
            flush: Flush::NONE,
            reservations: Reservations::new(),
            counters: StoreStatistics::ZERO,
            observer,
        }
    }

    #[inline]
    pub(super) fn log(&self, place: Place) -> &Log {
        match place {
            Place::Main => &self.main,
            Place::Small => &self.small,
        }
    }

    /// The log in which a position lies.
    #[inline]
    pub(super) fn place(&self, at: u32) -> Place {
        if at < self.main.start {
            Place::Small
        } else {
            Place::Main
        }
    }

    /// The log in which a position lies.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn log_of(&self, at: u32) -> &Log {
        match self.place(at) {
            Place::Main => &self.main,
            Place::Small => &self.small,
        }
    }

    /// Finds the record of a key: in one of two buckets, and the tags leave few records to look at.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn locate(&self, memory: &[u8], key: &Key<'_>) -> Option<Found> {
        let pair = self.index.pair(key.hash());
        if cfg!(target_pointer_width = "32") {
            let mut buckets = pair.into_iter();
            return buckets.find_map(|bucket| self.search(memory, bucket, key));
        }
        // Twice the code, for a server.
        let [first, second] = pair;
        match self.search(memory, first, key) {
            None => self.search(memory, second, key),
            found => found,
        }
    }

    /// Finds the record of a key if its slot is in this bucket.
    #[inline]
    fn search(&self, memory: &[u8], bucket: u32, key: &Key<'_>) -> Option<Found> {
        let slots = self.index.bucket(memory, bucket)?;
        if cfg!(target_pointer_width = "32") {
            // A device looks at one slot after the other, and stops at the right one.
            let (slots, _) = slots.as_chunks::<4>();
            for (i, slot) in slots.iter().take(SLOTS as usize).enumerate() {
                if let Some(at) = self.index.candidate(u32::from_le_bytes(*slot), key.hash())
                    && let log = self.log_of(at)
                    && let Some(header) = log.entry(memory, at)
                    && !header.is_filler()
                    && log.key(memory, at, &header) == *key.bytes()
                {
                    let slot = self.index.slot_at(bucket, i as u32);
                    return Some(Found { slot, at, header });
                }
            }
            return None;
        }
        // A server's processor compares all tags at once.
        let mut candidates = self.index.candidates(slots, key.hash());
        while candidates != 0 {
            let slot = candidates.trailing_zeros();
            candidates &= candidates - 1;
            let slot = self.index.slot_at(bucket, slot);
            if let Some(at) = self.index.position(load_u32(memory, slot))
                && let log = self.log_of(at)
                && log.has_key(memory, at, key.bytes())
            {
                let header = log.header_at_once(memory, at)?;
                return Some(Found { slot, at, header });
            }
        }
        None
    }

    /// Whether an item is expired or flushed.
    #[inline]
    pub(super) fn is_gone(&self, header: &Header, now: u32) -> bool {
        let is_expired = header.expiration != 0 && header.expiration <= now;
        is_expired || self.flush.covers(header.cas, now)
    }

    /// Counts a visit in the record at `at`.
    #[inline]
    pub(super) fn count_visit(&self, memory: &mut [u8], at: u32, header: &Header) {
        let visits = header.visits().more();
        if visits != header.visits() {
            let mut header = *header;
            header.set_visits(visits);
            store_u8(memory, self.log_of(at).after(at, 1), header.control());
        }
    }

    /// Forgets every item; `memory` may hold anything.
    pub(super) fn clear(&mut self, memory: &mut [u8]) {
        self.starts.reset(memory, self.memory_len);
        self.small.reset();
        self.main.end = self.index.end.wrapping_sub(BUCKETS_MIN * BUCKET_LEN);
        self.main.reset();
        self.index.buckets = BUCKETS_MIN;
        self.index.items = 0;
        self.index.reset(memory);
        self.reservations = Reservations::new();
        self.counters.bytes = 0;
    }
}

impl<O: Observer> State<O> {
    /// Carries out a flush whose second is over.
    #[inline]
    pub(super) fn settle(&mut self, now: u32) {
        if self.flush.settle(self.cas, now) {
            self.note(Change::Flushed);
        }
    }

    /// Tells the observer of a change that has no CAS.
    #[inline]
    pub(super) fn note(&mut self, change: Change<'_>) {
        if self.observer.is_active() {
            self.cas = self.cas.wrapping_add(1);
            self.observer.note(self.cas, change);
        }
    }
}

impl<O: Observer> Operation<'_, O> {
    pub(super) fn log(&self, place: Place) -> &Log {
        self.state.log(place)
    }

    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn log_mut(&mut self, place: Place) -> &mut Log {
        match place {
            Place::Main => &mut self.state.main,
            Place::Small => &mut self.state.small,
        }
    }

    pub(super) fn locate(&self, key: Key<'_>) -> Option<Found> {
        self.state.locate(self.memory, &key)
    }

    /// The item of a key, if it lives; what is past its time is removed on the way.
    #[inline]
    pub(super) fn find(&mut self, key: Key<'_>) -> Option<Found> {
        let found = self.state.locate(self.memory, &key)?;
        if self.is_gone(&found.header) {
            self.reclaim(found.slot, found.at, &found.header);
            return None;
        }
        Some(found)
    }

    /// Removes an item that is past its time.
    pub(super) fn reclaim(&mut self, slot: u32, at: u32, header: &Header) {
        self.count_reclaimed(header);
        let len = header.record_len();
        self.unlink(slot, len);
        self.bury(at, len);
    }

    /// Whether an item is expired or flushed.
    #[inline]
    pub(super) fn is_gone(&self, header: &Header) -> bool {
        self.state.is_gone(header, self.now)
    }

    /// The hash of the key of a record.
    pub(super) fn hash_at(&self, log: &Log, at: u32, header: &Header) -> u64 {
        let key = log.key(self.memory, at, header);
        self.state.options.seed.hash_pieces(key)
    }

    /// Takes a record's key out of the index and makes the record a filler.
    pub(super) fn remove(&mut self, found: &Found) {
        let len = found.header.record_len();
        self.unlink(found.slot, len);
        self.bury(found.at, len);
    }

    /// Makes the bytes of a record a filler.
    pub(super) fn bury(&mut self, at: u32, len: u32) {
        let place = self.state.place(at);
        let log = self.log_mut(place);
        log.dead = log.dead.saturating_add(len);
        let log = *log;
        log.put_filler(self.memory, at, len);
    }

    /// Clears a slot of the index.
    pub(super) fn unlink(&mut self, slot: u32, len: u32) {
        store_u32(self.memory, slot, 0);
        self.state.index.items = self.state.index.items.saturating_sub(1);
        self.state.counters.bytes = self.state.counters.bytes.saturating_sub(u64::from(len));
    }

    /// The bucket in which a slot lies.
    pub(super) fn bucket_of(&self, slot: u32) -> u32 {
        self.state.index.end.wrapping_sub(1).wrapping_sub(slot) / BUCKET_LEN
    }

    /// Writes the control byte of a record, which holds its visits.
    #[inline]
    pub(super) fn put_control(&mut self, at: u32, header: &Header) {
        let log = self.state.log_of(at);
        let control_at = log.after(at, 1);
        store_u8(self.memory, control_at, header.control());
    }

    pub(super) fn count_reclaimed(&mut self, header: &Header) {
        let counters = &mut self.state.counters;
        counters.reclaimed = counters.reclaimed.wrapping_add(1);
        if header.visits() == Visits::NEVER {
            counters.expired_unfetched = counters.expired_unfetched.wrapping_add(1);
        }
    }

    /// Counts the eviction of the record at `at`, which is still there, and tells of it.
    pub(super) fn count_eviction(&mut self, at: u32, header: &Header) {
        let key = self.state.log_of(at).key(self.memory, at, header);
        self.state.note(Change::Removed { key });
        let counters = &mut self.state.counters;
        counters.evictions = counters.evictions.wrapping_add(1);
        if header.visits() == Visits::NEVER {
            counters.evicted_unfetched = counters.evicted_unfetched.wrapping_add(1);
        }
    }

    pub(super) fn count_move(&mut self) {
        self.state.counters.moves = self.state.counters.moves.wrapping_add(1);
    }

    /// Empties the store, because its memory makes no sense: somebody else wrote to it.
    #[cold]
    pub(super) fn start_over(&mut self) {
        self.state.clear(self.memory);
        self.state.note(Change::Flushed);
    }
}
