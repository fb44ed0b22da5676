//! `memlet`: explains packets, finds the server of a key, and loads a server, from the command line.

mod arguments;
mod command;
mod failure;
mod input;
mod output;
mod progress;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::take();
    let outcome = match &arguments.command {
        Command::Bench(arguments) => command::bench::run(arguments),
        Command::Decode(arguments) => command::decode::run(arguments),
        Command::Locate(arguments) => command::locate::run(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough.
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = failure.text() {
                eprintln!("memlet: {text}");
            }
            failure.exit_code()
        }
    }
}
