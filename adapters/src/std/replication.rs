//! `stat replication`: who follows this cache, and whom it follows.

use memlet_core::handler::{Outcome, Reply};

use super::ReplicaStatus;
use super::producer::Feeds;

/// A packet's header, in bytes.
const HEADER_LEN: usize = 24;

/// What the group shows, as names and values.
pub(super) fn rows(feeds: &Feeds, following: Option<&ReplicaStatus>) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut push = |name: &str, value: String| rows.push((name.to_owned(), value));
    if let Some(status) = following {
        push("primary", status.primary.clone());
        push("link", status.link.name().into());
        push("seqnos_behind", status.seqnos_behind.to_string());
        push("changes", status.changes.to_string());
        push("refused", status.refused.to_string());
        push("evicted", status.evicted.to_string());
        push("copies", status.copies.to_string());
        push("last_error", status.last_error.clone());
    }
    let open = feeds.open();
    push("feeds", open.len().to_string());
    for (number, feed) in open.iter().enumerate() {
        let mut push = |name, value| push(&format!("feed_{number}:{name}"), value);
        push("name", feed.name.clone());
        push("peer", feed.peer.clone());
        push("streams", feed.streams.to_string());
        push("unacknowledged_bytes", feed.outstanding.to_string());
        push("seqnos_behind", feed.behind.to_string());
    }
    rows
}

/// Answers a STAT with these rows and the empty one at the end.
pub(super) fn answer(rows: &[(String, String)], reply: &mut Reply<'_>) -> Outcome {
    let len = |(name, value): &(String, String)| HEADER_LEN + name.len() + value.len();
    let needed = HEADER_LEN + rows.iter().map(len).sum::<usize>();
    if reply.room() < needed {
        return Outcome::NeedOutput(needed);
    }
    for (name, value) in rows {
        if let Err(no_room) = reply.send(&[], name.as_bytes(), value.as_bytes(), 0) {
            return Outcome::NeedOutput(no_room.needed);
        }
    }
    reply.send(&[], b"", b"", 0).into()
}
