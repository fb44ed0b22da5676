//! How the extras of each command divide into fields (memcached binary protocol: opcodes; TAP; UPR and DCP).

use memlet_core::wire::{Dialect, Opcode, Status};

/// A field of fixed length.
pub(super) struct Part {
    pub(super) name: &'static str,
    /// Length in bytes.
    pub(super) len: usize,
    pub(super) kind: Kind,
}

/// What a number means.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Number,
    Hexadecimal,
    Expiration,
    /// As an expiration, and one value more: do not create.
    CounterExpiration,
    Names(&'static [(u64, &'static str)]),
    Bits(&'static [(u64, &'static str)]),
}

/// A [`Part`] that can stand in a constant.
macro_rules! part {
    ($name:literal, $len:literal, $kind:expr $(,)?) => {
        Part {
            name: $name,
            len: $len,
            kind: $kind,
        }
    };
}

const FLAGS: Part = part!("flags", 4, Kind::Hexadecimal);
const EXPIRATION: Part = part!("expiration", 4, Kind::Expiration);
const SEQNO: Part = part!("seqno", 8, Kind::Number);
const REVISION: Part = part!("revision", 8, Kind::Number);
const DELETE_TIME: Part = part!("delete time", 4, Kind::Number);
const METADATA_LEN: Part = part!("metadata length", 2, Kind::Number);
const STATE: &[(u64, &str)] = &[(1, "active"), (2, "replica"), (3, "pending"), (4, "dead")];

/// The fields of a request's extras of this length; `None` when nothing is known of them.
pub(super) fn request(opcode: Opcode, dialect: Dialect, len: usize) -> Option<&'static [Part]> {
    let parts: &[Part] = match (opcode.loud(), len) {
        (Opcode::SET | Opcode::ADD | Opcode::REPLACE, 8) => &[FLAGS, EXPIRATION],
        (Opcode::INCREMENT | Opcode::DECREMENT, 20) => &[
            part!("delta", 8, Kind::Number),
            part!("initial value", 8, Kind::Number),
            part!("expiration", 4, Kind::CounterExpiration),
        ],
        (Opcode::TOUCH | Opcode::GAT | Opcode::FLUSH, 4) => &[EXPIRATION],
        (Opcode::GATK, 4) if dialect == Dialect::Memcached => &[EXPIRATION],
        (Opcode::VERBOSITY, 4) => &[part!("level", 4, Kind::Number)],
        (Opcode::GET_LOCKED, 4) => &[part!("seconds", 4, Kind::Number)],
        (Opcode::SET_WITH_META | Opcode::ADD_WITH_META, 24..) => &[
            FLAGS,
            EXPIRATION,
            REVISION,
            part!("cas", 8, Kind::Hexadecimal),
        ],
        (Opcode::DEL_WITH_META, 24..) => &[
            FLAGS,
            DELETE_TIME,
            REVISION,
            part!("cas", 8, Kind::Hexadecimal),
        ],
        (Opcode::SET_VBUCKET | Opcode::DCP_SET_VBUCKET_STATE, 1) => {
            &[part!("state", 1, Kind::Names(STATE))]
        }
        _ => return tap(opcode, len).or_else(|| dcp(opcode, len)),
    };
    Some(parts)
}

/// The fields of a response's extras of this length; `None` when nothing is known of them.
pub(super) fn response(opcode: Opcode, dialect: Dialect, len: usize) -> Option<&'static [Part]> {
    let parts: &[Part] = match (opcode.loud(), len) {
        (Opcode::GET | Opcode::GETK | Opcode::GAT | Opcode::TOUCH, 4) => &[FLAGS],
        (Opcode::GET_LOCKED | Opcode::GET_REPLICA | Opcode::GET_RANDOM_KEY | Opcode::GET_EX, 4) => {
            &[FLAGS]
        }
        (Opcode::GATK, 4) if dialect == Dialect::Memcached => &[FLAGS],
        (
            Opcode::SET
            | Opcode::ADD
            | Opcode::REPLACE
            | Opcode::DELETE
            | Opcode::APPEND
            | Opcode::PREPEND
            | Opcode::INCREMENT
            | Opcode::DECREMENT,
            16,
        ) => &[part!("vbucket uuid", 8, Kind::Hexadecimal), SEQNO],
        (Opcode::DCP_ADD_STREAM, 4) => &[part!("stream opaque", 4, Kind::Hexadecimal)],
        (Opcode::GET_META, 20..=21) => {
            &[part!("deleted", 4, Kind::Number), FLAGS, EXPIRATION, SEQNO]
        }
        _ => return None,
    };
    Some(parts)
}

fn tap(opcode: Opcode, len: usize) -> Option<&'static [Part]> {
    const HEAD: [Part; 4] = [
        part!("engine-private length", 2, Kind::Number),
        part!(
            "flags",
            2,
            Kind::Bits(&[(1, "ACK"), (2, "NO_VALUE"), (4, "NETWORK_BYTE_ORDER")]),
        ),
        part!("ttl", 1, Kind::Number),
        part!("reserved", 3, Kind::Hexadecimal),
    ];
    const WITH_ITEM: [Part; 6] = {
        let [engine, flags, ttl, reserved] = HEAD;
        [
            engine,
            flags,
            ttl,
            reserved,
            part!("item flags", 4, Kind::Hexadecimal),
            EXPIRATION,
        ]
    };
    let is_message = |opcode| (Opcode::TAP_MUTATION..=Opcode::TAP_CHECKPOINT_END).contains(&opcode);
    match (opcode, len) {
        (Opcode::TAP_CONNECT, 4) => Some(&[part!("flags", 4, Kind::Bits(TAP_CONNECT_FLAGS))]),
        (opcode, 16) if is_message(opcode) => Some(&WITH_ITEM),
        (opcode, 8) if is_message(opcode) => Some(&HEAD),
        _ => None,
    }
}

const TAP_CONNECT_FLAGS: &[(u64, &str)] = &[
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

fn dcp(opcode: Opcode, len: usize) -> Option<&'static [Part]> {
    const START: Part = part!("start seqno", 8, Kind::Number);
    const END: Part = part!("end seqno", 8, Kind::Number);
    const PREPARED: Part = part!("prepared seqno", 8, Kind::Number);
    let parts: &[Part] = match (opcode, len) {
        (Opcode::DCP_OPEN, 8) => &[
            part!("seqno", 4, Kind::Number),
            part!("flags", 4, Kind::Bits(DCP_OPEN_FLAGS)),
        ],
        (Opcode::DCP_ADD_STREAM, 4) => &[part!("flags", 4, Kind::Bits(DCP_STREAM_FLAGS))],
        (Opcode::DCP_STREAM_REQ, 48) => &[
            part!("flags", 4, Kind::Bits(DCP_STREAM_FLAGS)),
            part!("reserved", 4, Kind::Hexadecimal),
            START,
            END,
            part!("vbucket uuid", 8, Kind::Hexadecimal),
            part!("snapshot start", 8, Kind::Number),
            part!("snapshot end", 8, Kind::Number),
        ],
        (Opcode::DCP_STREAM_END, 4) => &[part!("reason", 4, Kind::Names(DCP_END_REASONS))],
        (Opcode::DCP_SNAPSHOT_MARKER, 20) => {
            &[START, END, part!("flags", 4, Kind::Bits(DCP_MARKER_FLAGS))]
        }
        (Opcode::DCP_SNAPSHOT_MARKER, 1) => &[part!("version", 1, Kind::Number)],
        (Opcode::DCP_MUTATION, 31) => &[
            SEQNO,
            REVISION,
            FLAGS,
            EXPIRATION,
            part!("lock time", 4, Kind::Number),
            METADATA_LEN,
            part!("nru", 1, Kind::Number),
        ],
        (Opcode::DCP_DELETION | Opcode::DCP_EXPIRATION, 18) => &[SEQNO, REVISION, METADATA_LEN],
        (Opcode::DCP_DELETION, 21) => &[
            SEQNO,
            REVISION,
            DELETE_TIME,
            part!("unused", 1, Kind::Hexadecimal),
        ],
        (Opcode::DCP_EXPIRATION, 20) => &[SEQNO, REVISION, DELETE_TIME],
        (Opcode::DCP_BUFFER_ACK, 4) => &[part!("bytes", 4, Kind::Number)],
        (Opcode::DCP_SYSTEM_EVENT, 13) => &[
            SEQNO,
            part!("event", 4, Kind::Names(DCP_EVENTS)),
            part!("version", 1, Kind::Number),
        ],
        (Opcode::DCP_PREPARE, 31) => &[
            SEQNO,
            REVISION,
            FLAGS,
            EXPIRATION,
            part!("lock time", 4, Kind::Number),
            part!("nru", 1, Kind::Number),
            part!("deleted", 1, Kind::Number),
            part!("durability level", 1, Kind::Names(DURABILITY_LEVELS)),
        ],
        (Opcode::DCP_SEQNO_ACKNOWLEDGED, 8) => &[PREPARED],
        (Opcode::DCP_COMMIT, 16) => &[PREPARED, part!("commit seqno", 8, Kind::Number)],
        (Opcode::DCP_ABORT, 16) => &[PREPARED, part!("abort seqno", 8, Kind::Number)],
        (Opcode::DCP_SEQNO_ADVANCED, 8) => &[SEQNO],
        (Opcode::DCP_OSO_SNAPSHOT, 4) => {
            &[part!("flags", 4, Kind::Bits(&[(1, "start"), (2, "end")]))]
        }
        _ => return None,
    };
    Some(parts)
}

const DCP_OPEN_FLAGS: &[(u64, &str)] = &[
    (0x001, "producer"),
    (0x002, "notifier"),
    (0x004, "include xattrs"),
    (0x008, "no value"),
    (0x020, "include delete times"),
    (0x040, "no value, original datatype"),
    (0x100, "user xattrs of deletions"),
    (0x200, "skip deletes in the first backfill"),
];
const DCP_STREAM_FLAGS: &[(u64, &str)] = &[
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
const DCP_END_REASONS: &[(u64, &str)] = &[
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
const DCP_MARKER_FLAGS: &[(u64, &str)] = &[
    (0x01, "memory"),
    (0x02, "disk"),
    (0x04, "checkpoint"),
    (0x08, "ack wanted"),
    (0x10, "history"),
    (0x20, "may hold duplicate keys"),
];
const DCP_EVENTS: &[(u64, &str)] = &[
    (0, "collection begins"),
    (1, "collection ends"),
    (3, "scope created"),
    (4, "scope dropped"),
    (5, "collection modified"),
];
/// The fields of TAP's engine-private bytes of this length; `None` when nothing is known of them.
pub(super) fn tap_engine(opcode: Opcode, len: usize) -> Option<&'static [Part]> {
    const NRU: Part = part!("nru", 1, Kind::Number);
    let parts: &[Part] = match (opcode, len) {
        (Opcode::TAP_MUTATION, 9) => &[REVISION, NRU],
        (Opcode::TAP_MUTATION | Opcode::TAP_DELETE, 8) => &[REVISION],
        (Opcode::TAP_OPAQUE, 4) => &[part!("subtype", 4, Kind::Names(TAP_SUBTYPES))],
        (Opcode::TAP_VBUCKET_SET, 4) => &[part!("state", 4, Kind::Names(STATE))],
        (Opcode::TAP_CHECKPOINT_START, 8) => &[part!("highest deleted revision", 8, Kind::Number)],
        _ => return None,
    };
    Some(parts)
}

const TAP_SUBTYPES: &[(u64, &str)] = &[
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

/// The fields of a request's value of this length, where it has any.
pub(super) fn request_value(opcode: Opcode, len: usize) -> Option<&'static [Part]> {
    const MARKER: [Part; 5] = [
        part!("start seqno", 8, Kind::Number),
        part!("end seqno", 8, Kind::Number),
        part!("flags", 4, Kind::Bits(DCP_MARKER_FLAGS)),
        part!("max visible seqno", 8, Kind::Number),
        part!("high completed seqno", 8, Kind::Number),
    ];
    const LATER_MARKER: [Part; 7] = {
        let [start, end, flags, visible, completed] = MARKER;
        let purge = part!("purge seqno", 8, Kind::Number);
        let prepared = part!("high prepared seqno", 8, Kind::Number);
        [start, end, flags, visible, completed, purge, prepared]
    };
    match (opcode, len) {
        (Opcode::DCP_SNAPSHOT_MARKER, 36) => Some(&MARKER),
        (Opcode::DCP_SNAPSHOT_MARKER, 52) => Some(&LATER_MARKER),
        (Opcode::TAP_CHECKPOINT_START | Opcode::TAP_CHECKPOINT_END, 8) => {
            Some(&[part!("checkpoint id", 8, Kind::Number)])
        }
        _ => None,
    }
}

/// The fields of a successful response's value, which repeat until its end; `None` when nothing is known of them.
pub(super) fn response_value(
    opcode: Opcode,
    status: Status,
    len: usize,
) -> Option<&'static [Part]> {
    let parts: &[Part] = match (opcode.loud(), status) {
        (Opcode::INCREMENT | Opcode::DECREMENT, Status::SUCCESS) => {
            &[part!("counter", 8, Kind::Number)]
        }
        (
            Opcode::DCP_STREAM_REQ | Opcode::DCP_GET_FAILOVER_LOG | Opcode::GET_FAILOVER_LOG,
            Status::SUCCESS,
        ) => &[part!("vbucket uuid", 8, Kind::Hexadecimal), SEQNO],
        (Opcode::DCP_STREAM_REQ, Status::ROLLBACK) => {
            &[part!("seqno to roll back to", 8, Kind::Number)]
        }
        (Opcode::GET_ALL_VB_SEQNOS, Status::SUCCESS) => &[part!("vbucket", 2, Kind::Number), SEQNO],
        (Opcode::GET_VBUCKET, Status::SUCCESS) => &[part!("state", 4, Kind::Names(STATE))],
        _ => return None,
    };
    let once: usize = parts.iter().map(|part| part.len).sum();
    (len > 0 && len.is_multiple_of(once)).then_some(parts)
}

/// Levels of the frame info too.
pub(super) const DURABILITY_LEVELS: &[(u64, &str)] = &[
    (1, "majority"),
    (2, "majority and persisted on active"),
    (3, "persisted on majority"),
];
