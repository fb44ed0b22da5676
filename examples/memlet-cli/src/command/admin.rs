//! `memlet flush`, `noop`, `verbosity` and `version`: commands to a server about no key.

use std::io::{self, Write};
use std::time::Instant;

use memlet_core::wire::Escaped;

use crate::connection::Connection;
use crate::failure::Failure;

/// Delete every item of a server
#[derive(Debug, clap::Args)]
pub(crate) struct FlushArguments {
    /// When: 0 now, up to 2592000 (30 days) in seconds from now, beyond that in seconds since 1970
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    delay: u32,

    #[command(flatten)]
    connection: Connection,
}

/// Ask a server for a sign of life, and print how long it took
#[derive(Debug, clap::Args)]
pub(crate) struct NoopArguments {
    #[command(flatten)]
    connection: Connection,
}

/// Set how much a server logs; memcached does not know the command
#[derive(Debug, clap::Args)]
pub(crate) struct VerbosityArguments {
    /// How much; 0 is the least
    level: u32,

    #[command(flatten)]
    connection: Connection,
}

/// Print a server's version
#[derive(Debug, clap::Args)]
pub(crate) struct VersionArguments {
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn flush(arguments: &FlushArguments) -> Result<(), Failure> {
    Ok(arguments.connection.connect()?.flush(arguments.delay)?)
}

pub(crate) fn noop(arguments: &NoopArguments) -> Result<(), Failure> {
    let mut client = arguments.connection.connect()?;
    let start = Instant::now();
    client.noop()?;
    let took = start.elapsed();
    let server = arguments.connection.address()?;
    let took_ms = took.as_secs_f64() * 1e3;
    Ok(writeln!(
        io::stdout().lock(),
        "{server} answers in {took_ms:.3} ms"
    )?)
}

pub(crate) fn verbosity(arguments: &VerbosityArguments) -> Result<(), Failure> {
    Ok(arguments.connection.connect()?.verbosity(arguments.level)?)
}

pub(crate) fn version(arguments: &VersionArguments) -> Result<(), Failure> {
    let mut client = arguments.connection.connect()?;
    let version = client.version()?;
    Ok(writeln!(io::stdout().lock(), "{}", Escaped(version))?)
}
