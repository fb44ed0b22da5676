//! `memlet stats`: a server's statistics.

use std::io::{self, Write};

use memlet_core::wire::Escaped;
use serde_json::{Map, Value};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output;

/// Print a server's statistics: a line for each, the name, a tab, the value
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A group of statistics, such as settings, items or reset; the general ones without it
    group: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  memlet stats
  memlet stats settings --json | jq -r .maxbytes";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let group = arguments.group.as_deref().unwrap_or_default();
    let mut client = arguments.connection.connect()?;
    let mut lines = Vec::new();
    let mut members = Map::new();
    client.stats(group.as_bytes(), |name, value| {
        let (name, value) = (Escaped(name).to_string(), Escaped(value).to_string());
        lines.push(format!("{name}\t{value}"));
        // Their values are text on the wire, and mixed ones in fact.
        members.insert(name, value.into());
    })?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if arguments.json {
        output::json_line(&mut out, &Value::Object(members))?;
    } else {
        for line in lines {
            writeln!(out, "{line}")?;
        }
    }
    Ok(out.flush()?)
}
