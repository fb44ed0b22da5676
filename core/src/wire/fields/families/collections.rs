//! Collections, range scans, and what is told of vbuckets.

use super::super::context::Context;
use super::super::document;
use super::super::layout::{Content, Kind, Message, Part, part};
use super::super::names::{DATATYPES, VBUCKET_STATES};
use super::super::walk::Walk;
use super::super::{Expected, Lint, Section, Value};
use super::dcp::HISTORY;
use super::memcached::FLAGS;
use crate::wire::{DataType, Opcode};

const MANIFEST: Part = part!(
    "manifest uid",
    8,
    Kind::Hexadecimal,
    "version of the list of scopes and collections"
);
const SCAN: Part = part!(
    "scan uuid",
    16,
    Kind::Bytes,
    "the scan, as RANGE_SCAN_CREATE gave it"
);
const LIST: Content = Content::One("value", Kind::Json, "the list of scopes and collections");

pub(super) fn message(context: &Context<'_>) -> Option<Message> {
    if context.is_request() {
        request(context.opcode)
    } else {
        response(context.opcode)
    }
}

fn request(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    const BARE: Message = Message::bare(Section::CollectionPrefix);
    const SCANS: Message = Message::bare(Section::RangeScan);
    const VBUCKETS: Message = Message::bare(Section::Opcodes);
    const STATE: Part = part!(
        "state",
        4,
        Kind::Names(&[
            (0, "alive"),
            (1, "active"),
            (2, "replica"),
            (3, "pending"),
            (4, "dead"),
        ]),
        "which vbuckets"
    );
    Some(match opcode {
        O::COLLECTIONS_SET_MANIFEST => BARE.value(LIST),
        O::COLLECTIONS_GET_MANIFEST => BARE,
        O::COLLECTIONS_GET_ID => BARE
            .key(Content::One(
                "key",
                Kind::Text,
                "the path, from older clients",
            ))
            .value(Content::One(
                "value",
                Kind::Text,
                "the path: scope.collection",
            )),
        O::COLLECTIONS_GET_SCOPE_ID => BARE
            .key(Content::One(
                "key",
                Kind::Text,
                "the scope, from older clients",
            ))
            .value(Content::One("value", Kind::Text, "the scope's name")),
        O::RANGE_SCAN_CREATE => SCANS.value(Content::One("value", Kind::Json, "what to scan")),
        O::RANGE_SCAN_CONTINUE => SCANS.extras(&[&[
            SCAN,
            part!(
                "items",
                4,
                Kind::Number,
                "how many at most; 0 for no such limit"
            ),
            part!(
                "time",
                4,
                Kind::Milliseconds,
                "how long at most; 0 for no such limit"
            ),
            part!(
                "bytes",
                4,
                Kind::Number,
                "how many at most; 0 for no such limit"
            ),
        ]]),
        O::RANGE_SCAN_CANCEL => SCANS.extras(&[&[SCAN]]),
        O::GET_FAILOVER_LOG => Message::bare(Section::FailoverLog),
        O::GET_ALL_VB_SEQNOS => VBUCKETS.extras(&[
            &[],
            &[STATE],
            &[
                STATE,
                part!(
                    "collection",
                    4,
                    Kind::Hexadecimal,
                    "only changes of this collection"
                ),
            ],
        ]),
        O::SEQNO_PERSISTENCE => VBUCKETS.extras(&[&[part!(
            "seqno",
            8,
            Kind::Number,
            "the change that has to be on disk"
        )]]),
        O::SET_VBUCKET => VBUCKETS
            .extras(&[
                &[part!(
                    "state",
                    1,
                    Kind::Names(VBUCKET_STATES),
                    "the new state"
                )],
                &[part!(
                    "state",
                    4,
                    Kind::Names(VBUCKET_STATES),
                    "the new state, as in 2015"
                )],
            ])
            .value(Content::One("value", Kind::Json, "the vbucket's topology")),
        O::GET_VBUCKET => VBUCKETS.key(Content::Unknown),
        O::DEL_VBUCKET => VBUCKETS.value(Content::One("value", Kind::Text, "async=0 to wait")),
        _ => return None,
    })
}

fn response(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    const BARE: Message = Message::bare(Section::CollectionPrefix);
    const SCANS: Message = Message::bare(Section::RangeScan);
    const VBUCKETS: Message = Message::bare(Section::Opcodes);
    Some(match opcode {
        O::COLLECTIONS_SET_MANIFEST => BARE,
        O::COLLECTIONS_GET_MANIFEST => BARE.value(LIST),
        O::COLLECTIONS_GET_ID => BARE.extras(&[&[
            MANIFEST,
            part!("collection", 4, Kind::Hexadecimal, "the collection's id"),
        ]]),
        O::COLLECTIONS_GET_SCOPE_ID => BARE.extras(&[&[
            MANIFEST,
            part!("scope", 4, Kind::Hexadecimal, "the scope's id"),
        ]]),
        O::RANGE_SCAN_CREATE => SCANS.value(Content::Fixed("", &[SCAN])),
        O::RANGE_SCAN_CONTINUE => SCANS
            .extras(&[
                &[],
                &[part!(
                    "kind",
                    4,
                    Kind::Names(&[(0, "keys"), (1, "documents")]),
                    "what the records are"
                )],
            ])
            .value(Content::Walked(records)),
        O::RANGE_SCAN_CANCEL => SCANS,
        O::GET_FAILOVER_LOG => {
            Message::bare(Section::FailoverLog).value(Content::List("history", HISTORY))
        }
        O::GET_ALL_VB_SEQNOS => VBUCKETS.value(Content::List(
            "entry",
            &[
                part!("vbucket", 2, Kind::Number, "the vbucket"),
                part!("seqno", 8, Kind::Number, "its last change"),
            ],
        )),
        O::GET_VBUCKET => VBUCKETS.value(Content::Fixed(
            "",
            &[part!(
                "state",
                4,
                Kind::Names(VBUCKET_STATES),
                "the vbucket's state"
            )],
        )),
        O::SEQNO_PERSISTENCE | O::SET_VBUCKET | O::DEL_VBUCKET => VBUCKETS,
        _ => return None,
    })
}

/// What a range scan found: keys, or documents.
fn records(walk: &mut Walk<'_, '_>) {
    const HEAD: &[Part] = &[
        FLAGS,
        part!("expiration", 4, Kind::Time, "in seconds since 1970"),
        part!(
            "seqno",
            8,
            Kind::Number,
            "the change's number in its vbucket"
        ),
        part!("item cas", 8, Kind::Hexadecimal, "version of the document"),
        part!("data type", 1, Kind::Bits(DATATYPES), "what the value is"),
    ];
    let has_documents = walk.context.extras_number(0, 4) == Some(1);
    let mut index = 0;
    while !walk.rest().is_empty() {
        if !has_documents {
            walk.index = Some(index);
            counted_key(walk);
        } else {
            let datatype = walk.peek_number(24, 1).unwrap_or(0) as u8;
            let len = document_len(walk.rest());
            let len = len.unwrap_or(walk.left());
            let opened = walk.open_entry("record", index, len, "one document");
            walk.parts(HEAD);
            counted_key(walk);
            counted_document(walk, DataType(datatype));
            walk.close(opened);
        }
        index += 1;
    }
}

/// How long the record at the front is, as far as its lengths are there.
fn document_len(bytes: &[u8]) -> Option<u64> {
    let mut len = 25;
    for _ in 0..2 {
        let rest = bytes.get(usize::try_from(len).ok()?..)?;
        let (number, number_len) = document::leb128(rest, 5)?;
        len += number_len + number;
    }
    Some(len)
}

/// A length in LEB128; what is wrong with one is told, and all that is left is taken then.
fn length(walk: &mut Walk<'_, '_>, name: &'static str) -> Option<u64> {
    let (left, rest) = (walk.left(), walk.rest());
    match document::leb128(rest, 5) {
        Some((number, len)) => {
            walk.leaf_with(name, len, Value::Number(number), "in bytes, as LEB128");
            Some(number)
        }
        None => {
            if rest.len() as u64 == left && left > 0 {
                walk.report_next(Lint::PartCut, name, left, left, Expected::AtLeast(left + 1));
            }
            walk.leaf_rest("no length", Kind::Bytes, "no LEB128 number of 32 bits");
            None
        }
    }
}

fn counted_key(walk: &mut Walk<'_, '_>) {
    let len = match document::leb128(walk.rest(), 5) {
        Some((number, len)) => number + len,
        None => walk.left(),
    };
    let opened = walk.open("key record", len, "length and key");
    if length(walk, "key length").is_some() && walk.left() > 0 {
        let left = walk.left();
        document::key(walk, "document key", left);
    }
    walk.close(opened);
}

fn counted_document(walk: &mut Walk<'_, '_>, datatype: DataType) {
    if let Some(len) = length(walk, "value length") {
        let len = len.min(walk.left());
        document::value_of(walk, "document", len, datatype);
    }
}
