//! Reading one shard's changes in order: first the items that are there, then what happens to them.
//!
//! ```text
//!                    ┌──────────── the log has what follows the position ───────────┐
//!                    │                                                              ▼
//!   position ──▶ Undecided ── the items make up for what the log has dropped ──▶ Backfill ──▶ Log
//!                    ▲                                                                         │
//!                    │                           the log has dropped what would be read next   │
//!                    └─────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! What is told is in ascending order of numbers. An item that was changed again meanwhile is left out where it was
//! stored and told where it was changed: so whoever has been told everything up to a number has, for every key, the state
//! at that number or is yet to be told a later one.

use std::ops::ControlFlow;

use memlet_core::store::{Item, Store};

use super::super::changes::Kind;
use super::super::{ChangeLog, ShardMemory, ShardedStore};
use super::pass::Pass;

/// Changes told, or looked at, while the shard is locked.
const BATCH: usize = 128;

/// What is told of a shard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    /// The items that follow are those that were there: the newest of them has at most the number `to`.
    BackfillStart { from: u64, to: u64 },
    /// Everything up to this number has been told: at the end of a backfill, and when nothing is left that was not
    /// told as a change.
    Advanced { to: u64 },
    /// An item was stored or given another expiration.
    Stored {
        number: u64,
        key: &'a [u8],
        item: Item<'a>,
    },
    /// An item has gone, if it was there.
    Removed { number: u64, key: &'a [u8] },
    /// All items have gone.
    Flushed { number: u64 },
}

/// How reading went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to do at once.
    More,
    /// There is nothing new.
    Idle,
    /// The events have no room; nothing is lost.
    Full,
    /// It has to look at all items, and others of the same follower do so.
    Queued,
    /// Nothing will follow.
    Over(Over),
}

/// Why nothing will follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Everything that was asked for has been told.
    Complete,
    /// Changes were dropped before they were read.
    TooSlow,
    /// The shard has lost its items.
    HistoryLost,
}

/// Where events go; `Break` says that there was no room, and that nothing was taken.
///
/// The second argument says that nothing more of the shard is waiting.
pub(super) type Sink<'a> = dyn FnMut(Event<'_>, bool) -> ControlFlow<()> + 'a;

/// Reads one shard.
#[derive(Debug)]
pub(super) struct Reader {
    shard: usize,
    history: u64,
    /// All up to this number has been told.
    position: u64,
    /// Nothing beyond this number is wanted.
    end: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Undecided,
    Backfill {
        /// Up to where items are told; the log has what follows.
        to: u64,
        is_announced: bool,
        pass: Box<Pass>,
    },
    Log {
        place: u64,
    },
}

type Shard = Store<ShardMemory, ChangeLog>;

impl Reader {
    /// A reader of what follows `position` in the history of this name, up to and with `end`.
    pub(super) fn new(shard: usize, history: u64, position: u64, end: u64) -> Reader {
        Reader {
            shard,
            history,
            position,
            end,
            source: Source::Undecided,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether it is looking at all items, which takes memory.
    pub(super) fn is_backfilling(&self) -> bool {
        matches!(self.source, Source::Backfill { .. })
    }

    /// Whether the next event comes from the log rather than from a look at all items.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.source, Source::Log { .. })
    }

    /// Tells some of what follows.
    pub(super) fn read(
        &mut self,
        shards: &ShardedStore,
        may_backfill: bool,
        now: u32,
        sink: &mut Sink<'_>,
    ) -> Step {
        let shard = self.shard;
        let step = shards.with_shard(shard, |store| {
            if store.observer().history() != self.history {
                return Step::Over(Over::HistoryLost);
            }
            match self.source {
                Source::Undecided => self.decide(store, may_backfill),
                Source::Backfill { .. } => self.backfill(store, now, sink),
                Source::Log { .. } => self.follow(store, now, sink),
            }
        });
        if let Source::Backfill { pass, .. } = &mut self.source
            && !pass.is_complete()
        {
            pass.arrange();
        }
        step.unwrap_or(Step::Over(Over::HistoryLost))
    }

    fn decide(&mut self, store: &Shard, may_backfill: bool) -> Step {
        let log = store.observer();
        if self.position >= self.end {
            return Step::Over(Over::Complete);
        }
        if self.position >= log.dropped() {
            self.source = Source::Log { place: log.start() };
            return Step::More;
        }
        // Who has nothing yet misses no removal.
        let is_new = self.position == 0;
        if !is_new && self.position < log.purged() {
            return Step::Over(Over::TooSlow);
        }
        if !may_backfill {
            return Step::Queued;
        }
        // To others the log has to tell of removals as early as it can.
        let to = if is_new {
            store.last_change()
        } else {
            log.dropped()
        };
        let to = to.min(self.end);
        self.source = Source::Backfill {
            to,
            is_announced: false,
            pass: Box::new(Pass::new(self.position, to)),
        };
        Step::More
    }

    fn backfill(&mut self, store: &mut Shard, now: u32, sink: &mut Sink<'_>) -> Step {
        let Source::Backfill {
            to,
            is_announced,
            pass,
        } = &mut self.source
        else {
            return Step::More;
        };
        let to = *to;
        if to < self.end && store.observer().purged() > to {
            // What was removed since the start can't be told any more.
            return Step::Over(Over::TooSlow);
        }
        if !pass.is_complete() {
            pass.look(store, now);
            if pass.is_complete() {
                pass.arrange();
            }
            return Step::More;
        }
        if !*is_announced {
            let from = self.position;
            if sink(Event::BackfillStart { from, to }, false).is_break() {
                return Step::Full;
            }
            *is_announced = true;
        }
        for _ in 0..BATCH {
            let Some((number, key)) = pass.next() else {
                if pass.is_partial() {
                    **pass = Pass::new(self.position, to);
                    return Step::More;
                }
                if sink(Event::Advanced { to }, false).is_break() {
                    return Step::Full;
                }
                self.position = to;
                self.source = Source::Undecided;
                return Step::More;
            };
            let hashed = store.key(key);
            if let Some(item) = store.peek(hashed, now)
                && item.cas == number
                && sink(Event::Stored { number, key, item }, false).is_break()
            {
                return Step::Full;
            }
            self.position = number;
            pass.advance();
        }
        Step::More
    }

    fn follow(&mut self, store: &mut Shard, now: u32, sink: &mut Sink<'_>) -> Step {
        let Source::Log { place } = &mut self.source else {
            return Step::More;
        };
        if *place < store.observer().start() {
            self.source = Source::Undecided;
            return Step::More;
        }
        for _ in 0..BATCH {
            let Some((entry, next)) = store.observer().entry(*place) else {
                // Any operation carries out a flush whose second is over.
                let nothing = store.key(b"");
                store.peek(nothing, now);
                if store.observer().entry(*place).is_some() {
                    return Step::More;
                }
                let to = store.last_change().min(self.end);
                if to > self.position {
                    if sink(Event::Advanced { to }, false).is_break() {
                        return Step::Full;
                    }
                    self.position = to;
                }
                return if self.position >= self.end {
                    Step::Over(Over::Complete)
                } else {
                    Step::Idle
                };
            };
            let number = entry.number;
            if number > self.end {
                self.position = self.end;
                return Step::Over(Over::Complete);
            }
            if number > self.position {
                let is_last = store.observer().entry(next).is_none();
                let mut sink = |event: Event<'_>| sink(event, is_last);
                if tell(store, number, entry.kind, entry.key(), now, &mut sink).is_break() {
                    return Step::Full;
                }
                self.position = number;
            }
            *place = next;
        }
        Step::More
    }
}

/// Tells what became of a key since the change of this number, unless a later one will.
fn tell(
    store: &mut Shard,
    number: u64,
    kind: Kind,
    key: &[u8],
    now: u32,
    sink: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if kind == Kind::Flushed {
        return sink(Event::Flushed { number });
    }
    let hashed = store.key(key);
    match store.peek(hashed, now) {
        // Whatever was there is not any more.
        None => sink(Event::Removed { number, key }),
        Some(item) if item.cas == number || (item.cas < number && kind == Kind::Touched) => {
            sink(Event::Stored { number, key, item })
        }
        Some(_) => ControlFlow::Continue(()),
    }
}
