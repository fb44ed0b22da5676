//! Counters that one thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memlet_core::counters::{Count, Counters, Table, Tally};
use memlet_core::wire::{Opcode, Status};

/// Counters by opcode of many writers, to be read as a sum. Clones are handles to the same counters.
///
/// Each writer has tables of its own (18 KiB), whose figures are kept when it is dropped.
#[derive(Clone, Debug, Default)]
pub struct SharedCounters(Arc<Mutex<Writers>>);

#[derive(Debug, Default)]
struct Writers {
    /// The tables of writers that live.
    live: Vec<Arc<Tables>>,
    /// What those have counted that are gone.
    gone: Counters,
}

impl SharedCounters {
    /// Counters of nothing.
    #[must_use]
    pub fn new() -> SharedCounters {
        SharedCounters::default()
    }

    /// A new writer, for one thread or one client.
    #[must_use]
    pub fn writer(&self) -> CounterWriter {
        let tables = Arc::new(Tables::default());
        self.lock().live.push(Arc::clone(&tables));
        CounterWriter {
            tables,
            shared: self.clone(),
        }
    }

    /// What all writers have counted up to now.
    ///
    /// Writers go on meanwhile: an operation may be in the sum before its bytes are, or the other way round.
    #[must_use]
    pub fn sum(&self) -> Counters {
        let writers = self.lock();
        let mut sum = writers.gone.clone();
        for tables in &writers.live {
            tables.add_to(&mut sum);
        }
        sum
    }

    fn lock(&self) -> MutexGuard<'_, Writers> {
        // Plain numbers are never left half changed by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes to [`SharedCounters`]: the tally of one handler or one client.
#[derive(Debug)]
pub struct CounterWriter {
    tables: Arc<Tables>,
    shared: SharedCounters,
}

impl Tally for CounterWriter {
    #[inline]
    fn sent(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        self.tables.sent.note(opcode, bytes, failed);
    }

    #[inline]
    fn received(&mut self, opcode: Opcode, _status: Status, bytes: u64, failed: bool) {
        self.tables.received.note(opcode, bytes, failed);
    }

    #[inline]
    fn fed(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        self.tables.fed.note(opcode, bytes, failed);
    }
}

impl Drop for CounterWriter {
    fn drop(&mut self) {
        let mut writers = self.shared.lock();
        writers
            .live
            .retain(|tables| !Arc::ptr_eq(tables, &self.tables));
        self.tables.add_to(&mut writers.gone);
    }
}

#[derive(Debug, Default)]
struct Tables {
    sent: AtomicTable,
    received: AtomicTable,
    fed: AtomicTable,
}

impl Tables {
    fn add_to(&self, sum: &mut Counters) {
        self.sent.add_to(&mut sum.sent);
        self.received.add_to(&mut sum.received);
        self.fed.add_to(&mut sum.fed);
    }
}

/// A [`Table`] whose numbers may be read while its one writer goes on.
#[derive(Debug)]
struct AtomicTable {
    counts: [AtomicCount; 256],
    unknown: AtomicCount,
}

#[derive(Debug, Default)]
struct AtomicCount {
    bytes: AtomicU64,
    operations: AtomicU64,
    errors: AtomicU64,
}

impl Default for AtomicTable {
    fn default() -> AtomicTable {
        AtomicTable {
            counts: std::array::from_fn(|_| AtomicCount::default()),
            unknown: AtomicCount::default(),
        }
    }
}

impl AtomicTable {
    #[inline]
    fn note(&self, opcode: Opcode, bytes: u64, failed: bool) {
        // Of a packet that failed before its second byte nobody can say what it was.
        let count = if bytes >= 2 {
            &self.counts[usize::from(opcode.0)]
        } else {
            &self.unknown
        };
        raise(&count.bytes, bytes);
        raise(
            if failed {
                &count.errors
            } else {
                &count.operations
            },
            1,
        );
    }

    fn add_to(&self, sum: &mut Table) {
        for (number, count) in (0..=u8::MAX).zip(&self.counts) {
            sum.add_count(Opcode(number), count.load());
        }
        sum.add_unknown(self.unknown.load());
    }
}

impl AtomicCount {
    fn load(&self) -> Count {
        Count {
            bytes: self.bytes.load(Ordering::Relaxed),
            operations: self.operations.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
        }
    }
}

/// Adds to a number that only the caller writes, so that no read-modify-write is needed.
#[inline]
fn raise(number: &AtomicU64, by: u64) {
    let sum = number.load(Ordering::Relaxed).wrapping_add(by);
    number.store(sum, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_holds_what_every_writer_counted_living_or_gone() {
        let shared = SharedCounters::new();
        let mut first = shared.writer();
        let mut plain = Counters::new();
        for tally in [&mut first as &mut dyn Tally, &mut plain] {
            tally.sent(Opcode::GET, 30, false);
            tally.received(Opcode::GET, Status::SUCCESS, 40, false);
            tally.received(Opcode::SET, Status::SUCCESS, 1, true);
            tally.fed(Opcode::DCP_MUTATION, 60, false);
        }
        assert_eq!(shared.sum(), plain);
        drop(first);
        assert_eq!(shared.sum(), plain);
        shared.writer().sent(Opcode::GET, 5, true);
        let get = shared.sum().sent.get(Opcode::GET);
        assert_eq!((get.bytes, get.operations, get.errors), (35, 1, 1));
        assert_eq!(shared.lock().live.len(), 0);
    }
}
