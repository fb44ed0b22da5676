//! memcached's binary protocol, from bytes to a working cache, without `std`, heap or clock.
//!
//! From the bottom to the top:
//!
//! * [`wire`] turns bytes into packets and packets into bytes, without loss and without judging: unknown opcodes, odd data
//!   types and Couchbase's flex frames survive. Whoever decodes captures or writes a client needs only this.
//! * [`tap`] reads and writes the messages of TAP, Couchbase's older stream of changes.
//! * [`store`] holds items in memory that the caller owns, bounded to the byte. It knows no protocol: whoever needs a
//!   cache without heap can use it alone.
//! * [`handler`] is the seam between a connection and what answers its requests: a trait, which a closure implements too.
//! * [`connection`] takes bytes and gives bytes: it finds the requests, hands them to a handler, and keeps the stream in
//!   step whatever the peer sends. It does no I/O and holds no buffer.
//! * [`connection::client`] is the other end: it checks that every reply is the answer to its question.
//! * [`counters`] counts what goes over a connection, for those who want it.
//! * [`dcp`] holds the messages of DCP (first called UPR): the changes of a server as a stream.
//! * [`engine`] is the handler that answers as memcached does, over a store.
//! * [`placement`] tells which of several servers holds a key, as libmemcached's ketama does. It knows none of the others.
//!
//! ```text
//!   bytes in                                                         bytes out
//!      |                                                                 ^
//!      v                                                                 |
//!   connection ---- Request ----> handler: engine ---- Reply ---> caller's output
//!      |                             |
//!     wire                         store: the caller's memory
//! ```
//!
//! The feature `defmt` lets the public types be logged by `defmt`, the logging framework of microcontrollers.
//!
//! What holds everywhere: no function panics, whatever its input; the work of every call is bounded by the length of its
//! input or of one item; time is an argument, in unix seconds; the caller owns all memory; no type of the parser library
//! or of a container library shows in a signature.
//!
//! The `memlet` crate binds this to sockets.
#![no_std]
#![forbid(unsafe_code)]
// A device has nowhere to go from a panic: code that could reach one has to say what happens instead.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable
    )
)]

#[macro_use]
mod format;

pub mod connection;
pub mod counters;
pub mod dcp;
pub mod engine;
pub mod handler;
pub mod placement;
pub mod store;
pub mod tap;
pub mod wire;
