//! A server of your own in twenty lines: it stores nothing, and answers every GET with the length of the key.
//!
//! `cargo run -p memlet --example custom_server`, then `memlet get --server 127.0.0.1:11212 hello`

use memlet::std::{Listen, Server, ServerError, ServerOptions};
use memlet_core::handler::{Outcome, Reply};
use memlet_core::wire::{Opcode, Request, Status};

fn answer(request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
    match request.opcode.loud() {
        Opcode::GET => {
            let value = request.key.len().to_string();
            reply.send(&[0; 4], b"", value.as_bytes(), 1).into()
        }
        Opcode::NOOP => reply.success(0).into(),
        _ => reply.error(Status::UNKNOWN_COMMAND).into(),
    }
}

fn main() -> Result<(), ServerError> {
    let mut options = ServerOptions::default();
    options.listen = vec![Listen::Tcp(([127, 0, 0, 1], 11212).into())];
    let server = Server::bind(options)?;
    server.drain_on_signals()?;
    server.run(&|_thread| answer)
}
