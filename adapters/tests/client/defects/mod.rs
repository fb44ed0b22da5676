//! What clients of this protocol have got wrong, each as a test.

mod bulk_gets;
mod commands;
mod compare_and_swap;
mod connection;
mod couchbase;
mod login;
mod observe;
mod packets;
mod statistics;

use crate::Client;
use crate::support::{Asked, Running, Scripted, bytes};
use memlet::client::{
    Answer, Change, Command, Error, Observed, Outcome, Persistence, RequestError, SaslAnswer,
    Update, UpdateStep,
};
use memlet_core::connection::client::ReplyErrorKind;
use memlet_core::counters::Counters;
use memlet_core::wire::{DataType, EmitError, Field, Magic, Opcode, Request, Response, Status};

/// The kind of the error that ended a client.
#[track_caller]
fn broken<T: std::fmt::Debug>(result: Result<T, Error<std::io::Error>>) -> ReplyErrorKind {
    match result.unwrap_err() {
        Error::Reply(error) => error.kind,
        other => panic!("{other}"),
    }
}
