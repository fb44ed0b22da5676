//! memcached's binary protocol, from bytes to a working cache, without `std`, heap or clock.
#![no_std]
#![forbid(unsafe_code)]

pub mod store;
