//! Finding the items of a shard in the order of their numbers, without an index of them and in bounded memory.
//!
//! Every pass looks at all items and remembers the keys of those with the lowest numbers above what was sent already, as
//! many as fit into [`KEYS_LEN_MAX`] bytes. These are sent in order, then the next pass starts. The shard is locked for a
//! short stretch at a time.

use memlet_core::store::{Cursor, Store};

use super::super::{ChangeLog, ShardMemory};

/// Keys remembered in one pass, in bytes.
const KEYS_LEN_MAX: usize = 1 << 20;

/// Records looked at in one stretch. A lock is not held for longer than that takes.
const STEPS: u32 = 1024;

/// An item that was found: its number, and where its key begins and ends among the keys.
#[derive(Clone, Copy, Debug)]
struct Found {
    number: u64,
    at: u32,
    key_len: u8,
}

/// One look at all items of a shard.
#[derive(Debug)]
pub(super) struct Pass {
    /// Items up to here are of no interest.
    after: u64,
    /// Nor are those from here on; it comes down when there are more keys than fit.
    before: u64,
    /// Where to go on looking; none once everything was seen.
    cursor: Option<Cursor>,
    keys: Vec<u8>,
    found: Vec<Found>,
    /// How many of the found are done with.
    done: usize,
    keys_len_max: usize,
    /// Keys were left out because they did not fit.
    is_partial: bool,
}

impl Pass {
    /// A look for the items above `after` and up to `to`.
    pub(super) fn new(after: u64, to: u64) -> Pass {
        Pass::with_keys_len_max(after, to, KEYS_LEN_MAX)
    }

    fn with_keys_len_max(after: u64, to: u64, keys_len_max: usize) -> Pass {
        Pass {
            after,
            before: to.saturating_add(1),
            cursor: Some(Cursor::START),
            keys: Vec::new(),
            found: Vec::new(),
            done: 0,
            keys_len_max,
            is_partial: false,
        }
    }

    /// Whether everything was seen, so that [`Pass::next`] tells the items in order.
    pub(super) fn is_complete(&self) -> bool {
        self.cursor.is_none()
    }

    /// Whether there are more items up to the end than this pass has found.
    pub(super) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Looks at some records.
    pub(super) fn look(&mut self, store: &Store<ShardMemory, ChangeLog>, now: u32) {
        let Some(cursor) = self.cursor else { return };
        let (keys, found) = (&mut self.keys, &mut self.found);
        let (after, before) = (self.after, self.before);
        self.cursor = store.walk(cursor, STEPS, now, |key, item| {
            if item.cas > after && item.cas < before {
                let at = keys.len() as u32;
                let (first, second) = key.pieces();
                keys.extend_from_slice(first);
                keys.extend_from_slice(second);
                found.push(Found {
                    number: item.cas,
                    at,
                    key_len: key.len() as u8,
                });
            }
        });
    }

    /// Brings what was found into order and, if it is too much, keeps what is lower. It needs no lock.
    pub(super) fn arrange(&mut self) {
        let is_too_much = self.keys.len() > self.keys_len_max;
        if !is_too_much && !self.is_complete() {
            return;
        }
        self.found.sort_unstable_by_key(|found| found.number);
        // What is moved meanwhile may be seen twice.
        self.found.dedup_by_key(|found| found.number);
        if is_too_much {
            let mut len = 0;
            let kept = self.found.iter().take_while(|found| {
                len += usize::from(found.key_len);
                len <= self.keys_len_max / 2
            });
            let kept = kept.count().max(1);
            if let Some(first) = self.found.get(kept) {
                self.before = first.number;
                self.is_partial = true;
            }
            self.found.truncate(kept);
            let mut kept = Vec::with_capacity(self.keys_len_max);
            for found in &mut self.found {
                let key = key_of(&self.keys, found);
                found.at = kept.len() as u32;
                kept.extend_from_slice(key);
            }
            self.keys = kept;
        }
    }

    /// The next item's number and key.
    pub(super) fn next(&self) -> Option<(u64, &[u8])> {
        let found = self.found.get(self.done)?;
        Some((found.number, key_of(&self.keys, found)))
    }

    /// Goes on to the item after the next one.
    pub(super) fn advance(&mut self) {
        self.done += 1;
    }
}

fn key_of<'k>(keys: &'k [u8], found: &Found) -> &'k [u8] {
    let at = found.at as usize;
    keys.get(at..at + usize::from(found.key_len))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use memlet_core::store::{Attributes, SetMode, StoreOptions};

    use super::*;

    #[test]
    fn passes_find_all_items_in_order_within_their_memory() {
        let memory = ShardMemory::new(1 << 20, false).unwrap();
        let log = ChangeLog::new(1, Arc::default());
        let mut store = Store::with_observer(memory, StoreOptions::default(), log).unwrap();
        let mut numbers = Vec::new();
        for number in 0..5000 {
            let name = format!("key{}", number % 4000);
            let key = store.key(name.as_bytes());
            let cas = store.set(SetMode::Set, key, b"", Attributes::default(), 0, 1);
            numbers.push(cas.unwrap());
        }
        // The first thousand were overwritten; the last five hundred are not asked for.
        let wanted = &numbers[1000..4500];
        let (mut seen, mut passes) = (Vec::new(), 0);
        let (mut after, to) = (0, wanted[wanted.len() - 1]);
        loop {
            let mut pass = Pass::with_keys_len_max(after, to, 4096);
            while !pass.is_complete() {
                pass.look(&store, 1);
                pass.arrange();
                assert!(pass.keys.len() <= 4096);
            }
            while let Some((number, key)) = pass.next() {
                assert_eq!(
                    store.peek(store.key(key), 1).map(|item| item.cas),
                    Some(number)
                );
                seen.push(number);
                after = number;
                pass.advance();
            }
            passes += 1;
            if !pass.is_partial() {
                break;
            }
        }
        assert_eq!(seen, wanted);
        assert!(passes > 1);
    }
}
