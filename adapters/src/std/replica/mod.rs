//! A warm copy of another server: [`Replica`].
//!
//! A replica follows its primary by DCP: it asks for every vbucket's items and changes, and applies them to its own store.
//! It connects again when the connection is lost, and goes on where it was if the primary still knows what happened
//! since; otherwise it copies everything anew.
//!
//! ```text
//!              ┌──────────── the connection is lost: again, after a pause that doubles up to 5 s ───────────┐
//!              ▼                                                                                           │
//!   Connecting ── from where it was ──────────────────────────────────────────▶ Following ──────────────────┤
//!              │                                                                 ▲     │                   │
//!              └─ for the first time, ──▶ Copying ── all items there; what was ──┘     │ rollback, flush   │
//!                 or after a rollback        ▲       not among them is removed         ▼                   │
//!                                            └─────────────────────────────────────────┴───────────────────┘
//! ```
//!
//! # What is guaranteed
//! Once the primary's items have not changed for as long as it takes to send what is outstanding, both hold the same
//! items: keys, values, flags and expirations. That holds for a primary that evicts, and for one whose clients write from
//! many threads. It does not hold for items that the replica has no room for: it evicts by itself then, and is a whole
//! copy no more, which [`ReplicaStatus::evicted`] shows. So it should have more memory than the primary: it spreads the
//! items over its shards in another way, and each shard of some 16 MiB also holds what was overwritten or removed and is
//! not collected yet, which may be several of the largest items. Begin with half as much again, with twice as much for
//! items of 1 MiB, and with more if it evicts.
//!
//! * A copy is not complete before the primary has told everything in one go. One whose clients change more meanwhile than
//!   its log of changes holds (`--change-log`) is copied from the start again, until its log is long enough or its clients
//!   rest.
//! * Replication is asynchronous: what the primary has acknowledged to its clients in the last moments before it dies
//!   may be missing.
//! * While a copy is made anew the replica answers with what it has; what the primary no longer has goes at the end.
//! * A primary that restarts is empty. Its replica notices by the uuids of its vbuckets, and is as empty once the copy is
//!   complete.
//! * A flush of the primary makes the replica copy anew: which of its items belong to a vbucket it cannot tell, because
//!   the hash that decides is seeded. The flushed items are there until that is done.
//! * Expirations are absolute times; the clocks of both machines should agree.
//! * CAS values are the replica's own, and from another range than those of a server that is no replica: a CAS from the
//!   primary does not match here. After a failover clients read again before they compare and swap.
//!
//! # What clients may do
//! Read. What would write (and TOUCH, GAT, FLUSH are among that) is answered with 0x83 and a text that says to ask the
//! primary. [`Replica::promote`] ends that: the link is cut and the server is one like any other, with the items that
//! it has. Replicas can be followed in turn.

mod link;
mod sync;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use memlet_core::store::Shards;
use signal_hook::consts::SIGUSR1;
use signal_hook::iterator::Signals;
use tracing::{info, warn};

use super::{Cache, ShardedStore};
use link::{Failure, Session};
use sync::Copy;

/// The pauses between attempts to connect: the first, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Whom to follow.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReplicaOptions {
    /// The primary: `HOST:PORT`, or an IPv6 address in brackets.
    pub primary: String,
    /// Who to log in as, and the password, if the primary wants that.
    pub user: Option<(String, String)>,
    /// What the primary's statistics call this replica.
    pub name: String,
    /// Bytes that the primary may send ahead.
    pub window: u32,
    /// The primary shows so often that it lives, in seconds, 1 to 10,800. The connection to one that is silent for twice
    /// as long is given up.
    pub noop_interval: u32,
}

impl ReplicaOptions {
    /// To follow this primary without logging in.
    #[must_use]
    pub fn new(primary: impl Into<String>) -> ReplicaOptions {
        ReplicaOptions {
            primary: primary.into(),
            user: None,
            name: "memlet-replica".into(),
            window: 1 << 20,
            noop_interval: 5,
        }
    }
}

// Passwords must not reach a log by way of a derived form.
impl fmt::Debug for ReplicaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaOptions")
            .field("primary", &self.primary)
            .field("user", &self.user.as_ref().map(|(name, _)| name))
            .field("name", &self.name)
            .field("window", &self.window)
            .field("noop_interval", &self.noop_interval)
            .finish()
    }
}

/// What a replica is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplicaLink {
    /// It is not connected.
    Connecting,
    /// It copies the primary's items.
    Copying,
    /// It has them, and follows what happens to them.
    Following,
    /// It follows nobody any more.
    Promoted,
}

impl ReplicaLink {
    /// As `stat replication` shows it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            ReplicaLink::Connecting => "connecting",
            ReplicaLink::Copying => "copying",
            ReplicaLink::Following => "following",
            ReplicaLink::Promoted => "promoted",
        }
    }
}

/// How a replica is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReplicaStatus {
    /// Whom it follows.
    pub primary: String,
    /// What it is at.
    pub link: ReplicaLink,
    /// Changes of the primary that have not been applied, when it was last asked; some numbers mean no change.
    pub seqnos_behind: u64,
    /// Changes applied.
    pub changes: u64,
    /// Items that found no room here.
    pub refused: u64,
    /// Items evicted here to make room while it follows: the copy may lack so many.
    pub evicted: u64,
    /// How often everything was copied.
    pub copies: u64,
    /// Why the last connection ended; empty if none has.
    pub last_error: String,
}

/// What a replica's thread shares with the threads that serve.
#[derive(Debug)]
pub(super) struct Following {
    /// Clients may not write.
    is_following: AtomicBool,
    changes: AtomicU64,
    store: ShardedStore,
    /// Evictions before there was anybody to follow.
    evicted_before: u64,
    status: Mutex<ReplicaStatus>,
    stop: Mutex<bool>,
    stopped: Condvar,
}

impl Following {
    fn new(primary: String, store: ShardedStore) -> Following {
        Following {
            evicted_before: evictions(&store),
            store,
            is_following: AtomicBool::new(true),
            changes: AtomicU64::new(0),
            status: Mutex::new(ReplicaStatus {
                primary,
                link: ReplicaLink::Connecting,
                seqnos_behind: 0,
                changes: 0,
                refused: 0,
                evicted: 0,
                copies: 0,
                last_error: String::new(),
            }),
            stop: Mutex::new(false),
            stopped: Condvar::new(),
        }
    }

    /// Whether clients may not write.
    #[inline]
    pub(super) fn refuses_writes(&self) -> bool {
        self.is_following.load(Ordering::Relaxed)
    }

    pub(super) fn status(&self) -> ReplicaStatus {
        let mut status = lock(&self.status).clone();
        status.changes = self.changes.load(Ordering::Relaxed);
        if self.refuses_writes() {
            status.evicted = self.evicted();
        }
        status
    }

    fn evicted(&self) -> u64 {
        // A shard that was lost counts anew.
        evictions(&self.store).saturating_sub(self.evicted_before)
    }

    fn update(&self, change: impl FnOnce(&mut ReplicaStatus)) {
        change(&mut lock(&self.status));
    }

    fn is_stopped(&self) -> bool {
        *lock(&self.stop)
    }

    fn stop(&self) {
        *lock(&self.stop) = true;
        self.stopped.notify_all();
    }

    /// Waits, unless it is to stop.
    fn pause(&self, time: Duration) {
        let stop = lock(&self.stop);
        let wait = self.stopped.wait_timeout_while(stop, time, |stop| !*stop);
        drop(wait);
    }
}

/// Keeps a [`Cache`] a copy of another server; dropping it stops that.
///
/// ```no_run
/// use memlet::std::{Cache, CacheOptions, Replica, ReplicaOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::new(CacheOptions::default())?;
/// let replica = Replica::start(&cache, ReplicaOptions::new("10.0.0.1:11211"))?;
/// // … a `Server` serves the cache: clients may read.
/// println!("{:?}", replica.status());
/// replica.promote(); // From now on they may write.
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Replica {
    following: Arc<Following>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Replica {
    /// Begins to follow. The primary need not be there yet.
    ///
    /// # Errors
    /// When no thread can be started, the system has no random numbers, or the cache follows somebody already.
    pub fn start(cache: &Cache, options: ReplicaOptions) -> std::io::Result<Replica> {
        let following = Arc::new(Following::new(
            options.primary.clone(),
            cache.store().clone(),
        ));
        if !cache.follow(Arc::clone(&following)) {
            return Err(std::io::Error::other("the cache follows somebody already"));
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
        // Five bytes of a CAS: above those of a server that was never a replica, unless it has stored eight thousand
        // million items in a shard.
        let first = 1 << 33 | u64::from_ne_bytes(random) >> 25;
        cache.store().skip_changes(first);
        let mut copy = Copy::new(cache.store().clone(), cache.item_size_max());
        let shared = Arc::clone(&following);
        let thread = thread::Builder::new()
            .name("memlet-replica".into())
            .spawn(move || run(&shared, &options, &mut copy))?;
        Ok(Replica {
            following,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        self.following.status()
    }

    /// Stops following; from now on clients may write.
    pub fn promote(&self) {
        self.following.stop();
        if let Some(thread) = lock(&self.thread).take() {
            // What it was doing when it panicked is over.
            let _ = thread.join();
        }
        // What is evicted from now on is no loss to a copy.
        let evicted = self.following.evicted();
        self.following.update(|status| {
            status.link = ReplicaLink::Promoted;
            status.evicted = evicted;
        });
        self.following.is_following.store(false, Ordering::Relaxed);
        info!("promoted: clients may write");
    }
}

impl Replica {
    /// Promotes the replica when the process is sent SIGUSR1.
    ///
    /// # Errors
    /// When the signal cannot be caught or no thread can be started.
    pub fn promote_on_signal(self: &Arc<Replica>) -> std::io::Result<()> {
        let mut signals = Signals::new([SIGUSR1])?;
        let replica = Arc::clone(self);
        thread::Builder::new()
            .name("memlet-promote".into())
            .spawn(move || {
                if signals.forever().next().is_some() {
                    replica.promote();
                }
            })?;
        Ok(())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.following.stop();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

/// Follows until it is to stop.
fn run(following: &Following, options: &ReplicaOptions, copy: &mut Copy) {
    let mut pause = PAUSE_MIN;
    while !following.is_stopped() {
        following.update(|status| status.link = ReplicaLink::Connecting);
        let failure = match Session::connect(following, options, copy) {
            Ok(mut session) => {
                pause = PAUSE_MIN;
                session.run()
            }
            Err(failure) => failure,
        };
        if let Failure::Stopped = failure {
            return;
        }
        if let Failure::StartAnew(reason) = &failure {
            info!(primary = options.primary, reason, "copies anew");
            copy.forget();
        } else {
            warn!(primary = options.primary, reason = %failure, "not connected to the primary");
            following.update(|status| status.last_error = failure.to_string());
        }
        // A copy that was not completed cannot be continued: what was removed in between is not known.
        if !copy.is_complete() {
            copy.forget();
        }
        following.pause(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// The evictions of all shards.
fn evictions(store: &ShardedStore) -> u64 {
    let mut sum = 0;
    store
        .clone()
        .for_each(|shard| sum += shard.statistics().evictions);
    sum
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain figures are never left half changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
