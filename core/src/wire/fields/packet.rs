//! Header and body of any packet: what all families have in common.

use super::context::Context;
use super::layout::{Content, Kind, Message, Part, parts_len};
use super::names::DATATYPES;
use super::walk::Walk;
use super::{Expected, Lint, Options, Section, Value, Visitor};
use super::{document, families, framing, judge};
use crate::wire::{DataType, HEADER_LEN, Header, Magic, Opcode, Status};

/// Shows a packet's fields to the visitor, and what is strange about it.
pub(super) fn visit<'a>(input: &'a [u8], options: &Options<'_>, visitor: &mut dyn Visitor<'a>) {
    let header = input
        .first_chunk()
        .and_then(|bytes| Header::from_bytes(bytes).ok());
    let Some(header) = header else {
        let context = Context::none(options.dialect);
        let end = HEADER_LEN as u64;
        without_header(input, &mut Walk::new(input, end, options, context, visitor));
        return;
    };
    let len = usize::try_from(header.packet_len()).unwrap_or(usize::MAX);
    let packet = input.get(..len).unwrap_or(input);
    let context = Context::new(header, packet, options);
    let mut walk = Walk::new(packet, header.packet_len(), options, context, visitor);
    if packet.len() < len {
        let found = packet.len() as u64;
        let allowed = Expected::AtLeast(header.packet_len());
        walk.report_next(Lint::Truncated, "packet", found, found, allowed);
    }
    judge::header(&mut walk);
    header_fields(&mut walk, header.magic);
    if header.value_len().is_err() {
        let kind = if families::is_credential(&walk.context) {
            Kind::Secret
        } else {
            Kind::Bytes
        };
        walk.leaf_rest(
            "body",
            kind,
            "cannot be divided: its parts would be longer than all of it",
        );
        return;
    }
    body(&mut walk);
}

/// Bytes that are no header, or too few of one.
fn without_header(input: &[u8], walk: &mut Walk<'_, '_>) {
    let Some(&magic) = input.first() else {
        return;
    };
    if Magic(magic).is_known() {
        let (found, allowed) = (input.len() as u64, Expected::AtLeast(HEADER_LEN as u64));
        walk.report_next(Lint::Truncated, "packet", found, found, allowed);
        header_fields(walk, Magic(magic));
        return;
    }
    walk.section = Section::Magic;
    let allowed = Expected::Words("0x80, 0x81, 0x82, 0x83, 0x08 or 0x18");
    walk.report_next(Lint::UnknownMagic, "bytes", 1, magic.into(), allowed);
    walk.take_all_as_bytes(input.len() as u64);
}

/// memcached binary protocol: classic header, flex header.
fn header_fields(walk: &mut Walk<'_, '_>, magic: Magic) {
    let explanation = "the 24 bytes that every packet starts with";
    let opened = walk.open("header", HEADER_LEN as u64, explanation);
    walk.section = Section::Magic;
    let name = match magic {
        Magic::CLIENT_REQUEST => "client request",
        Magic::CLIENT_RESPONSE => "client response",
        Magic::FLEX_REQUEST => "client request, flex header",
        Magic::FLEX_RESPONSE => "client response, flex header",
        Magic::SERVER_REQUEST => "server request",
        _ => "server response",
    };
    let value = Value::Named {
        number: magic.0.into(),
        name: Some(name),
    };
    walk.leaf_with(
        "magic",
        1,
        value,
        "direction of the packet and form of its header",
    );
    opcode_field(walk, magic);
    walk.section = Section::ClassicHeader;
    if magic.is_flex() {
        walk.section = Section::FlexHeader;
        let explanation = "bytes of frame infos between header and extras";
        walk.leaf("framing extras length", 1, Kind::Number, explanation);
        walk.leaf("key length", 1, Kind::Number, "bytes of the key");
    } else {
        walk.leaf("key length", 2, Kind::Number, "bytes of the key");
    }
    let explanation = "bytes of the command's fixed fields before the key";
    walk.leaf("extras length", 1, Kind::Number, explanation);
    walk.section = Section::DataType;
    let explanation = "what the value is: JSON, compressed, with extended attributes";
    match walk.peek_number(0, 1) {
        Some(number @ 0) => {
            let name = Some("raw");
            walk.leaf_with("data type", 1, Value::Named { number, name }, explanation);
        }
        _ => {
            walk.leaf("data type", 1, Kind::Bits(DATATYPES), explanation);
        }
    }
    if magic.is_response() {
        status_field(walk);
    } else {
        walk.section = Section::ClassicHeader;
        let explanation = "partition of the key in Couchbase; memcached ignores it";
        walk.leaf("vbucket", 2, Kind::Number, explanation);
    }
    walk.section = Section::ClassicHeader;
    let explanation = "bytes behind the header: framing extras, extras, key and value";
    walk.leaf("body length", 4, Kind::Number, explanation);
    let explanation = "the sender's own number, handed back in every response";
    walk.leaf("opaque", 4, Kind::Hexadecimal, explanation);
    cas_field(walk);
    walk.close(opened);
}

fn cas_field(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    let is_observed = !context.is_request() && context.opcode == Opcode::OBSERVE;
    if is_observed && !context.is_server_initiated() && !context.is_failure() {
        let explanation = "no version, but how long the server usually takes";
        let opened = walk.open("cas", 8, explanation);
        walk.section = Section::Observe;
        let explanation = "until a change is on disk, on average";
        walk.leaf("persist time", 4, Kind::Milliseconds, explanation);
        let explanation = "until a change is on the replicas, on average";
        walk.leaf("replication time", 4, Kind::Milliseconds, explanation);
        walk.close(opened);
        return;
    }
    let explanation =
        "version of the item: what it has in a response, must have in a request; 0 for none";
    walk.leaf("cas", 8, Kind::Hexadecimal, explanation);
}

fn opcode_field(walk: &mut Walk<'_, '_>, magic: Magic) {
    let Some(number) = walk.peek_number(0, 1) else {
        walk.leaf("opcode", 1, Kind::Number, "the command");
        return;
    };
    let (name, meaning) = families::opcode_name(magic, number as u8, walk.options.dialect);
    walk.section = if magic.is_server_initiated() {
        Section::ServerOpcodes
    } else {
        Section::Opcodes
    };
    walk.leaf_with("opcode", 1, Value::Named { number, name }, meaning);
}

fn status_field(walk: &mut Walk<'_, '_>) {
    walk.section = Section::Status;
    let Some(number) = walk.peek_number(0, 2) else {
        walk.leaf("status", 2, Kind::Number, "how it went");
        return;
    };
    let status = Status(number as u16);
    let value = Value::Named {
        number,
        name: status.name(),
    };
    let meaning = match status.meaning() {
        "" => "nobody has given it a meaning",
        meaning => meaning,
    };
    walk.leaf_with("status", 2, value, meaning);
}

fn body(walk: &mut Walk<'_, '_>) {
    let header = walk.context.header;
    if header.framing_extras_len > 0 {
        walk.section = Section::FrameInfo;
        let len = header.framing_extras_len.into();
        let explanation = "frame infos: what is said of the command beside its own fields";
        let opened = walk.open("framing extras", len, explanation);
        framing::walk(walk);
        walk.close(opened);
    }
    let message = families::message(&walk.context);
    judge::parts(walk, &message);
    walk.section = message.section;
    extras(walk, &message);
    if walk.context.engine_len > 0 {
        families::tap_engine(walk);
    }
    content(walk, "key", header.key_len.into(), message.key);
    walk.section = message.section;
    let len = walk.left();
    if walk.context.is_failure() {
        error_body(walk, len);
    } else {
        content(walk, "value", len, message.value);
    }
}

fn extras(walk: &mut Walk<'_, '_>, message: &Message) {
    let len = walk.context.header.extras_len;
    if len == 0 {
        return;
    }
    let opened = walk.open("extras", len.into(), "the command's fixed fields");
    let layout = message
        .extras
        .iter()
        .find(|parts| parts_len(parts) == len.into());
    match layout {
        Some(parts) => walk.parts(parts),
        None => walk.leaf_rest(
            "unknown extras",
            Kind::Bytes,
            "no layout of this length is known",
        ),
    }
    walk.close(opened);
}

/// A key or a value.
fn content(walk: &mut Walk<'_, '_>, name: &'static str, len: u64, content: Content) {
    // What has fields of its own says itself which of them must be there.
    if len == 0 && !matches!(content, Content::Fixed(..) | Content::Walked(_)) {
        return;
    }
    let is_key = name == "key";
    let kind = if is_key { Kind::Text } else { Kind::Bytes };
    match content {
        Content::Nothing => {
            walk.leaf(name, len, kind, "the command takes none");
        }
        Content::Unknown => {
            walk.leaf(name, len, kind, "");
        }
        Content::Document if is_key => document::key(walk, name, len),
        Content::Document => document::value(walk, name, len),
        Content::One(field, kind, explanation) if field == name => {
            walk.leaf(name, len, kind, explanation);
        }
        Content::One(field, kind, explanation) => {
            let opened = walk.open(name, len, "");
            walk.leaf_rest(field, kind, explanation);
            walk.close(opened);
        }
        Content::Fixed(explanation, parts) => {
            let opened = walk.open(name, len, explanation);
            walk.parts(parts);
            walk.close(opened);
        }
        Content::List(entry, parts) => {
            let opened = walk.open(name, len, "");
            walk.list(entry, parts);
            walk.close(opened);
        }
        Content::DocumentAnd(behind_len, behind) => {
            let behind_len = behind_len(&walk.context);
            if behind_len == 0 {
                document::value(walk, name, len);
            } else {
                document_and(walk, (name, len), behind_len, &behind);
            }
        }
        Content::Walked(step) => {
            let opened = walk.open(name, len, "");
            step(walk);
            walk.close(opened);
        }
    }
}

/// A document, and something else behind it.
fn document_and(
    walk: &mut Walk<'_, '_>,
    (name, len): (&'static str, u64),
    behind_len: u64,
    behind: &Part,
) {
    if behind_len > len {
        let allowed = Expected::AtLeast(behind_len);
        walk.report_next(Lint::PartCut, behind.name, len, len, allowed);
    }
    let opened = walk.open(name, len, "");
    document::value(walk, "document", len.saturating_sub(behind_len));
    walk.leaf_rest(behind.name, behind.kind, behind.explanation);
    walk.close(opened);
}

/// What comes with a status that says that the command failed (memcached binary protocol: error bodies).
fn error_body(walk: &mut Walk<'_, '_>, len: u64) {
    walk.section = Section::ErrorBodies;
    let is_json = walk.context.header.datatype.contains(DataType::JSON)
        || walk.peek(1).first() == Some(&b'{');
    let (kind, explanation) = match walk.context.status() {
        Status::NOT_MY_VBUCKET => (
            Kind::Json,
            "the cluster map, which tells where the vbucket is",
        ),
        _ if is_json => (Kind::Json, "why the command failed, in an object `error`"),
        _ => (Kind::Text, "why the command failed, for people"),
    };
    if len > 0 {
        walk.leaf("value", len, kind, explanation);
    }
}
