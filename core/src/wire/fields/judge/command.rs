//! Lints of what commands say in extras, keys and values.

use super::super::layout::{Content, Message};
use super::super::walk::{SEVENTIES, Walk};
use super::super::{Expected, Lint};
use super::key_len_field;
use crate::wire::extras::CounterExtras;
use crate::wire::{Dialect, Opcode};

/// Longest name of a SASL mechanism that memcached takes, in bytes.
const MECHANISM_LEN_MAX: u64 = 32;

pub(super) fn judge(walk: &mut Walk<'_, '_>, message: &Message) {
    type O = Opcode;
    let context = walk.context;
    key(walk, message);
    match context.opcode.loud() {
        O::INCREMENT | O::DECREMENT => counter(walk),
        O::GATK if context.dialect == Dialect::Couchbase => {}
        O::TOUCH | O::GAT | O::GATK if context.extras_number(0, 4) == Some(0) => {
            let lint = Lint::TouchToForever;
            walk.report_extras(lint, "expiration", (0, 4), 0, Expected::AtLeast(1));
        }
        O::FLUSH => flush(walk),
        O::SASL_AUTH | O::SASL_STEP => {
            let len = u64::from(context.header.key_len);
            if len > MECHANISM_LEN_MAX {
                let allowed = Expected::AtMost(MECHANISM_LEN_MAX);
                let place = key_len_field(&context);
                walk.report_at(
                    Lint::SaslMechanismTooLong,
                    "key length",
                    place,
                    len,
                    allowed,
                );
            }
        }
        _ => {}
    }
}

fn key(walk: &mut Walk<'_, '_>, message: &Message) {
    let is_strange = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
    let is_document = matches!(message.key, Content::Document);
    // Couchbase has no text protocol, and its keys may start with an id.
    if !is_document || walk.context.dialect == Dialect::Couchbase || walk.options.collections {
        return;
    }
    let key = walk.key();
    let Some(at) = key.iter().position(is_strange) else {
        return;
    };
    let found = key.get(at).copied().unwrap_or_default();
    let header = walk.context.header;
    let offset = crate::wire::HEADER_LEN
        + usize::from(header.framing_extras_len)
        + usize::from(header.extras_len);
    let allowed = Expected::Words("no blanks and no control characters");
    walk.report_at(
        Lint::KeyNotText,
        "key",
        (offset + at, 1),
        found.into(),
        allowed,
    );
}

fn counter(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    let (delta, initial, expiration) = (
        context.extras_number(0, 8),
        context.extras_number(8, 8),
        context.extras_number(16, 4),
    );
    if delta == Some(0) {
        walk.report_extras(
            Lint::CounterDeltaZero,
            "delta",
            (0, 8),
            0,
            Expected::AtLeast(1),
        );
    }
    let no_create = u64::from(CounterExtras::NO_CREATE);
    if expiration != Some(no_create) {
        return;
    }
    let place = (16, 4);
    walk.report_extras(
        Lint::CounterNoCreate,
        "expiration",
        place,
        no_create,
        Expected::AsTitled,
    );
    if let Some(initial @ 1..) = initial {
        let allowed = Expected::Exactly(0);
        walk.report_extras(
            Lint::CounterInitialIgnored,
            "initial value",
            (8, 8),
            initial,
            allowed,
        );
    }
}

fn flush(walk: &mut Walk<'_, '_>) {
    let Some(expiration @ 1..) = walk.context.extras_number(0, 4) else {
        return;
    };
    let now = walk.options.now.map(u64::from);
    let is_date = expiration > super::super::walk::RELATIVE_MAX;
    let is_past = is_date && expiration < now.unwrap_or(SEVENTIES);
    let (lint, allowed) = if is_past {
        (Lint::FlushPast, Expected::AsTitled)
    } else {
        (Lint::FlushDelayed, Expected::Exactly(0))
    };
    walk.report_extras(lint, "expiration", (0, 4), expiration, allowed);
}
