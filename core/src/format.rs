//! What the types of this crate share to be logged by `defmt`, the logging framework of microcontrollers (feature `defmt`).
//!
//! Most types derive `defmt::Format`, which prints what `Debug` does. Numbers that have names (opcodes, statuses, flags) and
//! requests and responses print what their `Display` does. Byte strings are printed in bounded length: keys as text, values by
//! their length alone, so that no credentials get into a log.

// Strings are printed with the hint `a`: inside a derived form they would be quoted without it.

/// Bytes of a text that are printed; what follows is told by its length.
#[cfg(feature = "defmt")]
const TEXT_LEN_MAX: usize = 64;

/// A key or another text: what is printable ASCII stands as it is, other bytes as `\x` and two digits.
#[cfg(feature = "defmt")]
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

#[cfg(feature = "defmt")]
impl defmt::Format for Text<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.0.split_at_checked(TEXT_LEN_MAX) {
            Some((front, [_, ..])) => {
                defmt::write!(f, "{=[u8]:a}... ({=usize} bytes)", front, self.0.len());
            }
            _ => defmt::write!(f, "{=[u8]:a}", self.0),
        }
    }
}

/// A value or other bytes that are not for a log: only how many they are.
#[cfg(feature = "defmt")]
pub(crate) struct Length<'a>(pub(crate) &'a [u8]);

#[cfg(feature = "defmt")]
impl defmt::Format for Length<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=usize} bytes", self.0.len());
    }
}

/// What has a name by it, and the rest in hexadecimal.
#[cfg(feature = "defmt")]
pub(crate) fn name_or_number(f: defmt::Formatter<'_>, name: Option<&str>, number: u32) {
    match name {
        Some(name) => defmt::write!(f, "{=str:a}", name),
        None => defmt::write!(f, "{=u32:#04x}", number),
    }
}

/// The names of those pairs whose bits are not 0, joined by `|`, and the bits without a name as one number.
#[cfg(feature = "defmt")]
pub(crate) fn bits<'n>(
    f: defmt::Formatter<'_>,
    named: impl IntoIterator<Item = (u32, &'n str)>,
    unnamed: u32,
) {
    let mut separator = "";
    for (_, name) in named.into_iter().filter(|(bits, _)| *bits != 0) {
        defmt::write!(f, "{=str:a}{=str:a}", separator, name);
        separator = "|";
    }
    if unnamed != 0 {
        defmt::write!(f, "{=str:a}{=u32:#04x}", separator, unnamed);
    }
}

/// Entries that are printed of a list; how many more there are is told.
#[cfg(feature = "defmt")]
const ENTRIES_MAX: usize = 8;

/// The first entries of a list.
#[cfg(feature = "defmt")]
pub(crate) fn list<T: defmt::Format>(f: defmt::Formatter<'_>, entries: impl Iterator<Item = T>) {
    let mut entries = entries.peekable();
    defmt::write!(f, "[");
    for _ in 0..ENTRIES_MAX {
        let Some(entry) = entries.next() else { break };
        let separator = if entries.peek().is_some() { ", " } else { "" };
        defmt::write!(f, "{}{=str:a}", entry, separator);
    }
    match entries.count() {
        0 => defmt::write!(f, "]"),
        more => defmt::write!(f, "{=usize} more]", more),
    }
}

/// `format_fields!(Type { key: Text, value: Length, flags })` implements `defmt::Format` for a struct that borrows, as the
/// derive would, but with some fields seen through [`Text`] or [`Length`]. A field that is left out does not compile.
macro_rules! format_fields {
    ($type:ident { $( $field:ident $( : $view:ident )? ),* $(,)? }) => {
        #[cfg(feature = "defmt")]
        #[allow(non_camel_case_types)]
        impl defmt::Format for $type<'_> {
            fn format(&self, f: defmt::Formatter<'_>) {
                // A struct of the same name and fields, each of a type of its own, for the derive to print.
                #[derive(defmt::Format)]
                struct $type<$($field),*> {
                    $( $field: $field ),*
                }
                let Self { $($field),* } = self;
                let seen = $type {
                    $( $field: format_fields!(@see $field $($view)?) ),*
                };
                defmt::write!(f, "{}", seen);
            }
        }
    };
    (@see $field:ident) => { $field };
    (@see $field:ident $view:ident) => { $crate::format::$view($field) };
}
