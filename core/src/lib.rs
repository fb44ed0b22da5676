//! memcached's binary protocol, from bytes to a working cache, without `std`, heap or clock.
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

pub mod connection;
pub mod engine;
pub mod handler;
pub mod store;
pub mod wire;
