//! Which server of several holds a key: consistent hashing, so that a fleet of caches is one.
//!
//! Clients that spread keys over servers must agree on where each key lives. [`Ketama`] places keys where libmemcached
//! and its bindings place them, so that a pool can be shared with clients that are already running. [`jump`] needs no
//! memory and spreads more evenly, for pools whose servers are numbered and that no other client shares.
//!
//! | to share a pool with | take |
//! | --- | --- |
//! | pylibmc with `behaviors={"ketama": True}`, all servers of weight 1 | [`Ketama::unweighted`] |
//! | the same with weights | `Ketama::weighted_with_hash` and [`OneAtATime`] (feature `md5`) |
//! | pylibmc with `behaviors={"ketama_weighted": True}`, with or without weights | `Ketama::weighted` (feature `md5`) |
//! | the first with `"hash": "md5"` beside it | `Ketama::with_hash` and `Md5` (feature `md5`) |
//! | libmemcached itself | the same: pylibmc's behaviours are its `MEMCACHED_BEHAVIOR_KETAMA` and `…_WEIGHTED` |
//! | nobody | [`jump`] of [`jump_key`] |
//!
//! The ring of points is the caller's memory: 8 bytes for each of the 100 (weighted: on average 160) points of a server.
//!
//! ```
//! use memlet_core::placement::{Ketama, Point, Server};
//!
//! let servers = [Server::new("10.0.0.1", 11211), Server::new("10.0.0.2", 11211), Server::new("10.0.0.3", 11212)];
//! let ring = Ketama::unweighted(&servers, [Point::default(); 300])?;
//! let holder = servers[ring.locate(b"user:17")];
//! println!("{}:{}", holder.host, holder.port);
//!
//! // When the second server is out, its keys go to the others, and no other key moves.
//! let now = ring.locate_where(b"user:17", |server| server != 1);
//! assert!(now != Some(1));
//! # Ok::<(), memlet_core::placement::PlacementError>(())
//! ```

mod error;
mod hash;
mod jump;
mod ketama;

pub use error::PlacementError;
pub use hash::{KeyHash, OneAtATime};
pub use jump::{jump, jump_key};
pub use ketama::{Ketama, Point, Server, unweighted_points};

#[cfg(feature = "md5")]
pub use hash::Md5;
#[cfg(feature = "md5")]
pub use ketama::weighted_points;
