//! `memlet incr` and `memlet decr`: changes counters.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use memlet::client::Command;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output;

/// Add to a counter and print what it is then
///
/// Beyond 18446744073709551615 it goes on at 0. If there is no counter, and no --initial, the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct IncrementArguments {
    #[command(flatten)]
    change: Change,
}

/// Subtract from a counter, down to 0, and print what it is then
///
/// If there is no counter, and no --initial, the exit code is 1.
#[derive(Debug, clap::Args)]
pub(crate) struct DecrementArguments {
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, clap::Args)]
struct Change {
    /// The key
    key: OsString,

    /// How much
    #[arg(default_value_t = 1)]
    delta: u64,

    /// Make a counter of this value if there is none
    #[arg(long, value_name = "NUMBER")]
    initial: Option<u64>,

    /// When a new counter expires, in seconds as for `set`
    #[arg(
        short,
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        requires = "initial"
    )]
    expire: u32,

    /// Only if the counter's CAS is this, as `get --json` prints it; else the exit code is 1
    #[arg(
        long,
        value_name = "CAS",
        default_value_t = 0,
        hide_default_value = true
    )]
    cas: u64,

    /// Print JSON, with the CAS of the counter
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  memlet incr visits
  memlet incr visits 10 --initial 0 --expire 86400";

pub(crate) fn increment(arguments: &IncrementArguments) -> Result<(), Failure> {
    let change = &arguments.change;
    run(
        change,
        Command::increment(change.key.as_bytes(), change.delta),
    )
}

pub(crate) fn decrement(arguments: &DecrementArguments) -> Result<(), Failure> {
    let change = &arguments.change;
    run(
        change,
        Command::decrement(change.key.as_bytes(), change.delta),
    )
}

fn run(change: &Change, command: Command<'_>) -> Result<(), Failure> {
    let command = match change.initial {
        Some(initial) => command.initial(initial).expiration(change.expire),
        None => command,
    };
    let mut client = change.connection.connect()?;
    let Some(counter) = client.count(&command.cas(change.cas))? else {
        output::complain(change.key.as_bytes(), "not found");
        return Err(Failure::NotFound(None));
    };
    let mut out = io::stdout().lock();
    if change.json {
        let mut members = output::object([
            ("counter", counter.value.into()),
            ("cas", counter.cas.into()),
        ]);
        members.extend(output::bytes("key", change.key.as_bytes()));
        return output::json_line(&mut out, &members.into());
    }
    Ok(writeln!(out, "{}", counter.value)?)
}
