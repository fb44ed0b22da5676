//! Runs the tasks, and lets the core sleep while none has anything to do.
//!
//! embassy's own executor waits with WFE; emulators spin on that, while on WFI they sleep as hardware does.

use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::asm;
use cortex_m::interrupt;
use embassy_executor::{Spawner, raw};
use static_cell::StaticCell;

/// Whether a task has been woken since the tasks were last run.
static IS_PENDING: AtomicBool = AtomicBool::new(false);

/// The executor calls it when a task is woken, also from interrupts.
#[unsafe(export_name = "__pender")]
fn pend(_: *mut ()) {
    IS_PENDING.store(true, Ordering::Release);
}

/// Runs what `spawn` starts, for ever.
pub(crate) fn run(spawn: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
    let executor = EXECUTOR.init_with(|| raw::Executor::new(core::ptr::null_mut()));
    spawn(executor.spawner());
    loop {
        // SAFETY: this is the one place that polls, and the tasks that it runs do not come back here.
        unsafe { executor.poll() };
        // An interrupt that comes between the look and the sleep is not taken yet, but ends the sleep.
        interrupt::free(|_| {
            if !IS_PENDING.load(Ordering::Acquire) {
                asm::wfi();
            }
        });
        IS_PENDING.store(false, Ordering::Release);
    }
}
