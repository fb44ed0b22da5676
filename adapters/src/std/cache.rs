//! The cache as a service: an engine for each thread, over one sharded store.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use memlet_core::connection::ConnectionOptions;
use memlet_core::engine::{Credentials, Engine, EngineSettings, Statistics};
use memlet_core::store::{Shards, StoreStatistics};

use super::handler::{self, CacheHandler, CacheSession};
use super::process::{CacheHost, Process};
use super::producer::Feeds;
use super::replica::{Following, ReplicaStatus};
use super::sharded::ShardedStoreError;
use super::{FeedStatus, Figures, Service, ShardedStore, SharedCounters, Task, Users};

/// What a request and its answer have beside an item's bytes, rounded up.
const PACKET_OVERHEAD: u32 = 1024;

/// DCP and TAP connections at a time, unless told otherwise.
const FEEDS_MAX: usize = 16;

/// The least bytes that keep the last changes, unless told otherwise.
const CHANGE_LOG_MIN: usize = 4 << 20;

/// How a [`Cache`] is set up. The default is memcached's: 64 MiB, items of up to 1 MiB, no login.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheOptions {
    /// Bytes for items, their headers and the index.
    pub memory_limit: usize,
    /// Whether to ask the system for large pages: a lookup then seldom has to walk the page tables, but each shard of
    /// some 16 MiB takes a few pages of 2 MiB even while it is empty.
    pub large_pages: bool,
    /// What the engines are told, the largest item among it.
    pub engine: EngineSettings,
    /// Who may log in; `None` lets everybody do everything.
    pub users: Option<Users>,
    /// What `stat settings` shows as verbosity, until a client sets another.
    pub verbosity: u32,
    /// The most DCP and TAP connections at a time, each with a thread of its own; 0 for none, and what begins one is an
    /// unknown command.
    pub feeds_max: usize,
    /// Bytes that keep the last changes for such connections. None: a 16th of the memory, at least 4 MiB, once the first
    /// of them opens.
    ///
    /// A change takes 10 bytes and its key. A follower or replica that starts anew catches up only if the log holds what
    /// changes, evictions among it, for as long as it takes to send all items.
    pub change_log: Option<usize>,
    /// How long the peer of such a connection may take nothing of what is sent.
    pub feed_timeout: Duration,
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        CacheOptions {
            memory_limit: 64 << 20,
            large_pages: false,
            engine: EngineSettings::default(),
            users: None,
            verbosity: 0,
            feeds_max: FEEDS_MAX,
            change_log: None,
            feed_timeout: Duration::from_secs(30),
        }
    }
}

impl CacheOptions {
    /// How far a server's buffers may grow for this cache: up to one item.
    #[must_use]
    pub fn connection(&self) -> ConnectionOptions {
        let capacity = self.engine.item_size_max.saturating_add(PACKET_OVERHEAD);
        ConnectionOptions {
            input_capacity: capacity,
            output_capacity: capacity,
            ..ConnectionOptions::default()
        }
    }
}

/// memcached's commands for a [`Server`](super::Server): all threads work on one cache.
///
/// # Beyond memcached
/// A client that sends OPEN (DCP, formerly UPR) as a consumer is told all items and every change from then on, evictions
/// included: a vbucket is a shard of the store, a seqno is counted under the shard's lock, and an item's CAS is that of
/// the change which stored it. memcached answers that it does not know the command, and so does this cache if
/// [`feeds_max`](CacheOptions::feeds_max) is 0 or the request is malformed. `stat replication` shows who follows. With
/// users, feeds are for those who have logged in.
///
/// TAP_CONNECT is answered with the same, all at once, or with what is there alone (DUMP). Taking vbuckets over is
/// refused, checkpoints are not sent, and a time given with BACKFILL means everything.
///
/// What a follower is guaranteed: once it has come to the highest seqno it holds the items that the cache holds. A
/// follower that is slower than the changes, for longer than [`change_log`](CacheOptions::change_log) lasts, is told so
/// (STREAM_END with the reason 4) and has to start anew.
///
/// ```
/// use memlet::std::{Cache, CacheOptions, Listen, Server, ServerOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = CacheOptions::default();
/// let mut server_options = ServerOptions::default();
/// server_options.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
/// server_options.connection = options.connection();
/// let cache = Cache::new(options)?;
/// let server = Server::bind(server_options)?;
/// # server.handle().drain();
/// server.run(&cache)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Cache {
    store: ShardedStore,
    feeds: Arc<Feeds>,
    following: Arc<OnceLock<Arc<Following>>>,
    settings: EngineSettings,
    login: Login,
    verbosity: u32,
    process: OnceLock<Arc<Process>>,
}

impl Cache {
    /// An empty cache. The system gives its memory as items arrive.
    ///
    /// # Errors
    /// [`ShardedStoreError`] if the memory limit does not suit the item size.
    pub fn new(options: CacheOptions) -> Result<Cache, ShardedStoreError> {
        let store = ShardedStore::new(
            options.memory_limit,
            options.engine.item_size_max,
            options.large_pages,
        )?;
        let change_log = options
            .change_log
            .unwrap_or((options.memory_limit / 16).max(CHANGE_LOG_MIN));
        if options.change_log.is_some() {
            store.log_changes(change_log);
        }
        let feeds = Feeds::new(
            store.clone(),
            options.feeds_max,
            change_log,
            options.feed_timeout,
        );
        Ok(Cache {
            store,
            feeds: Arc::new(feeds),
            following: Arc::default(),
            settings: options.engine,
            login: Login(options.users.map(Arc::new)),
            verbosity: options.verbosity,
            process: OnceLock::new(),
        })
    }

    /// The store, which can be looked into and filled beside the server.
    #[must_use]
    pub fn store(&self) -> &ShardedStore {
        &self.store
    }

    /// Makes the cache a replica; false if it has been one before.
    pub(super) fn follow(&self, following: Arc<Following>) -> bool {
        self.following.set(following).is_ok()
    }

    pub(super) fn item_size_max(&self) -> u32 {
        self.settings.item_size_max
    }

    /// What the engines of all threads have counted since the start; `stat reset` does not take it back.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.process
            .get()
            .map(|process| process.published())
            .unwrap_or_default()
    }

    /// What the stores of all shards have counted since the start, and what they hold now.
    #[must_use]
    pub fn store_statistics(&self) -> StoreStatistics {
        let mut sum = StoreStatistics::default();
        // A handle to the same store.
        self.store
            .clone()
            .for_each(|store| sum.add(&store.statistics()));
        sum
    }

    /// Counts the packets of feeds by opcode from now on; false if they were counted already.
    ///
    /// They leave the server's threads, so no handler sees them.
    pub fn count_feeds(&self, counters: SharedCounters) -> bool {
        self.feeds.count(counters)
    }

    /// The feeds that are open.
    #[must_use]
    pub fn feeds(&self) -> Vec<FeedStatus> {
        self.feeds.open()
    }

    /// How far the replica is that this cache is; None if it is none.
    #[must_use]
    pub fn replica(&self) -> Option<ReplicaStatus> {
        self.following.get().map(|following| following.status())
    }

    /// What its engines are told.
    #[must_use]
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }
}

impl Service for Cache {
    type Handler = CacheHandler;

    fn handler(&self, thread: usize, figures: &Arc<Figures>) -> Self::Handler {
        let process = self
            .process
            .get_or_init(|| Arc::new(Process::new(Arc::clone(figures), self.verbosity)));
        let host = CacheHost::new(Arc::clone(process), thread);
        let engine = Engine::with(self.store.clone(), self.settings, host, self.login.clone());
        CacheHandler::new(engine, Arc::clone(&self.feeds), Arc::clone(&self.following))
    }

    fn take(&self, session: &mut CacheSession) -> Option<Task> {
        handler::task(&self.feeds, session)
    }

    #[inline]
    fn publish(&self, thread: usize, handler: &mut Self::Handler) {
        let engine = handler.engine();
        engine.host().process().publish(thread, engine.statistics());
    }
}

/// The users of a cache, or nobody to log in.
#[derive(Clone)]
pub struct Login(Option<Arc<Users>>);

impl Credentials for Login {
    #[inline]
    fn required(&self) -> bool {
        self.0.is_some()
    }

    fn verify(&self, user: &[u8], password: &[u8]) -> bool {
        self.0
            .as_ref()
            .is_some_and(|users| users.verify(user, password))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
