//! Seconds of unix time that never step back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time as the server counts it: the system's clock at the start, and monotonic time from there on.
///
/// As in memcached, a step of the system's clock neither expires items nor revives them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    started_unix: Duration,
}

impl Clock {
    pub(super) fn start() -> Clock {
        let started_unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Clock {
            started: Instant::now(),
            started_unix,
        }
    }

    /// The current second.
    pub(super) fn now(&self) -> u32 {
        let now = self.started_unix.saturating_add(self.started.elapsed());
        u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
    }

    /// The second of the start.
    pub(super) fn started(&self) -> u32 {
        u32::try_from(self.started_unix.as_secs()).unwrap_or(u32::MAX)
    }
}
