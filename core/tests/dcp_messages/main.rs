//! The messages of DCP against bytes written down by hand.

#![allow(missing_docs)]

use memlet_core::dcp::{
    Abort, AddStream, Body, BufferAck, CacheRecord, CacheRecords, CollectionKey, Commit, Control,
    Deletion, DeletionForm, Expiration, ExpirationForm, FailoverEntry, FailoverLog, MarkerForm,
    Message, Mutation, Open, OpenFlags, OsoFlags, OsoSnapshot, Prepare, Reply, ReplyBody,
    SeqnoAcknowledged, SeqnoAdvanced, SnapshotFlags, SnapshotMarker, StreamEnd, StreamEndReason,
    StreamFilter, StreamFlags, StreamOpaque, StreamRequest, SystemEvent, SystemEventDetails,
    SystemEventKind, VbucketState, Xattr, Xattrs,
};
use memlet_core::wire::{
    Allowed, DataType, EmitError, Field, Limits, Magic, Opcode, Packet, ParseError, ParseErrorKind,
    Parsed, Status,
};

mod golden;
mod parts;
mod refusals;

/// Bytes from hexadecimal digits; blanks and line ends are for the reader.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    assert_eq!(digits.len() % 2, 0, "{text}");
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn packet(bytes: &[u8]) -> Packet<'_> {
    match Packet::parse(bytes, &Limits::NONE) {
        Ok(Parsed::Complete { value, consumed }) if consumed == bytes.len() => value,
        other => panic!("{other:?} of {bytes:02x?}"),
    }
}

const VBUCKET: u16 = 0x0201;
const OPAQUE: u32 = 0x0003_0201;

fn message(body: Body<'_>) -> Message<'_> {
    Message::new(VBUCKET, OPAQUE, body)
}

/// The JSON document of the examples.
const DOCUMENT: &[u8] = br#"{"a":1}"#;

fn with_item<'a>(body: Body<'a>, datatype: DataType) -> Message<'a> {
    Message {
        cas: 0x1122_3344_5566_7788,
        datatype,
        ..message(body)
    }
}
