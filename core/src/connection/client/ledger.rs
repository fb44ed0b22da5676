//! The requests in flight, and which of them a reply may belong to.

use super::error::{Expected, ReplyErrorKind};
use crate::wire::{Dialect, Opcode};

/// Requests of one opcode, one behind the other; their opaques follow by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    opcode: Opcode,
    count: u32,
}

/// All requests in flight, oldest first, as runs of the same opcode.
///
/// Opaques are given out in order and replies come in order, so that a request is known by its distance from the
/// oldest one: ten thousand quiet gets take one run of 8 bytes.
#[derive(Clone, Debug)]
pub(super) struct Ledger<const RUNS: usize> {
    runs: [Run; RUNS],
    /// Where in `runs` the oldest run is.
    first: usize,
    len: usize,
    /// Opaque of the oldest request in flight, or of the next to be sent.
    oldest: u32,
    in_flight: u32,
    /// How many requests are done with, as far as that is needed to know a late reply.
    closed: u32,
    dialect: Dialect,
}

/// Where in the ledger a reply belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// How many requests before it are closed by it, as they are quiet and silent.
    pub(super) silent: u32,
}

/// More in flight than this would make a late reply look like an early one.
const IN_FLIGHT_MAX: u32 = 1 << 30;

impl<const RUNS: usize> Ledger<RUNS> {
    pub(super) const fn new(first_opaque: u32, dialect: Dialect) -> Ledger<RUNS> {
        const { assert!(RUNS > 0, "a table of no requests") };
        Ledger {
            runs: [Run {
                opcode: Opcode::NOOP,
                count: 0,
            }; RUNS],
            first: 0,
            len: 0,
            oldest: first_opaque,
            in_flight: 0,
            closed: 0,
            dialect,
        }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The opaque of the next request.
    pub(super) fn next_opaque(&self) -> u32 {
        self.oldest.wrapping_add(self.in_flight)
    }

    /// Whether a request of this opcode finds room, and `spare` of other opcodes behind it.
    pub(super) fn has_room(&self, opcode: Opcode, spare: usize) -> bool {
        let joins = || self.newest() == Some(opcode);
        let len = self.len.saturating_add(spare);
        self.in_flight < IN_FLIGHT_MAX && (len < RUNS || len == RUNS && joins())
    }

    /// Notes a request; it has been seen to that there is room.
    pub(super) fn push(&mut self, opcode: Opcode) {
        self.in_flight = self.in_flight.saturating_add(1);
        let newest = self.len.checked_sub(1).map(|last| self.index(last));
        if let Some(run) = newest.and_then(|index| self.runs.get_mut(index))
            && run.opcode == opcode
        {
            run.count = run.count.saturating_add(1);
            return;
        }
        let index = self.index(self.len);
        if let Some(run) = self.runs.get_mut(index) {
            *run = Run { opcode, count: 1 };
            self.len = self.len.saturating_add(1);
        }
    }

    /// The request that a reply is expected to: the oldest that always gets one, or else the oldest.
    pub(super) fn expected(&self) -> Option<Expected> {
        self.oldest_loud().or_else(|| {
            self.runs().next().map(|run| Expected {
                opcode: run.opcode,
                opaque: self.oldest,
            })
        })
    }

    /// The oldest request that always gets a reply.
    pub(super) fn oldest_loud(&self) -> Option<Expected> {
        let mut opaque = self.oldest;
        for run in self.runs() {
            if !run.opcode.is_quiet_in(self.dialect) {
                let opcode = run.opcode;
                return Some(Expected { opcode, opaque });
            }
            opaque = opaque.wrapping_add(run.count);
        }
        None
    }

    /// Finds the request that a reply answers.
    ///
    /// # Errors
    /// What is wrong, if it is none that may be answered now, and the request that should have been.
    #[inline]
    pub(super) fn find(
        &self,
        opcode: Opcode,
        opaque: u32,
    ) -> Result<Place, (ReplyErrorKind, Option<Expected>)> {
        let silent = opaque.wrapping_sub(self.oldest);
        if silent >= self.in_flight {
            return Err((self.why_foreign(opaque), self.expected()));
        }
        let (mut rest, mut first) = (silent, self.oldest);
        for run in self.runs() {
            let is_here = rest < run.count;
            let expected = |opaque| {
                let opcode = run.opcode;
                Some(Expected { opcode, opaque })
            };
            if (rest > 0 || !is_here) && !run.opcode.is_quiet_in(self.dialect) {
                return Err((ReplyErrorKind::Missing, expected(first)));
            }
            if is_here {
                return match run.opcode == opcode {
                    true => Ok(Place { silent }),
                    false => Err((ReplyErrorKind::WrongOpcode, expected(opaque))),
                };
            }
            rest = rest.wrapping_sub(run.count);
            first = first.wrapping_add(run.count);
        }
        Err((ReplyErrorKind::Unasked, None))
    }

    /// Why an opaque belongs to no request in flight: those before the oldest are of the past, the others of nowhere.
    #[cold]
    fn why_foreign(&self, opaque: u32) -> ReplyErrorKind {
        if self.oldest.wrapping_sub(opaque) <= self.closed {
            ReplyErrorKind::Late
        } else {
            ReplyErrorKind::Unasked
        }
    }

    /// Forgets the `count` oldest requests.
    #[inline]
    pub(super) fn close(&mut self, count: u32) {
        let count = count.min(self.in_flight);
        self.oldest = self.oldest.wrapping_add(count);
        self.in_flight = self.in_flight.wrapping_sub(count);
        self.closed = self.closed.saturating_add(count).min(IN_FLIGHT_MAX);
        let mut rest = count;
        while rest > 0 {
            let Some(run) = self.runs.get_mut(self.first) else {
                return;
            };
            if rest < run.count {
                run.count = run.count.wrapping_sub(rest);
                return;
            }
            rest = rest.wrapping_sub(run.count);
            self.first = self.index(1);
            self.len = self.len.saturating_sub(1);
        }
    }

    /// The opcode of the last request in flight.
    pub(super) fn newest(&self) -> Option<Opcode> {
        let run = self.runs.get(self.index(self.len.checked_sub(1)?))?;
        Some(run.opcode)
    }

    /// Where the run stands that is `distance` behind the oldest.
    #[inline]
    fn index(&self, distance: usize) -> usize {
        let index = self.first.wrapping_add(distance);
        // Neither is ever beyond the length of the table, so once round is enough.
        if index >= RUNS {
            index.wrapping_sub(RUNS)
        } else {
            index
        }
    }

    fn runs(&self) -> impl Iterator<Item = &Run> + '_ {
        (0..self.len).filter_map(|distance| self.runs.get(self.index(distance)))
    }
}
