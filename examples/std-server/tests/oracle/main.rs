//! The same random commands to `memlet-server` and to a real memcached on loopback: the same answers, byte for byte.
//!
//! Both run under a faked clock (libfaketime) that this test steps second by second, so expiry and delayed flushes are
//! compared exactly. CAS values are compared by their equality relations: per key, the values that one server gives map one
//! to one to those of the other. What is left out or masked is counted under a name and printed at the end; the reasons are
//! the table of differences in the documentation of `memlet_core::engine`.
//!
//! Feature `peers`: needs memcached and libfaketime (`cargo xtask peers` installs them). The seed is printed and can be given
//! as `MEMLET_ORACLE_SEED`, the number of commands as `MEMLET_ORACLE_COMMANDS`.
#![cfg(feature = "peers")]

#[path = "../common/mod.rs"]
mod common;

mod clock;
mod commands;
mod compare;
mod malformed;
mod sasl;

use clock::FakeClock;
use commands::Generator;
use common::{Kind, Random, Server, ServerBuilder};
use compare::{Pair, Tally};

/// The number named by the variable, or the one given.
fn setting(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect(variable))
}

fn start(kind: Kind, clock: &FakeClock) -> Server {
    let mut builder = ServerBuilder::new(kind).arguments(&["-m", "512", "-t", "1"]);
    if kind == Kind::Memcached {
        // Without its background threads memcached removes items only when they are asked for, which keeps its figures
        // predictable; answers don't depend on it.
        builder = builder.arguments(&["-o", "no_lru_crawler,no_lru_maintainer"]);
    }
    for (name, value) in clock.environment() {
        builder = builder.variable(name, &value);
    }
    builder.start()
}

fn run(seed: u64, commands: u64) {
    println!("seed {seed} (MEMLET_ORACLE_SEED), {commands} commands (MEMLET_ORACLE_COMMANDS)");
    let mut clock = FakeClock::start_at(1_800_000_000);
    let mut generator = Generator::new(Random(seed));
    let mut tally = Tally::default();
    let mut runs = 0;
    while tally.commands < commands {
        runs += 1;
        assert!(runs <= 20, "memcached misreads numbers all the time");
        clock.restart();
        let memcached = start(Kind::Memcached, &clock);
        let memlet = start(Kind::Memlet, &clock);
        let mut pair = Pair::new(&memcached, &memlet, &mut tally);
        while pair.tally.commands < commands {
            let seconds = generator.pause();
            if seconds > 0 {
                clock.step(seconds, &[&memcached, &memlet]);
            }
            let batch = generator.batch(&clock, &pair);
            if !pair.exchange(&batch, clock.now()) {
                // memcached's doing; the two no longer hold the same, so both start afresh.
                break;
            }
            if generator.wants_malformed() {
                malformed::compare(&mut generator.random, &mut pair);
            }
            if generator.wants_figures() {
                pair.exchange(&generator.sweep(), clock.now());
                pair.compare_figures();
            }
        }
    }
    tally.report();
}

#[test]
fn random_commands_get_memcacheds_answers() {
    run(
        setting("MEMLET_ORACLE_SEED", 20_261_122),
        setting("MEMLET_ORACLE_COMMANDS", 150_000),
    );
}

#[test]
fn random_logins_get_memcacheds_answers() {
    sasl::run(setting("MEMLET_ORACLE_SEED", 20_261_122));
}
