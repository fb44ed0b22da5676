//! memcached's commands over a store: the one place where protocol and store meet.
//!
//! An [`Engine`] is a [`Handler`]: given to a [`ServerConnection`](crate::connection::ServerConnection) it makes a cache
//! server that clients can't tell from memcached 1.6, apart from what the table below lists. What it needs from outside
//! comes in by traits: the memory ([`Shards`]: a [`Store`](crate::store::Store), or many behind locks), figures about
//! the process ([`Host`]), and who may log in ([`Credentials`]). A device's host also says which statistics its flash has room
//! for ([`Host::STAT_GROUPS`]).
//!
//! ```
//! use memlet_core::connection::{ConnectionOptions, Next, ServerConnection};
//! use memlet_core::engine::{Engine, EngineSettings};
//! use memlet_core::store::{Store, StoreOptions};
//! use memlet_core::wire::{Opcode, Request};
//!
//! let mut memory = [0; 64 << 10];
//! let store = Store::new(&mut memory[..], StoreOptions::default()).unwrap();
//! let mut engine = Engine::new(store, EngineSettings::default());
//! let mut connection = ServerConnection::new(&ConnectionOptions::for_buffers(1024, 1024));
//!
//! let (mut input, mut output) = ([0; 1024], [0; 1024]);
//! let set = Request { extras: &[0; 8], key: b"greeting", value: b"hello", ..Request::new(Opcode::SETQ) };
//! let get = Request { key: b"greeting", ..Request::new(Opcode::GET) };
//! let mut len = set.emit(&mut input).unwrap();
//! len += get.emit(&mut input[len..]).unwrap();
//!
//! let progress = connection.handle_input(&mut engine, &input[..len], &mut output, 1_700_000_000);
//! assert_eq!(progress.consumed, len);
//! // The quiet SET says nothing; the GET answers with four bytes of flags and the value.
//! assert_eq!(&output[24..progress.written], b"\0\0\0\0hello");
//! assert_eq!(progress.next, Next::Read { missing: 24 });
//! ```
//!
//! # Where it differs from memcached 1.6
//!
//! | command | memcached | here | why |
//! | --- | --- | --- | --- |
//! | an opcode it does not know | skips the length of the whole body after extras and key, so that later requests are lost | skips exactly the value | the stream stays in step |
//! | STAT, TOUCH, GAT and its kin with a value | takes the value for the next request | 0x04, closes | the stream stays in step |
//! | SASL_LIST_MECHS | drops the login | keeps it | asking is no logging out |
//! | body of exactly 2^30 bytes | 0x03, then waits for all of it | 0x04, closes | as for longer ones |
//! | key beyond 16360 bytes | closes without an answer | 0x04, closes | as for shorter ones beyond 250 |
//! | requests before a bad magic, in one segment | closes; answers not yet sent may be lost | answers them, closes | they were executed |
//! | item beyond the limit | 0x03 once all of it has arrived | 0x03 as soon as its key has | nobody has to wait |
//! | VERBOSITY | 0x81 | sets the level that `stat settings` shows, answers success | the protocol has it |
//! | flush | an item killed by one flush may come back when a later one moves the mark | gone is gone | nobody wants it back |
//! | APPEND, PREPEND longer than the caller's input buffer | joins them | 0x82, skips the value | only where buffers are smaller than items |
//! | SET of a long value that pauses while others need the room | stores it in the end | may answer 0x82; the old item stays | a silent client must not hold memory |
//! | response longer than the caller's output buffer | sends it | 0x82 | only where buffers are smaller than items |
//! | VERSION | its version | [`EngineSettings::version`], `1.6.18-memlet` unless set | starts as clients expect |
//! | `stat`, `stat settings`, `stat items` | 93, 66 and 27 names | those that mean something here, in the same order | no slabs, no LRU threads, no libevent |
//! | `store_too_large` of `stat` | 0 in this protocol | counts | it is what the name says |
//! | `get_expired`, `get_flushed` of `stat` | lookups of any command that found an item past its time | left out; `reclaimed` counts each such item once | flash |
//! | `uptime` of `stat` | begins at 2 seconds | begins at 0 | |
//! | `stat slabs` | per slab class | `active_slabs` 0 and `total_malloced` | no slabs |
//! | `stat detail on`, `off`, `dump` | counts by prefix | answers alike, counts nothing: a dump is always empty | memory is bounded |
//! | SASL mechanisms | what the SASL library offers | PLAIN | |
//!
//! Kept, though it may surprise: ADD with the CAS of the existing item overwrites it; a SET that is too large deletes
//! the old item; TOUCH answers with the flags; INCREMENT and DECREMENT pad a shorter number with blanks to the old
//! length; a failed quiet command answers; a second login on a connection logs out.

mod admin;
mod counter;
mod credentials;
mod decimal;
mod delete;
mod expiration;
mod flush;
mod get;
mod host;
mod sasl;
mod session;
mod settings;
mod stat;
mod statistics;
mod storage;
mod touch;
mod upload;

pub use credentials::{Credentials, NoCredentials, UserList, same_bytes, verify_among};
pub use host::{Alone, Host, HostFigures, HostSettings};
pub use session::Session;
pub use settings::{EngineSettings, item_len};
pub use stat::{Figures, StatGroups};
pub use statistics::Statistics;

use crate::handler::{Admission, Handler, Outcome, Reply, ValueStart};
use crate::store::{SetMode, Shards};
use crate::wire::{Dialect, Header, Opcode, Request, Status};

/// memcached's commands over the store `S`.
///
/// A server with several threads makes one engine for each, over the same locked shards; [`Host`] then sums up what
/// they count.
#[derive(Debug)]
pub struct Engine<S, H = Alone, C = NoCredentials> {
    shards: S,
    host: H,
    credentials: C,
    settings: EngineSettings,
    statistics: Statistics,
}

impl<S: Shards> Engine<S> {
    /// An engine alone in its process, to which nobody has to log in.
    #[must_use]
    pub fn new(shards: S, settings: EngineSettings) -> Engine<S> {
        Engine::with(shards, settings, Alone::default(), NoCredentials)
    }
}

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// An engine with a process around it and with users.
    #[must_use]
    pub fn with(shards: S, settings: EngineSettings, host: H, credentials: C) -> Engine<S, H, C> {
        Engine {
            shards,
            host,
            credentials,
            settings,
            statistics: Statistics::default(),
        }
    }

    /// What this engine has counted.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// What this engine counts, for a host that resets it from outside.
    pub fn statistics_mut(&mut self) -> &mut Statistics {
        &mut self.statistics
    }

    /// The store.
    #[must_use]
    pub fn shards(&self) -> &S {
        &self.shards
    }

    /// The store.
    pub fn shards_mut(&mut self) -> &mut S {
        &mut self.shards
    }

    /// The process around the engine.
    #[must_use]
    pub fn host(&self) -> &H {
        &self.host
    }

    /// The process around the engine.
    pub fn host_mut(&mut self) -> &mut H {
        &mut self.host
    }

    /// What the engine was told at its start.
    #[must_use]
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }
}

impl<S: Shards, H: Host, C: Credentials> Handler for Engine<S, H, C> {
    type Session = Session;

    /// Login first, then the lengths (memcached binary protocol: malformed requests, request shapes).
    #[inline]
    fn admit(&self, session: &Session, header: &Header) -> Admission {
        if self.credentials.required() && !session.may(header.opcode) {
            return Admission::Reject(Status::AUTH_ERROR);
        }
        if fits(header) {
            Admission::Accept
        } else {
            Admission::Reject(Status::EINVAL)
        }
    }

    #[inline]
    fn handle(
        &mut self,
        session: &mut Session,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        type O = Opcode;
        match request.opcode {
            O::GET | O::GETQ | O::GETK | O::GETKQ => self.get(request, reply, now),
            O::SET | O::SETQ => self.store(SetMode::Set, request, reply, now),
            O::ADD | O::ADDQ => self.store(SetMode::Add, request, reply, now),
            O::REPLACE | O::REPLACEQ => self.store(SetMode::Replace, request, reply, now),
            O::APPEND | O::APPENDQ => self.store(SetMode::Append, request, reply, now),
            O::PREPEND | O::PREPENDQ => self.store(SetMode::Prepend, request, reply, now),
            O::DELETE | O::DELETEQ => self.delete(request, reply, now),
            O::INCREMENT | O::INCREMENTQ | O::DECREMENT | O::DECREMENTQ => {
                self.count(request, reply, now)
            }
            O::TOUCH | O::GAT | O::GATQ | O::GATK | O::GATKQ => self.touch(request, reply, now),
            O::FLUSH | O::FLUSHQ => self.flush(request, reply, now),
            O::STAT => self.stat(request, reply, now),
            O::NOOP => reply.success(0).into(),
            O::VERSION => self.version(reply),
            O::VERBOSITY => self.verbosity(request, reply),
            O::QUIT | O::QUITQ => admin::quit(request, reply),
            O::SASL_LIST_MECHS | O::SASL_AUTH | O::SASL_STEP => self.sasl(session, request, reply),
            _ => reply.error(Status::UNKNOWN_COMMAND).into(),
        }
    }

    fn begin_value(
        &mut self,
        session: &mut Session,
        head: &Request<'_>,
        value_len: u32,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> ValueStart {
        self.begin(session, head, value_len, reply, now)
    }

    fn refuse_value(
        &mut self,
        head: &Request<'_>,
        status: Status,
        reply: &mut Reply<'_>,
        now: u32,
    ) {
        self.refuse_whole(head, status, reply, now);
    }

    fn handle_value(&mut self, session: &mut Session, offset: u32, bytes: &[u8]) {
        self.write(session, offset, bytes);
    }

    fn finish_value(&mut self, session: &mut Session, reply: &mut Reply<'_>, now: u32) -> Outcome {
        self.commit(session, reply, now)
    }

    fn abandon_value(&mut self, session: &mut Session) {
        self.cancel(session);
    }

    #[inline]
    fn note_traffic(&mut self, read: u64, written: u64) {
        let statistics = &mut self.statistics;
        statistics.bytes_read = statistics.bytes_read.wrapping_add(read);
        statistics.bytes_written = statistics.bytes_written.wrapping_add(written);
    }
}

/// Whether extras, key and value have lengths that the command allows; an unknown command allows any.
#[inline]
fn fits(header: &Header) -> bool {
    let shape = match header.opcode {
        // memcached's own server does not know this one.
        Opcode::VERBOSITY => header.opcode.shape(Dialect::Couchbase),
        opcode => opcode.shape(Dialect::Memcached),
    };
    shape.is_none_or(|shape| header.fits(&shape))
}

/// The answer to extras whose length does not fit the command. Admission has seen to it that there are none.
#[cold]
fn invalid(reply: &mut Reply<'_>) -> Outcome {
    match reply.error(Status::EINVAL) {
        Ok(()) => Outcome::Close,
        Err(no_room) => Outcome::NeedOutput(no_room.needed),
    }
}
