//! A field of a packet: where it stands, what is in it, what that means.

use core::fmt;
use core::time::Duration;

use super::Section;
use crate::wire::Escaped;

/// A named stretch of a packet's bytes.
///
/// A span whose value is [`Value::Group`] holds the spans that follow it at a greater depth; together they cover it. All
/// others are leaves: they follow one another without gap or overlap, from the packet's first byte to the last that is
/// there. No span is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span<'a> {
    /// What the field is called.
    pub name: &'static str,
    /// Which one of several in a row it is, from 0.
    pub index: Option<u32>,
    /// Where it starts, in bytes from the packet's start.
    pub offset: usize,
    /// How many bytes of it are there; at least 1.
    pub len: usize,
    /// How many bytes of it are not: the packet, or what the field is a part of, ends too early.
    pub missing: u32,
    /// How many groups it stands in.
    pub depth: u8,
    /// What is in it.
    pub value: Value<'a>,
    /// What the field is for, or what its value says: a few words without a full stop.
    pub explanation: &'static str,
    /// Where the specification speaks of it.
    pub section: Section,
    /// Whether it is a credential. Its value is [`Value::Masked`] unless [`Options::show_credentials`] is set.
    ///
    /// [`Options::show_credentials`]: super::Options::show_credentials
    pub secret: bool,
}

/// What is in a field. Numbers have been read in the byte order that they have on the wire.
///
/// Prints what people read: a number and its name, the names of bits joined by `|`, a date, text and bytes with what is
/// not printable escaped ([`Escaped`]). Nothing is printed of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// The spans that follow it at a greater depth.
    Group,
    /// A number to count with.
    Number(u64),
    /// A number that says more in hexadecimal: an identifier, or bits without meaning here.
    Hexadecimal(u64),
    /// A number that stands for something.
    Named {
        /// The number.
        number: u64,
        /// What it stands for, if that is known.
        name: Option<&'static str>,
    },
    /// Bits.
    Flags {
        /// All of them.
        bits: u64,
        /// Each bit that has one with its name.
        names: &'static [(u64, &'static str)],
    },
    /// A stretch of time.
    Duration {
        /// The number on the wire.
        number: u64,
        /// How long that is.
        duration: Duration,
    },
    /// A moment, in seconds since the start of 1970.
    Timestamp(u64),
    /// Text for people or programs, in UTF-8 if its sender keeps to the rules.
    Text(&'a [u8]),
    /// JSON, if its sender keeps to the rules.
    Json(&'a [u8]),
    /// Bytes that mean something to their sender.
    Bytes(&'a [u8]),
    /// A credential that has been asked not to be shown.
    Masked,
}

impl<'a> Value<'a> {
    /// The number on the wire; `None` for what is no number.
    #[must_use]
    pub const fn number(&self) -> Option<u64> {
        match *self {
            Value::Number(number)
            | Value::Hexadecimal(number)
            | Value::Named { number, .. }
            | Value::Flags { bits: number, .. }
            | Value::Duration { number, .. }
            | Value::Timestamp(number) => Some(number),
            _ => None,
        }
    }

    /// The bytes of text, JSON and bytes; `None` for what is none of them.
    #[must_use]
    pub const fn bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Value::Text(bytes) | Value::Json(bytes) | Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether it holds the spans that follow at a greater depth.
    #[must_use]
    pub const fn is_group(&self) -> bool {
        matches!(self, Value::Group)
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Group => Ok(()),
            Value::Number(number) => write!(f, "{number}"),
            Value::Hexadecimal(number) => write!(f, "{number:#x}"),
            Value::Named { number, name: None } => write!(f, "{number:#x}"),
            Value::Named {
                name: Some(name), ..
            } => f.write_str(name),
            Value::Flags { bits, names } => flags(f, bits, names),
            Value::Duration { duration, .. } => time(f, duration),
            Value::Timestamp(seconds) => date(f, seconds),
            Value::Text(bytes) | Value::Json(bytes) | Value::Bytes(bytes) => {
                write!(f, "\"{}\"", Escaped(bytes))
            }
            Value::Masked => f.write_str("(masked)"),
        }
    }
}

fn flags(
    f: &mut fmt::Formatter<'_>,
    bits: u64,
    names: &'static [(u64, &'static str)],
) -> fmt::Result {
    if bits == 0 {
        return f.write_str("none");
    }
    let mut rest = bits;
    let mut separator = "";
    for (bit, name) in names {
        if rest & bit != 0 {
            write!(f, "{separator}{name}")?;
            separator = "|";
            rest &= !bit;
        }
    }
    if rest != 0 {
        write!(f, "{separator}{rest:#x}")?;
    }
    Ok(())
}

/// In the largest unit of which it is a whole number, down to nanoseconds.
fn time(f: &mut fmt::Formatter<'_>, duration: Duration) -> fmt::Result {
    let nanoseconds = duration.as_nanos() as u64;
    for (unit, name) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "µs")] {
        if nanoseconds.is_multiple_of(unit) {
            return write!(f, "{} {name}", nanoseconds / unit);
        }
    }
    write!(f, "{}.{:03} µs", nanoseconds / 1000, nanoseconds % 1000)
}

/// A moment as people write it. The calendar is counted from 1 March of year 0, so that leap days end years.
fn date(f: &mut fmt::Formatter<'_>, seconds: u64) -> fmt::Result {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let (days, second) = (seconds / 86_400 + DAYS_TO_1970, seconds % 86_400);
    let (era, day) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    write!(
        f,
        "{:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        400 * era + year,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}
