//! The command line: one variant for each subcommand, whose arguments stand beside what they are for.

use clap::{Parser, Subcommand};

use crate::command::{
    admin, bench, counter, decode, delete, get, locate, observe, stats, store, tap, touch, upr,
};
use crate::failure::Failure;

/// A command line for memcached servers and what goes over their connections
#[derive(Debug, Parser)]
#[command(name = "memlet", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // Items.
    Get(get::Arguments),
    Gat(get::TouchingArguments),
    Set(store::SetArguments),
    Add(store::AddArguments),
    Replace(store::ReplaceArguments),
    Append(store::AppendArguments),
    Prepend(store::PrependArguments),
    Delete(delete::Arguments),
    Touch(touch::Arguments),
    Incr(counter::IncrementArguments),
    Decr(counter::DecrementArguments),
    Observe(observe::Arguments),
    // Servers.
    Flush(admin::FlushArguments),
    Noop(admin::NoopArguments),
    Stats(stats::Arguments),
    Tap(tap::Arguments),
    #[command(visible_alias = "dcp")]
    Upr(upr::Arguments),
    Verbosity(admin::VerbosityArguments),
    Version(admin::VersionArguments),
    Bench(bench::Arguments),
    // Without a server.
    Decode(decode::Arguments),
    Locate(locate::Arguments),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Get(arguments) => get::run(arguments),
            Self::Gat(arguments) => get::run_touching(arguments),
            Self::Set(arguments) => store::set(arguments),
            Self::Add(arguments) => store::add(arguments),
            Self::Replace(arguments) => store::replace(arguments),
            Self::Append(arguments) => store::append(arguments),
            Self::Prepend(arguments) => store::prepend(arguments),
            Self::Delete(arguments) => delete::run(arguments),
            Self::Touch(arguments) => touch::run(arguments),
            Self::Incr(arguments) => counter::increment(arguments),
            Self::Decr(arguments) => counter::decrement(arguments),
            Self::Observe(arguments) => observe::run(arguments),
            Self::Flush(arguments) => admin::flush(arguments),
            Self::Noop(arguments) => admin::noop(arguments),
            Self::Stats(arguments) => stats::run(arguments),
            Self::Tap(arguments) => tap::run(arguments),
            Self::Upr(arguments) => upr::run(arguments),
            Self::Verbosity(arguments) => admin::verbosity(arguments),
            Self::Version(arguments) => admin::version(arguments),
            Self::Bench(arguments) => bench::run(arguments),
            Self::Decode(arguments) => decode::run(arguments),
            Self::Locate(arguments) => locate::run(arguments),
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  not found, not stored, the CAS is another, or bytes that are no whole packets
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
