//! Moving the end of the main log, so that the index behind it can have one bucket more or less.
//!
//! While the log is wrapped, its end is in the middle of what it holds: live records that lie there are moved to the
//! head first, and what remains are fillers, which can be cut.

use super::bytes::store_u32;
use super::index::BUCKET_LEN;
use super::log::{Log, copy};
use super::observer::Observer;
use super::operation::{Operation, Place};

/// How many records lie in the way of one bucket at most: the shortest has 8 bytes; plus those that are at the tail.
const STEPS_MAX: u32 = 24;

/// How many entries are read to find the place: a block of the table of starts, full of the shortest fillers.
const ENTRIES_MAX: u32 = 4096;

/// What lies across a place near the end of a wrapped log.
struct Stretch {
    /// Where the entry begins that covers the place.
    first: u32,
    /// How many bytes of the last entry are beyond the end, at the start of the log.
    past: u32,
    /// Where the first record from the place on begins.
    record: Option<u32>,
}

impl<O: Observer> Operation<'_, O> {
    /// Takes the last bytes of the main log away for one bucket; false if that is not possible now.
    pub(super) fn shorten_main(&mut self) -> bool {
        if self.state.main.used == 0 {
            self.state.main.reset();
        }
        let old_end = self.state.main.end;
        let new_end = old_end.saturating_sub(BUCKET_LEN);
        // The largest possible record and as many bytes in reservations have to fit.
        if self.state.main.capacity() < self.state.memory_len / 2 {
            return false;
        }
        for _ in 0..STEPS_MAX {
            let main = self.state.main;
            if !main.is_wrapped() {
                if main.head() > new_end {
                    self.pad_main();
                    continue;
                }
                self.state.starts.forget(self.memory, new_end, old_end);
                self.state.main.end = new_end;
                if main.head() == new_end {
                    // It is at the start now.
                    self.state.main.lap = main.lap.wrapping_add(1);
                }
                return true;
            }
            if main.tail >= new_end {
                self.pinned = Some(main.tail);
                self.advance_tail(Place::Main);
                self.pinned = None;
                continue;
            }
            let Some(stretch) = self.stretch(&main, new_end) else {
                return false;
            };
            match stretch.record {
                Some(at) => {
                    if !self.evacuate(at) {
                        return false;
                    }
                }
                None => {
                    self.state.starts.forget(self.memory, new_end, old_end);
                    self.cut(&stretch, new_end);
                    return true;
                }
            }
        }
        false
    }

    /// Fills the main log up to its end, so that it is wrapped and what lies there can be evacuated.
    fn pad_main(&mut self) {
        let main = &mut self.state.main;
        let left = main.end.saturating_sub(main.head());
        let at = main.push(left);
        main.dead = main.dead.saturating_add(left);
        let main = *main;
        main.put_filler(self.memory, at, left);
    }

    /// Makes sure that no record lies across the end of the main log.
    pub(super) fn prepare_longer_main(&mut self) -> bool {
        for _ in 0..STEPS_MAX {
            let main = self.state.main;
            if !reaches_around(&main) {
                return true;
            }
            let Some(stretch) = self.stretch(&main, main.end.saturating_sub(1)) else {
                return false;
            };
            match stretch.record {
                Some(at) if stretch.past != 0 => {
                    if !self.evacuate(at) {
                        return false;
                    }
                }
                _ => return true,
            }
        }
        false
    }

    /// Gives the main log the bytes of one bucket behind its end.
    pub(super) fn lengthen_main(&mut self) {
        let main = self.state.main;
        let new_end = main.end.saturating_add(BUCKET_LEN);
        if reaches_around(&main) {
            if let Some(stretch) = self.stretch(&main, main.end.saturating_sub(1)) {
                let stretch = match stretch.past {
                    0 => Stretch {
                        first: main.end,
                        ..stretch
                    },
                    _ => stretch,
                };
                self.cut(&stretch, new_end);
            }
            return;
        }
        if main.is_wrapped() {
            // The head goes from the start back to where the end was.
            self.state.main.lap = main.lap.wrapping_sub(1);
        }
        self.state.main.end = new_end;
    }

    /// Finds what lies across `place` in the wrapped main log.
    fn stretch(&self, main: &Log, place: u32) -> Option<Stretch> {
        let mut at = self.state.starts.before(self.memory, main, place);
        let mut stretch = Stretch {
            first: main.end,
            past: 0,
            record: None,
        };
        for _ in 0..ENTRIES_MAX {
            let entry = main.entry(self.memory, at)?;
            let len = entry.record_len();
            let left = main.end.saturating_sub(at);
            if len > place.saturating_sub(at) {
                stretch.first = stretch.first.min(at);
                if stretch.record.is_none() && !entry.is_filler() {
                    stretch.record = Some(at);
                }
            }
            if len >= left {
                stretch.past = len - left;
                return Some(stretch);
            }
            at = at.wrapping_add(len);
        }
        None
    }

    /// Moves the end of the wrapped main log over a stretch of fillers.
    fn cut(&mut self, stretch: &Stretch, new_end: u32) {
        let main = &mut self.state.main;
        if new_end < main.end {
            let less = main.end - new_end;
            main.used = main.used.saturating_sub(less);
            main.dead = main.dead.saturating_sub(less);
        } else {
            let more = new_end - main.end;
            main.used = main.used.saturating_add(more);
            main.dead = main.dead.saturating_add(more);
        }
        main.end = new_end;
        let main = *main;
        main.put_filler(
            self.memory,
            stretch.first,
            new_end.saturating_sub(stretch.first),
        );
        main.put_filler(self.memory, main.start, stretch.past);
    }

    /// Moves the record at `at`, somewhere in the main log, to the head; false if there is no room.
    fn evacuate(&mut self, at: u32) -> bool {
        let Some(header) = self.state.main.header(self.memory, at) else {
            return false;
        };
        let len = header.record_len();
        let hash = self.hash_at(&self.state.main, at, &header);
        let slot = self.state.index.find(self.memory, hash, at);
        let is_held = header.cas == 0 && self.state.reservations.find_at(at).is_some();
        match slot {
            Some(slot) if self.is_gone(&header) => {
                self.reclaim(slot, at, &header);
                return true;
            }
            None if !is_held => {
                self.bury(at, len);
                return true;
            }
            _ => {}
        }
        self.pinned = Some(at);
        let result = self.allocate(Place::Main, len);
        let is_still_there = self.pinned == Some(at);
        self.pinned = None;
        let Ok(to) = result else { return false };
        if !is_still_there {
            self.bury(to, len);
            return true;
        }
        let main = self.state.main;
        copy(self.memory, &main, at, &main, to, len);
        self.bury(at, len);
        self.count_move();
        if let Some(slot) = slot {
            store_u32(self.memory, slot, self.state.index.slot(hash, to));
        } else if let Some(pending) = self.state.reservations.find_at(at) {
            pending.at = to;
        }
        true
    }
}

/// Whether the log goes on at its start.
fn reaches_around(log: &Log) -> bool {
    log.used > log.end.saturating_sub(log.tail)
}
