//! `memlet get` and `memlet gat`: reads items.

use std::ffi::OsString;
use std::io::{self, Write};

use memlet::client::{Answer, Command, Error};
use memlet_core::wire::extras::FlagsExtras;
use memlet_core::wire::{Opcode, Response, Status};
use serde_json::Value;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::{input, output};

/// Print the values of keys
///
/// Of one key the value is printed as it is, without a newline behind it; of several, each with a newline behind it, in the
/// keys' order. A key that is not there is named on standard error, and the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = GET_EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    read: Read,
}

/// Print the values of keys and set when they expire
///
/// Prints as `get` does.
#[derive(Debug, clap::Args)]
#[command(after_help = GAT_EXAMPLES)]
pub(crate) struct TouchingArguments {
    /// When the items expire: 0 never, up to 2592000 (30 days) in seconds from now, beyond that in seconds since 1970
    #[arg(short, long, value_name = "SECONDS")]
    expire: u32,

    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
struct Read {
    /// Keys; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<OsString>,

    /// Print JSON, one object a key, with flags and CAS
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

const GET_EXAMPLES: &str = "\
Examples:
  memlet get greeting
  memlet get logo.png > logo.png
  memlet get --json user:17 user:18 | jq -r .value
  memlet get --server cache1:11211 - < keys.txt";

const GAT_EXAMPLES: &str = "\
Examples:
  memlet gat --expire 3600 session:17";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    read(&arguments.read, |key| Command::get(key).quiet())
}

pub(crate) fn run_touching(arguments: &TouchingArguments) -> Result<(), Failure> {
    read(&arguments.read, |key| {
        Command::get_and_touch(key, arguments.expire).quiet()
    })
}

fn read(arguments: &Read, command: impl Fn(&[u8]) -> Command<'_>) -> Result<(), Failure> {
    let mut client = arguments.connection.connect()?;
    let mut printer = Printer {
        out: io::BufWriter::new(io::stdout().lock()),
        json: arguments.json,
        is_alone: matches!(arguments.keys.as_slice(), [only] if only != "-"),
        is_missing: false,
        refused: None,
    };
    input::in_batches(&arguments.keys, |keys| {
        let mut printed = Ok(());
        client.batch(keys.iter().map(|key| command(key)), |index, answer| {
            if printed.is_ok() {
                printed = printer.print(&keys[index], &answer);
            }
        })?;
        printed
    })?;
    printer.out.flush()?;
    match printer.refused {
        Some((opcode, status)) => Err(Error::<io::Error>::Refused { opcode, status }.into()),
        None if printer.is_missing => Err(Failure::NotFound(None)),
        None => Ok(()),
    }
}

/// Prints items as they arrive: together they may be more than there is memory for.
struct Printer<W> {
    out: W,
    json: bool,
    /// Whether there is one key, whose value is printed as it is.
    is_alone: bool,
    is_missing: bool,
    /// The first answer that is neither a hit nor a miss.
    refused: Option<(Opcode, Status)>,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, key: &[u8], answer: &Answer<'_>) -> Result<(), Failure> {
        let response = match answer {
            Answer::Response(response) if response.status == Status::SUCCESS => Some(response),
            Answer::Response(response) if !response.status.is_not_found() => {
                self.refused = self.refused.or(Some((response.opcode, response.status)));
                return Ok(());
            }
            _ => None,
        };
        self.is_missing |= response.is_none();
        match response {
            response if self.json => {
                output::json_line(&mut self.out, &as_json(key, response.copied()))
            }
            Some(response) => {
                self.out.write_all(response.value)?;
                let end: &[u8] = if self.is_alone { b"" } else { b"\n" };
                Ok(self.out.write_all(end)?)
            }
            None => {
                // What has been found comes before what has not.
                self.out.flush()?;
                output::complain(key, "not found");
                Ok(())
            }
        }
    }
}

fn as_json(key: &[u8], response: Option<&Response<'_>>) -> Value {
    let mut members = output::object([("found", response.is_some().into())]);
    members.extend(output::bytes("key", key));
    if let Some(response) = response {
        members.extend(output::bytes("value", response.value));
        let flags = FlagsExtras::parse(response.extras).map(|extras| extras.flags);
        members.insert("flags".into(), flags.unwrap_or_default().into());
        members.insert("cas".into(), response.cas.into());
    }
    members.into()
}
