//! What the tables of the message families are made of.

use super::Section;
use super::context::Context;
use super::names::Names;
use super::walk::Walk;

/// What a field of fixed length holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Number,
    Hexadecimal,
    /// memcached's rule: 0 never, up to 30 days from now, beyond that since 1970.
    Expiration,
    /// As an expiration, and one number more: do not create.
    CounterExpiration,
    /// Seconds since 1970; 0 is none.
    Time,
    Seconds,
    Milliseconds,
    /// Couchbase's 16 bits for a duration.
    PackedDuration,
    /// A number that stands for something; others are suspicious.
    Names(Names),
    /// Bits; those without a name are suspicious.
    Bits(Names),
    /// Bytes that have to be 0.
    Reserved,
    /// The number of a command of Couchbase.
    Opcode,
    /// The number of a status.
    Status,
    Text,
    Json,
    Bytes,
    /// A credential.
    Secret,
}

/// A field of fixed length.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) name: &'static str,
    /// Length in bytes.
    pub(super) len: u8,
    pub(super) kind: Kind,
    pub(super) explanation: &'static str,
}

/// A [`Part`] that can stand in a constant and in a reference to one.
macro_rules! part {
    ($name:expr, $len:expr, $kind:expr, $explanation:expr $(,)?) => {
        $crate::wire::fields::layout::Part {
            name: $name,
            len: $len,
            kind: $kind,
            explanation: $explanation,
        }
    };
}
pub(super) use part;

/// How long parts are together, in bytes.
pub(super) const fn parts_len(parts: &[Part]) -> u32 {
    let mut len = 0;
    let mut rest = parts;
    while let [part, behind @ ..] = rest {
        len += part.len as u32;
        rest = behind;
    }
    len
}

/// What stands in a key or a value.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// Nothing; what is there all the same is suspicious.
    Nothing,
    /// Nobody has said what.
    Unknown,
    /// The key of a document, with its collection's id on connections that have collections; the value of a document,
    /// as the data type says.
    Document,
    /// One field as long as the whole.
    One(&'static str, Kind, &'static str),
    /// Fields of fixed length; their lengths add up to the whole.
    Fixed(&'static str, &'static [Part]),
    /// The same fields again and again.
    List(&'static str, &'static [Part]),
    /// The value of a document, and behind it something whose length the extras tell.
    DocumentAnd(fn(&Context<'_>) -> u64, Part),
    /// Something that has to be walked through.
    Walked(fn(&mut Walk<'_, '_>)),
}

/// A message by its opcode and direction.
#[derive(Clone, Copy)]
pub(super) struct Message {
    /// Every layout that its extras may have, told apart by their length.
    pub(super) extras: &'static [&'static [Part]],
    pub(super) key: Content,
    pub(super) value: Content,
    pub(super) section: Section,
}

impl Message {
    /// A message with nothing but its header.
    pub(super) const fn bare(section: Section) -> Message {
        Message {
            extras: &[&[]],
            key: Content::Nothing,
            value: Content::Nothing,
            section,
        }
    }

    pub(super) const fn extras(self, extras: &'static [&'static [Part]]) -> Message {
        Message { extras, ..self }
    }

    pub(super) const fn key(self, key: Content) -> Message {
        Message { key, ..self }
    }

    pub(super) const fn value(self, value: Content) -> Message {
        Message { value, ..self }
    }

    /// A message that nobody has described.
    pub(super) const UNKNOWN: Message = Message {
        extras: &[],
        key: Content::Unknown,
        value: Content::Unknown,
        section: Section::Opcodes,
    };

    /// The answer to a command that failed.
    pub(super) const FAILURE: Message = Message {
        extras: &[&[]],
        key: Content::Unknown,
        value: Content::Unknown,
        section: Section::ErrorBodies,
    };
}
