//! Requests to core on an emulated microcontroller, with their instructions counted.
//!
//! The emulator runs with `-icount shift=10`: its clock goes on by 1024 ns with every instruction, whatever the instruction
//! is. A timer of the board counts that clock in steps of 40 ns, so that the difference of two readings tells the number of
//! instructions exactly. What the readings and the call between them take themselves is found by measuring a call that
//! does nothing, and taken away; a call of a known number of instructions shows that the rest is right.
//!
//! One line is printed for each kind of call: name, least, mean and most instructions, with tabs between them.
#![no_std]
#![no_main]

mod requests;
mod timer;

use core::arch::asm;
use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use memlet_core::wire::{Limits, Request};

use requests::{Device, Packet};

/// How often each call is measured.
const ROUNDS: u32 = 256;

/// A call whose instructions are counted.
trait Call {
    /// Does what does not count, before the call.
    fn prepare(&mut self, _round: u32) {}

    fn call(&mut self);

    /// Looks at what came of the call, which does not count either.
    fn check(&self) {}
}

/// Prints the least, mean and most instructions of a call, of which `overhead` are not its own. Returns the least.
#[inline(never)]
fn count(name: &str, overhead: u32, subject: &mut dyn Call) -> u32 {
    // Every call is made in the same way: the compiler is not to know which it is.
    let subject = black_box(subject);
    let (mut min, mut max, mut sum) = (u32::MAX, 0, 0_u32);
    for round in 0..ROUNDS {
        subject.prepare(round);
        let start = timer::read();
        subject.call();
        let taken = timer::instructions(start, timer::read()).wrapping_sub(overhead);
        subject.check();
        min = min.min(taken);
        max = max.max(taken);
        sum = sum.wrapping_add(taken);
    }
    hprintln!("{}\t{}\t{}\t{}", name, min, sum / ROUNDS, max);
    min
}

/// What a call takes that does nothing.
struct Nothing;

impl Call for Nothing {
    #[inline(never)]
    fn call(&mut self) {}
}

/// A hundred instructions that do nothing.
struct Nops;

impl Call for Nops {
    #[inline(never)]
    fn call(&mut self) {
        // SAFETY: they do nothing.
        unsafe { asm!(".rept 100", "nop", ".endr", options(nomem, nostack)) }
    }
}

/// A request is taken apart.
struct Parse(Packet);

impl Call for Parse {
    #[inline(never)]
    fn call(&mut self) {
        let limits = Limits {
            key_len_max: 250,
            body_len_max: 1 << 20,
        };
        let _ = black_box(Request::parse(black_box(self.0.bytes()), &limits));
    }
}

#[entry]
fn main() -> ! {
    timer::start();
    let overhead = count("overhead of the measurement", 0, &mut Nothing);
    count("nothing", overhead, &mut Nothing);
    count("100 nops", overhead, &mut Nops);
    count("parse GET", overhead, &mut Parse(Packet::get(1)));
    let Some(mut device) = Device::new() else {
        fail("the store cannot be made");
    };
    device.run(overhead);
    debug::exit(debug::EXIT_SUCCESS);
    unreachable!("the emulator has ended")
}

/// Ends the emulator with an error.
fn fail(message: &str) -> ! {
    hprintln!("{}", message);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    fail("panic")
}
