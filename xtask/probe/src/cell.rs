//! Variables of a program that has one thread and no interrupt handlers that touch them.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

/// A variable that is borrowed for the length of one call.
pub(crate) struct Cell<T>(UnsafeCell<T>);

// SAFETY: the probe is called by one thread, and its calls do not overlap.
unsafe impl<T> Sync for Cell<T> {}

impl<T> Cell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// # Safety
    /// No other borrow exists.
    #[expect(
        clippy::mut_from_ref,
        reason = "the one borrow at a time is what the caller promises"
    )]
    pub(crate) unsafe fn borrow(&self) -> &mut T {
        // SAFETY: as the caller promises.
        unsafe { &mut *self.0.get() }
    }
}

/// A value that is made by the first call: all zero until then, so that it takes no flash.
pub(crate) struct Late<T> {
    is_made: bool,
    value: MaybeUninit<T>,
}

impl<T> Late<T> {
    pub(crate) const fn new() -> Self {
        Self {
            is_made: false,
            value: MaybeUninit::uninit(),
        }
    }

    /// The value, made now if it was not; `None` if it cannot be made.
    pub(crate) fn get_or_make(&mut self, make: impl FnOnce() -> Option<T>) -> Option<&mut T> {
        if !self.is_made {
            self.value.write(make()?);
            self.is_made = true;
        }
        // SAFETY: it has been written, now or by an earlier call.
        Some(unsafe { self.value.assume_init_mut() })
    }
}

/// The memory handed to the store; `cargo xtask size` knows it by its name and does not count it.
#[unsafe(no_mangle)]
pub(crate) static MEMLET_STORE_MEMORY: Cell<[u8; 32 * 1024]> = Cell::new([0; 32 * 1024]);
