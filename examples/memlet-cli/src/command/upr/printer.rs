//! Messages as lines, for people and for programs.

use std::io::{self, IsTerminal, Write};

use memlet_core::dcp::{
    Body, DeletionForm, ExpirationForm, Message, OsoFlags, SystemEvent, SystemEventDetails,
};
use memlet_core::wire::Escaped;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// Prints messages as they come.
pub(super) struct Printer {
    out: Box<dyn Write>,
    json: bool,
    is_terminal: bool,
    changes: u64,
}

impl Printer {
    pub(super) fn new(json: bool, is_dump: bool) -> Printer {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        Printer {
            // What is live is shown at once; a dump is as good in large pieces.
            out: if is_dump && !is_terminal {
                Box::new(io::BufWriter::new(out))
            } else {
                Box::new(out)
            },
            json,
            is_terminal,
            changes: 0,
        }
    }

    /// Says what takes long, unless the output itself shows it.
    pub(super) fn progress(&self, server: &str) -> Option<Progress> {
        (!self.is_terminal).then(|| Progress::start(format!("reading from {server}")))
    }

    /// How many changes have been printed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    pub(super) fn print(&mut self, message: &Message<'_>) -> Result<(), Failure> {
        let Some(name) = name(&message.body) else {
            return Ok(());
        };
        let is_change = message.body.seqno().is_some() || matches!(message.body, Body::Flush);
        self.changes += u64::from(is_change);
        if self.json {
            return output::json_line(&mut self.out, &as_json(name, message).into());
        }
        let front = format!("{name:16} vbucket {}", message.vbucket);
        Ok(writeln!(self.out, "{front}{}", line(message))?)
    }

    pub(super) fn print_rollback(&mut self, vbucket: u16, seqno: u64) -> Result<(), Failure> {
        if self.json {
            let members = output::object([
                ("event", "rollback".into()),
                ("vbucket", vbucket.into()),
                ("seqno", seqno.into()),
            ]);
            return output::json_line(&mut self.out, &members.into());
        }
        Ok(writeln!(
            self.out,
            "{:16} vbucket {vbucket}  to seqno {seqno}: what came after it is void",
            "rollback"
        )?)
    }
}

/// What a message is called; `None` for those that are about the connection.
fn name(body: &Body<'_>) -> Option<&'static str> {
    Some(match body {
        Body::StreamEnd(_) => "end",
        Body::SnapshotMarker(_) => "snapshot",
        Body::Mutation(_) => "mutation",
        Body::Deletion(_) => "deletion",
        Body::Expiration(_) => "expiration",
        Body::Flush => "flush",
        Body::SetVbucketState(_) => "vbucket_state",
        Body::SystemEvent(_) => "system_event",
        Body::Prepare(_) => "prepare",
        Body::Commit(_) => "commit",
        Body::Abort(_) => "abort",
        Body::SeqnoAdvanced(_) => "seqno_advanced",
        Body::OsoSnapshot(snapshot) if snapshot.flags.contains(OsoFlags::START) => "oso_begin",
        Body::OsoSnapshot(_) => "oso_end",
        Body::CacheTransfer(_) => "cache_transfer",
        Body::CacheTransferEnd => "cache_end",
        _ => return None,
    })
}

/// What there is to know of a message, for people.
fn line(message: &Message<'_>) -> String {
    let seqno = message
        .body
        .seqno()
        .map_or(String::new(), |seqno| format!("  seqno {seqno}"));
    let item = |key: &[u8], value: &[u8]| {
        format!(
            "{seqno}  cas {}  {}  ({} bytes)",
            message.cas,
            Escaped(key),
            value.len()
        )
    };
    match message.body {
        Body::StreamEnd(end) => format!("  {}", end.reason),
        Body::SnapshotMarker(marker) => format!(
            "  {} to {}  {}",
            marker.start_seqno, marker.end_seqno, marker.flags
        ),
        Body::Mutation(mutation) => format!(
            "{seqno}  cas {}  flags {:#x}  expires {}  {}  ({} bytes)",
            message.cas,
            mutation.flags,
            mutation.expiration,
            Escaped(mutation.key),
            mutation.value.len()
        ),
        Body::Deletion(deletion) => item(deletion.key, deletion.value),
        Body::Expiration(expiration) => item(expiration.key, expiration.value),
        Body::Prepare(prepare) => item(prepare.key, prepare.value),
        Body::Commit(commit) => format!("{seqno}  {}", Escaped(commit.key)),
        Body::Abort(abort) => format!("{seqno}  {}", Escaped(abort.key)),
        Body::SetVbucketState(state) => format!("  {state}"),
        Body::SystemEvent(event) => format!("{seqno}  {}  {}", event.event, Escaped(event.key)),
        Body::SeqnoAdvanced(advanced) => format!("  seqno {}", advanced.seqno),
        Body::CacheTransfer(records) => format!("  {} items", records.iter().flatten().count()),
        _ => seqno,
    }
}

fn as_json(name: &str, message: &Message<'_>) -> Map<String, Value> {
    let mut members = output::object([("event", name.into()), ("vbucket", message.vbucket.into())]);
    let mut put = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    if let Some(seqno) = message.body.seqno() {
        put("seqno", seqno.into());
    }
    let mut revision = |revision: u64| {
        put("revision", revision.into());
        put("cas", message.cas.into());
        put("datatype", message.datatype.0.into());
    };
    match message.body {
        Body::Mutation(mutation) => {
            revision(mutation.revision);
            put("flags", mutation.flags.into());
            put("expiration", mutation.expiration.into());
            members.extend(output::bytes("key", mutation.key));
            members.extend(output::bytes("value", mutation.value));
        }
        Body::Deletion(deletion) => {
            revision(deletion.revision);
            if let DeletionForm::V2 { delete_time, .. } = deletion.form {
                put("delete_time", delete_time.into());
            }
            members.extend(output::bytes("key", deletion.key));
            members.extend(output::bytes("value", deletion.value));
        }
        Body::Expiration(expiration) => {
            revision(expiration.revision);
            if let ExpirationForm::V2 { delete_time } = expiration.form {
                put("delete_time", delete_time.into());
            }
            members.extend(output::bytes("key", expiration.key));
            members.extend(output::bytes("value", expiration.value));
        }
        Body::Prepare(prepare) => {
            revision(prepare.revision);
            put("flags", prepare.flags.into());
            put("expiration", prepare.expiration.into());
            put("deleted", (prepare.deleted != 0).into());
            put("durability_level", prepare.durability_level.into());
            members.extend(output::bytes("key", prepare.key));
            members.extend(output::bytes("value", prepare.value));
        }
        Body::Commit(commit) => {
            put("prepared_seqno", commit.prepared_seqno.into());
            members.extend(output::bytes("key", commit.key));
        }
        Body::Abort(abort) => {
            put("prepared_seqno", abort.prepared_seqno.into());
            members.extend(output::bytes("key", abort.key));
        }
        Body::StreamEnd(end) => put("reason", end.reason.to_string().into()),
        Body::SnapshotMarker(marker) => {
            put("start_seqno", marker.start_seqno.into());
            put("end_seqno", marker.end_seqno.into());
            put("flags", marker.flags.to_string().into());
        }
        Body::SetVbucketState(state) => put("state", state.to_string().into()),
        Body::SeqnoAdvanced(advanced) => put("seqno", advanced.seqno.into()),
        Body::SystemEvent(event) => members.extend(system_event(&event)),
        Body::CacheTransfer(records) => put("items", records.iter().flatten().count().into()),
        _ => {}
    }
    members
}

fn system_event(event: &SystemEvent<'_>) -> Map<String, Value> {
    let mut members = output::object([("kind", event.event.to_string().into())]);
    match event.details() {
        Ok(SystemEventDetails::Collection {
            manifest_uid,
            scope,
            collection,
            max_ttl,
        }) => members.extend(output::object([
            ("manifest_uid", manifest_uid.into()),
            ("scope", scope.into()),
            ("collection", collection.into()),
            ("max_ttl", max_ttl.into()),
        ])),
        Ok(SystemEventDetails::Scope {
            manifest_uid,
            scope,
        }) => members.extend(output::object([
            ("manifest_uid", manifest_uid.into()),
            ("scope", scope.into()),
        ])),
        _ => members.extend(output::bytes("value", event.value)),
    }
    members.extend(output::bytes("key", event.key));
    members
}
