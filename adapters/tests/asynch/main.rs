//! The async client: it passes every test of the blocking one, over streams that let it wait before each step; and what
//! is left when its futures are dropped.

mod awaited;
#[path = "../client/commands.rs"]
mod commands;
#[path = "../client/defects/mod.rs"]
mod defects;
mod dropped;
mod feeds;
#[path = "../client/hostile.rs"]
mod hostile;
#[path = "../client/limits.rs"]
mod limits;
#[path = "../support/mod.rs"]
mod support;

use awaited::Client;
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
