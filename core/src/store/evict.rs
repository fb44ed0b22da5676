//! Who goes when there is no room: S3-FIFO over two circular logs, with cleaning.
//!
//! New items enter the small log, a tenth of the memory. What arrives at its tail goes to the main log if it was read
//! twice or the main log still has room or what is dead at its tail; else it is evicted, and a ghost of its key stays in
//! its bucket. A new item whose
//! ghost is still there, or that is larger than half of the small log, enters the main log directly. What arrives at the
//! tail of the main log and was read since it got its place goes back to the head, else it is evicted.
//!
//! A log that holds many dead bytes is cleaned: live records at its tail are moved to the head, whatever their visits,
//! until the room is found. The number of records moved in one operation is limited by [`MOVES_MAX`] and by bytes;
//! beyond that they are evicted.

use super::RESERVATIONS_MAX;
use super::bytes::store_u32;
use super::error::SetError;
use super::log::{Log, copy};
use super::observer::Observer;
use super::operation::{Operation, Place};
use super::record::{Header, Visits};

/// How many records one operation moves to keep them, beside one for each [`MOVES_PER_LEN`] bytes of the value that it
/// makes room for.
const MOVES_MAX: u32 = 64;
const MOVES_PER_LEN: u32 = 8;

/// How many bytes one operation moves to keep them, beside this many times the value that it makes room for; at least
/// one record is moved whatever its length. A log in which a thirty-second is dead yields a byte for 31 moved ones.
const MOVED_LEN_MAX: u32 = 64 * 1024;
const MOVED_LEN_TIMES: u32 = 32;

/// How many records are moved ahead of need when a littered log has little room left, so that a stretch without dead
/// bytes does not exhaust the bound of one operation.
const MOVES_AHEAD: u32 = 4;

/// The work that one operation may do to keep records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    moves: u32,
    bytes: u32,
}

impl Budget {
    /// For an operation that makes room for a value of `len` bytes.
    pub(super) fn new(len: u32) -> Budget {
        Budget {
            moves: MOVES_MAX + len / MOVES_PER_LEN,
            bytes: len
                .saturating_mul(MOVED_LEN_TIMES)
                .saturating_add(MOVED_LEN_MAX),
        }
    }

    fn is_left(&self) -> bool {
        self.moves != 0 && self.bytes != 0
    }

    /// Whether a record of `len` bytes may still be moved; if so, that is counted.
    fn take(&mut self, len: u32) -> bool {
        if !self.is_left() {
            return false;
        }
        self.moves -= 1;
        self.bytes = self.bytes.saturating_sub(len);
        true
    }
}

/// How many records that must not be evicted one operation meets before it gives up: the ones that are arriving and
/// the one that is being replaced, each at most twice.
const PINNED_MAX: u32 = 2 * (RESERVATIONS_MAX as u32 + 1);

impl<O: Observer> Operation<'_, O> {
    /// Takes `len` bytes at the head of a log, after making room there.
    pub(super) fn allocate(&mut self, place: Place, len: u32) -> Result<u32, SetError> {
        self.make_room(place, len)?;
        for _ in 0..MOVES_AHEAD {
            let log = self.log(place);
            let is_wanted =
                log.is_littered() && log.free().saturating_sub(len) < log.capacity() / 16;
            if is_wanted && self.budget.is_left() {
                self.advance_tail(place);
            }
        }
        let at = self.log_mut(place).push(len);
        if place == Place::Main {
            let state = &mut *self.state;
            state.starts.note(self.memory, &state.main, at);
        }
        Ok(at)
    }

    fn make_room(&mut self, place: Place, len: u32) -> Result<(), SetError> {
        let mut pinned = 0;
        while self.log(place).free() < len {
            if self.log(place).used == 0 || pinned > PINNED_MAX {
                return Err(SetError::Full);
            }
            pinned += u32::from(self.advance_tail(place));
        }
        Ok(())
    }

    /// Decides about what lies at the tail of a log; true if it was something that must not go.
    pub(super) fn advance_tail(&mut self, place: Place) -> bool {
        let log = *self.log(place);
        let at = log.tail;
        let Some(header) = log.entry(self.memory, at) else {
            self.start_over();
            return false;
        };
        let len = header.record_len();
        if header.is_filler() {
            let log = self.log_mut(place);
            log.pop(len);
            log.dead = log.dead.saturating_sub(len);
            return false;
        }
        if header.cas == 0 {
            return self.advance_over_reservation(place, &header);
        }
        let hash = self.hash_at(&log, at, &header);
        let Some(slot) = self.state.index.find(self.memory, hash, at) else {
            // Only foreign writes to the memory make a record that is not indexed.
            self.log_mut(place).pop(len);
            return false;
        };
        let record = Tail { header, hash, slot };
        let is_pinned = self.pinned == Some(at);
        let moved = if self.is_gone(&record.header) {
            self.count_reclaimed(&record.header);
            None
        } else if is_pinned {
            let to = self.requeue(place, &record.header);
            self.pinned = Some(to);
            Some(to)
        } else {
            match place {
                Place::Main => self.advance_main(&record),
                Place::Small => self.advance_small(&record),
            }
        };
        let Some(to) = moved else {
            self.unlink(slot, len);
            self.log_mut(place).pop(len);
            return false;
        };
        store_u32(self.memory, slot, self.state.index.slot(hash, to));
        is_pinned
    }

    /// Decides about the record at the main log's tail; returns where it lies now, `None` if it is to go.
    fn advance_main(&mut self, record: &Tail) -> Option<u32> {
        let mut header = record.header;
        let is_kept = header.visits().is_warm() || self.state.main.is_littered();
        if is_kept && self.budget.take(header.record_len()) {
            // A lap that is only made to get at dead bytes tells nothing about the record.
            if !self.state.main.is_littered() {
                header.set_visits(header.visits().less());
                self.put_control(self.state.main.tail, &header);
            }
            Some(self.requeue(Place::Main, &header))
        } else {
            self.count_eviction(self.state.main.tail, &header);
            None
        }
    }

    /// Decides about the record at the small log's tail; returns where it lies now, `None` if it is to go.
    fn advance_small(&mut self, record: &Tail) -> Option<u32> {
        let len = record.header.record_len();
        let is_often = record.header.visits() == Visits::OFTEN;
        self.reclaim_main(len);
        let main = self.state.main;
        let moved = if is_often || main.free() >= len {
            self.promote(record)
        } else if self.state.small.is_littered() && self.budget.take(len) {
            return Some(self.requeue(Place::Small, &record.header));
        } else if main.is_littered() && self.budget.take(len) {
            self.promote(record)
        } else {
            let bucket = self.bucket_of(record.slot);
            let index = self.state.index;
            index.push_ghost(self.memory, bucket, record.hash);
            None
        };
        if moved.is_none() {
            self.count_eviction(self.state.small.tail, &record.header);
        }
        moved
    }

    /// Makes up to `len` bytes of room in the main log out of what is dead at its tail: expired, flushed or deleted. Nothing
    /// that lives is evicted from the small log for the sake of that. Values that are arriving are stepped over.
    fn reclaim_main(&mut self, len: u32) {
        let mut pinned = 0;
        while self.state.main.free() < len && pinned <= PINNED_MAX {
            let log = self.state.main;
            let lives = log
                .entry(self.memory, log.tail)
                .is_none_or(|entry| !entry.is_filler() && entry.cas != 0 && !self.is_gone(&entry));
            if lives {
                break;
            }
            pinned += u32::from(self.advance_tail(Place::Main));
        }
    }

    /// Moves the record at the small log's tail to the main log; `None` if that has no room.
    fn promote(&mut self, record: &Tail) -> Option<u32> {
        let len = record.header.record_len();
        let to = self.allocate(Place::Main, len).ok()?;
        let Log { tail: from, .. } = self.state.small;
        let mut header = record.header;
        if header.visits().is_warm() {
            header.set_visits(Visits::NOT_LATELY);
            self.put_control(from, &header);
        }
        copy(
            self.memory,
            &self.state.small,
            from,
            &self.state.main,
            to,
            len,
        );
        self.state.small.pop(len);
        self.count_move();
        Some(to)
    }

    /// Moves the record at a log's tail to its head, which always has room for it.
    pub(super) fn requeue(&mut self, place: Place, header: &Header) -> u32 {
        let len = header.record_len();
        let log = self.log_mut(place);
        let from = log.tail;
        log.pop(len);
        let to = log.push(len);
        let log = *log;
        copy(self.memory, &log, from, &log, to, len);
        if place == Place::Main {
            let state = &mut *self.state;
            state.starts.note(self.memory, &log, to);
        }
        self.count_move();
        to
    }
}

/// The record at the tail of a log.
struct Tail {
    header: Header,
    hash: u64,
    /// Where its slot lies.
    slot: u32,
}
