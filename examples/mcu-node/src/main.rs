//! A memcached node on a microcontroller: memlet's cache, behind TCP/IP of embassy-net.
//!
//! `board` is what is special about a board, `network` and `node` are the same everywhere.
#![no_std]
#![no_main]

#[cfg(all(feature = "near", feature = "serial-only"))]
compile_error!(
    "a near cache reaches its upstream by TCP/IP: use the feature `uart` for the serial port"
);

mod board;
#[cfg_attr(
    feature = "w5500-evb-pico",
    allow(dead_code, reason = "the HAL has a time driver of its own")
)]
mod clock;
mod executor;
mod heartbeat;
#[cfg(feature = "defmt")]
mod log;
#[cfg(feature = "near")]
mod near;
#[cfg(not(feature = "serial-only"))]
mod network;
mod node;
#[cfg(feature = "uart")]
mod serial;
#[cfg_attr(
    feature = "serial-only",
    allow(dead_code, reason = "much of it is about TCP/IP")
)]
mod settings;
mod stack;

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, entry, exception};
use embassy_executor::Spawner;

use board::{Board, ThisBoard};
use node::Device;

#[entry]
fn main() -> ! {
    stack::enter(run)
}

extern "C" fn run() -> ! {
    executor::run(start)
}

fn start(spawner: Spawner) {
    if let Ok(token) = start_all(spawner) {
        spawner.spawn(token);
    }
}

/// A task, as starting may take time on some boards.
#[embassy_executor::task]
async fn start_all(spawner: Spawner) {
    let (mut board, network) = ThisBoard::start(spawner).await;
    let seed = board.seed();
    #[cfg(feature = "uart")]
    let counts = serial::counts();
    let device = Device {
        #[cfg(feature = "uart")]
        serial: counts,
    };
    let node = node::start(seed, device);
    #[cfg(not(feature = "serial-only"))]
    network::start(spawner, network, seed[0] ^ seed[1].rotate_left(32), node);
    #[cfg(feature = "serial-only")]
    let _ = network;
    #[cfg(feature = "uart")]
    if let Ok(token) = serial::serve(board.serial(), node, counts) {
        spawner.spawn(token);
    }
    if let Ok(token) = heartbeat::run(board) {
        spawner.spawn(token);
    }
}

/// Says that the node can be reached.
fn say_ready() {
    #[cfg(feature = "defmt")]
    defmt::info!("{=str}: ready", ThisBoard::NAME);
    #[cfg(not(feature = "defmt"))]
    {
        ThisBoard::print(ThisBoard::NAME);
        ThisBoard::print(": ready\n");
    }
}

/// It says that there was a panic, but not which: the texts of all that could be would take several KiB of flash.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    fail("panic\n")
}

#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    fail("fault\n")
}

#[exception]
unsafe fn DefaultHandler(_: i16) -> ! {
    fail("an interrupt that nobody handles\n")
}

fn fail(text: &str) -> ! {
    ThisBoard::print(text);
    ThisBoard::fail()
}
