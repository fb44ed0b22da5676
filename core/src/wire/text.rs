//! Bytes for people to read.

use core::fmt;

/// Bytes as text from which they can be told again: what is printable UTF-8 stands as it is; quotes, backslashes and
/// control characters are escaped as in Rust, bytes that are no UTF-8 as `\x` and two digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            write!(f, "{}", chunk.valid().escape_debug())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Escaped<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::format::Text(self.0).format(f);
    }
}

/// Prints what has a name by it, and the rest as gomemcached does.
pub(super) fn name_or_number(
    f: &mut fmt::Formatter<'_>,
    name: Option<&str>,
    number: u16,
) -> fmt::Result {
    match name {
        Some(name) => f.pad(name),
        None => write!(f, "0x{number:02x}"),
    }
}
