//! A memcached node on a microcontroller: memlet's cache, behind TCP/IP of embassy-net.
//!
//! `board` is what is special about a board, `network` and `node` are the same everywhere.
#![no_std]
#![no_main]

mod board;
mod clock;
mod executor;
mod heartbeat;
mod network;
mod node;
mod settings;
mod stack;

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, entry, exception};
use embassy_executor::Spawner;

use board::{Board, ThisBoard};

#[entry]
fn main() -> ! {
    executor::run(start)
}

fn start(spawner: Spawner) {
    let (mut board, network) = ThisBoard::start(spawner);
    let seed = board.seed();
    let node = node::start(seed);
    network::start(spawner, network, seed[0] ^ seed[1].rotate_left(32), node);
    if let Ok(token) = heartbeat::run(board) {
        spawner.spawn(token);
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
