//! What commands print: JSON, one object a line, or text.

use std::io::Write;

use memlet_core::wire::Escaped;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// Prints one line of JSON.
pub(crate) fn json_line(out: &mut impl Write, value: &Value) -> Result<(), Failure> {
    Ok(writeln!(out, "{value}")?)
}

/// A JSON object of members in the order given.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Bytes for JSON: `text` when they are UTF-8, `base64` in any case.
pub(crate) fn bytes(name: &str, bytes: &[u8]) -> [(String, Value); 2] {
    let text = std::str::from_utf8(bytes).map_or(Value::Null, Value::from);
    let base64 = data_encoding::BASE64.encode(bytes);
    [
        (name.to_owned(), text),
        (format!("{name}_base64"), base64.into()),
    ]
}

/// Says on standard error what a command line of several keys has no other way to say of one.
pub(crate) fn complain(key: &[u8], what: impl std::fmt::Display) {
    eprintln!("memlet: {}: {what}", Escaped(key));
}
