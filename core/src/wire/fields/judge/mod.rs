//! Lints that need no walk: of the header, and of how its parts go together.

mod command;
mod feed;

use super::context::Context;
use super::layout::{Content, Message, parts_len};
use super::walk::Walk;
use super::{Expected, Finding, Lint};
use crate::wire::{Dialect, HEADER_LEN, Opcode, Presence, ServerOpcode, Shape, Status};

/// Largest body that memcached takes, in bytes.
const MEMCACHED_BODY_LEN_MAX: u64 = 1 << 30;
/// Largest packet that Couchbase takes unless it is told otherwise, in bytes.
const COUCHBASE_PACKET_LEN_MAX: u64 = 30 << 20;
/// How many vbuckets a bucket of Couchbase has at most.
const VBUCKETS_MAX: u64 = 1024;
/// From here on statuses are for proxies and applications.
const FOREIGN_STATUS: u16 = 0xff00;

/// Where fields of the header stand, and how long they are, in bytes.
const OPCODE: (usize, usize) = (1, 1);
const EXTRAS_LEN: (usize, usize) = (4, 1);
const DATATYPE: (usize, usize) = (5, 1);
const VBUCKET: (usize, usize) = (6, 2);
const BODY_LEN: (usize, usize) = (8, 4);
const OPAQUE: (usize, usize) = (12, 4);
const CAS: (usize, usize) = (16, 8);

impl Walk<'_, '_> {
    /// Reports something of a field that stands at a known place.
    pub(super) fn report_at(
        &mut self,
        lint: Lint,
        field: &'static str,
        (offset, len): (usize, usize),
        found: u64,
        allowed: Expected,
    ) {
        self.report(&Finding {
            lint,
            field,
            offset,
            len,
            found,
            allowed,
        });
    }

    /// Reports something of a field in the extras.
    fn report_extras(
        &mut self,
        lint: Lint,
        field: &'static str,
        (at, len): (usize, usize),
        found: u64,
        allowed: Expected,
    ) {
        let extras_at = HEADER_LEN + usize::from(self.context.header.framing_extras_len);
        self.report_at(lint, field, (extras_at + at, len), found, allowed);
    }
}

fn key_len_field(context: &Context<'_>) -> (usize, usize) {
    if context.header.magic.is_flex() {
        (3, 1)
    } else {
        (2, 2)
    }
}

fn is_removed(opcode: Opcode) -> bool {
    matches!(
        opcode.0,
        0x30..=0x3c
            | 0x5a
            | 0x97
            | 0x9e
            | 0x9f
            | 0xa6
            | 0xa7
            | 0xaa
            | 0xac
            | 0xb0
            | 0xb1
            | 0xc1
            | 0xc2
            | 0xf0
            | 0xf2
            | 0xff
    )
}

/// Whether the opcode is one of those that go to and fro on TAP and DCP connections.
pub(super) fn is_feed(opcode: Opcode) -> bool {
    matches!(opcode.0, 0x40..=0x47 | 0x50..=0x67)
}

/// The numbers of the header.
pub(super) fn header(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    let header = context.header;
    lengths(walk);
    if header.datatype.unnamed_bits() != 0 {
        let found = header.datatype.0.into();
        let allowed = Expected::Bits(0x07);
        walk.report_at(Lint::UnknownDataType, "data type", DATATYPE, found, allowed);
    }
    if header.magic.is_flex() && header.framing_extras_len == 0 {
        let allowed = Expected::AtLeast(1);
        walk.report_at(
            Lint::FlexWithoutInfos,
            "framing extras length",
            (2, 1),
            0,
            allowed,
        );
    }
    if context.is_server_initiated() {
        if ServerOpcode(header.opcode.0).name().is_none() {
            let allowed = Expected::Words("0x01 to 0x04");
            let found = header.opcode.0.into();
            walk.report_at(Lint::UnknownOpcode, "opcode", OPCODE, found, allowed);
        }
    } else {
        known_opcode(walk);
    }
    if context.is_request() {
        if !context.is_server_initiated() {
            vbucket_and_datatype(walk);
            cas(walk);
        }
    } else {
        response(walk);
    }
}

fn lengths(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    let header = context.header;
    let body_len = u64::from(header.body_len);
    let parts_len = u64::from(header.framing_extras_len)
        + u64::from(header.extras_len)
        + u64::from(header.key_len);
    if parts_len > body_len {
        let allowed = Expected::AtLeast(parts_len);
        walk.report_at(
            Lint::LengthsExceedBody,
            "body length",
            BODY_LEN,
            body_len,
            allowed,
        );
    }
    let body_len_max = match context.dialect {
        Dialect::Memcached => MEMCACHED_BODY_LEN_MAX,
        Dialect::Couchbase => COUCHBASE_PACKET_LEN_MAX - HEADER_LEN as u64,
    };
    if body_len > body_len_max {
        let allowed = Expected::AtMost(body_len_max);
        walk.report_at(
            Lint::BodyTooLong,
            "body length",
            BODY_LEN,
            body_len,
            allowed,
        );
    }
    let key_len_max = if walk.options.collections { 251 } else { 250 };
    let key_len = u64::from(header.key_len);
    if key_len > key_len_max && context.is_request() {
        let allowed = Expected::AtMost(key_len_max);
        walk.report_at(
            Lint::KeyTooLong,
            "key length",
            key_len_field(&context),
            key_len,
            allowed,
        );
    }
}

fn known_opcode(walk: &mut Walk<'_, '_>) {
    let (opcode, dialect) = (walk.context.header.opcode, walk.context.dialect);
    let found = u64::from(opcode.0);
    if opcode.name(dialect).is_none() {
        let nearest = Opcode::all(dialect).min_by_key(|known| known.0.abs_diff(opcode.0));
        let allowed = nearest.map_or(Expected::AsTitled, |nearest| Expected::Nearest {
            number: nearest.0.into(),
            name: nearest.name(dialect).unwrap_or_default(),
        });
        walk.report_at(Lint::UnknownOpcode, "opcode", OPCODE, found, allowed);
    } else if !walk.context.is_request() {
        // What is asked is judged where it is asked.
    } else if is_removed(opcode) {
        walk.report_at(
            Lint::RetiredOpcode,
            "opcode",
            OPCODE,
            found,
            Expected::AsTitled,
        );
    } else if dialect == Dialect::Memcached && opcode.shape(dialect).is_none() && !is_feed(opcode) {
        walk.report_at(
            Lint::ForeignOpcode,
            "opcode",
            OPCODE,
            found,
            Expected::AsTitled,
        );
    }
}

fn vbucket_and_datatype(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    let header = context.header;
    let (vbucket, datatype) = (header.vbucket_or_status.into(), header.datatype.0.into());
    let is_memcached =
        context.dialect == Dialect::Memcached && header.opcode.shape(Dialect::Memcached).is_some();
    if is_memcached && vbucket != 0 {
        let allowed = Expected::Exactly(0);
        walk.report_at(Lint::VbucketIgnored, "vbucket", VBUCKET, vbucket, allowed);
    }
    if context.dialect == Dialect::Couchbase && vbucket >= VBUCKETS_MAX {
        let allowed = Expected::AtMost(VBUCKETS_MAX - 1);
        walk.report_at(Lint::VbucketRange, "vbucket", VBUCKET, vbucket, allowed);
    }
    if is_memcached && datatype != 0 && header.datatype.unnamed_bits() == 0 {
        let allowed = Expected::Exactly(0);
        walk.report_at(
            Lint::DataTypeIgnored,
            "data type",
            DATATYPE,
            datatype,
            allowed,
        );
    }
}

fn cas(walk: &mut Walk<'_, '_>) {
    type O = Opcode;
    let context = walk.context;
    let (opcode, cas) = (context.opcode, context.header.cas);
    let is_couchbase = context.dialect == Dialect::Couchbase;
    let reads = matches!(opcode.loud(), O::GET | O::GETK | O::TOUCH | O::GAT)
        || (!is_couchbase && opcode.loud() == O::GATK);
    let counts = matches!(opcode.loud(), O::INCREMENT | O::DECREMENT);
    let adds = opcode.loud() == O::ADD;
    let others = matches!(
        opcode.loud(),
        O::FLUSH | O::NOOP | O::VERSION | O::STAT | O::QUIT
    );
    let lint = match (cas, is_couchbase) {
        (0, true) if opcode == O::UNLOCK_KEY => Lint::CasMissing,
        (0, _) if opcode == O::DCP_PREPARE => Lint::PrepareWithoutCas,
        (0, _) => return,
        (_, true) if reads || counts || adds => Lint::CasForbidden,
        (_, false) if reads || others => Lint::CasIgnored,
        (_, false) if adds => Lint::AddWithCas,
        _ => return,
    };
    let allowed = match cas {
        0 => Expected::AtLeast(1),
        _ => Expected::Exactly(0),
    };
    walk.report_at(lint, "cas", CAS, cas, allowed);
}

fn response(walk: &mut Walk<'_, '_>) {
    let header = walk.context.header;
    let status = Status(header.vbucket_or_status);
    if status.name().is_none() && status.0 < FOREIGN_STATUS {
        let nearest = Status::ALL
            .iter()
            .min_by_key(|known| known.0.abs_diff(status.0));
        let allowed = nearest.map_or(Expected::AsTitled, |nearest| Expected::Nearest {
            number: nearest.0.into(),
            name: nearest.name().unwrap_or_default(),
        });
        walk.report_at(
            Lint::UnknownStatus,
            "status",
            VBUCKET,
            status.0.into(),
            allowed,
        );
    }
    let Some(request) = walk.options.request else {
        return;
    };
    if request.opcode != header.opcode {
        let allowed = Expected::Exactly(request.opcode.0.into());
        let found = header.opcode.0.into();
        walk.report_at(Lint::OpcodeMismatch, "opcode", OPCODE, found, allowed);
    }
    if request.opaque != header.opaque {
        let allowed = Expected::Exactly(request.opaque.into());
        let found = header.opaque.into();
        walk.report_at(Lint::OpaqueMismatch, "opaque", OPAQUE, found, allowed);
    }
}

/// How extras, key and value go together with the opcode, and what is in the extras.
pub(super) fn parts(walk: &mut Walk<'_, '_>, message: &Message) {
    let context = walk.context;
    if !context.is_request() {
        if context.is_failure() {
            failure(walk);
        } else {
            success(walk, message);
        }
        return;
    }
    if context.is_server_initiated() {
        if let Some(shape) = ServerOpcode(context.opcode.0).shape() {
            request_shape(walk, &shape);
        }
        return;
    }
    if context.is_tap_message() {
        feed::tap_shape(walk, message);
    }
    // What memcached does not know is judged as what it is.
    let shape = context.opcode.shape(context.dialect);
    if let Some(shape) = shape.or_else(|| context.opcode.shape(Dialect::Couchbase)) {
        request_shape(walk, &shape);
    }
    if is_feed(context.opcode) {
        feed::judge(walk);
    } else {
        command::judge(walk, message);
    }
}

fn request_shape(walk: &mut Walk<'_, '_>, shape: &Shape) {
    let context = walk.context;
    let header = context.header;
    if !shape.allows_extras_len(header.extras_len) {
        let allowed = Expected::OneOf(shape.extras_len_bits());
        let found = header.extras_len.into();
        walk.report_at(
            Lint::ExtrasLength,
            "extras length",
            EXTRAS_LEN,
            found,
            allowed,
        );
    }
    presence(
        walk,
        [Lint::KeyMissing, Lint::KeyForbidden],
        ("key length", key_len_field(&context)),
        header.key_len.into(),
        shape.key,
    );
    presence(
        walk,
        [Lint::ValueMissing, Lint::ValueForbidden],
        ("body length", BODY_LEN),
        context.value_len(),
        shape.value,
    );
}

fn presence(
    walk: &mut Walk<'_, '_>,
    [missing, forbidden]: [Lint; 2],
    (field, place): (&'static str, (usize, usize)),
    len: u64,
    presence: Presence,
) {
    if presence.allows(len != 0) {
        return;
    }
    let (lint, allowed) = match len {
        0 => (missing, Expected::AtLeast(1)),
        _ => (forbidden, Expected::Exactly(0)),
    };
    walk.report_at(lint, field, place, len, allowed);
}

/// The lengths that a message's extras may have, as a set of bits.
fn extras_lens(message: &Message) -> u64 {
    let lens = message.extras.iter().map(|parts| parts_len(parts));
    lens.fold(0, |bits, len| bits | 1_u64 << (len % 64))
}

/// Whether the command has the key in its answer.
fn gives_key(context: &Context<'_>) -> bool {
    match context.opcode.loud() {
        Opcode::GETK => true,
        Opcode::GATK => context.dialect == Dialect::Memcached,
        _ => false,
    }
}

fn success(walk: &mut Walk<'_, '_>, message: &Message) {
    let context = walk.context;
    let header = context.header;
    let lens = extras_lens(message);
    let len = header.extras_len;
    let is_allowed = len < 64 && lens >> len & 1 == 1;
    if !message.extras.is_empty() && !is_allowed {
        let (found, allowed) = (len.into(), Expected::OneOf(lens));
        walk.report_at(
            Lint::ResponseExtras,
            "extras length",
            EXTRAS_LEN,
            found,
            allowed,
        );
    }
    let (key_place, key_len) = (key_len_field(&context), u64::from(header.key_len));
    if matches!(message.key, Content::Nothing) && key_len != 0 {
        let allowed = Expected::Exactly(0);
        walk.report_at(Lint::ResponseKey, "key length", key_place, key_len, allowed);
    } else if gives_key(&context) && key_len == 0 {
        let allowed = Expected::AtLeast(1);
        walk.report_at(
            Lint::ResponseKeyMissing,
            "key length",
            key_place,
            0,
            allowed,
        );
    }
    let value_len = context.value_len();
    if matches!(message.value, Content::Nothing) && value_len != 0 {
        let allowed = Expected::Exactly(0);
        walk.report_at(
            Lint::ResponseValue,
            "body length",
            BODY_LEN,
            value_len,
            allowed,
        );
    }
}

fn failure(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    let header = context.header;
    if header.extras_len != 0 {
        let (found, allowed) = (header.extras_len.into(), Expected::Exactly(0));
        walk.report_at(
            Lint::ErrorWithExtras,
            "extras length",
            EXTRAS_LEN,
            found,
            allowed,
        );
    }
    let is_memcached =
        context.dialect == Dialect::Memcached && context.opcode.shape(Dialect::Memcached).is_some();
    if header.key_len != 0 && !gives_key(&context) {
        let (place, found) = (key_len_field(&context), header.key_len.into());
        let allowed = Expected::Exactly(0);
        walk.report_at(Lint::ResponseKey, "key length", place, found, allowed);
    }
    if is_memcached && header.body_len == 0 {
        let allowed = Expected::AtLeast(1);
        walk.report_at(Lint::ErrorWithoutText, "body length", BODY_LEN, 0, allowed);
    }
    if is_memcached && header.cas != 0 {
        let allowed = Expected::Exactly(0);
        walk.report_at(Lint::ErrorWithCas, "cas", CAS, header.cas, allowed);
    }
    if context.status() == Status::DELTA_BADVAL {
        let found = context.status().0.into();
        let allowed = Expected::AsTitled;
        walk.report_at(Lint::CounterNotNumeric, "status", VBUCKET, found, allowed);
    }
}
