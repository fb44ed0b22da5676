//! How a server listens and what it allows its peers.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use memlet_core::connection::ConnectionOptions;

use super::Listen;

/// How a [`Server`](super::Server) listens and what it allows its peers.
///
/// The default is memcached's, but for the address: one server on 127.0.0.1:11211 with four threads and at most 1024
/// connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Where to listen; at least one place.
    pub listen: Vec<Listen>,
    /// Threads that serve connections; one more accepts them. At least 1.
    pub threads: usize,
    /// Connections at the same time. Whoever comes beyond it gets the line `ERROR Too many open connections` and is
    /// hung up on.
    pub connections_max: usize,
    /// Connections that may wait in the kernel to be accepted, for each address.
    pub backlog: u32,
    /// Hang up on a connection over which nothing has been got done for so long. None: never.
    pub idle_timeout: Option<Duration>,
    /// How long a server that is told to stop waits for requests under way and for answers to be taken.
    pub drain_timeout: Duration,
    /// Bytes of unfinished requests and untaken answers that are kept for all connections together, beyond the fixed
    /// buffers of the threads.
    ///
    /// Each thread has an equal share, but at least twice the larger of `connection.input_capacity` and
    /// `connection.output_capacity`. Peers that do not read, or stop in the middle of a request, cost memory only up to
    /// here:
    ///
    /// * From half of it on, a request longer than `connection.stream_from` that the handler wants whole is refused with
    ///   0x82 (out of memory) and skipped; its connection lives. A connection that keeps something and over which no byte
    ///   has come or gone for 2 to 3 seconds is hung up on.
    /// * Beyond it the connection that has stood still for the longest time is hung up on. It takes many short requests
    ///   half sent, or answers not read, to come so far.
    pub retained_bytes_max: usize,
    /// Limits on packets. `input_capacity` and `output_capacity` are how far buffers may grow for a single request and
    /// a single answer.
    pub connection: ConnectionOptions,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            listen: vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 11211)))],
            threads: 4,
            connections_max: 1024,
            backlog: 1024,
            idle_timeout: None,
            drain_timeout: Duration::from_secs(3),
            retained_bytes_max: 64 << 20,
            connection: ConnectionOptions::default(),
        }
    }
}
