//! How much of the stack has been used: it is painted before the program starts, and what is no longer in that colour was
//! written to.

use core::ptr;

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    /// The linker's: the lowest address of the stack, and the one behind its highest.
    static _stack_end: u32;
    static _stack_start: u32;
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
