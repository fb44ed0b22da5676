//! The console of an emulated board, or one under a debugger: semihosting.

#[cfg(not(feature = "defmt"))]
use cortex_m_semihosting::hio;
use cortex_m_semihosting::{debug, syscall};

/// Writes to the emulator's or the debugger's console.
pub(super) fn print(text: &str) {
    // Between the bytes of a log the text could not be told from them.
    #[cfg(feature = "defmt")]
    defmt::error!("{=str}", text.trim_end());
    // Where nobody reads there is nobody to tell.
    #[cfg(not(feature = "defmt"))]
    let _ = hio::hstdout().and_then(|mut console| console.write_all(text.as_bytes()));
}

/// Ends the emulator with status 1.
pub(super) fn fail() -> ! {
    loop {
        debug::exit(debug::EXIT_FAILURE);
    }
}

/// Seconds of the host's clock.
pub(super) fn host_seconds() -> u32 {
    // SAFETY: the call takes no pointer and gives a number.
    unsafe { syscall!(TIME) as u32 }
}
