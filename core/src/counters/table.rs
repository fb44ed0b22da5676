//! Tables of counters by opcode.

use super::Tally;
use crate::wire::{Opcode, Status};

/// How often and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Count {
    /// Bytes that moved, of packets that failed as well.
    pub bytes: u64,
    /// Packets that came through, whatever their status.
    pub operations: u64,
    /// Packets that did not.
    pub errors: u64,
}

impl Count {
    /// Whether nothing has been counted.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.bytes == 0 && self.operations == 0 && self.errors == 0
    }

    #[inline]
    fn note(&mut self, bytes: u64, failed: bool) {
        self.bytes = self.bytes.wrapping_add(bytes);
        if failed {
            self.errors = self.errors.wrapping_add(1);
        } else {
            self.operations = self.operations.wrapping_add(1);
        }
    }

    fn add(&mut self, other: &Count) {
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.operations = self.operations.wrapping_add(other.operations);
        self.errors = self.errors.wrapping_add(other.errors);
    }
}

/// One [`Count`] for each opcode: 6 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    counts: [Count; 256],
    unknown: Count,
}

/// The opcodes that have been counted.
#[cfg(feature = "defmt")]
impl defmt::Format for Table {
    fn format(&self, f: defmt::Formatter<'_>) {
        let unknown = self.unknown;
        defmt::write!(f, "[");
        for (opcode, count) in self.iter() {
            defmt::write!(f, "{}: {}, ", opcode, count);
        }
        defmt::write!(f, "unknown: {}]", unknown);
    }
}

impl Table {
    /// A table of nothing.
    #[must_use]
    pub const fn new() -> Table {
        const NONE: Count = Count {
            bytes: 0,
            operations: 0,
            errors: 0,
        };
        Table {
            counts: [NONE; 256],
            unknown: NONE,
        }
    }

    /// Counts a packet. Of one that failed before its second byte nobody can say what it was.
    #[inline]
    pub fn note(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        let count = match self.counts.get_mut(usize::from(opcode.0)) {
            Some(count) if bytes >= 2 => count,
            _ => &mut self.unknown,
        };
        count.note(bytes, failed);
    }

    /// What was counted for an opcode.
    #[must_use]
    pub fn get(&self, opcode: Opcode) -> Count {
        let count = self.counts.get(usize::from(opcode.0));
        count.copied().unwrap_or_default()
    }

    /// What was counted for packets of which fewer than 2 bytes moved.
    #[must_use]
    pub fn unknown(&self) -> Count {
        self.unknown
    }

    /// The sum over everything.
    #[must_use]
    pub fn total(&self) -> Count {
        let mut total = self.unknown;
        for count in &self.counts {
            total.add(count);
        }
        total
    }

    /// The opcodes that were counted at all, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Opcode, Count)> + '_ {
        let numbered = (0..=u8::MAX).zip(&self.counts);
        numbered
            .filter(|(_, count)| !count.is_zero())
            .map(|(number, count)| (Opcode(number), *count))
    }

    /// Adds what was counted elsewhere for an opcode.
    pub fn add_count(&mut self, opcode: Opcode, more: Count) {
        if let Some(count) = self.counts.get_mut(usize::from(opcode.0)) {
            count.add(&more);
        }
    }

    /// Adds what was counted elsewhere for packets of which fewer than 2 bytes moved.
    pub fn add_unknown(&mut self, more: Count) {
        self.unknown.add(&more);
    }

    /// Adds what another table has counted.
    pub fn add(&mut self, other: &Table) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            count.add(more);
        }
        self.unknown.add(&other.unknown);
    }
}

impl Default for Table {
    fn default() -> Table {
        Table::new()
    }
}

/// The tally that keeps a [`Table`] for each direction: 18 KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counters {
    /// Requests that went out.
    #[doc(alias = "xmit")]
    pub sent: Table,
    /// Responses that came in.
    #[doc(alias = "recv")]
    pub received: Table,
    /// Packets of feeds that came in.
    #[doc(alias = "tap")]
    pub fed: Table,
}

impl Counters {
    /// Counters of nothing.
    #[must_use]
    pub const fn new() -> Counters {
        Counters {
            sent: Table::new(),
            received: Table::new(),
            fed: Table::new(),
        }
    }

    /// Adds what others have counted.
    pub fn add(&mut self, other: &Counters) {
        self.sent.add(&other.sent);
        self.received.add(&other.received);
        self.fed.add(&other.fed);
    }
}

impl Tally for Counters {
    #[inline]
    fn sent(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        self.sent.note(opcode, bytes, failed);
    }

    #[inline]
    fn received(&mut self, opcode: Opcode, _status: Status, bytes: u64, failed: bool) {
        self.received.note(opcode, bytes, failed);
    }

    #[inline]
    fn fed(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        self.fed.note(opcode, bytes, failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_with_and_without_an_error_and_operations_only_without() {
        let mut counters = Counters::new();
        counters.sent(Opcode::GET, 29, false);
        counters.sent(Opcode::GET, 10, true);
        counters.received(Opcode::GET, Status::KEY_ENOENT, 33, false);
        let count = counters.sent.get(Opcode::GET);
        assert_eq!((count.bytes, count.operations, count.errors), (39, 1, 1));
        assert_eq!(counters.received.get(Opcode::GET).operations, 1);
        assert_eq!(counters.received.get(Opcode::SET), Count::default());
        assert_eq!(counters.fed.total(), Count::default());
    }

    #[test]
    fn a_packet_of_which_fewer_than_two_bytes_moved_is_unknown() {
        let mut table = Table::new();
        table.note(Opcode::SET, 1, true);
        table.note(Opcode::SET, 2, true);
        assert_eq!(table.unknown().errors, 1);
        assert_eq!(table.get(Opcode::SET).errors, 1);
        assert_eq!(table.total().bytes, 3);
    }

    #[test]
    fn what_was_never_counted_is_left_out() {
        let mut table = Table::new();
        table.note(Opcode::NOOP, 24, false);
        let mut sum = table.clone();
        sum.add(&table);
        let counted: Vec<(Opcode, u64)> = sum.iter().map(|(op, c)| (op, c.bytes)).collect();
        assert_eq!(counted, [(Opcode::NOOP, 48)]);
    }

    extern crate std;
    use std::vec::Vec;
}
