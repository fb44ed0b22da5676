//! Timer 0 of the boards mps2-an385 and mps2-an386: it counts down at 25 MHz.

use core::ptr::{read_volatile, write_volatile};

const CONTROL: *mut u32 = 0x4000_0000 as *mut u32;
const VALUE: *mut u32 = 0x4000_0004 as *mut u32;
const RELOAD: *mut u32 = 0x4000_0008 as *mut u32;

/// Nanoseconds of a step.
const STEP_NS: u32 = 40;
/// Nanoseconds of an instruction, as the emulator is told.
const INSTRUCTION_NS: u32 = 1 << 10;

pub(crate) fn start() {
    // SAFETY: the registers are there, and nobody else uses the timer.
    unsafe {
        write_volatile(RELOAD, u32::MAX);
        write_volatile(VALUE, u32::MAX);
        write_volatile(CONTROL, 1);
    }
}

#[inline(always)]
pub(crate) fn read() -> u32 {
    // SAFETY: the register is there.
    unsafe { read_volatile(VALUE) }
}

/// The instructions between two readings that lie less than a hundred million apart.
pub(crate) fn instructions(start: u32, end: u32) -> u32 {
    // Both readings are rounded to a step, which is far less than an instruction.
    let ns = u64::from(start.wrapping_sub(end)) * u64::from(STEP_NS);
    ((ns + u64::from(INSTRUCTION_NS) / 2) / u64::from(INSTRUCTION_NS)) as u32
}
