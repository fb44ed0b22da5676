//! `memlet set`, `add`, `replace`, `append` and `prepend`: stores items.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use memlet::client::Command;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::{input, output};

/// The key, and where its value comes from.
#[derive(Debug, clap::Args)]
struct Item {
    /// The key
    key: OsString,

    /// The value; `-`, or nothing, for standard input
    #[arg(conflicts_with = "file")]
    value: Option<OsString>,

    /// Read the value from a file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Print JSON, with the CAS of the item
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

/// What is stored beside the value.
#[derive(Debug, clap::Args)]
struct Attributes {
    /// A number to store with the item, in decimal or with 0x in hexadecimal
    #[arg(long, default_value = "0", value_parser = flags)]
    flags: u32,

    /// When the item expires: 0 never, up to 2592000 (30 days) in seconds from now, beyond that in seconds since 1970
    #[arg(short, long, value_name = "SECONDS", default_value_t = 0)]
    expire: u32,
}

/// The CAS that the item must have.
#[derive(Debug, clap::Args)]
struct Version {
    /// Only if the item's CAS is this, as `get --json` prints it; else the exit code is 1
    #[arg(
        long,
        value_name = "CAS",
        default_value_t = 0,
        hide_default_value = true
    )]
    cas: u64,
}

/// Store an item
#[derive(Debug, clap::Args)]
#[command(after_help = SET_EXAMPLES)]
pub(crate) struct SetArguments {
    #[command(flatten)]
    item: Item,
    #[command(flatten)]
    attributes: Attributes,
    #[command(flatten)]
    version: Version,
}

/// Store an item unless there is one; if there is, the exit code is 1
#[derive(Debug, clap::Args)]
pub(crate) struct AddArguments {
    #[command(flatten)]
    item: Item,
    #[command(flatten)]
    attributes: Attributes,
}

/// Store an item if there is one; if there is none, the exit code is 1
#[derive(Debug, clap::Args)]
pub(crate) struct ReplaceArguments {
    #[command(flatten)]
    item: Item,
    #[command(flatten)]
    attributes: Attributes,
    #[command(flatten)]
    version: Version,
}

/// Put a value behind that of an item; if there is none, the exit code is 1
#[derive(Debug, clap::Args)]
pub(crate) struct AppendArguments {
    #[command(flatten)]
    item: Item,
    #[command(flatten)]
    version: Version,
}

/// Put a value before that of an item; if there is none, the exit code is 1
#[derive(Debug, clap::Args)]
pub(crate) struct PrependArguments {
    #[command(flatten)]
    item: Item,
    #[command(flatten)]
    version: Version,
}

const SET_EXAMPLES: &str = "\
Examples:
  memlet set greeting hello --expire 3600
  memlet set logo.png --file logo.png
  date | memlet set now -
  memlet set counter 8 --cas $(memlet get --json counter | jq .cas)";

pub(crate) fn set(arguments: &SetArguments) -> Result<(), Failure> {
    let cas = arguments.version.cas;
    store(&arguments.item, |key, value| {
        arguments.attributes.of(Command::set(key, value)).cas(cas)
    })
}

pub(crate) fn add(arguments: &AddArguments) -> Result<(), Failure> {
    store(&arguments.item, |key, value| {
        arguments.attributes.of(Command::add(key, value))
    })
}

pub(crate) fn replace(arguments: &ReplaceArguments) -> Result<(), Failure> {
    let cas = arguments.version.cas;
    store(&arguments.item, |key, value| {
        let command = Command::replace(key, value);
        arguments.attributes.of(command).cas(cas)
    })
}

pub(crate) fn append(arguments: &AppendArguments) -> Result<(), Failure> {
    let cas = arguments.version.cas;
    store(&arguments.item, |key, value| {
        Command::append(key, value).cas(cas)
    })
}

pub(crate) fn prepend(arguments: &PrependArguments) -> Result<(), Failure> {
    let cas = arguments.version.cas;
    store(&arguments.item, |key, value| {
        Command::prepend(key, value).cas(cas)
    })
}

impl Attributes {
    fn of<'a>(&self, command: Command<'a>) -> Command<'a> {
        command.flags(self.flags).expiration(self.expire)
    }
}

fn store(
    item: &Item,
    command: impl for<'a> Fn(&'a [u8], &'a [u8]) -> Command<'a>,
) -> Result<(), Failure> {
    let value = input::value(item.value.as_deref(), item.file.as_ref())?;
    let key = item.key.as_bytes();
    let mut client = item.connection.connect()?;
    let cas = client.store(&command(key, &value))?;
    if item.json {
        let mut members = output::object([("cas", cas.into())]);
        members.extend(output::bytes("key", key));
        output::json_line(&mut io::stdout().lock(), &members.into())?;
    }
    Ok(())
}

fn flags(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("flags are a number from 0 to {}", u32::MAX))
}
