//! The cache's commands, and beside them those that make a connection a feed.

use std::sync::{Arc, OnceLock};

use memlet_core::dcp::{Body, Message};
use memlet_core::engine::{Engine, Session};
use memlet_core::handler::{Admission, Handler, Outcome, Reply, ValueStart};
use memlet_core::tap::{Connect, ConnectFlags};
use memlet_core::wire::{Header, Opcode, Request, Status};

use super::cache::Login;
use super::process::CacheHost;
use super::producer::{Feed, Feeds, Start, judge_open};
use super::replica::Following;
use super::{ShardedStore, Task, replication};

/// The group of statistics about feeds.
const GROUP: &[u8] = b"replication";

/// What a client is told that writes to a replica.
const REPLICA: &str = "This is a replica: write to its primary";

/// The engine of one thread, which hands connections that become feeds over.
#[derive(Debug)]
pub struct CacheHandler {
    engine: Engine<ShardedStore, CacheHost, Login>,
    feeds: Arc<Feeds>,
    /// Whom the cache follows, if anybody.
    following: Arc<OnceLock<Arc<Following>>>,
}

/// What is kept for one connection.
#[derive(Debug, Default)]
pub struct CacheSession {
    engine: Session,
    feed: Option<Feed>,
}

impl CacheHandler {
    pub(super) fn new(
        engine: Engine<ShardedStore, CacheHost, Login>,
        feeds: Arc<Feeds>,
        following: Arc<OnceLock<Arc<Following>>>,
    ) -> CacheHandler {
        CacheHandler {
            engine,
            feeds,
            following,
        }
    }

    /// The engine that executes the commands.
    #[must_use]
    pub fn engine(&self) -> &Engine<ShardedStore, CacheHost, Login> {
        &self.engine
    }

    /// Whether a command is refused because only the primary may execute it.
    #[inline]
    fn refuses(&self, opcode: Opcode) -> bool {
        match self.following.get() {
            Some(following) => following.refuses_writes() && writes(opcode),
            None => false,
        }
    }

    /// Whether there is anything to tell of feeds and replication.
    fn has_statistics(&self) -> bool {
        self.feeds.are_enabled() || self.following.get().is_some()
    }

    /// Makes the connection a feed, if that is what is asked for; a malformed request is an unknown command.
    #[cold]
    fn begin_feed(
        &self,
        session: &mut CacheSession,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
    ) -> Option<Outcome> {
        let (status, start) = match request.opcode {
            Opcode::DCP_OPEN => dcp_start(request)?,
            _ => tap_start(request)?,
        };
        if status != Status::SUCCESS {
            return Some(reply.error(status).into());
        }
        session.feed = Some(Feed {
            name: String::from_utf8_lossy(request.key).into_owned(),
            start,
            opaque: request.opaque,
        });
        // The feed answers.
        Some(Outcome::Close)
    }
}

/// What an OPEN asks for, and what is answered; none if it is malformed.
fn dcp_start(request: &Request<'_>) -> Option<(Status, Start)> {
    let packet = request.to_packet().ok()?;
    match Message::parse(&packet).ok()?.body {
        Body::Open(open) => Some((judge_open(&open), Start::Dcp(open.flags))),
        _ => None,
    }
}

/// What a TAP_CONNECT asks for, and what is answered; none if it is malformed.
fn tap_start(request: &Request<'_>) -> Option<(Status, Start)> {
    let connect = Connect::from_request(request).ok()?;
    let takes_over = connect
        .all_flags()
        .contains(ConnectFlags::TAKEOVER_VBUCKETS);
    let status = match takes_over {
        true => Status::NOT_SUPPORTED,
        false => Status::SUCCESS,
    };
    let mut bytes = vec![0; request.encoded_len().ok()?];
    request.emit(&mut bytes).ok()?;
    Some((status, Start::Tap(bytes)))
}

/// Whether a command may change an item.
fn writes(opcode: Opcode) -> bool {
    type O = Opcode;
    matches!(
        opcode.loud(),
        O::SET
            | O::ADD
            | O::REPLACE
            | O::APPEND
            | O::PREPEND
            | O::DELETE
            | O::INCREMENT
            | O::DECREMENT
            | O::TOUCH
            | O::GAT
            | O::GATK
            | O::FLUSH
    )
}

/// What goes on with a connection that has ended as far as the handler is concerned.
pub(super) fn task(feeds: &Arc<Feeds>, session: &mut CacheSession) -> Option<Task> {
    let feed = session.feed.take()?;
    let feeds = Arc::clone(feeds);
    Some(Box::new(move |connection| feeds.serve(&feed, connection)))
}

impl Handler for CacheHandler {
    type Session = CacheSession;

    #[inline]
    fn admit(&self, session: &CacheSession, header: &Header) -> Admission {
        self.engine.admit(&session.engine, header)
    }

    #[inline]
    fn handle(
        &mut self,
        session: &mut CacheSession,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        if self.refuses(request.opcode) {
            return reply.error_text(Status::NOT_SUPPORTED, REPLICA).into();
        }
        if matches!(request.opcode, Opcode::DCP_OPEN | Opcode::TAP_CONNECT)
            && self.feeds.are_enabled()
            && let Some(outcome) = self.begin_feed(session, request, reply)
        {
            return outcome;
        }
        if request.opcode == Opcode::STAT && request.key == GROUP && self.has_statistics() {
            let following = self.following.get().map(|following| following.status());
            let rows = replication::rows(&self.feeds, following.as_ref());
            return replication::answer(&rows, reply);
        }
        self.engine.handle(&mut session.engine, request, reply, now)
    }

    #[inline]
    fn begin_value(
        &mut self,
        session: &mut CacheSession,
        head: &Request<'_>,
        value_len: u32,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> ValueStart {
        if self.refuses(head.opcode) {
            return match reply.error_text(Status::NOT_SUPPORTED, REPLICA) {
                Ok(()) => ValueStart::Skip,
                Err(no_room) => ValueStart::NeedOutput(no_room.needed),
            };
        }
        self.engine
            .begin_value(&mut session.engine, head, value_len, reply, now)
    }

    fn refuse_value(
        &mut self,
        head: &Request<'_>,
        status: Status,
        reply: &mut Reply<'_>,
        now: u32,
    ) {
        self.engine.refuse_value(head, status, reply, now);
    }

    #[inline]
    fn handle_value(&mut self, session: &mut CacheSession, offset: u32, bytes: &[u8]) {
        self.engine.handle_value(&mut session.engine, offset, bytes);
    }

    #[inline]
    fn finish_value(
        &mut self,
        session: &mut CacheSession,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        self.engine.finish_value(&mut session.engine, reply, now)
    }

    fn abandon_value(&mut self, session: &mut CacheSession) {
        self.engine.abandon_value(&mut session.engine);
    }

    #[inline]
    fn note_traffic(&mut self, read: u64, written: u64) {
        self.engine.note_traffic(read, written);
    }
}
