//! The time driver of boards that have a 32-bit counter and an alarm, and unix time.

use core::cell::RefCell;
use core::marker::PhantomData;
use core::task::Waker;

use critical_section::Mutex;
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
    /// When the alarm comes.
    alarm_us: u64,
}

impl<T: Timer> Clock<T> {
    pub(crate) const fn new() -> Self {
        let state = State {
            now_us: 0,
            count: 0,
            queue: Queue::new(),
            alarm_us: u64::MAX,
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
        critical_section::with(|section| {
            let state = &mut *self.state.borrow_ref_mut(section);
            state.alarm_us = u64::MAX;
            state.set_alarm::<T>();
        });
    }
}

impl State {
    /// Sets the alarm, unless it is set for an earlier time already: when that comes, it is set anew. Deadlines that are
    /// moved and given up all the time, as those of connections are, so seldom reach the device.
    fn set_alarm<T: Timer>(&mut self) {
        let now_us = self.advance::<T>();
        let wait_us = self.queue.next_expiration(now_us).saturating_sub(now_us);
        let wait_us_max = T::COUNT_MAX / 2 / T::COUNTS_PER_US;
        let wait_us = u32::try_from(wait_us)
            .unwrap_or(u32::MAX)
            .clamp(1, wait_us_max);
        let alarm_us = now_us + u64::from(wait_us);
        if alarm_us < self.alarm_us {
            self.alarm_us = alarm_us;
            T::set_alarm(wait_us * T::COUNTS_PER_US);
        }
    }

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
            let state = &mut *self.state.borrow_ref_mut(section);
            if state.queue.schedule_wake(at, waker) {
                state.set_alarm::<T>();
            }
        });
    }
}

/// Unix time in seconds, as far as a device without a clock knows it.
pub(crate) fn unix_time() -> u32 {
    UNIX_TIME_AT_START.saturating_add(u32::try_from(Instant::now().as_secs()).unwrap_or(u32::MAX))
}
