//! The time driver of boards that have a 32-bit counter and an alarm, and unix time.

use core::cell::RefCell;
use core::marker::PhantomData;
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time::Instant;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

use crate::settings::UNIX_TIME_AT_START;

/// A counter and an alarm.
pub(crate) trait Timer: Send + Sync + 'static {
    /// Counts a microsecond has.
    const COUNTS_PER_US: u32;
    /// How many counts the counter has before it begins anew, less one.
    const COUNT_MAX: u32;

    /// The counter, which counts up. It may be read before the timer was started; the value is then of no concern.
    fn count() -> u32;

    /// Lets the alarm's interrupt come once, this many counts from now (at least 1, at most half of `COUNT_MAX`), and no
    /// more at the time it was set for before. The handler calls [`Clock::handle_alarm`].
    fn set_alarm(counts: u32);
}

/// Microseconds since the start, and those who wait for a time.
pub(crate) struct Clock<T> {
    state: Mutex<RefCell<State>>,
    timer: PhantomData<T>,
}

struct State {
    now_us: u64,
    /// The count at `now_us`.
    count: u32,
    queue: Queue,
}

impl<T: Timer> Clock<T> {
    pub(crate) const fn new() -> Self {
        let state = State {
            now_us: 0,
            count: 0,
            queue: Queue::new(),
        };
        Self {
            state: Mutex::new(RefCell::new(state)),
            timer: PhantomData,
        }
    }

    /// Wakes who waited until now, and sets the alarm for the next.
    ///
    /// The alarm also comes when nobody waits, twice while the counter runs through once, lest a round be missed.
    pub(crate) fn handle_alarm(&self) {
        critical_section::with(|section| self.set_alarm(section));
    }

    fn set_alarm(&self, section: CriticalSection<'_>) {
        let state = &mut *self.state.borrow_ref_mut(section);
        let now_us = state.advance::<T>();
        let wait_us = state.queue.next_expiration(now_us).saturating_sub(now_us);
        let wait_us_max = T::COUNT_MAX / 2 / T::COUNTS_PER_US;
        let wait_us = u32::try_from(wait_us)
            .unwrap_or(u32::MAX)
            .clamp(1, wait_us_max);
        T::set_alarm(wait_us * T::COUNTS_PER_US);
    }
}

impl State {
    fn advance<T: Timer>(&mut self) -> u64 {
        let passed = T::count().wrapping_sub(self.count) & T::COUNT_MAX;
        let passed_us = passed / T::COUNTS_PER_US;
        self.now_us += u64::from(passed_us);
        self.count = self.count.wrapping_add(passed_us * T::COUNTS_PER_US) & T::COUNT_MAX;
        self.now_us
    }
}

impl<T: Timer> Driver for Clock<T> {
    fn now(&self) -> u64 {
        critical_section::with(|section| self.state.borrow_ref_mut(section).advance::<T>())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            if self
                .state
                .borrow_ref_mut(section)
                .queue
                .schedule_wake(at, waker)
            {
                self.set_alarm(section);
            }
        });
    }
}

/// Unix time in seconds, as far as a device without a clock knows it.
pub(crate) fn unix_time() -> u32 {
    UNIX_TIME_AT_START.saturating_add(u32::try_from(Instant::now().as_secs()).unwrap_or(u32::MAX))
}
