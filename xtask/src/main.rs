//! Every check of the project, by name: `cargo xtask test` runs them all, and each runs alone.
//!
//! On a fresh machine the tasks install what they need (Debian packages, cross targets, Python and JavaScript clients);
//! where that is not possible they say what to install and fail.

mod arrows;
mod bench;
mod bench_client;
mod bench_server;
mod cross;
mod cycles;
mod defmt;
mod firmware;
mod fuzz;
mod lint;
mod peers;
mod shell;
mod size;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every check of the project, by name.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs everything that continuous integration runs
    Test(test::Options),
    /// Checks the formatting
    Fmt(lint::FmtOptions),
    /// Lints all crates; a warning is an error
    Clippy,
    /// Builds the documentation; a warning is an error
    Doc,
    /// Checks that modules and crates use each other only along the allowed arrows
    Arrows,
    /// Prints flash and RAM of core on a microcontroller, and proves that packet input reaches no panic
    Size(size::Options),
    /// Prints how many instructions requests take on an emulated microcontroller, and holds two of them to a limit
    Cycles(cycles::Options),
    /// Builds the cache node for microcontrollers, prints its flash and RAM, and tests it in QEMU with real clients
    Firmware(firmware::Options),
    /// Runs every fuzz target for some seconds
    Fuzz(fuzz::Options),
    /// Compares with real clients and with memcached, installing them first
    Peers(peers::Options),
    /// Runs all micro-benchmarks
    Bench(bench::Options),
    /// Compares memlet-server with memcached under load, in turns: throughput, latency, CPU time, memory
    BenchServer(bench_server::Options),
    /// Compares the blocking client with others that read the same items: CPU time and time for one get
    BenchClient(bench_client::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test(options) if test::run(&options) => Ok(()),
        Task::Test(_) => return ExitCode::FAILURE,
        Task::Fmt(options) => lint::fmt(&options),
        Task::Clippy => lint::clippy(),
        Task::Doc => lint::doc(),
        Task::Arrows => arrows::run(),
        Task::Size(options) => size::run(&options),
        Task::Cycles(options) => cycles::run(&options),
        Task::Firmware(options) => firmware::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Peers(options) => peers::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::BenchServer(options) => bench_server::run(&options),
        Task::BenchClient(options) => bench_client::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
