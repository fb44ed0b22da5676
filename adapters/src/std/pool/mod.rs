//! Several servers as one cache, and the connections to each.

mod address;
mod cluster;
mod connections;
mod error;
mod health;
mod placement;

pub use address::{PoolServer, PoolServerError};
pub use cluster::{ClusterClient, ClusterOptions};
pub use connections::{ClientLogin, ConnectionPool, PoolOptions, PooledClient};
pub use error::{ClusterError, PartFailure};
pub use health::FailurePolicy;
pub use placement::{Distribution, Placement};
