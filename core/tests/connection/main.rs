//! The server's side of a connection from outside: every way to cut its input and every size of its output.

#[path = "../support/mod.rs"]
mod support;

mod counted;
mod delivery;
mod ending;
mod handlers;
mod malformed;
mod streaming;
mod waiting;
