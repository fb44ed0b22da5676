//! Registers of devices.

/// A 32-bit register.
#[derive(Clone, Copy)]
pub(super) struct Register(usize);

impl Register {
    /// # Safety
    /// At the address is a register of a device, and what the program reads and writes there leaves memory alone.
    pub(super) const unsafe fn at(address: usize) -> Self {
        Self(address)
    }

    #[inline]
    pub(super) fn read(self) -> u32 {
        // SAFETY: it is a register, as the caller of `at` has promised.
        unsafe { core::ptr::with_exposed_provenance::<u32>(self.0).read_volatile() }
    }

    #[inline]
    pub(super) fn write(self, value: u32) {
        // SAFETY: as above.
        unsafe { core::ptr::with_exposed_provenance_mut::<u32>(self.0).write_volatile(value) }
    }
}

/// A line in the table of vectors.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Vector(unsafe extern "C" fn());

unsafe extern "C" {
    /// The runtime's, for interrupts that nobody handles.
    fn DefaultHandler();
}

impl Vector {
    /// An interrupt that is never enabled.
    pub(super) const UNUSED: Self = Self(DefaultHandler);

    pub(super) const fn new(handler: unsafe extern "C" fn()) -> Self {
        Self(handler)
    }
}

/// Lets an interrupt through, by its number in the table.
pub(super) fn enable_interrupt(number: usize) {
    // SAFETY: these are the registers that enable interrupts on every Cortex-M; ones in the others' places change nothing.
    let enable = unsafe { Register::at(0xe000_e100 + 4 * (number / 32)) };
    enable.write(1 << (number % 32));
}
