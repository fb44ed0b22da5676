//! A near cache: a node near its users that answers hits itself and asks a memcached far away for the rest.
//!
//! ```text
//!   clients            ┌───────────── node ─────────────┐            upstream
//!  ───── get k ───────▶│ NearCache: copy of k? ── hit ──│──▶ answer
//!                      │     │ miss                     │
//!                      │     ▼                          │
//!                      │  request waits ◀──────────────▶│ keep_connected ── GET k ──▶ memcached
//!  ───── set k ───────▶│  request waits ◀──────────────▶│               ─── SET k ──▶
//!                      └────────────────────────────────┘
//! ```
//!
//! [`NearCache`] is a [`Handler`](memlet_core::handler::Handler) that the node's connections share, and
//! [`keep_connected`] the task that looks after the connection to upstream. Both run on one thread, over any stream and
//! executor: on a device with embassy, on std with tokio. Neither needs std or a heap; the caller gives all memory.
//!
//! # What is answered how
//!
//! | command | |
//! | --- | --- |
//! | GET, GETK, GETQ, GETKQ | from the node's copy if there is one, else by upstream; a miss there is not remembered |
//! | SET, ADD, REPLACE | by upstream; if it succeeds the node keeps a copy of the new value |
//! | APPEND, PREPEND, INCREMENT, DECREMENT, DELETE, TOUCH, GAT and its kin | by upstream; the node's copy is removed |
//! | FLUSH | by upstream; the node's copies are removed at the same time |
//! | NOOP, VERSION, QUIT, VERBOSITY | by the node |
//! | STAT | by the node: its own figures, `reset`, no other group |
//! | SASL, commands that memcached does not know | 0x81 by the node: a login would be everybody's, and memcached loses its place in the stream after a command that it does not know |
//!
//! Answers of upstream come as they are: status, CAS, flags, value, text. Copies keep the CAS of upstream, so that a
//! compare-and-swap works through the node whether or not its get was a hit. Quiet commands are sent as their loud twins and
//! keep their silence towards the client, each in its place.
//!
//! # How old an answer can be
//! All requests go over one connection to upstream in one order. What the node's own clients have changed, and were told
//! of, every later get of any of them finds. What others change upstream is found after [`ttl`](NearSettings::ttl) seconds
//! at the latest, counted from before the get that fetched the copy was sent.
//!
//! memcached does not tell when an item expires, so a fetched copy may outlive its original by as long; so may one that
//! somebody fetches in the last second before a flush with a delay. One stored through
//! the node ends with its original, if that is given in seconds from now; of one that ends in a second of the calendar
//! there is no copy.
//!
//! # Bounds
//! A connection waits for one request at a time, and requests that follow on it wait behind that. [`NearMemory`] says how
//! many connections may wait, and how many different requests may be under way; what comes beyond is answered with 0x85 at
//! once. Gets of one item share a request. A value that is longer than a connection's input arrives in pieces; requests and
//! answers that are longer than `LEN`, the task's buffers or a connection's output are answered with 0x82, the value is
//! passed over, and connections live on. Several gets in one go that all miss cost a round trip
//! each.
//!
//! # When upstream is away
//! Hits are answered until their time is over. What needs upstream waits while a connection is being made, and is answered
//! with 0x86 at once from when that has failed until the next attempt. A change that was on its way when the connection
//! broke is answered with 0x86, whether or not it was made; a get is sent once more. Upstream has
//! [`timeout`](UpstreamSettings::timeout) for its next answer, whatever was asked; then everybody who waits is answered with
//! 0x86, and a new connection is made. A change given up like that may still be made by upstream later, as any of somebody
//! else's.
//!
//! # Example
//! With tokio; `examples/near_cache.rs` of this crate is a whole program.
//!
//! ```no_run
//! # #[cfg(feature = "std")] {
//! # use std::cell::RefCell;
//! # use embedded_io_adapters::tokio_1::FromTokio;
//! # use tokio::net::TcpStream;
//! use memlet::near::{NearCache, NearMemory, NearSettings, UpstreamSettings, keep_connected};
//! use memlet_core::store::{Store, StoreOptions};
//!
//! # fn unix_time() -> u32 { 0 }
//! # async fn run() {
//! // 32 clients may wait for 16 different requests of up to 4 KiB.
//! let mut memory = NearMemory::<32, 16, 4096>::new();
//! let store = Store::new(vec![0; 1 << 20], StoreOptions::default()).unwrap();
//! let mut settings = NearSettings::default();
//! settings.ttl = 60;
//! let near = RefCell::new(NearCache::new(store, &mut memory, settings));
//!
//! let (mut input, mut output) = ([0; 4400], [0; 4400]);
//! let connect = async || TcpStream::connect("far:11211").await.map(FromTokio::new);
//! let upstream = UpstreamSettings::default();
//! let task = keep_connected(
//!     &near, connect, &mut input, &mut output, &upstream, unix_time, tokio::time::sleep,
//! );
//! // Beside it, `memlet::asynch::serve(stream, &near, ...)` for every client.
//! # task.await;
//! # }
//! # }
//! ```

mod cache;
mod link;
mod local;
mod settings;
mod slot;
mod statistics;
mod upstream;

pub use cache::{NearCache, NearSession};
pub use settings::{Login, NearMemory, NearSettings, UpstreamSettings};
pub use statistics::NearStatistics;
pub use upstream::{Connect, keep_connected};
