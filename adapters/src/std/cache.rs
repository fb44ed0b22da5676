//! The cache as a service: an engine for each thread, over one sharded store.

use std::fmt;
use std::sync::{Arc, OnceLock};

use memlet_core::connection::ConnectionOptions;
use memlet_core::engine::{Credentials, Engine, EngineSettings};

use super::process::{CacheHost, Process};
use super::sharded::ShardedStoreError;
use super::{Figures, Service, ShardedStore, Users};

/// What a request and its answer have beside an item's bytes, rounded up.
const PACKET_OVERHEAD: u32 = 1024;

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
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        CacheOptions {
            memory_limit: 64 << 20,
            large_pages: false,
            engine: EngineSettings::default(),
            users: None,
            verbosity: 0,
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
        Ok(Cache {
            store: ShardedStore::new(
                options.memory_limit,
                options.engine.item_size_max,
                options.large_pages,
            )?,
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
}

impl Service for Cache {
    type Handler = Engine<ShardedStore, CacheHost, Login>;

    fn handler(&self, thread: usize, figures: &Arc<Figures>) -> Self::Handler {
        let process = self
            .process
            .get_or_init(|| Arc::new(Process::new(Arc::clone(figures), self.verbosity)));
        let host = CacheHost::new(Arc::clone(process), thread);
        Engine::with(self.store.clone(), self.settings, host, self.login.clone())
    }

    #[inline]
    fn publish(&self, thread: usize, engine: &mut Self::Handler) {
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
