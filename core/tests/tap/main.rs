//! TAP messages, and the two machines that exchange them.

#![allow(missing_docs)]

mod acks;
mod connect;
mod consumer;
mod messages;
mod producer;
mod samples;
