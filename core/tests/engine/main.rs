//! The engine from outside: requests in, responses out, each row of what memcached does (memcached binary protocol:
//! server semantics) as a test.

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod counters;
mod limits;
mod malformed;
mod sasl;
mod statistics;
mod time;
mod vectors;
