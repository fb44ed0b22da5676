//! Servers and clients over the sockets and threads of a Unix system.
//!
//! [`Server`] is an event loop on several threads that serves any [`Handler`](memlet_core::handler::Handler).
//! [`serve`] is the opposite: one connection, in the calling thread, over anything that reads and writes.
//! [`connect`] gives a [client](crate::blocking::Client) of any server.
//!
//! # A server of your own
//! A handler is a closure, or a type that implements the trait; every thread gets one of its own.
//!
//! ```
//! use memlet::std::{Listen, Server, ServerOptions};
//! use memlet_core::handler::{Outcome, Reply};
//! use memlet_core::wire::{Opcode, Request, Status};
//!
//! // Answers GET with the key backwards.
//! fn reverse(request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
//!     let backwards: Vec<u8> = request.key.iter().rev().copied().collect();
//!     match request.opcode {
//!         Opcode::GET => reply.send(&[0; 4], b"", &backwards, 1).into(),
//!         Opcode::NOOP => reply.success(0).into(),
//!         Opcode::QUIT => reply.success(0).map_or_else(|no_room| Outcome::NeedOutput(no_room.needed), |()| Outcome::Close),
//!         _ => reply.error(Status::UNKNOWN_COMMAND).into(),
//!     }
//! }
//!
//! fn main() -> Result<(), memlet::std::ServerError> {
//!     let mut options = ServerOptions::default();
//!     options.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
//!     let server = Server::bind(options)?;
//!     println!("listening on {}", server.addresses()[0]);
//!     server.drain_on_signals()?;
//! #   server.handle().drain();
//!     server.run(&|_thread| reverse)
//! }
//! ```
//!
//! # Memory
//! Beside what the handler keeps, a server's memory is bounded whatever its peers do:
//!
//! * each thread: 64 KiB to read into, and 64 KiB, or the longest answer, to answer from;
//! * each connection: some 220 bytes;
//! * all connections together: [`retained_bytes_max`](ServerOptions::retained_bytes_max) of requests that have not come
//!   to their end and answers that their peers do not take. Beyond it the connection that has stood still longest is
//!   closed.
//!
//! So ten thousand idle connections cost two megabytes (measured); a peer that does not read is not read from either, and costs
//! two buffers at the most; one that sends a byte a second costs what it has sent of its current request, and of a long
//! value not even that, because it goes straight to the handler.
//!
//! # Panics
//! A handler that panics loses the connection it was serving, and no other, if the program is built with unwinding
//! panics (Rust's default).
//!
//! # Logs
//! Through `tracing`: `listening`, `drained` (info), `rejected` (warn, at most one a second), `accepted`, `hung up` and
//! `closed` with the reason (debug). Requests are not logged.

mod cache;
mod changes;
mod clock;
mod connect;
mod connection;
mod counters;
mod figures;
mod handler;
mod memory;
mod net;
mod options;
mod pool;
mod process;
mod producer;
mod replica;
mod replication;
mod serve;
mod server;
mod service;
mod sharded;
mod taken;
mod users;
mod worker;

pub use cache::{Cache, CacheOptions, Login};
pub use changes::ChangeLog;
pub use connect::{
    ConnectOptions, StdClient, StdDcpFeed, Transport, connect, connect_unix, dcp_feed,
};
pub use counters::{CounterWriter, SharedCounters};
pub use figures::Figures;
pub use handler::{CacheHandler, CacheSession};
pub use memory::ShardMemory;
pub use net::Listen;
pub use options::ServerOptions;
pub use pool::{
    ClientLogin, ClusterClient, ClusterError, ClusterOptions, ConnectionPool, Distribution,
    FailurePolicy, PartFailure, Placement, PoolOptions, PoolServer, PoolServerError, PooledClient,
};
pub use process::CacheHost;
pub use producer::FeedStatus;
pub use replica::{Replica, ReplicaLink, ReplicaOptions, ReplicaStatus};
pub use serve::{ServeError, serve};
pub use server::{Server, ServerError, ServerHandle};
pub use service::Service;
pub use sharded::{ShardedStore, ShardedStoreError};
pub use taken::{TakenConnection, Task};
pub use users::{Users, UsersError};
