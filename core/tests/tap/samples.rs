//! One message of each kind with the bytes it must have, put together by hand from the layouts.

use memlet_core::tap::{
    Checkpoint, Deletion, Flush, Head, ItemFields, Message, MessageFlags, Mutation, Opaque,
    Subtype, VbucketSet, VbucketState,
};
use memlet_core::wire::DataType;

/// Header fields that differ in every byte.
pub(crate) const HEAD: Head = Head {
    datatype: DataType(0xc5),
    vbucket: 0x0102,
    sequence: 0x0304_0506,
    cas: 0x1112_1314_1516_1718,
    flags: MessageFlags(0x0005),
    ttl: 0xfe,
    reserved: [0xa1, 0xa2, 0xa3],
};

const ITEM: ItemFields = ItemFields {
    flags: 0xdead_beef,
    expiration: 0x0708_090a,
};

/// Opcode, key length, extras length, body length, then the body.
fn bytes(opcode: u8, key_len: u8, extras_len: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let mut bytes = vec![0x80, opcode, 0, key_len, extras_len, 0xc5, 1, 2];
    bytes.extend([0, 0, 0, body.len() as u8, 3, 4, 5, 6]);
    bytes.extend([0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
    bytes.extend(body);
    bytes
}

const COMMON: [u8; 6] = [0, 5, 0xfe, 0xa1, 0xa2, 0xa3];
const ITEM_BYTES: [u8; 8] = [0xde, 0xad, 0xbe, 0xef, 7, 8, 9, 10];
const REVISION: [u8; 9] = [0, 0, 0, 0, 0, 0, 1, 2, 3];

/// A name, a message, and how it looks on the wire.
type Sample = (&'static str, Message<'static>, Vec<u8>);

/// Every message.
pub(crate) fn samples() -> Vec<Sample> {
    [items(), states(), checkpoints()].concat()
}

fn items() -> Vec<Sample> {
    vec![
        (
            "mutation",
            Message::Mutation(Mutation {
                head: HEAD,
                item: ITEM,
                engine: &REVISION,
                key: b"key\0\xff",
                value: b"va\r\nlue",
            }),
            bytes(
                0x41,
                5,
                16,
                &[
                    &[0, 9],
                    &COMMON,
                    &ITEM_BYTES,
                    &REVISION,
                    b"key\0\xff",
                    b"va\r\nlue",
                ],
            ),
        ),
        (
            "mutation without engine bytes and value",
            Message::Mutation(Mutation {
                head: HEAD,
                item: ITEM,
                engine: b"",
                key: b"k",
                value: b"",
            }),
            bytes(0x41, 1, 16, &[&[0, 0], &COMMON, &ITEM_BYTES, b"k"]),
        ),
        (
            "deletion",
            Message::Deletion(Deletion {
                head: HEAD,
                engine: &[0, 0, 0, 0, 0, 0, 1, 2],
                key: b"key",
                value: b"",
            }),
            bytes(
                0x42,
                3,
                8,
                &[&[0, 8], &COMMON, &[0, 0, 0, 0, 0, 0, 1, 2], b"key"],
            ),
        ),
        (
            "deletion with value",
            Message::Deletion(Deletion {
                head: HEAD,
                engine: b"",
                key: b"key",
                value: b"value",
            }),
            bytes(0x42, 3, 8, &[&[0, 0], &COMMON, b"key", b"value"]),
        ),
    ]
}

fn states() -> Vec<Sample> {
    vec![
        (
            "flush",
            Message::Flush(Flush {
                head: HEAD,
                engine: b"",
            }),
            bytes(0x43, 0, 8, &[&[0, 0], &COMMON]),
        ),
        (
            "opaque",
            Message::Opaque(Opaque {
                head: HEAD,
                subtype: Subtype::CLOSE_BACKFILL,
                engine: b"",
            }),
            bytes(0x44, 0, 8, &[&[0, 4], &COMMON, &[0, 0, 0, 8]]),
        ),
        (
            "opaque with more engine bytes",
            Message::Opaque(Opaque {
                head: HEAD,
                subtype: Subtype(0x0102_0304),
                engine: b"more",
            }),
            bytes(0x44, 0, 8, &[&[0, 8], &COMMON, &[1, 2, 3, 4], b"more"]),
        ),
        (
            "vbucket set",
            Message::VbucketSet(VbucketSet {
                head: HEAD,
                state: VbucketState::PENDING,
                engine: b"",
            }),
            bytes(0x45, 0, 8, &[&[0, 4], &COMMON, &[0, 0, 0, 3]]),
        ),
    ]
}

fn checkpoints() -> Vec<Sample> {
    vec![
        (
            "checkpoint start",
            Message::CheckpointStart(Checkpoint {
                head: HEAD,
                item: Some(ItemFields::default()),
                engine: &[0, 0, 0, 0, 0, 0, 4, 5],
                marker: b"start",
                id: 0x0102_0304_0506_0708,
            }),
            bytes(
                0x46,
                5,
                16,
                &[
                    &[0, 8],
                    &COMMON,
                    &[0; 8],
                    &[0, 0, 0, 0, 0, 0, 4, 5],
                    b"start",
                    &[1, 2, 3, 4, 5, 6, 7, 8],
                ],
            ),
        ),
        (
            "checkpoint end",
            Message::CheckpointEnd(Checkpoint {
                head: HEAD,
                item: None,
                engine: b"",
                marker: b"",
                id: 9,
            }),
            bytes(0x47, 0, 8, &[&[0, 0], &COMMON, &[0, 0, 0, 0, 0, 0, 0, 9]]),
        ),
    ]
}
