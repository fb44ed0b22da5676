//! Sub-document commands: a part of a document by its path, or several at once.

use super::super::context::Context;
use super::super::layout::{Content, Kind, Message, Part, part};
use super::super::names::Names;
use super::super::walk::Walk;
use super::super::{Expected, Lint, Section, Value};
use super::memcached::{CHANGED, EXPIRATION, FLAGS};
use crate::wire::{Dialect, Opcode, Status};

const PATH_FLAGS: Names = &[
    (0x01, "create missing parents"),
    (0x04, "xattr"),
    (0x10, "expand macros"),
    (0x20, "binary"),
];
const DOC_FLAGS: Names = &[
    (0x01, "create the document"),
    (0x02, "add only"),
    (0x04, "access deleted"),
    (0x08, "create as deleted"),
    (0x10, "revive"),
    (0x20, "replica read"),
];

const PATH_LEN: Part = part!("path length", 2, Kind::Number, "bytes of the path");
const PATH: Part = part!(
    "path flags",
    1,
    Kind::Bits(PATH_FLAGS),
    "how the path is meant"
);
const DOC: Part = part!(
    "doc flags",
    1,
    Kind::Bits(DOC_FLAGS),
    "how the document is meant"
);

const SINGLE: &[&[Part]] = &[
    &[PATH_LEN, PATH],
    &[PATH_LEN, PATH, DOC],
    &[PATH_LEN, PATH, EXPIRATION],
    &[PATH_LEN, PATH, EXPIRATION, DOC],
    &[PATH_LEN, PATH, EXPIRATION, FLAGS],
    &[PATH_LEN, PATH, EXPIRATION, FLAGS, DOC],
];
const MULTI: &[&[Part]] = &[
    &[],
    &[DOC],
    &[EXPIRATION],
    &[EXPIRATION, DOC],
    &[EXPIRATION, FLAGS],
    &[EXPIRATION, FLAGS, DOC],
];

/// Longest path in bytes.
const PATH_LEN_MAX: u64 = 1024;
/// Most paths of a multi-path command.
const SPECS_MAX: u64 = 16;

/// What a path's command takes.
struct Rule {
    opcode: u8,
    /// Whether something follows the path, to be written.
    has_fragment: bool,
    /// Whether the path may be empty; `None` when it has to be.
    takes_empty_path: Option<bool>,
    path_flags: u64,
    doc_flags: u64,
    is_lookup: bool,
}

const fn rule(
    opcode: u8,
    has_fragment: bool,
    takes_empty_path: Option<bool>,
    path_flags: u64,
    doc_flags: u64,
    is_lookup: bool,
) -> Rule {
    Rule {
        opcode,
        has_fragment,
        takes_empty_path,
        path_flags,
        doc_flags,
        is_lookup,
    }
}

const RULES: &[Rule] = &[
    rule(0xc5, false, Some(false), 0x24, 0x34, true),
    rule(0xc6, false, Some(false), 0x04, 0x34, true),
    rule(0xc7, true, Some(false), 0x35, 0x1f, false),
    rule(0xc8, true, Some(false), 0x35, 0x1f, false),
    rule(0xc9, false, Some(false), 0x04, 0x14, false),
    rule(0xca, true, Some(false), 0x34, 0x16, false),
    rule(0xcb, true, Some(true), 0x15, 0x1f, false),
    rule(0xcc, true, Some(true), 0x15, 0x1f, false),
    rule(0xcd, true, Some(false), 0x14, 0x1e, false),
    rule(0xce, true, Some(true), 0x05, 0x1f, false),
    rule(0xcf, true, Some(false), 0x05, 0x1f, false),
    rule(0xd2, false, Some(true), 0x04, 0x34, true),
    rule(0xd3, false, Some(false), 0x24, 0x14, false),
    // Whole documents, in multi-path commands only.
    rule(0x00, false, None, 0x00, 0x34, true),
    rule(0x01, true, None, 0x00, 0x03, false),
    rule(0x04, false, None, 0x00, 0x14, false),
];

fn rule_of(opcode: u8) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.opcode == opcode)
}

pub(super) fn message(context: &Context<'_>) -> Option<Message> {
    const BARE: Message = Message::bare(Section::Subdoc);
    let is_multi = matches!(
        context.opcode,
        Opcode::SUBDOC_MULTI_LOOKUP | Opcode::SUBDOC_MULTI_MUTATION
    );
    if context.is_request() {
        return Some(if is_multi {
            BARE.extras(MULTI)
                .key(Content::Document)
                .value(Content::Walked(specs))
        } else {
            BARE.extras(SINGLE)
                .key(Content::Document)
                .value(Content::Walked(path_and_fragment))
        });
    }
    Some(match context.opcode {
        Opcode::SUBDOC_GET => {
            BARE.value(Content::One("value", Kind::Json, "what stands at the path"))
        }
        Opcode::SUBDOC_GET_COUNT => BARE.value(Content::One(
            "value",
            Kind::Text,
            "the number of members, decimal",
        )),
        Opcode::SUBDOC_COUNTER => {
            BARE.extras(CHANGED)
                .value(Content::One("value", Kind::Text, "the new number, decimal"))
        }
        Opcode::SUBDOC_EXISTS => BARE,
        Opcode::SUBDOC_MULTI_LOOKUP => BARE.value(Content::Walked(lookup_results)),
        Opcode::SUBDOC_MULTI_MUTATION => BARE
            .extras(CHANGED)
            .value(Content::Walked(mutation_results)),
        _ => BARE.extras(CHANGED),
    })
}

fn path_and_fragment(walk: &mut Walk<'_, '_>) {
    let path_len = walk.context.extras_number(0, 2).unwrap_or(0);
    let flags = walk.context.extras_number(2, 1).unwrap_or(0);
    let opcode = walk.context.opcode.0;
    if let Some(rule) = rule_of(opcode) {
        judge_path(walk, rule, path_len, flags);
        judge_doc_flags(walk, rule.doc_flags);
    }
    path(walk, path_len);
    fragment(walk, opcode);
}

fn path(walk: &mut Walk<'_, '_>, len: u64) {
    if len > 0 {
        let explanation = "where in the document: names with dots, indexes in brackets";
        walk.leaf("path", len, Kind::Text, explanation);
    }
}

/// All that is left, as what is written at a path.
fn fragment(walk: &mut Walk<'_, '_>, opcode: u8) {
    if Opcode(opcode) == Opcode::SUBDOC_COUNTER {
        judge_delta(walk);
        walk.leaf_rest("delta", Kind::Text, "how much to add, decimal");
    } else {
        walk.leaf_rest("fragment", Kind::Json, "what is written there");
    }
}

fn judge_path(walk: &mut Walk<'_, '_>, rule: &Rule, len: u64, flags: u64) {
    if len > PATH_LEN_MAX {
        walk.report_next(
            Lint::SubdocPathTooLong,
            "path",
            len,
            len,
            Expected::AtMost(PATH_LEN_MAX),
        );
    }
    let lengths = match rule.takes_empty_path {
        Some(false) if len == 0 => Some(Expected::AtLeast(1)),
        None if len > 0 => Some(Expected::Exactly(0)),
        _ => None,
    };
    if let Some(allowed) = lengths {
        walk.report_next(Lint::SubdocPathLength, "path", len, len, allowed);
    }
    // A macro is expanded in attributes only, and binary values live there too.
    let needs_xattr = flags & 0x30 != 0 && flags & 0x04 == 0;
    let known = flags & 0x35;
    if known & !rule.path_flags != 0 || needs_xattr || flags & 0x30 == 0x30 {
        let allowed = Expected::Bits(rule.path_flags);
        walk.report_next(Lint::SubdocPathFlags, "path flags", len, flags, allowed);
    }
    let left = walk.left();
    if rule.has_fragment && left == len {
        walk.report_next(Lint::SubdocFragment, "fragment", 0, 0, Expected::AtLeast(1));
    } else if !rule.has_fragment && left > len && walk.context.opcode.0 == rule.opcode {
        let found = left - len;
        walk.report_next(
            Lint::SubdocFragment,
            "fragment",
            left,
            found,
            Expected::Exactly(0),
        );
    }
}

fn judge_delta(walk: &mut Walk<'_, '_>) {
    let delta = walk.rest();
    let is_whole = delta.len() as u64 == walk.left();
    let number = core::str::from_utf8(delta)
        .ok()
        .and_then(|text| text.parse::<i64>().ok());
    if is_whole && matches!(number, None | Some(0)) {
        let left = walk.left();
        let allowed = Expected::Words("a decimal number of 64 bits other than 0");
        walk.report_next(Lint::SubdocDelta, "delta", left, left, allowed);
    }
}

/// The doc flags, which end the extras of every other length.
fn doc_flags(walk: &Walk<'_, '_>) -> Option<u64> {
    let is_multi = matches!(walk.context.opcode.0, 0xd0 | 0xd1);
    let at = match (is_multi, walk.context.header.extras_len) {
        (true, len @ (1 | 5 | 9)) | (false, len @ (4 | 8 | 12)) => len - 1,
        _ => return None,
    };
    walk.context.extras_number(at.into(), 1)
}

fn judge_doc_flags(walk: &mut Walk<'_, '_>, allowed: u64) {
    let Some(flags) = doc_flags(walk) else {
        return;
    };
    let known = flags & 0x3f;
    let is_contradiction = flags & 0x03 == 0x03 || flags & 0x18 == 0x18;
    let needs_creation = flags & 0x08 != 0 && flags & 0x03 == 0;
    if known & !allowed != 0 || is_contradiction || needs_creation {
        walk.report_next(
            Lint::SubdocDocFlags,
            "doc flags",
            0,
            flags,
            Expected::Bits(allowed),
        );
    }
}

const SPEC_OPCODE: &str = "what is done at the path";

/// The paths of a multi-path command.
fn specs(walk: &mut Walk<'_, '_>) {
    let is_lookup = walk.context.opcode == Opcode::SUBDOC_MULTI_LOOKUP;
    let head_len = if is_lookup { 4 } else { 8 };
    let doc_flags = if is_lookup { 0x34 } else { 0x1f };
    judge_doc_flags(walk, doc_flags);
    let (mut index, mut body_seen) = (0_u32, false);
    while !walk.rest().is_empty() {
        let path_len = walk.peek_number(2, 2).unwrap_or(0);
        let value_len = match is_lookup {
            true => 0,
            false => walk.peek_number(4, 4).unwrap_or(0),
        };
        let len = head_len + path_len + value_len;
        if u64::from(index) == SPECS_MAX {
            let allowed = Expected::AtMost(SPECS_MAX);
            walk.report_next(Lint::SubdocSpecs, "spec", len, SPECS_MAX + 1, allowed);
        }
        judge_spec(walk, is_lookup, &mut body_seen);
        let opened = walk.open_entry("spec", index, len, "one path and what is done there");
        index += 1;
        spec(walk, is_lookup, path_len);
        walk.close(opened);
    }
}

fn judge_spec(walk: &mut Walk<'_, '_>, is_lookup: bool, body_seen: &mut bool) {
    let (Some(opcode), Some(flags)) = (walk.peek_number(0, 1), walk.peek_number(1, 1)) else {
        return;
    };
    let rule = rule_of(opcode as u8);
    if rule.is_none_or(|rule| rule.is_lookup != is_lookup) {
        let allowed = Expected::Words(match is_lookup {
            true => "a command that reads",
            false => "a command that writes",
        });
        walk.report_next(Lint::SubdocSpecOpcode, "opcode", 1, opcode, allowed);
    }
    let is_xattr = flags & 0x04 != 0;
    if is_xattr && *body_seen {
        let allowed = Expected::Words("attributes before parts of the document");
        walk.report_next(Lint::SubdocXattrOrder, "path flags", 2, flags, allowed);
    }
    *body_seen |= !is_xattr;
}

fn spec(walk: &mut Walk<'_, '_>, is_lookup: bool, path_len: u64) {
    let opcode = walk.peek_number(0, 1).unwrap_or(0) as u8;
    let flags = walk.peek_number(1, 1).unwrap_or(0);
    let value = Value::Named {
        number: opcode.into(),
        name: Opcode(opcode).name(Dialect::Couchbase),
    };
    walk.leaf_with("opcode", 1, value, SPEC_OPCODE);
    walk.parts(&[PATH, PATH_LEN]);
    if !is_lookup {
        walk.parts(&[part!(
            "value length",
            4,
            Kind::Number,
            "bytes of what is written"
        )]);
    }
    if let Some(rule) = rule_of(opcode) {
        judge_path(walk, rule, path_len, flags);
    }
    path(walk, path_len.min(walk.left()));
    fragment(walk, opcode);
}

const STATUS: Part = part!("status", 2, Kind::Status, "how it went at this path");
const VALUE_LEN: Part = part!("value length", 4, Kind::Number, "bytes of the result");

fn lookup_results(walk: &mut Walk<'_, '_>) {
    let mut index = 0;
    while !walk.rest().is_empty() {
        let len = walk.peek_number(2, 4).unwrap_or(0);
        let opened = walk.open_entry("result", index, 6 + len, "what was found at one path");
        index += 1;
        walk.parts(&[STATUS, VALUE_LEN]);
        walk.leaf_rest("result value", Kind::Json, "what stands at the path");
        walk.close(opened);
    }
}

/// Either the results of the paths that have one, or which path failed first and why.
fn mutation_results(walk: &mut Walk<'_, '_>) {
    const INDEX: Part = part!("path index", 1, Kind::Number, "which path, from 0");
    if matches!(
        walk.context.status(),
        Status::SUBDOC_MULTI_PATH_FAILURE | Status::SUBDOC_MULTI_PATH_FAILURE_DELETED
    ) {
        walk.parts(&[INDEX, STATUS]);
        return;
    }
    let mut index = 0;
    while !walk.rest().is_empty() {
        let len = walk.peek_number(3, 4).unwrap_or(0);
        let opened = walk.open_entry("result", index, 7 + len, "what came of one path");
        index += 1;
        walk.parts(&[INDEX, STATUS, VALUE_LEN]);
        walk.leaf_rest("result value", Kind::Json, "the new value");
        walk.close(opened);
    }
}
