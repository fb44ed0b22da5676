//! Keys and values of documents: collection ids, extended attributes, JSON.

use super::layout::{Kind, Part, part};
use super::walk::Walk;
use super::{Expected, Lint, Section, Value};
use crate::wire::DataType;

/// The key of a document, with its collection's id on connections that have collections.
pub(super) fn key(walk: &mut Walk<'_, '_>, name: &'static str, len: u64) {
    const EXPLANATION: &str = "names the item";
    if !walk.options.collections {
        walk.leaf(name, len, Kind::Text, EXPLANATION);
        return;
    }
    let opened = walk.open(name, len, EXPLANATION);
    collection_id(walk);
    walk.leaf_rest("logical key", Kind::Text, "the key in its collection");
    walk.close(opened);
}

/// Collection ids that are neither the default collection nor any that a user can make.
const RESERVED_IDS: core::ops::RangeInclusive<u64> = 1..=7;

/// memcached binary protocol: collection prefix of keys.
fn collection_id(walk: &mut Walk<'_, '_>) {
    walk.section = Section::CollectionPrefix;
    let left = walk.left();
    let whole = walk.rest().len() as u64 == left;
    let Some((number, len)) = leb128(walk.rest(), 5) else {
        // What is not there may be the rest of the id.
        if whole {
            let allowed = Expected::Words("a number of 32 bits in its shortest form");
            walk.report_next(
                Lint::CollectionId,
                "collection id",
                left.min(5),
                left,
                allowed,
            );
        }
        return;
    };
    if RESERVED_IDS.contains(&number) {
        let allowed = Expected::Words("0, or 8 and up");
        walk.report_next(
            Lint::CollectionReserved,
            "collection id",
            len,
            number,
            allowed,
        );
    }
    if left == len {
        walk.report_next(
            Lint::CollectionKeyEmpty,
            "logical key",
            0,
            0,
            Expected::AtLeast(1),
        );
    }
    let explanation = match number {
        0 => "the default collection",
        _ => "the collection, seven bits a byte, the lowest first",
    };
    walk.leaf_with(
        "collection id",
        len,
        Value::Hexadecimal(number),
        explanation,
    );
}

/// A number of at most `len_max` bytes, seven bits each, the lowest first, in its shortest form; and its length in bytes.
pub(super) fn leb128(bytes: &[u8], len_max: u32) -> Option<(u64, u64)> {
    let mut number = 0_u64;
    for (index, &byte) in (0..len_max).zip(bytes) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let is_shortest = byte != 0 || index == 0;
            let fits = len_max != 5 || number <= u32::MAX.into();
            return (is_shortest && fits).then_some((number, u64::from(index) + 1));
        }
    }
    None
}

/// The value of a document, as the data type of the packet says.
pub(super) fn value(walk: &mut Walk<'_, '_>, name: &'static str, len: u64) {
    let datatype = walk.context.header.datatype;
    value_of(walk, name, len, datatype);
}

/// The value of a document of this data type.
pub(super) fn value_of(walk: &mut Walk<'_, '_>, name: &'static str, len: u64, datatype: DataType) {
    if len == 0 {
        return;
    }
    if datatype.contains(DataType::SNAPPY) {
        walk.leaf(name, len, Kind::Bytes, "the item, as one raw Snappy block");
        return;
    }
    let (kind, explanation) = if datatype.contains(DataType::JSON) {
        (Kind::Json, "the item, JSON")
    } else {
        (Kind::Bytes, "the item")
    };
    if !datatype.contains(DataType::XATTR) {
        walk.leaf(name, len, kind, explanation);
        return;
    }
    let opened = walk.open(name, len, "extended attributes and the item");
    xattrs(walk);
    walk.leaf_rest("document", kind, explanation);
    walk.close(opened);
}

const XATTRS_LEN: Part = part!(
    "xattrs length",
    4,
    Kind::Number,
    "bytes of all pairs, without this number",
);

/// memcached binary protocol: xattr section.
fn xattrs(walk: &mut Walk<'_, '_>) {
    let (section, left) = (walk.section, walk.left());
    walk.section = Section::Xattr;
    let told = walk.peek_number(0, 4);
    let len = told.map_or(left, |told| told.saturating_add(4));
    if len > left || (told.is_none() && walk.rest().len() as u64 == left) {
        walk.report_next(
            Lint::XattrSection,
            "xattrs",
            left,
            len,
            Expected::AtMost(left),
        );
    }
    let opened = walk.open("xattrs", len.min(left), "extended attributes, pair by pair");
    walk.parts(&[XATTRS_LEN]);
    let mut index = 0;
    while !walk.rest().is_empty() {
        pair(walk, index);
        index += 1;
    }
    walk.close(opened);
    walk.section = section;
}

fn pair(walk: &mut Walk<'_, '_>, index: u32) {
    let left = walk.left();
    let told = walk.peek_number(0, 4);
    let len = told.map_or(left, |told| told.saturating_add(4));
    if len > left || (told.is_none() && walk.rest().len() as u64 == left) {
        walk.report_next(
            Lint::XattrSection,
            "xattr",
            left,
            len,
            Expected::AtMost(left),
        );
    }
    let len = len.min(left);
    let opened = walk.open_entry("xattr", index, len, "one extended attribute");
    walk.parts(&[part!(
        "pair length",
        4,
        Kind::Number,
        "bytes of key, value and the zero behind each"
    )]);
    let is_whole = walk.rest().len() as u64 == walk.left();
    let key_len = walk.rest().iter().position(|&byte| byte == 0);
    match key_len {
        Some(key_len) => {
            judge_key(walk, key_len as u64);
            if key_len > 0 {
                walk.leaf(
                    "xattr key",
                    key_len as u64,
                    Kind::Text,
                    key_explanation(walk),
                );
            }
            walk.leaf("end of key", 1, Kind::Hexadecimal, "a zero");
            value_of_pair(walk, is_whole);
        }
        None => {
            if is_whole && told.is_some() {
                let left = walk.left();
                let allowed = Expected::Words("a zero behind the key");
                walk.report_next(Lint::XattrSection, "xattr key", left, left, allowed);
            }
            walk.leaf_rest("xattr key", Kind::Text, "without the zero that ends it");
        }
    }
    walk.close(opened);
}

/// The value of a pair, and the zero behind it.
fn value_of_pair(walk: &mut Walk<'_, '_>, is_whole: bool) {
    let left = walk.left();
    if is_whole && walk.rest().last() != Some(&0) {
        let allowed = Expected::Words("a zero behind the value");
        walk.report_next(Lint::XattrSection, "xattr value", left, left, allowed);
    }
    if left > 1 {
        walk.leaf("xattr value", left - 1, Kind::Json, "JSON");
    }
    walk.leaf_rest("end of value", Kind::Hexadecimal, "a zero");
}

fn key_explanation(walk: &Walk<'_, '_>) -> &'static str {
    match walk.peek(1).first() {
        Some(b'_') => "a system attribute, kept when the document is deleted",
        Some(b'$') => "a virtual attribute, never stored",
        _ => "a user's attribute",
    }
}

fn judge_key(walk: &mut Walk<'_, '_>, len: u64) {
    let key = walk.peek(len);
    let strange = |byte: &u8| byte.is_ascii_control() || b".[".contains(byte);
    let starts_well = match key {
        [b'_' | b'$', _, ..] => true,
        [first, ..] => !first.is_ascii_punctuation(),
        [] => false,
    };
    if len > 15 || !starts_well || key.iter().any(strange) {
        let allowed = Expected::Words("1 to 15 bytes that start with no punctuation but _ or $");
        walk.report_next(Lint::XattrKey, "xattr key", len, len, allowed);
    }
}
