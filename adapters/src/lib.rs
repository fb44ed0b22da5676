//! Binds `memlet-core` to the world: one module per world, each behind a feature.
//!
//! | feature | gives | needs |
//! | --- | --- | --- |
//! | `blocking` | `blocking`: a client and `serve`, over any blocking stream, with the caller's buffers | no std, no heap |
//! | `asynch` | `asynch`: the same over any async stream, for any executor; connections share a handler without a lock | no std, no heap |
//! | `embassy` | `embassy`: a server over embassy-net's TCP sockets | no std, no heap; embassy-net and a time driver |
//! | `near` | `near`: a cache near its users in front of a memcached far away, over any async stream | no std, no heap |
//! | `alloc` | buffers that grow, lists and maps as results | a heap |
//! | `std` | `std`: servers, connecting with timeouts | a Unix system |
//! | `capture` | `capture`: packets explained for people; capture files | std |
//! | `metrics` | `metrics`: counters as JSON and for Prometheus, over HTTP | a Unix system |
//! | `load` | `load`: a load generator | a Unix system |
//! | `tracing` | what happens on connections is told to tracing; `std` includes it | no std |
//! | `defmt` | the same to defmt, on systems without an operating system; the public types can be logged by it | no std, a logger |
//!
//! Both may be on. The levels: error, somebody must act; warn, a peer misbehaves; info, connections come and go; debug, a line
//! for every batch of requests; trace, the headers of packets. Values and credentials are not logged.
#![cfg_attr(
    not(any(feature = "std", feature = "load", feature = "capture", test)),
    no_std
)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(any(feature = "asynch", feature = "blocking"))]
#[macro_use]
mod log;

#[cfg(feature = "asynch")]
pub mod asynch;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "capture")]
pub mod capture;
#[cfg(any(feature = "asynch", feature = "blocking"))]
pub mod client;
#[cfg(feature = "embassy")]
pub mod embassy;
#[cfg(all(feature = "load", unix))]
pub mod load;
#[cfg(all(feature = "metrics", unix))]
pub mod metrics;
#[cfg(feature = "near")]
pub mod near;
#[cfg(any(feature = "asynch", feature = "blocking"))]
pub mod serve;
#[cfg(all(feature = "std", unix))]
pub mod std;

/// The README's Rust is compiled along with the documentation's.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
