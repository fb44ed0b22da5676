//! `memlet observe`: whether an item has reached the disk of a Couchbase server.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use memlet::client::KeyState;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output;

/// Tell whether an item of a Couchbase server has reached the disk
///
/// memcached and memlet-server do not know the command. If there is no such item, the exit code is 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The key
    key: OsString,

    /// The key's vbucket
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    vbucket: u16,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut client = arguments.connection.connect()?;
    let observed = client.observe(arguments.vbucket, arguments.key.as_bytes())?;
    let state = match observed.state {
        KeyState::NOT_PERSISTED => "not persisted".to_owned(),
        KeyState::PERSISTED => "persisted".to_owned(),
        KeyState::NOT_FOUND => "not found".to_owned(),
        KeyState::DELETED => "deleted, not persisted".to_owned(),
        KeyState(other) => format!("{other:#04x}"),
    };
    let mut out = io::stdout().lock();
    if arguments.json {
        let members = output::object([
            ("state", state.into()),
            ("cas", observed.cas.into()),
            ("persist_time_ms", observed.persist_time_ms.into()),
            ("replication_time_ms", observed.replication_time_ms.into()),
        ]);
        output::json_line(&mut out, &members.into())?;
    } else {
        writeln!(out, "{state}, cas {}", observed.cas)?;
        let (persist, replicate) = (observed.persist_time_ms, observed.replication_time_ms);
        writeln!(
            out,
            "on average {persist} ms to the disk, {replicate} ms to a replica"
        )?;
    }
    if observed.state == KeyState::NOT_FOUND {
        return Err(Failure::NotFound(None));
    }
    Ok(())
}
