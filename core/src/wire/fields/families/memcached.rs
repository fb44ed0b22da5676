//! memcached's own commands.

use super::super::context::Context;
use super::super::layout::{Content, Kind, Message, Part, part};
use super::super::walk::Walk;
use super::super::{Expected, Lint, Section};
use crate::wire::{Dialect, Opcode};

pub(super) const FLAGS: Part = part!(
    "flags",
    4,
    Kind::Hexadecimal,
    "the client's own, handed back by every get",
);
pub(super) const EXPIRATION: Part = part!(
    "expiration",
    4,
    Kind::Expiration,
    "when the item expires: 0 never, up to 30 days in seconds from now, beyond that since 1970",
);
/// What a Couchbase server says of a change, if the client asked for it.
pub(super) const MUTATION_SEQNO: &[Part] = &[
    part!(
        "vbucket uuid",
        8,
        Kind::Hexadecimal,
        "the vbucket's history that the change belongs to",
    ),
    part!(
        "seqno",
        8,
        Kind::Number,
        "the change's number in its vbucket"
    ),
];
/// Extras of the answer to a change.
pub(super) const CHANGED: &[&[Part]] = &[&[], MUTATION_SEQNO];

const STORE: Message = Message::bare(Section::Commands)
    .extras(&[&[FLAGS, EXPIRATION]])
    .key(Content::Document)
    .value(Content::Document);
const JOIN: Message = Message::bare(Section::Commands)
    .key(Content::Document)
    .value(Content::Document);
pub(super) const BY_KEY: Message = Message::bare(Section::Commands).key(Content::Document);
const COUNTER: Message = Message::bare(Section::Counters)
    .extras(&[&[
        part!("delta", 8, Kind::Number, "how much to add or subtract"),
        part!(
            "initial value",
            8,
            Kind::Number,
            "the value of a counter that does not exist yet; the delta is not applied to it",
        ),
        part!(
            "expiration",
            4,
            Kind::CounterExpiration,
            "when a new counter expires; all ones for a miss in place of a new counter",
        ),
    ]])
    .key(Content::Document);
const TOUCH: Message = Message::bare(Section::Expiration)
    .extras(&[&[EXPIRATION]])
    .key(Content::Document);
const FLUSH: Message = Message::bare(Section::Flush).extras(&[
    &[],
    &[part!(
        "expiration",
        4,
        Kind::Expiration,
        "when everything is to go; 0 for now",
    )],
]);
const VERBOSITY: Message = Message::bare(Section::Opcodes).extras(&[&[part!(
    "level",
    4,
    Kind::Number,
    "how much to log; 0 is the least",
)]]);
const RANGE: Message = Message::bare(Section::Opcodes)
    .extras(&[&[
        part!("size", 2, Kind::Number, ""),
        part!("reserved", 1, Kind::Reserved, "has to be 0"),
        part!("flags", 1, Kind::Hexadecimal, ""),
        part!("max results", 4, Kind::Number, ""),
    ]])
    .key(Content::Unknown)
    .value(Content::Unknown);

/// Answers of gets without and with key.
pub(super) const FOUND: Message = Message::bare(Section::Commands)
    .extras(&[&[FLAGS]])
    .value(Content::Document);
pub(super) const FOUND_WITH_KEY: Message = FOUND.key(Content::Document);
pub(super) const CHANGED_ANSWER: Message = Message::bare(Section::Commands).extras(CHANGED);

/// The message, if it is one of the family.
pub(super) fn message(context: &Context<'_>) -> Option<Message> {
    if context.is_request() {
        request(context.opcode, context.dialect)
    } else {
        response(context.opcode)
    }
}

fn request(opcode: Opcode, dialect: Dialect) -> Option<Message> {
    type O = Opcode;
    Some(match opcode.loud() {
        O::GET | O::GETK | O::DELETE => BY_KEY,
        O::SET | O::ADD | O::REPLACE => STORE,
        O::APPEND | O::PREPEND => JOIN,
        O::INCREMENT | O::DECREMENT => COUNTER,
        O::TOUCH | O::GAT | O::GATK => TOUCH,
        O::FLUSH => FLUSH,
        O::VERBOSITY => VERBOSITY,
        O::QUIT | O::NOOP | O::VERSION => Message::bare(Section::Commands),
        O::STAT => Message::bare(Section::Stat)
            .key(Content::One(
                "key",
                Kind::Text,
                "the group of statistics; none for the general one",
            ))
            .value(match dialect {
                Dialect::Memcached => Content::Nothing,
                Dialect::Couchbase => Content::One("value", Kind::Json, "arguments of the group"),
            }),
        Opcode(0x30..=0x3c) => RANGE,
        _ => return None,
    })
}

fn response(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    Some(match opcode.loud() {
        O::GET | O::GAT => FOUND,
        O::GETK | O::GATK => FOUND_WITH_KEY,
        // Couchbase sends none.
        O::TOUCH => Message::bare(Section::Commands).extras(&[&[FLAGS], &[]]),
        O::SET | O::ADD | O::REPLACE | O::DELETE | O::APPEND | O::PREPEND => CHANGED_ANSWER,
        O::INCREMENT | O::DECREMENT => Message::bare(Section::Counters)
            .extras(CHANGED)
            .value(Content::Walked(counter)),
        O::QUIT | O::FLUSH | O::NOOP | O::VERBOSITY => Message::bare(Section::Commands),
        O::VERSION => Message::bare(Section::Commands).value(Content::One(
            "value",
            Kind::Text,
            "the server's version",
        )),
        O::STAT => Message::bare(Section::Stat)
            .key(Content::One("key", Kind::Text, "the name of the statistic"))
            .value(Content::One("value", Kind::Text, "its value")),
        _ => return None,
    })
}

/// The new number, which is 8 bytes long and not decimal as it is stored.
fn counter(walk: &mut Walk<'_, '_>) {
    let left = walk.left();
    if left != 8 {
        walk.report_next(
            Lint::CounterLength,
            "counter",
            left,
            left,
            Expected::Exactly(8),
        );
        walk.leaf_rest("counter", Kind::Bytes, "no number of 8 bytes");
        return;
    }
    walk.leaf("counter", 8, Kind::Number, "the counter's new value");
}
