//! What a store counts.

/// Counters of one store, named as memcached's `stats` names them; those of several shards are summed up with
/// [`StoreStatistics::add`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct StoreStatistics {
    /// Items stored now; expired and flushed ones count until the store comes across them.
    pub curr_items: u64,
    /// Items stored since the start.
    pub total_items: u64,
    /// Bytes that the records of the current items take, keys and headers included.
    pub bytes: u64,
    /// Live items removed to make room.
    pub evictions: u64,
    /// Items removed because they were past their expiration or flushed.
    pub reclaimed: u64,
    /// Of the reclaimed, those that were never read.
    pub expired_unfetched: u64,
    /// Of the evictions, those that were never read.
    pub evicted_unfetched: u64,
    /// Of the evictions, those that were forced by a full index bucket although the log had room.
    pub evicted_index: u64,
    /// Live records moved to keep them (read items that reached the end of a log, cleaning, growth of the index).
    pub moves: u64,
    /// The memory handed over, in bytes.
    pub memory_bytes: u64,
    /// Bytes of the index now, ghosts included.
    pub index_bytes: u64,
    /// Bytes of dead records and gaps that wait for the end of the log to pass.
    pub dead_bytes: u64,
    /// Bytes that were never used or are free again.
    pub free_bytes: u64,
    /// Values that are arriving now.
    pub reservations: u64,
}

impl StoreStatistics {
    /// Nothing has happened yet.
    pub(super) const ZERO: StoreStatistics = StoreStatistics {
        curr_items: 0,
        total_items: 0,
        bytes: 0,
        evictions: 0,
        reclaimed: 0,
        expired_unfetched: 0,
        evicted_unfetched: 0,
        evicted_index: 0,
        moves: 0,
        memory_bytes: 0,
        index_bytes: 0,
        dead_bytes: 0,
        free_bytes: 0,
        reservations: 0,
    };

    /// Adds the figures of another shard.
    pub fn add(&mut self, other: &StoreStatistics) {
        let pairs: [(&mut u64, u64); 14] = [
            (&mut self.curr_items, other.curr_items),
            (&mut self.total_items, other.total_items),
            (&mut self.bytes, other.bytes),
            (&mut self.evictions, other.evictions),
            (&mut self.reclaimed, other.reclaimed),
            (&mut self.expired_unfetched, other.expired_unfetched),
            (&mut self.evicted_unfetched, other.evicted_unfetched),
            (&mut self.evicted_index, other.evicted_index),
            (&mut self.moves, other.moves),
            (&mut self.memory_bytes, other.memory_bytes),
            (&mut self.index_bytes, other.index_bytes),
            (&mut self.dead_bytes, other.dead_bytes),
            (&mut self.free_bytes, other.free_bytes),
            (&mut self.reservations, other.reservations),
        ];
        for (sum, more) in pairs {
            *sum = sum.wrapping_add(more);
        }
    }
}
