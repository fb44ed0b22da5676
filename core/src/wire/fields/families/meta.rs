//! Commands that carry the metadata of documents: from one cluster to another.

use super::super::Section;
use super::super::context::Context;
use super::super::layout::{Content, Kind, Message, Part, part};
use super::super::names::{BOOLEAN, DATATYPES, Names};
use super::dcp::METADATA;
use super::memcached::{BY_KEY, CHANGED, EXPIRATION, FLAGS};
use crate::wire::Opcode;

const OPTIONS: Names = &[
    (0x01, "force"),
    (0x02, "force accept"),
    (0x04, "regenerate CAS"),
    (0x08, "skip conflict resolution"),
    (0x10, "is expiration"),
];
const REVISION: Part = part!(
    "revision",
    8,
    Kind::Number,
    "how often the item was changed"
);
const CAS: Part = part!(
    "item cas",
    8,
    Kind::Hexadecimal,
    "the version that the item gets"
);
const DELETE_TIME: Part = part!("delete time", 4, Kind::Time, "in seconds since 1970");
const METADATA_LEN: Part = part!(
    "metadata length",
    2,
    Kind::Number,
    "bytes of extended metadata behind the value"
);
const OPTION: Part = part!("options", 4, Kind::Bits(OPTIONS), "how conflicts are met");

const WITH_META: &[&[Part]] = &[
    &[FLAGS, EXPIRATION, REVISION, CAS],
    &[FLAGS, EXPIRATION, REVISION, CAS, METADATA_LEN],
    &[FLAGS, EXPIRATION, REVISION, CAS, OPTION],
    &[FLAGS, EXPIRATION, REVISION, CAS, OPTION, METADATA_LEN],
];
const DELETE_WITH_META: &[&[Part]] = &[
    &[FLAGS, DELETE_TIME, REVISION, CAS],
    &[FLAGS, DELETE_TIME, REVISION, CAS, METADATA_LEN],
    &[FLAGS, DELETE_TIME, REVISION, CAS, OPTION],
    &[FLAGS, DELETE_TIME, REVISION, CAS, OPTION, METADATA_LEN],
];

pub(super) fn message(context: &Context<'_>) -> Option<Message> {
    if context.is_request() {
        request(context.opcode)
    } else {
        response(context.opcode)
    }
}

fn request(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    const BARE: Message = Message::bare(Section::Meta);
    Some(match opcode.loud() {
        O::GET_META => BY_KEY.extras(&[
            &[],
            &[part!(
                "version",
                1,
                Kind::Names(&[(1, "without data type"), (2, "with data type")]),
                "form of the answer"
            )],
        ]),
        O::SET_WITH_META | O::ADD_WITH_META => BARE
            .extras(WITH_META)
            .key(Content::Document)
            .value(Content::DocumentAnd(metadata_len, METADATA)),
        O::DEL_WITH_META => BARE
            .extras(DELETE_WITH_META)
            .key(Content::Document)
            .value(Content::DocumentAnd(metadata_len, METADATA)),
        O::RETURN_META => BARE
            .extras(&[&[
                part!(
                    "type",
                    4,
                    Kind::Names(&[(1, "set"), (2, "add"), (3, "delete")]),
                    "what is done"
                ),
                FLAGS,
                EXPIRATION,
            ]])
            .key(Content::Document)
            .value(Content::Document),
        O::MUTATE_WITH_META => Message::bare(Section::MutateWithMeta)
            .extras(&[&[part!(
                "metadata size",
                4,
                Kind::Number,
                "bytes of JSON behind the document"
            )]])
            .key(Content::Document)
            .value(Content::DocumentAnd(json_len, JSON)),
        O::COMPACT_DB => BARE
            .extras(&[&[
                part!(
                    "purge before time",
                    8,
                    Kind::Time,
                    "deletions older than this go; 0 for the default"
                ),
                part!(
                    "purge before seqno",
                    8,
                    Kind::Number,
                    "deletions before this go"
                ),
                part!(
                    "drop deletes",
                    1,
                    Kind::Names(BOOLEAN),
                    "whether all deletions go"
                ),
                part!("padding", 1, Kind::Reserved, "has to be 0"),
                part!("file id", 2, Kind::Number, "the vbucket's file"),
                part!("padding", 4, Kind::Reserved, "has to be 0"),
            ]])
            .value(Content::One(
                "value",
                Kind::Json,
                "what to compact, and how",
            )),
        _ => return None,
    })
}

fn response(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    const BARE: Message = Message::bare(Section::Meta);
    const DELETED: Part = part!(
        "deleted",
        4,
        Kind::Names(BOOLEAN),
        "whether the item is deleted"
    );
    const TIME: Part = part!("expiration", 4, Kind::Time, "in seconds since 1970");
    const SEQNO: Part = part!("seqno", 8, Kind::Number, "how often the item was changed");
    const DATATYPE: Part = part!("data type", 1, Kind::Bits(DATATYPES), "what the value is");
    Some(match opcode.loud() {
        O::GET_META => BARE.extras(&[
            &[DELETED, FLAGS, TIME, SEQNO],
            &[DELETED, FLAGS, TIME, SEQNO, DATATYPE],
        ]),
        O::SET_WITH_META | O::ADD_WITH_META | O::DEL_WITH_META | O::MUTATE_WITH_META => {
            BARE.extras(CHANGED)
        }
        O::RETURN_META => BARE.extras(&[&[FLAGS, TIME, REVISION]]),
        O::COMPACT_DB => BARE,
        _ => return None,
    })
}

/// Length of the extended metadata, which ends extras of these lengths.
fn metadata_len(context: &Context<'_>) -> u64 {
    let len = match context.header.extras_len {
        26 => context.extras_number(24, 2),
        30 => context.extras_number(28, 2),
        _ => None,
    };
    len.unwrap_or(0)
}

/// Length of the JSON behind the document.
fn json_len(context: &Context<'_>) -> u64 {
    context.extras_number(0, 4).unwrap_or(0)
}

const JSON: Part = part!(
    "metadata",
    0,
    Kind::Json,
    "command, CAS, expiration and more"
);
