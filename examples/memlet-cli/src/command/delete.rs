//! `memlet delete`: removes items.

use std::ffi::OsString;

use memlet::client::{Answer, Command, Error};
use memlet_core::wire::Status;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::{input, output};

/// Delete items
///
/// A key that is not there is named on standard error, and the exit code is 1; the others are deleted all the same.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Keys; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<OsString>,

    /// Only if the item's CAS is this, as `get --json` prints it; else the exit code is 1
    #[arg(
        long,
        value_name = "CAS",
        default_value_t = 0,
        hide_default_value = true
    )]
    cas: u64,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  memlet delete user:17 user:18
  memlet delete - < keys.txt";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut client = arguments.connection.connect()?;
    let mut failed = false;
    let mut refused = None;
    input::in_batches(&arguments.keys, |keys| {
        let commands = keys
            .iter()
            .map(|key| Command::delete(key).cas(arguments.cas).quiet());
        client.batch(commands, |index, answer| {
            let Answer::Response(response) = answer else {
                return;
            };
            match response.status {
                Status::SUCCESS => {}
                Status::KEY_ENOENT => {
                    failed = true;
                    output::complain(&keys[index], "not found");
                }
                Status::KEY_EEXISTS => {
                    failed = true;
                    output::complain(&keys[index], "its CAS is another");
                }
                status => refused = refused.or(Some((response.opcode, status))),
            }
        })?;
        Ok(())
    })?;
    match refused {
        Some((opcode, status)) => Err(Error::<std::io::Error>::Refused { opcode, status }.into()),
        None if failed => Err(Failure::NotFound(None)),
        None => Ok(()),
    }
}
