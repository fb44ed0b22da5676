//! `memlet touch`: sets when items expire.

use std::ffi::OsString;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::{input, output};

/// Set when items expire
///
/// A key that is not there is named on standard error, and the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Keys; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<OsString>,

    /// When they expire: 0 never, up to 2592000 (30 days) in seconds from now, beyond that in seconds since 1970
    #[arg(short, long, value_name = "SECONDS")]
    expire: u32,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  memlet touch --expire 3600 session:17";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut client = arguments.connection.connect()?;
    let mut missing = false;
    input::in_batches(&arguments.keys, |keys| {
        for key in keys {
            if !client.touch(key, arguments.expire)? {
                missing = true;
                output::complain(key, "not found");
            }
        }
        Ok(())
    })?;
    if missing {
        return Err(Failure::NotFound(None));
    }
    Ok(())
}
