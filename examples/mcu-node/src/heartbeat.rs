//! Feeds the watchdog as long as all tasks run.
//!
//! At each beat every watched task is woken, whatever it waits for, and is expected to have been polled by the next beat.
//! A task that never comes back from being polled keeps the heartbeat from beating; one that is no longer polled, or a
//! queue of tasks or timers that has come apart, is missed by it. Either way the watchdog gets nothing and bites.

use core::future::poll_fn;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::Waker;

use embassy_sync::waitqueue::AtomicWaker;
use embassy_time::{Duration, Timer};

use crate::board::{Board, ThisBoard};
use crate::settings;

/// Most tasks that can be watched: the sockets', and those of network, network device, echo, serial line and upstream.
const WATCHED_MAX: usize = settings::SOCKETS + 5;

static PULSES: [Pulse; WATCHED_MAX] = [const { Pulse::new() }; WATCHED_MAX];
/// How many of them belong to a task.
static WATCHED: AtomicUsize = AtomicUsize::new(0);

/// What is known of one task.
struct Pulse {
    waker: AtomicWaker,
    /// It has been polled since the last beat.
    has_run: AtomicBool,
}

impl Pulse {
    const fn new() -> Self {
        Self {
            waker: AtomicWaker::new(),
            has_run: AtomicBool::new(true),
        }
    }

    fn note_run(&self, waker: &Waker) {
        self.waker.register(waker);
        self.has_run.store(true, Ordering::Relaxed);
    }

    /// Whether it has run since the last beat; it is asked to run again.
    fn beat(&self) -> bool {
        let has_run = self.has_run.load(Ordering::Relaxed);
        self.has_run.store(false, Ordering::Relaxed);
        self.waker.wake();
        has_run
    }
}

/// The whole of a task's work, watched.
///
/// Called once for each task; more than there is room for are a fault of the program, which stops at its start.
pub(crate) async fn watch<F: Future>(mut work: Pin<&mut F>) -> F::Output {
    let number = WATCHED.load(Ordering::Relaxed);
    let Some(pulse) = PULSES.get(number) else {
        ThisBoard::print("more tasks than the heartbeat can watch\n");
        ThisBoard::fail()
    };
    WATCHED.store(number + 1, Ordering::Relaxed);
    poll_fn(|context| {
        pulse.note_run(context.waker());
        work.as_mut().poll(context)
    })
    .await
}

#[embassy_executor::task]
pub(crate) async fn run(mut board: ThisBoard) -> ! {
    loop {
        // From one beat to the next, and not by a schedule: beats that are made up for at once, after the core stood still in
        // a debugger or a busy emulator, would leave the tasks no time between them.
        Timer::after(Duration::from_millis(settings::HEARTBEAT_MS)).await;
        let watched = PULSES.iter().take(WATCHED.load(Ordering::Relaxed));
        let missing = watched.filter(|pulse| !pulse.beat()).count();
        if missing == 0 {
            board.feed_watchdog();
        }
    }
}
