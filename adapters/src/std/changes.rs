//! The last changes of a shard, for those who follow it.
//!
//! A circular buffer of fixed size behind the shard's lock. An entry names what has changed and not how: whoever reads it
//! looks the item up, so that values are not kept twice and a later change of the same key makes up for the earlier one.
//!
//! ```text
//! number   8 bytes   of the change; for a stored item its CAS
//! kind     1 byte    stored, stored with an expiration, touched, removed, flushed
//! key      1 byte of length, and the key
//! ```
//!
//! When the buffer is full the oldest entries are dropped. A dropped entry of a stored item is no loss: the item, if it
//! is still there, is found by looking at all of them. The others are: who has not come as far as the last of them cannot
//! go on, and has to start anew.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use memlet_core::store::{Change, Observer, Value};
use mio::Waker;

/// Bytes of an entry before its key.
const ENTRY_HEAD_LEN: usize = 10;

/// The longest entry in bytes.
const ENTRY_LEN_MAX: usize = ENTRY_HEAD_LEN + 250;

/// What an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Stored,
    /// It may vanish without an entry of its own.
    StoredForAWhile,
    Touched,
    Removed,
    Flushed,
}

const KINDS: [Kind; 5] = [
    Kind::Stored,
    Kind::StoredForAWhile,
    Kind::Touched,
    Kind::Removed,
    Kind::Flushed,
];

/// A change, as it lies in the log.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) kind: Kind,
    key: [u8; 250],
    key_len: u8,
}

impl Entry {
    pub(super) fn key(&self) -> &[u8] {
        self.key.get(..self.key_len.into()).unwrap_or_default()
    }

    fn len(&self) -> usize {
        ENTRY_HEAD_LEN + usize::from(self.key_len)
    }
}

/// The last changes of one shard of a [`ShardedStore`](super::ShardedStore); it takes memory once somebody follows.
#[derive(Debug)]
pub struct ChangeLog {
    /// Empty until the log is begun.
    ring: Box<[u8]>,
    /// How many bytes of entries have ever been dropped, and written. The difference is what the ring holds.
    start: u64,
    end: u64,
    /// The number of the last entry that is not there any more, or of the last change before the log was begun.
    dropped: u64,
    /// As `dropped`, of those that looking at all items does not make up for.
    purged: u64,
    /// Names the history of this shard's changes; another one after its items were lost.
    history: u64,
    wakers: Arc<Wakers>,
}

impl ChangeLog {
    pub(super) fn new(history: u64, wakers: Arc<Wakers>) -> ChangeLog {
        ChangeLog {
            ring: Box::default(),
            start: 0,
            end: 0,
            dropped: 0,
            purged: 0,
            history,
            wakers,
        }
    }

    /// Begins a log of `len` bytes, at least one entry, unless it has begun. `number` is that of the last change.
    ///
    /// What went before is not purged: nobody was told of any item then, so nobody has to be told that it is gone.
    pub(super) fn begin(&mut self, len: usize, number: u64) {
        if self.ring.is_empty() {
            self.ring = vec![0; len.max(ENTRY_LEN_MAX)].into();
            self.dropped = number;
        }
    }

    /// A log as long as this one, for the history that begins after the items were lost.
    pub(super) fn successor(&self, history: u64, number: u64) -> ChangeLog {
        let mut log = ChangeLog::new(history, Arc::clone(&self.wakers));
        if !self.ring.is_empty() {
            log.begin(self.ring.len(), number);
        }
        log
    }

    /// The number of the last change that the log does not tell any more.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Who has followed up to this number or further can go on.
    pub(super) fn purged(&self) -> u64 {
        self.purged
    }

    pub(super) fn history(&self) -> u64 {
        self.history
    }

    /// The place of the oldest entry.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The entry at a place, and the place after it; none at the end or if the entry is not there any more.
    pub(super) fn entry(&self, place: u64) -> Option<(Entry, u64)> {
        if place < self.start || place >= self.end {
            return None;
        }
        let mut head = [0; ENTRY_HEAD_LEN];
        self.copy(place, &mut head);
        let [number @ .., kind, key_len] = head;
        let mut entry = Entry {
            number: u64::from_le_bytes(number),
            kind: KINDS[usize::from(kind).min(KINDS.len() - 1)],
            key: [0; 250],
            key_len,
        };
        let len = entry.key().len();
        self.copy(place + ENTRY_HEAD_LEN as u64, &mut entry.key[..len]);
        let next = place + entry.len() as u64;
        Some((entry, next))
    }

    fn copy(&self, place: u64, out: &mut [u8]) {
        let at = (place % self.ring.len() as u64) as usize;
        let first = out.len().min(self.ring.len() - at);
        let rest = out.len() - first;
        out[..first].copy_from_slice(&self.ring[at..at + first]);
        out[first..].copy_from_slice(&self.ring[..rest]);
    }

    fn append(&mut self, bytes: &[u8]) {
        let at = (self.end % self.ring.len() as u64) as usize;
        let first = bytes.len().min(self.ring.len() - at);
        let (front, back) = bytes.split_at(first);
        self.ring[at..at + first].copy_from_slice(front);
        self.ring[..back.len()].copy_from_slice(back);
        self.end += bytes.len() as u64;
    }

    fn push(&mut self, number: u64, kind: Kind, key: Value<'_>) {
        let needed = (ENTRY_HEAD_LEN + key.len()) as u64;
        while self.end - self.start + needed > self.ring.len() as u64 {
            let Some((oldest, next)) = self.entry(self.start) else {
                break;
            };
            self.start = next;
            self.dropped = oldest.number;
            if oldest.kind != Kind::Stored {
                self.purged = oldest.number;
            }
        }
        let mut head = [0; ENTRY_HEAD_LEN];
        head[..8].copy_from_slice(&number.to_le_bytes());
        head[8] = kind as u8;
        head[9] = key.len() as u8;
        self.append(&head);
        let (first, second) = key.pieces();
        self.append(first);
        self.append(second);
    }
}

impl Observer for ChangeLog {
    #[inline]
    fn is_active(&self) -> bool {
        !self.ring.is_empty()
    }

    fn note(&mut self, number: u64, change: Change<'_>) {
        match change {
            Change::Stored { key, expiration: 0 } => self.push(number, Kind::Stored, key),
            Change::Stored { key, .. } => self.push(number, Kind::StoredForAWhile, key),
            Change::Touched { key } => self.push(number, Kind::Touched, key),
            Change::Removed { key } => self.push(number, Kind::Removed, key),
            _ => self.push(number, Kind::Flushed, Value::default()),
        }
        self.wakers.wake();
    }
}

/// Those who follow the changes of any shard and sleep until there are some.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    /// Somebody sleeps.
    wanted: AtomicBool,
    wakers: Mutex<Vec<Weak<Waker>>>,
}

impl Wakers {
    /// Adds somebody, until the waker is dropped.
    pub(super) fn add(&self, waker: &Arc<Waker>) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.retain(|waker| waker.strong_count() > 0);
        wakers.push(Arc::downgrade(waker));
    }

    /// From now on the next change wakes everybody. Who asks for it looks once more before going to sleep.
    pub(super) fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    #[inline]
    fn wake(&self) {
        if self.wanted.load(Ordering::SeqCst) {
            self.wake_all();
        }
    }

    #[cold]
    fn wake_all(&self) {
        if self.wanted.swap(false, Ordering::SeqCst) {
            let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            for waker in wakers.iter().filter_map(Weak::upgrade) {
                // Whoever cannot be woken looks by itself after a while.
                let _ = waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(len: usize) -> ChangeLog {
        let mut log = ChangeLog::new(1, Arc::default());
        log.begin(len, 0);
        log
    }

    fn key(bytes: &[u8]) -> Value<'_> {
        Value::new(bytes, &[])
    }

    fn numbers(log: &ChangeLog) -> Vec<u64> {
        let mut place = log.start();
        let mut numbers = Vec::new();
        while let Some((entry, next)) = log.entry(place) {
            assert_eq!(entry.key(), entry.number.to_string().repeat(3).as_bytes());
            numbers.push(entry.number);
            place = next;
        }
        numbers
    }

    #[test]
    fn the_last_entries_are_kept_whatever_their_lengths() {
        for len in 260..330 {
            let mut log = log(len);
            for number in 1..2000_u64 {
                let text = number.to_string().repeat(3);
                let (expiration, key) = ((number % 7 == 0).into(), key(text.as_bytes()));
                log.note(number, Change::Stored { key, expiration });
                let kept = numbers(&log);
                assert_eq!(kept, (log.dropped() + 1..=number).collect::<Vec<_>>());
                assert!(log.end - log.start <= len as u64);
                assert_eq!(log.purged(), log.dropped() / 7 * 7);
            }
        }
    }

    #[test]
    fn a_log_begins_once() {
        let mut log = ChangeLog::new(1, Arc::default());
        assert!(!log.is_active());
        log.begin(1000, 50);
        assert_eq!((log.dropped(), log.purged()), (50, 0));
        log.note(51, Change::Flushed);
        log.begin(1000, 60);
        assert_eq!(log.dropped(), 50);
        let (entry, next) = log.entry(log.start()).unwrap();
        assert_eq!((entry.number, entry.kind), (51, Kind::Flushed));
        assert!(log.entry(next).is_none());
    }
}
