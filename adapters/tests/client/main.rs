//! The blocking client: its commands, its limits, hostile servers, and what other clients have got wrong. The async client
//! passes the same tests.

mod commands;
mod defects;
mod hostile;
mod limits;
#[path = "../support/mod.rs"]
mod support;

use memlet::blocking::Client;
use memlet::std::Transport;
use support::{Asked, Running, Scripted};

impl Running {
    fn client(&self) -> Client<Transport, Vec<u8>> {
        Client::new(self.transport())
    }
}

impl<F: FnMut(&Asked) -> Vec<u8>> Scripted<F> {
    fn client(self) -> Client<Scripted<F>, Vec<u8>> {
        Client::new(self)
    }
}
