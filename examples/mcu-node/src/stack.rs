//! The stack: where it lies, and how much of it has been used.
//!
//! ```text
//!  _stack_end                                            _stack_start
//!      │  ◀── tasks (process stack)      │ ◀── handlers (main) │
//!      └───────────────────────────────────────────────────────┘
//!   nothing below                       HANDLERS_LEN bytes
//! ```
//!
//! Tasks that need too much of it run into memory that is not there, which is a fault; and as handlers have a stack of their
//! own, that of the fault still has one to report it from.
//!
//! The stack is painted before the program starts, and what is no longer in that colour was written to.

use core::arch::asm;
use core::ptr;

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    /// The linker's: the lowest address of the stack, and the one behind its highest.
    static _stack_end: u32;
    static _stack_start: u32;
}

/// Bytes for interrupts and faults, at the top.
const HANDLERS_LEN: usize = 512;

/// Goes on with `run` on the tasks' part of the stack. Called once, first of all.
pub(crate) fn enter(run: extern "C" fn() -> !) -> ! {
    let top = (&raw const _stack_start).addr() - HANDLERS_LEN;
    // SAFETY: the stack is free there, as what is in use of it now is less than the handlers' part; whatever was put on it
    // is not used any more, as `run` takes nothing and does not return.
    unsafe {
        asm!(
            "msr psp, {top}",
            "msr control, {process_stack}",
            "isb",
            "bx {run}",
            top = in(reg) top,
            process_stack = in(reg) 2,
            run = in(reg) run,
            options(noreturn),
        )
    }
}

/// Bytes of the stack.
pub(crate) fn len() -> usize {
    (&raw const _stack_start).addr() - (&raw const _stack_end).addr()
}

/// The most bytes that were in use at a time.
pub(crate) fn high_water() -> usize {
    let bottom = &raw const _stack_end;
    let words = len() / size_of::<u32>();
    let untouched = (0..words)
        // SAFETY: the word is one of the stack's. It may be in use, so it is read as a device's register would be.
        .take_while(|&word| unsafe { ptr::read_volatile(bottom.add(word)) } == STACK_PAINT_VALUE)
        .count();
    len() - untouched * size_of::<u32>()
}
