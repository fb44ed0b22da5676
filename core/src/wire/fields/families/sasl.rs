//! Authentication. What a client proves itself with is masked unless it is asked for.

use super::super::context::Context;
use super::super::layout::{Content, Kind, Message};
use super::super::walk::Walk;
use super::super::{Expected, Lint, Section};
use crate::wire::{Opcode, Status};

const MECHANISM: Content = Content::One("key", Kind::Text, "the mechanism");

/// Whether the packet begins an authentication whose message names user and password in clear.
fn is_plain(walk: &Walk<'_, '_>) -> bool {
    walk.context.opcode == Opcode::SASL_AUTH && walk.key() == b"PLAIN"
}

pub(super) fn message(context: &Context<'_>) -> Option<Message> {
    let bare = Message::bare(Section::Sasl);
    Some(match (context.opcode, context.is_request()) {
        (Opcode::SASL_LIST_MECHS, true) => bare,
        (Opcode::SASL_LIST_MECHS, false) => bare.value(Content::One(
            "value",
            Kind::Text,
            "the mechanisms that the server knows, with blanks between",
        )),
        (_, true) => bare.key(MECHANISM).value(Content::Walked(proof)),
        (_, false) if context.status() == Status::AUTH_CONTINUE => bare.value(Content::One(
            "value",
            Kind::Secret,
            "the challenge that the client has to answer",
        )),
        (_, false) => bare.value(Content::Walked(success)),
    })
}

/// The client's message.
fn proof(walk: &mut Walk<'_, '_>) {
    // Nothing is how a client asks for a challenge.
    if !is_plain(walk) || walk.left() == 0 {
        walk.leaf_rest(
            "message",
            Kind::Secret,
            "what the mechanism makes the client say",
        );
        return;
    }
    let message = walk.rest();
    let (left, is_whole) = (walk.left(), message.len() as u64 == walk.left());
    let mut zeros = message.iter().enumerate().filter(|(_, byte)| **byte == 0);
    let (first, second) = (zeros.next(), zeros.next());
    let (Some((first, _)), Some((second, _))) = (first, second) else {
        if is_whole {
            let allowed = Expected::Words("authorization id, zero, user, zero, password");
            walk.report_next(Lint::SaslPlainMessage, "message", left, left, allowed);
        }
        walk.leaf_rest("message", Kind::Secret, "no message of PLAIN");
        return;
    };
    if first > 0 {
        walk.leaf(
            "authorization id",
            first as u64,
            Kind::Text,
            "on whose behalf to act",
        );
    }
    walk.leaf("separator", 1, Kind::Reserved, "a zero");
    let user_len = (second - first - 1) as u64;
    if user_len > 0 {
        walk.leaf("user", user_len, Kind::Text, "who logs in");
    }
    walk.leaf("separator", 1, Kind::Reserved, "a zero");
    if walk.left() > 0 {
        let left = walk.left();
        walk.report_next(
            Lint::SaslInClear,
            "password",
            left,
            left,
            Expected::AsTitled,
        );
    }
    walk.leaf_rest("password", Kind::Secret, "in clear, as PLAIN has it");
}

/// What the server says of a success: memcached's text, or a proof of its own.
fn success(walk: &mut Walk<'_, '_>) {
    if walk.rest() == b"Authenticated" {
        walk.leaf_rest("text", Kind::Text, "who asked is logged in");
    } else {
        walk.leaf_rest(
            "message",
            Kind::Secret,
            "what the mechanism makes the server say",
        );
    }
}
