//! Feeds: telling others what a server holds and how that changes, by DCP (UPR) or TAP.
//!
//! A connection that sends OPEN as a consumer of ours, or TAP_CONNECT, leaves its thread's event loop for a thread of its
//! own. From then on it tells changes, of the streams that it is asked for (DCP) or of all at once (TAP):
//!
//! * A vbucket is a shard of the server's [`ShardedStore`](super::ShardedStore): 0 up to the number of shards. Which
//!   keys it has nobody else can know, because the hash is seeded; a follower takes all of them.
//! * A seqno is the number of a change under the lock of its shard. That of a mutation is the CAS of its item, unless
//!   the item was only given another expiration. Deletions, evictions and flushes have one too, once somebody follows.
//!   Numbers ascend; some are left out.
//! * The vbucket uuid is random at every start. A server forgets its items when it ends, and with them the history.
//!
//! # What is guaranteed
//! Whoever has been told everything up to a seqno has, for every key, the item of that time or is yet to be told of a
//! later change. So a follower that has come to the highest seqno holds the same items, evictions and flushes included.
//! A snapshot is no more than that: a key which was changed again beyond its end may be missing from it. Every change of
//! a key that takes place while nothing reads is told once, with the latest value. An expired item is not told of: its
//! expiration was.
//!
//! # Memory
//! The log of changes has a fixed size ([`CacheOptions::change_log`](super::CacheOptions::change_log)) and is there once
//! the first feed opens, or right from the start. A connection has an input and an output of some 64 KiB beside the longest
//! item, and up to 2 MiB of keys during a backfill, of one stream at a time.
//!
//! A follower that falls behind the log is told what it missed by another look at all items if only items were stored
//! meanwhile. If deletions, evictions or flushes were dropped from the log, its stream ends with the reason 4 (too slow);
//! it asks again, is told to roll back to 0, and starts anew. One that takes no byte for half a minute is hung up on.
//!
//! # What costs what
//! A server whom nobody follows does nothing for it but to ask, with each change, whether somebody does. A backfill looks at
//! all items several times: once for each some ten thousand of a shard.

mod control;
mod dcp;
mod link;
mod pass;
mod protocol;
mod reader;
mod tap;

use std::fmt;
use std::io;

use memlet_core::wire::EmitError;

pub(super) use dcp::judge_open;
pub use link::FeedStatus;
pub(super) use link::{Feed, Feeds};
pub(super) use protocol::Start;

/// Bytes of messages that wait to be taken by the peer, but for the last message.
const OUTPUT_LEN: usize = 64 << 10;

/// The longest packet but for its key and value.
const HEAD_LEN_MAX: usize = 512;

/// Why a feed has ended.
#[derive(Debug)]
pub(super) enum Closed {
    /// The peer has closed.
    EndOfInput,
    /// The peer has asked for it.
    Quit,
    /// By the rules of TAP.
    Ended(String),
    /// The peer said what is no packet.
    Malformed(String),
    /// The peer takes nothing.
    Stalled,
    /// The peer has not answered a NOOP.
    NoAnswer,
    /// The server stops.
    Drained,
    /// The transport failed.
    Transport(io::Error),
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::EndOfInput => f.write_str("the peer has closed"),
            Closed::Quit => f.write_str("the peer has asked for the end"),
            Closed::Ended(text) => f.write_str(text),
            Closed::Malformed(text) => write!(f, "the peer said what is no packet: {text}"),
            Closed::Stalled => f.write_str("the peer takes nothing"),
            Closed::NoAnswer => f.write_str("the peer has not answered a NOOP"),
            Closed::Drained => f.write_str("the server stops"),
            Closed::Transport(error) => error.fmt(f),
        }
    }
}

/// What came of writing messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    /// There is more to do.
    More,
    /// Nothing is new, or the peer has to acknowledge first.
    Idle,
}

/// Appends a packet that is no longer than a header, extras, a key and a short value.
fn emit(output: &mut Vec<u8>, emit: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>) {
    let start = output.len();
    output.resize(start + HEAD_LEN_MAX, 0);
    let written = emit(&mut output[start..]).unwrap_or(0);
    output.truncate(start + written);
}
