//! Which message a packet is, family by family.

mod admin;
mod collections;
mod dcp;
mod documents;
mod hello;
mod memcached;
mod meta;
mod sasl;
mod server;
mod subdoc;
mod tap;

use super::context::Context;
use super::layout::Message;
use super::walk::Walk;
use crate::wire::{Dialect, Magic, Opcode, ServerOpcode};

/// The message that a packet is; [`Message::FAILURE`] for any response that says why it failed.
pub(super) fn message(context: &Context<'_>) -> Message {
    if context.is_failure() {
        return Message::FAILURE;
    }
    let opcode = context.opcode;
    if context.is_server_initiated() {
        return server::message(ServerOpcode(opcode.0), context.is_request());
    }
    let found = match (context.dialect, opcode) {
        // The two numbers that mean other commands to Couchbase.
        (Dialect::Couchbase, Opcode::IOCTL_GET | Opcode::IOCTL_SET) => admin::message(context),
        (_, Opcode(0x00..=0x1e | 0x23 | 0x24 | 0x30..=0x3c)) => memcached::message(context),
        (_, Opcode::HELLO) => Some(hello::message(context)),
        (_, Opcode(0x20..=0x22)) => sasl::message(context),
        (_, Opcode(0x40..=0x47)) => tap::message(context),
        (_, Opcode(0x50..=0x67)) => dcp::message(context),
        (_, Opcode(0xc5..=0xd3)) => subdoc::message(context),
        _ => documents::message(context)
            .or_else(|| meta::message(context))
            .or_else(|| collections::message(context))
            .or_else(|| admin::message(context)),
    };
    found.unwrap_or(Message::UNKNOWN)
}

/// Whether the packet's body is a credential, or has one in it.
pub(super) fn is_credential(context: &Context<'_>) -> bool {
    type O = Opcode;
    if context.is_server_initiated() {
        return ServerOpcode(context.opcode.0) == ServerOpcode::AUTHENTICATE;
    }
    matches!(
        context.opcode,
        O::SASL_AUTH
            | O::SASL_STEP
            | O::SET_ACTIVE_ENCRYPTION_KEYS
            | O::PRUNE_ENCRYPTION_KEYS
            | O::REGISTER_AUTH_TOKEN
            | O::SET_CHRONICLE_AUTH_TOKEN
    )
}

/// The name and the meaning of an opcode in a packet with this magic.
pub(super) fn opcode_name(
    magic: Magic,
    number: u8,
    dialect: Dialect,
) -> (Option<&'static str>, &'static str) {
    if magic.is_server_initiated() {
        let opcode = ServerOpcode(number);
        return (opcode.name(), server::meaning(opcode));
    }
    let opcode = Opcode(number);
    let meaning = match opcode.meaning(dialect) {
        "" => "nobody has given it a meaning",
        meaning => meaning,
    };
    (opcode.name(dialect), meaning)
}

/// TAP's engine-private bytes.
pub(super) fn tap_engine(walk: &mut Walk<'_, '_>) {
    tap::engine(walk);
}
