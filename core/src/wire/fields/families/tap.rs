//! TAP: Couchbase's older stream of changes.

use super::super::context::Context;
use super::super::layout::{Content, Kind, Message, Part, part};
use super::super::names::{Names, VBUCKET_STATES};
use super::super::walk::Walk;
use super::super::{Expected, Lint, Section, Value};
use super::memcached::FLAGS;
use crate::wire::Opcode;

const CONNECT_FLAGS: Names = &[
    (0x001, "BACKFILL"),
    (0x002, "DUMP"),
    (0x004, "LIST_VBUCKETS"),
    (0x008, "TAKEOVER_VBUCKETS"),
    (0x010, "SUPPORT_ACK"),
    (0x020, "REQUEST_KEYS_ONLY"),
    (0x040, "CHECKPOINT"),
    (0x080, "REGISTERED_CLIENT"),
    (0x100, "FIX_FLAG_BYTEORDER"),
];

const MESSAGE_FLAGS: Names = &[(1, "ACK"), (2, "NO_VALUE"), (4, "NETWORK_BYTE_ORDER")];

const SUBTYPES: Names = &[
    (0, "ENABLE_AUTO_NACK"),
    (1, "INITIAL_VBUCKET_STREAM: the backfill begins"),
    (2, "ENABLE_CHECKPOINT_SYNC"),
    (3, "OPEN_CHECKPOINT"),
    (4, "COMPLETE_VB_FILTER_CHANGE"),
    (5, "STOP_ONLINEUPDATE"),
    (6, "REVERT_ONLINEUPDATE"),
    (7, "CLOSE_TAP_STREAM: no more data"),
    (8, "CLOSE_BACKFILL: the backfill is done"),
];

const ENGINE_LEN: Part = part!(
    "engine-private length",
    2,
    Kind::Number,
    "bytes between extras and key that the header counts to neither",
);
const FLAGS_OF_MESSAGE: Part = part!(
    "flags",
    2,
    Kind::Bits(MESSAGE_FLAGS),
    "whether an answer is wanted, and how the item is sent",
);
const TTL: Part = part!(
    "ttl",
    1,
    Kind::Number,
    "how many more nodes the message may travel"
);
const RESERVED: Part = part!("reserved", 3, Kind::Reserved, "has to be 0");
const ITEM_FLAGS: Part = part!("item flags", 4, FLAGS.kind, FLAGS.explanation);
const EXPIRATION: Part = part!(
    "expiration",
    4,
    Kind::Time,
    "when the item expires, in seconds since 1970",
);

const HEAD: &[Part] = &[ENGINE_LEN, FLAGS_OF_MESSAGE, TTL, RESERVED];
const HEAD_AND_ITEM: &[Part] = &[
    ENGINE_LEN,
    FLAGS_OF_MESSAGE,
    TTL,
    RESERVED,
    ITEM_FLAGS,
    EXPIRATION,
];

const REVISION: Part = part!(
    "revision",
    8,
    Kind::Number,
    "how often the item was changed"
);

pub(super) fn message(context: &Context<'_>) -> Option<Message> {
    let bare = Message::bare(Section::TapMessages);
    if !context.is_request() {
        // Whoever answers says a status and nothing more.
        return Some(Message::bare(Section::TapAcks));
    }
    let opcode = context.opcode;
    if opcode == Opcode::TAP_CONNECT {
        return Some(CONNECT);
    }
    let message = match opcode {
        Opcode::TAP_MUTATION | Opcode::TAP_DELETE => {
            bare.key(Content::Document).value(Content::Document)
        }
        Opcode::TAP_CHECKPOINT_START | Opcode::TAP_CHECKPOINT_END => bare
            .key(Content::One("key", Kind::Text, "name of the marker"))
            .value(Content::Fixed(
                "",
                &[part!(
                    "checkpoint id",
                    8,
                    Kind::Number,
                    "the checkpoint that begins or ends"
                )],
            )),
        _ => bare,
    };
    let extras: &[&[Part]] = match opcode {
        Opcode::TAP_MUTATION => &[HEAD_AND_ITEM],
        Opcode::TAP_CHECKPOINT_START | Opcode::TAP_CHECKPOINT_END => &[HEAD_AND_ITEM, HEAD],
        _ => &[HEAD],
    };
    Some(message.extras(extras))
}

const CONNECT: Message = Message::bare(Section::TapConnect)
    .extras(&[
        &[],
        &[part!(
            "flags",
            4,
            Kind::Bits(CONNECT_FLAGS),
            "what the consumer wants"
        )],
    ])
    .key(Content::One("key", Kind::Text, "the consumer's name"))
    .value(Content::Walked(connect_bodies));

/// The bodies of the flags that have one, the lowest bit first.
fn connect_bodies(walk: &mut Walk<'_, '_>) {
    let flags = walk.context.extras_number(0, 4).unwrap_or(0);
    if flags & 0x001 != 0 {
        let value = match walk.peek_number(0, 8) {
            Some(number @ 0) => Value::Named {
                number,
                name: Some("everything"),
            },
            Some(number @ u64::MAX) => Value::Named {
                number,
                name: Some("nothing old"),
            },
            Some(number) => Value::Timestamp(number),
            None => Value::Bytes(walk.peek(8)),
        };
        require(walk, "backfill from", 8);
        walk.leaf_with(
            "backfill from",
            8,
            value,
            "the oldest change that is wanted",
        );
    }
    if flags & 0x004 != 0 {
        const VBUCKET: Part = part!("vbucket", 2, Kind::Number, "one that is wanted");
        counted(
            walk,
            "vbuckets",
            "the vbuckets that are wanted; none for all",
            &[VBUCKET],
        );
    }
    // The producer of Couchbase reads this body only when there is one.
    if flags & 0x040 != 0 && walk.left() >= 2 {
        const CHECKPOINT: &[Part] = &[
            part!("vbucket", 2, Kind::Number, "the vbucket"),
            part!(
                "checkpoint id",
                8,
                Kind::Number,
                "the last one that the consumer has"
            ),
        ];
        counted(walk, "checkpoints", "where the consumer stands", CHECKPOINT);
    }
}

/// Says so when a body is missing altogether; one that is cut off is told by itself.
fn require(walk: &mut Walk<'_, '_>, name: &'static str, len: u64) {
    if walk.left() == 0 {
        walk.report_next(Lint::PartCut, name, 0, 0, Expected::AtLeast(len));
    }
}

/// A number of entries, and the entries.
fn counted(
    walk: &mut Walk<'_, '_>,
    name: &'static str,
    explanation: &'static str,
    entry: &'static [Part],
) {
    require(walk, name, 2);
    let count = walk.peek_number(0, 2).unwrap_or(0);
    let len = 2 + count * u64::from(super::super::layout::parts_len(entry));
    if walk.left() == 0 {
        return;
    }
    let opened = walk.open(name, len, explanation);
    walk.leaf("count", 2, Kind::Number, "how many follow");
    walk.list(name, entry);
    walk.close(opened);
}

/// The engine-private bytes of a message.
pub(super) fn engine(walk: &mut Walk<'_, '_>) {
    const NRU: Part = part!("nru", 1, Kind::Number, "how long the item was not used");
    const SUBTYPE: Part = part!("subtype", 4, Kind::Names(SUBTYPES), "what is said");
    const STATE: Part = part!(
        "state",
        4,
        Kind::Names(VBUCKET_STATES),
        "the vbucket's new state"
    );
    const DELETED: Part = part!(
        "highest deleted revision",
        8,
        Kind::Number,
        "of all items that were deleted",
    );
    let len = walk.context.engine_len;
    let explanation = "what the producer's engine tells the consumer's";
    let opened = walk.open("engine-private", len, explanation);
    let parts: &[Part] = match (walk.context.opcode, len) {
        (Opcode::TAP_MUTATION, 9) => &[REVISION, NRU],
        (Opcode::TAP_MUTATION | Opcode::TAP_DELETE, 8) => &[REVISION],
        (Opcode::TAP_OPAQUE, 4) => {
            walk.section = Section::TapOpaque;
            &[SUBTYPE]
        }
        (Opcode::TAP_VBUCKET_SET, 4) => &[STATE],
        (Opcode::TAP_CHECKPOINT_START, 8) => &[DELETED],
        _ => &[],
    };
    walk.parts(parts);
    walk.leaf_rest("engine bytes", Kind::Bytes, "of no layout that is known");
    walk.close(opened);
}
