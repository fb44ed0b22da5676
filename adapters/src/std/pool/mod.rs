//! Several servers as one cache.

mod address;

pub use address::{PoolServer, PoolServerError};
