//! The boards, and what a board must give.
//!
//! Everything that a board has of its own is in one file of this folder; the rest of the program knows only the trait
//! [`Board`]. To port it, write that file, name it in `Cargo.toml` (a feature) and below (two lines), and build with
//! `--no-default-features --features your-board`. The file gives
//!
//! - in its module documentation a block fenced as `ld`: the linker's `memory.x`, with the regions `FLASH`, `RAM` and
//!   `STACK`. The stack lies below everything else, so that an overflow faults instead of overwriting data;
//! - a type `ThisBoard` that implements [`Board`];
//! - a time driver: `embassy_time_driver::time_driver_impl!` over [`Clock`](crate::clock::Clock), for which two functions
//!   suffice (read a counter, set an alarm), or that of a HAL;
//! - the table of vectors `__INTERRUPTS`, or that of a HAL, with the handlers of the timer and the network device.

#[cfg(feature = "lm3s6965evb")]
mod lm3s6965evb;
#[cfg(feature = "lm3s6965evb")]
pub(crate) use lm3s6965evb::ThisBoard;

#[cfg(feature = "mps2-an385")]
mod mps2_an385;
#[cfg(feature = "mps2-an385")]
pub(crate) use mps2_an385::ThisBoard;

#[cfg(all(feature = "uart", not(feature = "w5500-evb-pico")))]
mod port;
#[cfg(not(feature = "w5500-evb-pico"))]
mod register;
#[cfg(feature = "semihosting-console")]
mod semihosting;

#[cfg(feature = "w5500-evb-pico")]
mod w5500_evb_pico;
#[cfg(feature = "w5500-evb-pico")]
pub(crate) use w5500_evb_pico::ThisBoard;

use embassy_executor::Spawner;

/// What the program needs of a board.
pub(crate) trait Board: Sized {
    /// What the board is called on the console.
    const NAME: &'static str;

    /// Bytes of RAM, by which the [`settings`](crate::settings) choose their sizes.
    const RAM_LEN: usize;

    /// The network device, as embassy-net drives it: frames in and out, and whether the cable is in.
    ///
    /// It wakes its waker when a frame has come, when there is room to send again, and when the link has changed. If its
    /// memory for frames is small, it says so in `Capabilities::max_burst_size`: the TCP window is then kept to as many
    /// frames, which is better than losing some.
    type Network: embassy_net::driver::Driver + 'static;

    /// Sets up clocks and timers, the network device with its interrupt, and the watchdog, which is to bite if it is not
    /// fed for some seconds. Called once, first of all. A network device that needs a task of its own spawns it.
    async fn start(spawner: Spawner) -> (Self, Self::Network);

    /// The serial port that is served.
    ///
    /// In place of bytes that were lost or received wrong its `read` gives an error, after all that came before them.
    #[cfg(feature = "uart")]
    type Serial: embedded_io_async::Read + embedded_io_async::Write + 'static;

    /// Sets up the serial port, with the speed and the rings of the [`settings`](crate::settings). Called once.
    #[cfg(feature = "uart")]
    fn serial(&mut self) -> Self::Serial;

    /// 128 bits for the hash of the store and the numbers of TCP: from a random number generator if the board has one.
    ///
    /// Who knows them can choose keys that get in each other's way.
    fn seed(&mut self) -> [u64; 2];

    /// Keeps the watchdog quiet for another few seconds.
    fn feed_watchdog(&mut self);

    /// Writes to wherever the board has people read; may be called from anywhere, even after a panic.
    fn print(text: &str);

    /// Ends the program after a failure that was printed: by a reset, or where it is emulated by ending the emulator with
    /// a status that tells.
    fn fail() -> !;
}
