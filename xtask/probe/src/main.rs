//! core as a device would use it: one function that is given a connection's input and fills its output.
//!
//! The variants (features `wire`, `store`, `engine`, `blocking`, `login`) each hold the one before, so that their sizes can be compared;
//! `every-group` is `engine` with all the statistics of a server, `client` the other end of a connection.
#![no_std]
#![no_main]

#[cfg(feature = "store")]
mod cell;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "engine")]
mod engine;
#[cfg(feature = "engine")]
mod slices;
#[cfg(all(feature = "store", not(feature = "engine")))]
mod store;
#[cfg(not(any(feature = "store", feature = "client")))]
mod wire;

use core::panic::PanicInfo;
use core::slice;

#[cfg(feature = "client")]
use client::serve;
#[cfg(feature = "engine")]
use engine::serve;
#[cfg(all(feature = "store", not(feature = "engine")))]
use store::serve;
#[cfg(not(any(feature = "store", feature = "client")))]
use wire::serve;

/// What came of one call, as `extern "C"` can return it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Served {
    /// Bytes at the front of the input that are done with.
    consumed: usize,
    /// Bytes at the front of the output that are to be sent.
    written: usize,
}

/// Executes what is complete in `input` and answers into `output`; `now` is unix time in seconds.
///
/// # Safety
/// The pointers are to that many bytes, which nobody else uses during the call; calls do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memlet_serve(
    input: *const u8,
    input_len: usize,
    output: *mut u8,
    output_len: usize,
    now: u32,
) -> Served {
    // SAFETY: as the caller promises.
    let (input, output) = unsafe {
        (
            slice::from_raw_parts(input, input_len),
            slice::from_raw_parts_mut(output, output_len),
        )
    };
    serve(input, output, now)
}

/// Calls a function that does not exist: a panic that can be reached keeps the probe from linking.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn memlet_must_not_panic() -> !;
    }
    // SAFETY: the function either does not exist, and then nothing links, or is the one below.
    unsafe { memlet_must_not_panic() }
}

#[cfg(feature = "panics-linked")]
#[unsafe(no_mangle)]
extern "C" fn memlet_must_not_panic() -> ! {
    loop {}
}
