//! `memlet`: memcached servers, their items, and what goes over their connections, from the command line.

mod arguments;
mod command;
mod connection;
mod failure;
mod input;
mod output;
mod progress;

use std::process::ExitCode;

use arguments::Arguments;
use failure::Failure;

fn main() -> ExitCode {
    match Arguments::take().command.run() {
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
