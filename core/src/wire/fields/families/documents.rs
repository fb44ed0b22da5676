//! Couchbase's further commands on documents.

use super::super::Section;
use super::super::context::Context;
use super::super::document;
use super::super::layout::{Content, Kind, Message, Part, part};
use super::super::names::Names;
use super::super::walk::Walk;
use super::memcached::{BY_KEY, FLAGS, FOUND, FOUND_WITH_KEY};
use crate::wire::Opcode;

const STATES: Names = &[
    (0x00, "found, not persisted"),
    (0x01, "found, persisted"),
    (0x80, "not found"),
    (0x81, "deleted, not persisted"),
];

const COLLECTION: Part = part!("collection", 4, Kind::Hexadecimal, "the collection's id");

pub(super) fn message(context: &Context<'_>) -> Option<Message> {
    if context.is_request() {
        request(context.opcode)
    } else {
        response(context.opcode)
    }
}

fn request(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    const OBSERVE: Message = Message::bare(Section::Observe);
    Some(match opcode {
        O::GET_EX | O::GET_EX_REPLICA | O::GET_REPLICA | O::EVICT_KEY | O::UNLOCK_KEY => BY_KEY,
        O::GET_LOCKED => BY_KEY.extras(&[
            &[],
            &[part!(
                "lock time",
                4,
                Kind::Seconds,
                "how long to lock; 0 or too long for the default of 15 s"
            )],
        ]),
        O::GET_KEYS => BY_KEY.extras(&[
            &[],
            &[part!(
                "count",
                4,
                Kind::Number,
                "how many keys at most; 1000 without it"
            )],
        ]),
        O::GET_RANDOM_KEY => BY_KEY.key(Content::Nothing).extras(&[
            &[],
            &[COLLECTION],
            &[
                COLLECTION,
                part!(
                    "include xattrs",
                    1,
                    Kind::Number,
                    "whether attributes come too"
                ),
            ],
        ]),
        O::OBSERVE => OBSERVE.value(Content::Walked(observed)),
        O::OBSERVE_SEQNO => OBSERVE.value(Content::Fixed(
            "",
            &[part!(
                "vbucket uuid",
                8,
                Kind::Hexadecimal,
                "the history that the client knows"
            )],
        )),
        _ => return None,
    })
}

fn response(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    const OBSERVE: Message = Message::bare(Section::Observe);
    Some(match opcode {
        O::GET_EX | O::GET_EX_REPLICA | O::GET_REPLICA | O::GET_LOCKED => FOUND,
        O::EVICT_KEY | O::UNLOCK_KEY => Message::bare(Section::Commands),
        O::GET_RANDOM_KEY => FOUND_WITH_KEY.extras(&[&[FLAGS], &[]]),
        O::GET_KEYS => Message::bare(Section::Opcodes).value(Content::Walked(keys)),
        O::OBSERVE => OBSERVE.value(Content::Walked(observed)),
        O::OBSERVE_SEQNO => OBSERVE.value(Content::Walked(observed_seqno)),
        _ => return None,
    })
}

/// Keys with their lengths before them.
fn keys(walk: &mut Walk<'_, '_>) {
    let mut index = 0;
    while !walk.rest().is_empty() {
        let len = walk.peek_number(0, 2).unwrap_or(0);
        let opened = walk.open_entry("entry", index, 2 + len, "one key");
        index += 1;
        walk.leaf("key length", 2, Kind::Number, "bytes of the key");
        let left = walk.left();
        if left > 0 {
            document::key(walk, "document key", left);
        }
        walk.close(opened);
    }
}

/// The documents that are asked for or, in the answer, what became of them.
fn observed(walk: &mut Walk<'_, '_>) {
    const STATE: Part = part!(
        "state",
        1,
        Kind::Names(STATES),
        "what became of the document"
    );
    const CAS: Part = part!("item cas", 8, Kind::Hexadecimal, "version of the document");
    let answer_len = if walk.context.is_request() { 0 } else { 9 };
    let mut index = 0;
    while !walk.rest().is_empty() {
        let key_len = walk.peek_number(2, 2).unwrap_or(0);
        let opened = walk.open_entry("entry", index, 4 + key_len + answer_len, "one document");
        index += 1;
        walk.leaf("vbucket", 2, Kind::Number, "the document's vbucket");
        walk.leaf("key length", 2, Kind::Number, "bytes of the key");
        let key_len = key_len.min(walk.left());
        if key_len > 0 {
            document::key(walk, "document key", key_len);
        }
        if answer_len > 0 {
            walk.parts(&[STATE, CAS]);
        }
        walk.close(opened);
    }
}

fn observed_seqno(walk: &mut Walk<'_, '_>) {
    const FORMAT: Part = part!(
        "format",
        1,
        Kind::Names(&[(0, "no failover"), (1, "after a failover")]),
        "whether the history changed"
    );
    const VBUCKET: Part = part!("vbucket", 2, Kind::Number, "the vbucket");
    const UUID: Part = part!("vbucket uuid", 8, Kind::Hexadecimal, "the history now");
    const PERSISTED: Part = part!(
        "persisted seqno",
        8,
        Kind::Number,
        "the last change on disk"
    );
    const CURRENT: Part = part!("current seqno", 8, Kind::Number, "the last change");
    const OLD_UUID: Part = part!(
        "old vbucket uuid",
        8,
        Kind::Hexadecimal,
        "the history that was asked for"
    );
    const RECEIVED: Part = part!(
        "last received seqno",
        8,
        Kind::Number,
        "the last change of the old history"
    );
    let is_after_failover = walk.peek_number(0, 1) == Some(1);
    walk.parts(&[FORMAT, VBUCKET, UUID, PERSISTED, CURRENT]);
    if is_after_failover {
        walk.parts(&[OLD_UUID, RECEIVED]);
    }
}
