//! The walk over a packet, from its first byte to its last.
//!
//! Fields can only be taken where the last one ended, and a group that is closed takes what was left of it as one more
//! field. So the leaves cover the packet whatever the tables of the families say, and whatever it holds.

use core::time::Duration;

use super::context::Context;
use super::layout::{Kind, Part, parts_len};
use super::{Expected, Finding, Lint, Options, Section, Span, Value, Visitor};
use crate::wire::extras::CounterExtras;
use crate::wire::{Dialect, HEADER_LEN, Opcode, Status, unpack_duration};

/// Longest expiration that counts from now, in seconds: 30 days.
pub(super) const RELATIVE_MAX: u64 = 60 * 60 * 24 * 30;
/// Expirations up to here are dates before 1980, so most likely meant to count from now.
pub(super) const SEVENTIES: u64 = 60 * 60 * 24 * 365 * 10;

pub(super) struct Walk<'a, 'v> {
    /// What is there of the packet.
    packet: &'a [u8],
    /// Where the next field starts; behind the packet's end once that is passed.
    at: u64,
    /// Where the group ends that is open.
    end: u64,
    /// How many groups are open.
    depth: u8,
    /// Which one of several in a row the next field is.
    pub(super) index: Option<u32>,
    /// The section of the fields to come.
    pub(super) section: Section,
    pub(super) options: &'v Options<'v>,
    /// The packet as a whole.
    pub(super) context: Context<'a>,
    visitor: &'v mut dyn Visitor<'a>,
}

/// What has to be restored when a group is closed.
#[must_use]
pub(super) struct Opened {
    end: u64,
    section: Section,
}

impl<'a, 'v> Walk<'a, 'v> {
    pub(super) fn new(
        packet: &'a [u8],
        end: u64,
        options: &'v Options<'v>,
        context: Context<'a>,
        visitor: &'v mut dyn Visitor<'a>,
    ) -> Self {
        Walk {
            packet,
            at: 0,
            end,
            depth: 0,
            index: None,
            section: Section::ClassicHeader,
            options,
            context,
            visitor,
        }
    }

    /// How many bytes the open group has left, whether they are there or not.
    pub(super) fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// Where the next field starts, in bytes from the packet's start.
    pub(super) fn offset(&self) -> usize {
        usize::try_from(self.at).unwrap_or(usize::MAX)
    }

    /// What is there of the next `len` bytes of the open group.
    pub(super) fn peek(&self, len: u64) -> &'a [u8] {
        let end = self.at.saturating_add(len).min(self.end);
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let end = end.min(self.packet.len());
        self.packet.get(self.offset()..end).unwrap_or_default()
    }

    /// What is there of all that is left of the open group.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.peek(u64::MAX)
    }

    /// The number that stands `skip` bytes on and is `len` bytes long, if all of it is there.
    pub(super) fn peek_number(&self, skip: u64, len: u64) -> Option<u64> {
        let bytes = self.peek(skip.saturating_add(len));
        let bytes = bytes.get(usize::try_from(skip).ok()?..)?;
        (bytes.len() as u64 == len).then(|| number(bytes))
    }

    /// The packet's key, as far as it is there.
    pub(super) fn key(&self) -> &'a [u8] {
        let (header, engine_len) = (&self.context.header, self.context.engine_len);
        let at = usize::try_from(engine_len).unwrap_or(usize::MAX);
        let at = at
            .saturating_add(HEADER_LEN + usize::from(header.framing_extras_len))
            .saturating_add(header.extras_len.into());
        let end = at.saturating_add(header.key_len.into());
        let end = end.min(self.packet.len());
        self.packet.get(at..end).unwrap_or_default()
    }

    pub(super) fn report(&mut self, finding: &Finding) {
        self.visitor.finding(finding);
    }

    /// Reports something of the next `len` bytes.
    pub(super) fn report_next(
        &mut self,
        lint: Lint,
        field: &'static str,
        len: u64,
        found: u64,
        allowed: Expected,
    ) {
        let finding = Finding {
            lint,
            field,
            offset: self.offset().min(self.packet.len()),
            len: self.peek(len).len(),
            found,
            allowed,
        };
        self.visitor.finding(&finding);
    }

    /// Takes a field, and gives the number in it if it is one and all of it is there.
    pub(super) fn leaf(
        &mut self,
        name: &'static str,
        len: u64,
        kind: Kind,
        explanation: &'static str,
    ) -> Option<u64> {
        let bytes = self.peek(len);
        let missing = len.saturating_sub(bytes.len() as u64);
        let value = if missing > 0 {
            self.cut(name, len);
            if self.is_hidden(kind) {
                Value::Masked
            } else {
                Value::Bytes(bytes)
            }
        } else {
            self.read(name, kind, bytes)
        };
        self.span(name, bytes, missing, value, kind, explanation);
        self.at = self.at.saturating_add(len).min(self.end);
        value.number()
    }

    /// Takes a field that the caller has read.
    pub(super) fn leaf_with(
        &mut self,
        name: &'static str,
        len: u64,
        value: Value<'a>,
        explanation: &'static str,
    ) {
        let bytes = self.peek(len);
        let missing = len.saturating_sub(bytes.len() as u64);
        let value = if missing > 0 {
            self.cut(name, len);
            Value::Bytes(bytes)
        } else {
            value
        };
        self.span(name, bytes, missing, value, Kind::Bytes, explanation);
        self.at = self.at.saturating_add(len).min(self.end);
    }

    /// Takes bytes that are no packet, and with them the end of the walk.
    pub(super) fn take_all_as_bytes(&mut self, len: u64) {
        self.end = len;
        self.leaf_rest("bytes", Kind::Bytes, "no packet starts with this byte");
    }

    /// Takes all that is left of the open group as one field, if there is anything.
    pub(super) fn leaf_rest(&mut self, name: &'static str, kind: Kind, explanation: &'static str) {
        let left = self.left();
        if left > 0 {
            self.leaf(name, left, kind, explanation);
        }
    }

    /// Takes fields of fixed length.
    pub(super) fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            if self.left() == 0 {
                self.report_next(
                    Lint::PartCut,
                    part.name,
                    0,
                    0,
                    Expected::AtLeast(part.len.into()),
                );
                return;
            }
            self.leaf(part.name, part.len.into(), part.kind, part.explanation);
        }
    }

    /// Takes the same fields until the open group ends, each time as a group.
    pub(super) fn list(&mut self, name: &'static str, parts: &[Part]) {
        let len = parts_len(parts).into();
        if !self.left().is_multiple_of(len) {
            let (left, allowed) = (self.left(), Expected::MultipleOf(len));
            self.report_next(Lint::ListLength, name, left, left, allowed);
        }
        let mut index = 0;
        while self.left() >= len && !self.rest().is_empty() {
            if let [only] = parts {
                self.index = Some(index);
                self.leaf(only.name, len, only.kind, only.explanation);
            } else {
                let opened = self.open_entry(name, index, len, "");
                self.parts(parts);
                self.close(opened);
            }
            index += 1;
        }
    }

    /// Opens a group of the next `len` bytes.
    pub(super) fn open(
        &mut self,
        name: &'static str,
        len: u64,
        explanation: &'static str,
    ) -> Opened {
        let bytes = self.peek(len);
        let missing = len.saturating_sub(bytes.len() as u64);
        if len > self.left() {
            self.cut(name, len);
        }
        self.span(name, bytes, missing, Value::Group, Kind::Bytes, explanation);
        self.depth = self.depth.saturating_add(1);
        let opened = Opened {
            end: self.end,
            section: self.section,
        };
        self.end = self.at.saturating_add(len).min(self.end);
        opened
    }

    /// Opens a group that is one of several in a row.
    pub(super) fn open_entry(
        &mut self,
        name: &'static str,
        index: u32,
        len: u64,
        explanation: &'static str,
    ) -> Opened {
        self.index = Some(index);
        self.open(name, len, explanation)
    }

    /// Closes a group; what is left of it has no meaning that anybody knows.
    pub(super) fn close(&mut self, opened: Opened) {
        if self.left() > 0 {
            if !self.rest().is_empty() {
                let left = self.left();
                self.report_next(
                    Lint::TrailingBytes,
                    "trailing bytes",
                    left,
                    left,
                    Expected::Exactly(0),
                );
            }
            self.leaf_rest("trailing bytes", Kind::Bytes, "bytes behind the last field");
        }
        self.at = self.end;
        self.end = opened.end;
        self.section = opened.section;
        self.depth = self.depth.saturating_sub(1);
    }

    fn span(
        &mut self,
        name: &'static str,
        bytes: &'a [u8],
        missing: u64,
        value: Value<'a>,
        kind: Kind,
        explanation: &'static str,
    ) {
        let index = self.index.take();
        if bytes.is_empty() {
            return;
        }
        self.visitor.span(&Span {
            name,
            index,
            offset: self.offset(),
            len: bytes.len(),
            missing: u32::try_from(missing).unwrap_or(u32::MAX),
            depth: self.depth,
            value,
            explanation,
            section: self.section,
            secret: matches!(kind, Kind::Secret),
        });
    }

    /// Reports a field that runs past what it is a part of; a packet that ends too early is reported once, elsewhere.
    fn cut(&mut self, name: &'static str, len: u64) {
        let left = self.left();
        if len > left {
            self.report_next(Lint::PartCut, name, left, left, Expected::AtLeast(len));
        }
    }

    fn is_hidden(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Secret) && !self.options.show_credentials
    }

    /// What is in a field, all of which is there.
    fn read(&mut self, name: &'static str, kind: Kind, bytes: &'a [u8]) -> Value<'a> {
        let is_number = bytes.len() <= 8;
        let number = number(bytes);
        match kind {
            Kind::Text => Value::Text(bytes),
            Kind::Json => Value::Json(bytes),
            Kind::Secret if self.is_hidden(kind) => Value::Masked,
            Kind::Bytes | Kind::Secret => Value::Bytes(bytes),
            _ if !is_number => Value::Bytes(bytes),
            Kind::Number => Value::Number(number),
            Kind::Hexadecimal => Value::Hexadecimal(number),
            Kind::Expiration => self.expiration(name, number),
            Kind::CounterExpiration if number == CounterExtras::NO_CREATE.into() => Value::Named {
                number,
                name: Some("do not create"),
            },
            Kind::CounterExpiration => self.expiration(name, number),
            Kind::Time if number == 0 => Value::Named {
                number,
                name: Some("none"),
            },
            Kind::Time => Value::Timestamp(number),
            Kind::Seconds => duration(number, Duration::from_secs(number)),
            Kind::Milliseconds => duration(number, Duration::from_millis(number)),
            Kind::PackedDuration => duration(number, unpack_duration(number as u16)),
            Kind::Names(names) => self.named(name, number, bytes, names),
            Kind::Bits(names) => {
                let known = names.iter().fold(0, |known, (bit, _)| known | bit);
                if number & !known != 0 {
                    let (len, allowed) = (bytes.len() as u64, Expected::Bits(known));
                    self.report_next(Lint::UnknownFlagBits, name, len, number, allowed);
                }
                Value::Flags {
                    bits: number,
                    names,
                }
            }
            Kind::Reserved => {
                if number != 0 {
                    let len = bytes.len() as u64;
                    let allowed = Expected::Exactly(0);
                    self.report_next(Lint::ReservedNotZero, name, len, number, allowed);
                }
                Value::Hexadecimal(number)
            }
            Kind::Opcode => Value::Named {
                number,
                name: Opcode(number as u8).name(Dialect::Couchbase),
            },
            Kind::Status => Value::Named {
                number,
                name: Status(number as u16).name(),
            },
        }
    }

    fn named(
        &mut self,
        field: &'static str,
        number: u64,
        bytes: &[u8],
        names: &'static [(u64, &'static str)],
    ) -> Value<'a> {
        let name = names.iter().find(|(named, _)| *named == number);
        let name = name.map(|(_, name)| *name);
        if name.is_none() {
            let nearest = names.iter().min_by_key(|(named, _)| named.abs_diff(number));
            let allowed = nearest.map_or(Expected::AsTitled, |&(number, name)| Expected::Nearest {
                number,
                name,
            });
            let len = bytes.len() as u64;
            self.report_next(Lint::UnnamedNumber, field, len, number, allowed);
        }
        Value::Named { number, name }
    }

    fn expiration(&mut self, name: &'static str, number: u64) -> Value<'a> {
        let now = self.options.now.map(u64::from);
        match number {
            0 => Value::Named {
                number,
                name: Some("never"),
            },
            1..=RELATIVE_MAX => duration(number, Duration::from_secs(number)),
            // A flush is judged by itself.
            _ if self.context.opcode.loud() == Opcode::FLUSH => Value::Timestamp(number),
            _ => {
                let most = Expected::AtMost(RELATIVE_MAX);
                if number <= SEVENTIES {
                    self.report_next(Lint::ExpirationIn1970, name, 4, number, most);
                } else if number == u32::MAX.into() {
                    self.report_next(Lint::ExpirationMinusOne, name, 4, number, most);
                } else if let Some(now) = now.filter(|now| number < *now) {
                    let least = Expected::AtLeast(now);
                    self.report_next(Lint::ExpirationPast, name, 4, number, least);
                }
                Value::Timestamp(number)
            }
        }
    }
}

fn duration<'a>(number: u64, duration: Duration) -> Value<'a> {
    Value::Duration { number, duration }
}

/// The number in bytes, the most significant first; of more than eight the last eight.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
