//! Where records begin: for each block of the memory the first record of the main log in it.
//!
//! When the index takes room from the end of the main log, the records that lie there have to be found; a log can only
//! be read from a place where a record begins.

use super::bytes::{load_u16, store_u16};
use super::log::Log;

/// The table lies at the start of the memory: 16 bits a block, the offset in the block plus one, 0 = none begins here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Starts {
    block_len_log2: u32,
    /// Where the newest record begins.
    newest: u32,
}

impl Starts {
    pub(super) const fn new(memory_len: u32) -> Starts {
        Starts {
            block_len_log2: if memory_len < 0x1_0000 { 9 } else { 11 },
            newest: 0,
        }
    }

    /// The length of the table in bytes.
    pub(super) const fn table_len(&self, memory_len: u32) -> u32 {
        ((memory_len >> self.block_len_log2) + 1) * 2
    }

    /// Forgets all records.
    pub(super) fn reset(self, memory: &mut [u8], memory_len: u32) {
        self.clear(memory, 0, memory_len >> self.block_len_log2);
    }

    /// Notes that a record was written at the head of the log.
    pub(super) fn note(&mut self, memory: &mut [u8], log: &Log, at: u32) {
        let (block, newest) = (
            at >> self.block_len_log2,
            self.newest >> self.block_len_log2,
        );
        let is_new_lap = at < self.newest;
        self.newest = at;
        if block == newest && !is_new_lap {
            return;
        }
        // Blocks in between are covered by the record before this one.
        let mut covered = newest.wrapping_add(1);
        if is_new_lap {
            self.clear(memory, covered, log.end >> self.block_len_log2);
            covered = log.start >> self.block_len_log2;
        }
        self.clear(memory, covered, block);
        let offset = at & ((1 << self.block_len_log2) - 1);
        store_u16(memory, block.wrapping_mul(2), offset as u16 + 1);
    }

    fn clear(&self, memory: &mut [u8], from: u32, to: u32) {
        for block in from..=to {
            store_u16(memory, block.wrapping_mul(2), 0);
        }
    }

    /// Forgets the records that begin from `from` to `to`, because the log will no longer reach there.
    pub(super) fn forget(&self, memory: &mut [u8], from: u32, to: u32) {
        for block in from >> self.block_len_log2..=to >> self.block_len_log2 {
            let start = u32::from(load_u16(memory, block.wrapping_mul(2))).checked_sub(1);
            if start
                .is_some_and(|offset| (block << self.block_len_log2).wrapping_add(offset) >= from)
            {
                store_u16(memory, block.wrapping_mul(2), 0);
            }
        }
    }

    /// A place at or before `at` where a record begins, for an `at` between the tail and the end of a wrapped log.
    pub(super) fn before(&self, memory: &[u8], log: &Log, at: u32) -> u32 {
        let mut block = at >> self.block_len_log2;
        if self.newest >= log.tail {
            // The newest record itself lies across the end; what is noted about blocks behind its first is old.
            block = block.min(self.newest >> self.block_len_log2);
        }
        while block > log.tail >> self.block_len_log2 {
            if let Some(offset) = u32::from(load_u16(memory, block.wrapping_mul(2))).checked_sub(1)
            {
                let start = (block << self.block_len_log2).wrapping_add(offset);
                if start <= at {
                    return start;
                }
            }
            block -= 1;
        }
        log.tail
    }
}
