//! Looking at all items, a few at a time.

use super::item::{Item, Value};
use super::log::Log;
use super::operation::{Place, State};
use super::record::Header;

/// A place in a walk over all items; see [`Store::walk`].
///
/// [`Store::walk`]: super::Store::walk
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Cursor {
    is_main: bool,
    /// The lap of the log in which the position is meant.
    lap: u32,
    /// 0 = the oldest record; the table of starts lies there, so no record does.
    at: u32,
}

impl Cursor {
    /// Before the first item.
    pub const START: Cursor = Cursor {
        is_main: false,
        lap: 0,
        at: 0,
    };
}

impl<O> State<O> {
    /// Shows the items among the next `steps_max` records to `f`.
    pub(super) fn walk(
        &self,
        memory: &[u8],
        cursor: Cursor,
        steps_max: u32,
        now: u32,
        f: &mut dyn FnMut(Value<'_>, &Item<'_>),
    ) -> Option<Cursor> {
        let mut place = if cursor.is_main {
            Place::Main
        } else {
            Place::Small
        };
        let mut position = self.resume(place, cursor);
        for _ in 0..steps_max {
            let log = self.log(place);
            let Some((at, lap)) = position else {
                if place == Place::Main {
                    return None;
                }
                place = Place::Main;
                position = oldest(&self.main);
                continue;
            };
            let entry = log.entry(memory, at)?;
            if !entry.is_filler() {
                self.show(memory, at, &entry, now, f);
            }
            position = next(log, at, lap, entry.record_len());
        }
        match (position, place) {
            (Some((at, lap)), _) => Some(Cursor {
                is_main: place == Place::Main,
                lap,
                at,
            }),
            (None, Place::Small) => Some(Cursor {
                is_main: true,
                lap: 0,
                at: 0,
            }),
            (None, Place::Main) => None,
        }
    }

    fn show(
        &self,
        memory: &[u8],
        at: u32,
        header: &Header,
        now: u32,
        f: &mut dyn FnMut(Value<'_>, &Item<'_>),
    ) {
        if header.cas == 0 || self.is_gone(header, now) {
            return;
        }
        let key = self.log_of(at).key(memory, at, header);
        f(key, &self.item(memory, at, header));
    }

    pub(super) fn item<'m>(&self, memory: &'m [u8], at: u32, header: &Header) -> Item<'m> {
        let log = self.log_of(at);
        let value = log.pieces(memory, at, header.value_at(), header.value_len);
        let Header {
            cas,
            flags,
            expiration,
            ..
        } = *header;
        Item {
            cas,
            flags,
            expiration,
            value,
        }
    }

    /// The position of a cursor, or the oldest record if that one is gone; none at the head.
    fn resume(&self, place: Place, cursor: Cursor) -> Option<(u32, u32)> {
        let log = self.log(place);
        let (tail, tail_lap) = oldest(log)?;
        if cursor.at == 0 {
            return Some((tail, tail_lap));
        }
        let age = cursor.lap.wrapping_sub(tail_lap) as i32;
        if age < 0 || (age == 0 && cursor.at < tail) {
            return Some((tail, tail_lap));
        }
        if cursor.lap == tail_lap && cursor.at >= log.end {
            // The end of the log has moved before it; what follows is at the start.
            return (log.is_wrapped() && log.head() != log.start).then_some((log.start, log.lap));
        }
        let is_before_head = cursor.lap != log.lap || cursor.at < log.head();
        (age <= 1 && is_before_head && cursor.at < log.end).then_some((cursor.at, cursor.lap))
    }
}

/// The tail and its lap.
fn oldest(log: &Log) -> Option<(u32, u32)> {
    let lap = if log.is_wrapped() {
        log.lap.wrapping_sub(1)
    } else {
        log.lap
    };
    (log.used != 0).then_some((log.tail, lap))
}

/// The position after a record, none at the head.
fn next(log: &Log, at: u32, lap: u32, len: u32) -> Option<(u32, u32)> {
    let to = log.after(at, len);
    let to_lap = if to <= at { lap.wrapping_add(1) } else { lap };
    (to != log.head() || to_lap != log.lap).then_some((to, to_lap))
}
