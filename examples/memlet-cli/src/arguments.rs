//! The command line: one variant for each subcommand, whose arguments stand beside what they are for.

use clap::{Parser, Subcommand};

use crate::command::{bench, decode, locate};

/// A command line for memcached servers and what goes over their connections
#[derive(Debug, Parser)]
#[command(name = "memlet", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Bench(bench::Arguments),
    Decode(decode::Arguments),
    Locate(locate::Arguments),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  not found, not stored, or bytes that are no whole packets
  2  the command line or a file of its own is wrong
  3  the server cannot be reached, or the connection broke
  4  the server answered with an error";

impl Arguments {
    /// Takes the process's arguments; prints and ends the process if there is nothing to run.
    pub(crate) fn take() -> Self {
        Self::parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
