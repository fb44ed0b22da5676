//! A load generator: a closed loop of GET and SET over many connections, to see what a server can do.
//!
//! Every connection sends a batch of requests, waits for all the answers, checks them (opcode, opaque, status, length) and
//! sends the next one. So the server is never asked for more than `connections * depth` things at once, and a slow server
//! is asked less often: read the latencies as those at full load, not at a given rate.
//!
//! ```no_run
//! use memlet::load::{self, LoadOptions, Stop, Target};
//!
//! let options = LoadOptions {
//!     connections: 50,
//!     depth: 32,
//!     stop: Stop::Requests(1_000_000),
//!     ..LoadOptions::new(Target::Tcp(([127, 0, 0, 1], 11211).into()))
//! };
//! load::preload(&options)?;
//! let report = load::run(&options)?;
//! println!("{:.0} requests/s, 99 % within {} ns", report.throughput(), report.latency.value_at_quantile(0.99));
//! # Ok::<(), load::LoadError>(())
//! ```

mod connection;
mod error;
mod login;
mod packets;
mod report;
mod stats;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub use error::LoadError;
pub use login::Login;
use packets::Keys;
pub use report::LoadReport;
pub use stats::server_statistics;

/// The server that is to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// After this many requests, over all connections.
    Requests(u64),
    /// After this time; batches under way are finished.
    After(Duration),
}

/// How the requests of a batch reach the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// All in one write.
    Batch,
    /// One write each, one after the other, without waiting for answers in between.
    Each,
}

/// What to send, and how much of it.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The server.
    pub target: Target,
    /// Connections, over all threads.
    pub connections: usize,
    /// Requests in a batch: on one connection so many are under way at once.
    pub depth: usize,
    /// How the requests of a batch reach the socket.
    pub writes: Writes,
    /// Threads that share the connections.
    pub threads: usize,
    /// Different keys.
    pub keys: u32,
    /// Length of every key in bytes: 10 to 250.
    pub key_len: usize,
    /// Length of values in bytes, from and including the first to and including the second; each key has its own.
    pub value_len: (u32, u32),
    /// GETs for every SET; 0 for SETs alone.
    pub gets_per_set: u32,
    /// How unevenly keys are asked for: the exponent of a Zipf distribution, 0 for evenly.
    pub zipf_alpha: f64,
    /// When the run ends.
    pub stop: Stop,
    /// What the order of keys is drawn from: the same seed gives the same requests.
    pub seed: u64,
    /// A server that answers nothing for so long, or takes so long to accept a connection, has failed.
    pub patience: Duration,
    /// User and password that every connection logs in with; `None` for servers that want no login.
    pub login: Option<Login>,
    /// Counts the requests that have been answered, batch by batch, for whoever shows how far the run has come.
    pub progress: Option<Arc<AtomicU64>>,
}

impl LoadOptions {
    /// 50 connections, one request at a time, 10 GETs to a SET, 100,000 keys of 18 bytes asked for evenly, values of 100
    /// bytes, 100,000 requests.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            connections: 50,
            depth: 1,
            writes: Writes::Batch,
            threads: 1,
            keys: 100_000,
            key_len: 18,
            value_len: (100, 100),
            gets_per_set: 10,
            zipf_alpha: 0.0,
            stop: Stop::Requests(100_000),
            seed: 1,
            patience: Duration::from_secs(10),
            login: None,
            progress: None,
        }
    }

    fn check(&self) -> Result<(), LoadError> {
        let wrong = |what| Err(LoadError::Options(what));
        if self.connections == 0 || self.depth == 0 || self.threads == 0 || self.keys == 0 {
            return wrong("connections, depth, threads and keys are at least 1");
        }
        if self.patience.is_zero() {
            return wrong("the patience is above 0");
        }
        if !(Keys::LEN_MIN..=Keys::LEN_MAX).contains(&self.key_len) {
            return wrong("keys are 10 to 250 bytes long");
        }
        if self.value_len.0 > self.value_len.1 || self.value_len.1 > VALUE_LEN_MAX {
            return wrong("value lengths are from the smaller to the larger, at most 64 MiB");
        }
        if !(self.zipf_alpha >= 0.0 && self.zipf_alpha.is_finite()) {
            return wrong("the Zipf exponent is 0 or more");
        }
        Ok(())
    }
}

/// Loads a server, and reports how it bore it.
///
/// # Errors
/// If a connection cannot be made or breaks, the server falls silent, or an answer is not the answer to its request. Error
/// statuses are no failure but counted.
pub fn run(options: &LoadOptions) -> Result<LoadReport, LoadError> {
    options.check()?;
    worker::run_all(options, &packets::Plan::Mixed)
}

/// Stores every key once.
///
/// # Errors
/// As [`run`].
pub fn preload(options: &LoadOptions) -> Result<LoadReport, LoadError> {
    options.check()?;
    let options = LoadOptions {
        depth: options.depth.max(PRELOAD_DEPTH),
        writes: Writes::Batch,
        stop: Stop::Requests(options.keys.into()),
        ..options.clone()
    };
    worker::run_all(&options, &packets::Plan::EveryKey)
}

/// Round trips would take most of the time if the requests of preloading went one by one.
const PRELOAD_DEPTH: usize = 32;
/// Larger values than any server takes.
const VALUE_LEN_MAX: u32 = 64 << 20;
