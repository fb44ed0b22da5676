//! What a replica holds of its primary, and how it is kept the same.
//!
//! A copy is made anew by taking everything that the primary has, and removing what was not among it. To tell the two
//! apart takes no memory: what is stored from the beginning of the copy on has a higher CAS than what was there before.

use memlet_core::connection::feed::DcpStream;
use memlet_core::store::{Attributes, Cursor, SetMode, Shards};

use super::super::ShardedStore;

/// Records looked at, and items removed, while a shard is locked.
const STEPS: u32 = 256;

/// The copy.
#[derive(Debug)]
pub(super) struct Copy {
    store: ShardedStore,
    item_size_max: u32,
    /// How far each vbucket of the primary has been followed.
    pub(super) streams: Vec<DcpStream>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing is known of the primary.
    Empty,
    /// Items are coming.
    Copying {
        /// The number of each of our shards' last change before the beginning.
        marks: Vec<u64>,
        /// Vbuckets all of whose items have come.
        done: Vec<bool>,
    },
    Complete,
}

impl Copy {
    pub(super) fn new(store: ShardedStore, item_size_max: u32) -> Copy {
        Copy {
            store,
            item_size_max,
            streams: Vec::new(),
            state: State::Empty,
        }
    }

    pub(super) fn item_size_max(&self) -> u32 {
        self.item_size_max
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Starts anew with the next connection.
    pub(super) fn forget(&mut self) {
        self.state = State::Empty;
        self.streams.clear();
    }

    /// Prepares for a connection to a primary with so many vbuckets; whether everything is to be copied.
    pub(super) fn begin(&mut self, vbuckets: usize) -> bool {
        if self.is_complete() && self.streams.len() == vbuckets {
            return false;
        }
        let shards = 0..self.store.shards();
        let marks =
            shards.filter_map(|shard| self.store.with_shard(shard, |store| store.last_change()));
        self.state = State::Copying {
            marks: marks.collect(),
            done: vec![false; vbuckets],
        };
        self.streams = vec![DcpStream::EMPTY; vbuckets];
        true
    }

    /// All items of a vbucket have come; whether that was the last.
    pub(super) fn complete(&mut self, vbucket: u16, now: u32) -> bool {
        let State::Copying { marks, done } = &mut self.state else {
            return false;
        };
        if let Some(done) = done.get_mut(usize::from(vbucket)) {
            *done = true;
        }
        if !done.iter().all(|done| *done) {
            return false;
        }
        let marks = std::mem::take(marks);
        for (shard, mark) in marks.into_iter().enumerate() {
            self.sweep(shard, mark, now);
        }
        self.state = State::Complete;
        true
    }

    /// Removes what was in a shard up to this number.
    fn sweep(&mut self, shard: usize, mark: u64, now: u32) {
        let mut cursor = Some(Cursor::START);
        let mut keys: Vec<Vec<u8>> = Vec::new();
        while let Some(at) = cursor {
            // Expired items are not shown; they need no removal.
            let next = self.store.with_shard(shard, |store| {
                let next = store.walk(at, STEPS, now, |key, item| {
                    if item.cas <= mark {
                        let (first, second) = key.pieces();
                        keys.push([first, second].concat());
                    }
                });
                for key in keys.drain(..) {
                    let key = store.key(&key);
                    if store.peek(key, now).is_some_and(|item| item.cas <= mark) {
                        // It is there: the lock has not been released since.
                        let _ = store.delete(key, 0, now);
                    }
                }
                next
            });
            cursor = next.flatten();
        }
    }

    /// Stores an item of the primary's; whether it had room.
    pub(super) fn store(
        &mut self,
        key: &[u8],
        value: &[u8],
        attributes: Attributes,
        now: u32,
    ) -> bool {
        self.store.with(key, |store, key| {
            let stored = store.set(SetMode::Set, key, value, attributes, 0, now);
            if stored.is_err() {
                // What was there is not what the primary has.
                let _ = store.delete(key, 0, now);
            }
            stored.is_ok()
        })
    }

    /// Removes what the primary has removed.
    pub(super) fn remove(&mut self, key: &[u8], now: u32) {
        self.store.with(key, |store, key| {
            // It may never have come.
            let _ = store.delete(key, 0, now);
        });
    }
}
