//! What a run has counted.

use std::time::Duration;

use hdrhistogram::Histogram;

/// How a server bore a run.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// Requests answered.
    pub requests: u64,
    /// GETs that found their key.
    pub hits: u64,
    /// GETs that did not.
    pub misses: u64,
    /// SETs that were stored.
    pub stored: u64,
    /// Answers with any other status.
    pub errors: u64,
    /// Bytes sent.
    pub bytes_written: u64,
    /// Bytes received.
    pub bytes_read: u64,
    /// From the first request to the last response.
    pub elapsed: Duration,
    /// Time from the write of a request's batch to its response, in nanoseconds, with three digits.
    pub latency: Histogram<u64>,
}

impl LoadReport {
    pub(super) fn new() -> Self {
        Self {
            requests: 0,
            hits: 0,
            misses: 0,
            stored: 0,
            errors: 0,
            bytes_written: 0,
            bytes_read: 0,
            elapsed: Duration::ZERO,
            // Up to a minute; what takes longer counts as a minute.
            latency: Histogram::new_with_max(LATENCY_MAX_NS, 3)
                .unwrap_or_else(|_| unreachable!("the bounds are constant")),
        }
    }

    /// Requests a second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.requests as f64 / seconds
        } else {
            0.0
        }
    }

    /// Adds what another thread has counted in the same time.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.hits += other.hits;
        self.misses += other.misses;
        self.stored += other.stored;
        self.errors += other.errors;
        self.bytes_written += other.bytes_written;
        self.bytes_read += other.bytes_read;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.latency += &other.latency;
    }

    /// Counts answers that came together.
    pub(super) fn note_latency(&mut self, latency: Duration, count: u64) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record_n(nanoseconds, count);
    }
}

const LATENCY_MAX_NS: u64 = 60_000_000_000;
