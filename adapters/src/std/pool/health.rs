//! Whether a server of a pool is asked at all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What happens when a server cannot be reached, breaks the connection or does not answer in time.
///
/// ```text
///   in ── failures_max failures in a row ──> out ── after retry_after ──> on trial ── success ──> in
///                                             ^                              │
///                                             └────────── failure ───────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailurePolicy {
    /// Failures in a row, over all connections, that put a server out; at least 1.
    pub failures_max: u32,
    /// How long a server is out before it is asked again.
    pub retry_after: Duration,
    /// What becomes of the keys of a server that is out. False: operations on them fail at once. True: they go to the
    /// others, and no other key moves.
    ///
    /// With true, a server that comes back with its old items has missed what was stored and deleted meanwhile: only
    /// for caches that bear stale items, or whose servers lose everything when they stop.
    pub eject: bool,
}

impl Default for FailurePolicy {
    /// Out for 5 seconds after 2 failures in a row; its keys go nowhere else.
    fn default() -> FailurePolicy {
        FailurePolicy {
            failures_max: 2,
            retry_after: Duration::from_secs(5),
            eject: false,
        }
    }
}

/// How a server has done of late.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    failures: u32,
    out_until: Option<Instant>,
}

impl Health {
    /// Whether the server is to be asked.
    pub(super) fn is_in(&self, now: Instant) -> bool {
        self.state().out_until.is_none_or(|until| until <= now)
    }

    /// Notes that the server has answered.
    pub(super) fn succeeded(&self) {
        let mut state = self.state();
        if state.failures > 0 {
            *state = State::default();
        }
    }

    /// Notes that it has not; whether that puts it out.
    pub(super) fn failed(&self, policy: &FailurePolicy, now: Instant) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let is_out = state.failures >= policy.failures_max;
        if is_out {
            state.out_until = now.checked_add(policy.retry_after);
        }
        is_out
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A state is changed in one go: one that a panic left behind is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_out_after_failures_in_a_row_until_it_is_tried_again() {
        let policy = FailurePolicy {
            failures_max: 2,
            retry_after: Duration::from_secs(10),
            eject: true,
        };
        let health = Health::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!health.failed(&policy, at(0)));
        health.succeeded();
        assert!(!health.failed(&policy, at(1)), "they were not in a row");
        assert!(health.is_in(at(1)));
        assert!(health.failed(&policy, at(2)));
        assert!(!health.is_in(at(11)));
        assert!(health.is_in(at(12)), "on trial");
        assert!(
            health.failed(&policy, at(13)),
            "one failure is enough on trial"
        );
        assert!(!health.is_in(at(22)));
        health.succeeded();
        assert!(health.is_in(at(14)));
        assert!(!health.failed(&policy, at(15)));
    }
}
