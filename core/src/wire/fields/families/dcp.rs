//! DCP, first called UPR: the changes of a server as a stream.

use super::super::context::Context;
use super::super::document;
use super::super::layout::{Content, Kind, Message, Part, part};
use super::super::names::{BOOLEAN, DATATYPES, DURABILITY_LEVELS, Names, VBUCKET_STATES};
use super::super::walk::Walk;
use super::super::{Expected, Lint, Section};
use super::memcached::FLAGS;
use crate::wire::{DataType, Opcode, Status};

const OPEN_FLAGS: Names = &[
    (0x001, "producer"),
    (0x002, "notifier"),
    (0x004, "include xattrs"),
    (0x008, "no value"),
    (0x010, "unused"),
    (0x020, "include delete times"),
    (0x040, "no value, original datatype"),
    (0x080, "removed"),
    (0x100, "user xattrs of deletions"),
    (0x200, "skip deletes in the first backfill"),
];
const STREAM_FLAGS: Names = &[
    (0x001, "takeover"),
    (0x002, "only what is on disk"),
    (0x004, "up to the current high seqno"),
    (0x008, "no value"),
    (0x010, "only if active"),
    (0x020, "strict vbucket uuid"),
    (0x040, "from the current high seqno"),
    (0x080, "no rollback for purged tombstones"),
    (0x100, "cache transfer"),
];
const END_REASONS: Names = &[
    (0, "all that was asked for is sent"),
    (1, "closed by CLOSE_STREAM"),
    (2, "vbucket state changed"),
    (3, "disconnected"),
    (4, "consumer too slow"),
    (5, "backfill failed"),
    (6, "rollback"),
    (7, "every collection of the filter is gone"),
    (8, "privileges lost"),
];
const MARKER_FLAGS: Names = &[
    (0x01, "memory"),
    (0x02, "disk"),
    (0x04, "checkpoint"),
    (0x08, "ack wanted"),
    (0x10, "history"),
    (0x20, "may hold duplicate keys"),
];
const EVENTS: Names = &[
    (0, "collection begins"),
    (1, "collection ends"),
    (3, "scope created"),
    (4, "scope dropped"),
    (5, "collection modified"),
];

const SEQNO: Part = part!(
    "seqno",
    8,
    Kind::Number,
    "the change's number in its vbucket"
);
const REVISION: Part = part!(
    "revision",
    8,
    Kind::Number,
    "how often the item was changed"
);
const EXPIRATION: Part = part!(
    "expiration",
    4,
    Kind::Time,
    "when the item expires, in seconds since 1970",
);
const LOCK_TIME: Part = part!("lock time", 4, Kind::Number, "how long the item is locked");
const NRU: Part = part!("nru", 1, Kind::Number, "how long the item was not used");
const DELETE_TIME: Part = part!("delete time", 4, Kind::Time, "in seconds since 1970");
const METADATA_LEN: Part = part!(
    "metadata length",
    2,
    Kind::Number,
    "bytes of extended metadata behind the value; none since 2015",
);
const START: Part = part!(
    "start seqno",
    8,
    Kind::Number,
    "the first change, inclusive"
);
const END: Part = part!("end seqno", 8, Kind::Number, "the last change, inclusive");
const STREAM: Part = part!(
    "flags",
    4,
    Kind::Bits(STREAM_FLAGS),
    "how the stream is to be"
);
const MARKER: Part = part!(
    "flags",
    4,
    Kind::Bits(MARKER_FLAGS),
    "where the snapshot comes from and what is expected",
);
const PREPARED: Part = part!(
    "prepared seqno",
    8,
    Kind::Number,
    "the number of the prepared write"
);
/// An entry of a failover log.
pub(super) const HISTORY: &[Part] = &[
    part!(
        "vbucket uuid",
        8,
        Kind::Hexadecimal,
        "a history of the vbucket; the newest comes first"
    ),
    part!(
        "seqno",
        8,
        Kind::Number,
        "the change that the history starts behind"
    ),
];

pub(super) fn message(context: &Context<'_>) -> Option<Message> {
    if context.is_request() {
        request(context.opcode)
    } else {
        Some(response(context.opcode, context.status()))
    }
}

fn request(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    let bare = Message::bare(Section::Dcp);
    let changed = bare.key(Content::Document);
    Some(match opcode {
        O::DCP_MUTATION => changed
            .extras(&[&[
                SEQNO,
                REVISION,
                FLAGS,
                EXPIRATION,
                LOCK_TIME,
                METADATA_LEN,
                NRU,
            ]])
            .value(Content::DocumentAnd(mutation_metadata, METADATA)),
        O::DCP_DELETION => changed
            .extras(&[
                &[SEQNO, REVISION, METADATA_LEN],
                &[
                    SEQNO,
                    REVISION,
                    DELETE_TIME,
                    part!("unused", 1, Kind::Reserved, "has to be 0"),
                ],
            ])
            .value(Content::DocumentAnd(removal_metadata, METADATA)),
        O::DCP_EXPIRATION => changed
            .extras(&[
                &[SEQNO, REVISION, DELETE_TIME],
                &[SEQNO, REVISION, METADATA_LEN],
            ])
            .value(Content::DocumentAnd(removal_metadata, METADATA)),
        O::DCP_PREPARE => changed
            .extras(&[&[
                SEQNO,
                REVISION,
                FLAGS,
                EXPIRATION,
                LOCK_TIME,
                NRU,
                part!(
                    "deleted",
                    1,
                    Kind::Names(BOOLEAN),
                    "whether the write is a deletion"
                ),
                part!(
                    "durability level",
                    1,
                    Kind::Names(DURABILITY_LEVELS),
                    "what the write must survive",
                ),
            ]])
            .value(Content::Document),
        O::DCP_COMMIT => changed.extras(&[&[
            PREPARED,
            part!("commit seqno", 8, Kind::Number, "the number of the commit"),
        ]]),
        O::DCP_ABORT => changed.extras(&[&[
            PREPARED,
            part!("abort seqno", 8, Kind::Number, "the number of the abort"),
        ]]),
        _ => return control(opcode),
    })
}

/// Messages about connections and streams.
fn control(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    Some(match opcode {
        O::DCP_OPEN => Message::bare(Section::OpenFlags)
            .extras(&[&[
                part!("seqno", 4, Kind::Number, "without meaning today"),
                part!(
                    "flags",
                    4,
                    Kind::Bits(OPEN_FLAGS),
                    "what the connection is to be"
                ),
            ]])
            .key(Content::One("key", Kind::Text, "the connection's name"))
            .value(Content::One(
                "value",
                Kind::Json,
                "the consumer's name, for a consumer",
            )),
        O::DCP_ADD_STREAM => Message::bare(Section::StreamFlags).extras(&[&[STREAM]]),
        O::DCP_STREAM_REQ => Message::bare(Section::StreamFlags)
            .extras(&[&[
                STREAM,
                part!("reserved", 4, Kind::Reserved, "has to be 0"),
                part!(
                    "start seqno",
                    8,
                    Kind::Number,
                    "the last change that the consumer has"
                ),
                END,
                part!(
                    "vbucket uuid",
                    8,
                    Kind::Hexadecimal,
                    "the history that the consumer knows; 0 for none"
                ),
                part!(
                    "snapshot start",
                    8,
                    Kind::Number,
                    "first change of the consumer's last snapshot"
                ),
                part!(
                    "snapshot end",
                    8,
                    Kind::Number,
                    "last change of that snapshot"
                ),
            ]])
            .value(Content::One(
                "value",
                Kind::Json,
                "which collections, and how",
            )),
        _ => return told(opcode),
    })
}

/// What either side tells the other of connections and streams.
fn told(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    let bare = Message::bare(Section::Dcp);
    Some(match opcode {
        O::DCP_STREAM_END => Message::bare(Section::StreamEnd).extras(&[&[part!(
            "reason",
            4,
            Kind::Names(END_REASONS),
            "why the stream is over",
        )]]),
        O::DCP_SNAPSHOT_MARKER => Message::bare(Section::SnapshotMarkers)
            .extras(&[
                &[START, END, MARKER],
                &[part!(
                    "version",
                    1,
                    Kind::Names(&[(0, "2.0"), (2, "2.2")]),
                    "layout of the value"
                )],
            ])
            .value(Content::Walked(marker)),
        O::DCP_SET_VBUCKET_STATE => bare.extras(&[&[part!(
            "state",
            1,
            Kind::Names(VBUCKET_STATES),
            "the vbucket's new state",
        )]]),
        O::DCP_BUFFER_ACK => Message::bare(Section::FlowControl).extras(&[&[part!(
            "bytes",
            4,
            Kind::Number,
            "how many bytes of messages the consumer is done with",
        )]]),
        O::DCP_CONTROL => Message::bare(Section::Control)
            .key(Content::One("key", Kind::Text, "the property"))
            .value(Content::One("value", Kind::Text, "what it is set to")),
        O::DCP_SYSTEM_EVENT => Message::bare(Section::SystemEvents)
            .extras(&[&[
                SEQNO,
                part!("event", 4, Kind::Names(EVENTS), "what happened"),
                part!(
                    "version",
                    1,
                    Kind::Number,
                    "layout of the value; 2 is FlatBuffers"
                ),
            ]])
            .key(Content::One(
                "key",
                Kind::Text,
                "name of the scope or collection",
            ))
            .value(Content::Walked(system_event)),
        O::DCP_SEQNO_ACKNOWLEDGED => bare.extras(&[&[PREPARED]]),
        O::DCP_SEQNO_ADVANCED => bare.extras(&[&[SEQNO]]),
        O::DCP_OSO_SNAPSHOT => bare.extras(&[&[part!(
            "flags",
            4,
            Kind::Bits(&[(1, "start"), (2, "end")]),
            "whether the snapshot starts or ends",
        )]]),
        O::DCP_CACHE_TRANSFER => {
            Message::bare(Section::CacheTransfer).value(Content::Walked(cache_records))
        }
        O::DCP_NOOP => Message::bare(Section::DcpNoop),
        O::DCP_CLOSE_STREAM
        | O::DCP_GET_FAILOVER_LOG
        | O::DCP_FLUSH
        | O::DCP_CACHE_TRANSFER_END => bare,
        _ => return None,
    })
}

fn response(opcode: Opcode, status: Status) -> Message {
    let bare = Message::bare(Section::Dcp);
    let log = Message::bare(Section::FailoverLog);
    match (opcode, status) {
        (Opcode::DCP_STREAM_REQ, Status::ROLLBACK) => log.value(Content::Fixed(
            "",
            &[part!(
                "seqno to roll back to",
                8,
                Kind::Number,
                "the last change that both have"
            )],
        )),
        (Opcode::DCP_STREAM_REQ | Opcode::DCP_GET_FAILOVER_LOG, Status::SUCCESS) => {
            log.value(Content::List("history", HISTORY))
        }
        (Opcode::DCP_ADD_STREAM, Status::SUCCESS) => bare.extras(&[&[part!(
            "stream opaque",
            4,
            Kind::Hexadecimal,
            "the opaque of the stream's messages",
        )]]),
        _ => bare,
    }
}

/// Length of the extended metadata of a mutation.
fn mutation_metadata(context: &Context<'_>) -> u64 {
    context.extras_number(28, 2).unwrap_or(0)
}

/// Length of the extended metadata of a removal; later forms have none.
fn removal_metadata(context: &Context<'_>) -> u64 {
    match context.header.extras_len {
        18 => context.extras_number(16, 2).unwrap_or(0),
        _ => 0,
    }
}

/// What may follow the value of a document.
pub(super) const METADATA: Part = part!(
    "extended metadata",
    0,
    Kind::Bytes,
    "as the extras count it"
);

/// The value of a later snapshot marker.
fn marker(walk: &mut Walk<'_, '_>) {
    const VISIBLE: Part = part!(
        "max visible seqno",
        8,
        Kind::Number,
        "highest seqno that readers may see"
    );
    const COMPLETED: Part = part!(
        "high completed seqno",
        8,
        Kind::Number,
        "highest seqno of a durable write that is decided",
    );
    const PURGE: Part = part!(
        "purge seqno",
        8,
        Kind::Number,
        "up to where deletions have been purged"
    );
    const HIGH_PREPARED: Part = part!(
        "high prepared seqno",
        8,
        Kind::Number,
        "highest seqno of a durable write that is prepared",
    );
    if walk.context.header.extras_len != 1 {
        let left = walk.left();
        walk.report_next(
            Lint::TrailingBytes,
            "value",
            left,
            left,
            Expected::Exactly(0),
        );
        walk.leaf_rest(
            "unknown value",
            Kind::Bytes,
            "the first form of the marker has none",
        );
        return;
    }
    walk.parts(&[START, END, MARKER, VISIBLE, COMPLETED]);
    if walk.context.extras_number(0, 1) != Some(0) {
        walk.parts(&[PURGE, HIGH_PREPARED]);
    }
}

fn system_event(walk: &mut Walk<'_, '_>) {
    const MANIFEST: Part = part!(
        "manifest uid",
        8,
        Kind::Hexadecimal,
        "version of the list of scopes and collections since which this holds",
    );
    const SCOPE: Part = part!("scope", 4, Kind::Hexadecimal, "the scope's id");
    const COLLECTION: Part = part!("collection", 4, Kind::Hexadecimal, "the collection's id");
    const MAX_TTL: Part = part!(
        "max ttl",
        4,
        Kind::Seconds,
        "how long its documents live at most"
    );
    let event = walk.context.extras_number(8, 4);
    let version = walk.context.extras_number(12, 1);
    match (event, version) {
        (_, Some(2)) => walk.leaf_rest("details", Kind::Bytes, "a FlatBuffers table"),
        (Some(0 | 1), Some(0)) => walk.parts(&[MANIFEST, SCOPE, COLLECTION]),
        (Some(0), Some(1)) => walk.parts(&[MANIFEST, SCOPE, COLLECTION, MAX_TTL]),
        (Some(3 | 4), Some(0)) => walk.parts(&[MANIFEST, SCOPE]),
        _ => walk.leaf_rest("details", Kind::Bytes, "of no layout that is known"),
    }
}

/// Documents that the producer has in memory.
fn cache_records(walk: &mut Walk<'_, '_>) {
    const HEAD: &[Part] = &[
        part!("cas", 8, Kind::Hexadecimal, "version of the item"),
        SEQNO,
        REVISION,
        part!("value length", 4, Kind::Number, "bytes of the value"),
        FLAGS,
        EXPIRATION,
        part!(
            "key length",
            2,
            Kind::Number,
            "bytes of the key, its collection's id included"
        ),
        part!("data type", 1, Kind::Bits(DATATYPES), "what the value is"),
        part!(
            "cache hint",
            1,
            Kind::Number,
            "how recently the item was used"
        ),
    ];
    let mut index = 0;
    while !walk.rest().is_empty() {
        let value_len = walk.peek_number(24, 4).unwrap_or(0);
        let key_len = walk.peek_number(36, 2).unwrap_or(0);
        let datatype = walk.peek_number(38, 1).unwrap_or(0);
        let opened = walk.open_entry("record", index, 40 + key_len + value_len, "one document");
        index += 1;
        walk.parts(HEAD);
        let key_len = key_len.min(walk.left());
        if key_len > 0 {
            document::key(walk, "document key", key_len);
        }
        let left = walk.left();
        document::value_of(walk, "document", left, DataType(datatype as u8));
        walk.close(opened);
    }
}
