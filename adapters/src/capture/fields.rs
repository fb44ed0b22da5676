//! The fields of an explained packet.

use std::fmt::Write;

use memlet_core::wire::Escaped;

use super::layout::{Kind, Part};

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// A number, most significant byte first on the wire.
    Number(u64),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A field of a packet: where it stands, what is in it, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedField<'a> {
    /// What the field is called.
    pub name: String,
    /// Where it starts, in bytes from the start of all input.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// What stands in it.
    pub value: FieldValue<'a>,
    /// What that means, in words; empty where the number says it all. Of bytes only the first 256 are in it.
    pub text: String,
}

/// Collects fields that follow one another.
pub(super) struct FieldList<'a> {
    pub(super) fields: Vec<ExplainedField<'a>>,
    /// Where the next field starts.
    offset: u64,
}

impl<'a> FieldList<'a> {
    pub(super) fn starting_at(offset: u64) -> Self {
        Self {
            fields: Vec::new(),
            offset,
        }
    }

    pub(super) fn number(&mut self, name: &str, len: u64, number: u64, text: impl Into<String>) {
        self.push(name, len, FieldValue::Number(number), text.into());
    }

    /// Appends bytes, and says them as text; nothing when there are none.
    pub(super) fn bytes(&mut self, name: &str, bytes: &'a [u8]) {
        if !bytes.is_empty() {
            let text = quoted(bytes);
            self.push(name, bytes.len() as u64, FieldValue::Bytes(bytes), text);
        }
    }

    /// Appends bytes with a meaning of their own.
    pub(super) fn bytes_as(&mut self, name: &str, bytes: &'a [u8], text: impl Into<String>) {
        let value = FieldValue::Bytes(bytes);
        self.push(name, bytes.len() as u64, value, text.into());
    }

    /// Appends the fields that a layout divides `bytes` into, which are as long as it; `prefix` goes before the names.
    pub(super) fn parts(&mut self, prefix: &str, parts: &[Part], bytes: &'a [u8]) {
        let mut rest = bytes;
        for part in parts {
            let Some((here, behind)) = rest.split_at_checked(part.len) else {
                break;
            };
            rest = behind;
            let name = format!("{prefix}{}", part.name);
            if part.len > 8 {
                self.bytes_as(&name, here, hexadecimal(here));
                continue;
            }
            let number = here
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte));
            self.number(&name, part.len as u64, number, meaning(part.kind, number));
        }
        self.bytes(&format!("{prefix}rest"), rest);
    }

    fn push(&mut self, name: &str, len: u64, value: FieldValue<'a>, text: String) {
        self.fields.push(ExplainedField {
            name: name.to_owned(),
            offset: self.offset,
            len,
            value,
            text,
        });
        self.offset += len;
    }
}

/// What a number means.
fn meaning(kind: Kind, number: u64) -> String {
    match kind {
        Kind::Number => String::new(),
        Kind::Hexadecimal => format!("{number:#x}"),
        Kind::Expiration => expiration(number),
        Kind::CounterExpiration if number == 0xffff_ffff => "do not create".into(),
        Kind::CounterExpiration => expiration(number),
        Kind::Names(names) => names
            .iter()
            .find(|(named, _)| *named == number)
            .map_or_else(String::new, |(_, name)| (*name).into()),
        Kind::Bits(names) => bits(names, number),
    }
}

/// memcached binary protocol: expiration.
fn expiration(seconds: u64) -> String {
    const RELATIVE_MAX: u64 = 60 * 60 * 24 * 30;
    match seconds {
        0 => "never".into(),
        1..=RELATIVE_MAX => format!("in {seconds} s"),
        _ => format!("{seconds} s after the start of 1970"),
    }
}

fn bits(names: &[(u64, &str)], number: u64) -> String {
    let mut text = String::new();
    let mut rest = number;
    for (bit, name) in names {
        if rest & bit != 0 {
            let separator = if text.is_empty() { "" } else { "|" };
            text.push_str(separator);
            text.push_str(name);
            rest &= !bit;
        }
    }
    if rest != 0 {
        let separator = if text.is_empty() { "" } else { "|" };
        let _ = write!(text, "{separator}{rest:#x}");
    }
    text
}

/// The first bytes as text in quotes, and how many there are in all when that is not all of them.
pub(super) fn quoted(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 256;
    match bytes.get(..SHOWN_MAX) {
        Some(front) if bytes.len() > SHOWN_MAX => {
            format!("\"{}\"… ({} bytes)", Escaped(front), bytes.len())
        }
        _ => format!("\"{}\"", Escaped(bytes)),
    }
}

/// Bytes as two digits each.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
