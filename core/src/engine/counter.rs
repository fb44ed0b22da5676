//! INCREMENT, DECREMENT and their quiet twins (memcached binary protocol: counters).

use super::decimal::{DIGITS_MAX, Decimal};
use super::expiration::absolute;
use super::{Credentials, Engine, Host, Statistics, invalid, item_len};
use crate::handler::{Outcome, Reply};
use crate::store::{Attributes, Key, SetMode, Shards, Store, Value};
use crate::wire::{Opcode, Request, Status, extras::CounterExtras};

/// What became of a counter.
enum Counted {
    /// It was there and is changed.
    Changed { number: u64, cas: u64 },
    /// It was not there and is now.
    Created { number: u64, cas: u64 },
    /// It was not there and was not to be created.
    Missing,
    /// It stays as it was.
    Refused(Status),
    /// The store has no room.
    NoMemory(&'static str),
}

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    #[inline(never)]
    pub(super) fn count(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let Ok(extras) = CounterExtras::parse(request.extras) else {
            return invalid(reply);
        };
        let up = matches!(request.opcode, Opcode::INCREMENT | Opcode::INCREMENTQ);
        // memcached keeps larger items in several chunks and does not count in those.
        let item_len_max = u64::from(self.settings.item_size_max / 2);
        let counted = self.shards.with(request.key, |store, key| {
            let step = Step {
                delta: extras.delta,
                up,
                cas: request.cas,
                item_len_max,
            };
            match change(store, key, &step, now) {
                Counted::Missing if extras.expiration != CounterExtras::NO_CREATE => {
                    create(store, key, &extras, now)
                }
                counted => counted,
            }
        });
        let statistics = &mut self.statistics;
        let (number, cas) = match counted {
            Counted::Changed { number, cas } => {
                let hits = if up {
                    &mut statistics.incr_hits
                } else {
                    &mut statistics.decr_hits
                };
                Statistics::raise(hits, 1);
                (number, cas)
            }
            Counted::Created { number, cas } => (number, cas),
            Counted::Missing => {
                let misses = if up {
                    &mut statistics.incr_misses
                } else {
                    &mut statistics.decr_misses
                };
                Statistics::raise(misses, 1);
                return reply.error(Status::KEY_ENOENT).into();
            }
            Counted::Refused(status) => return reply.error(status).into(),
            Counted::NoMemory(text) => return reply.error_text(Status::ENOMEM, text).into(),
        };
        if request.opcode.is_quiet() {
            return Outcome::Done;
        }
        reply.send(&[], &[], &number.to_be_bytes(), cas).into()
    }
}

struct Step {
    delta: u64,
    up: bool,
    cas: u64,
    item_len_max: u64,
}

/// Adds to or subtracts from an existing number. The tests come in memcached's order: size, CAS, number.
fn change<M>(store: &mut Store<M>, key: Key<'_>, step: &Step, now: u32) -> Counted
where
    M: AsRef<[u8]> + AsMut<[u8]>,
{
    let Some(item) = store.get(key, now) else {
        return Counted::Missing;
    };
    let old_len = item.value.len();
    let attributes = Attributes {
        flags: item.flags,
        expiration: item.expiration,
    };
    if item.value.is_empty()
        || item_len(key.bytes().len(), item.flags, old_len as u64) > step.item_len_max
    {
        return Counted::Refused(Status::DELTA_BADVAL);
    }
    if step.cas != 0 && step.cas != item.cas {
        return Counted::Refused(Status::KEY_EEXISTS);
    }
    let Some(old) = number(&item.value) else {
        return Counted::Refused(Status::DELTA_BADVAL);
    };
    let number = if step.up {
        old.wrapping_add(step.delta)
    } else {
        old.saturating_sub(step.delta)
    };
    match replace(
        store,
        key,
        Decimal::new(number).as_bytes(),
        old_len,
        attributes,
        now,
    ) {
        Some(cas) => Counted::Changed { number, cas },
        None => Counted::NoMemory("Out of memory incrementing value"),
    }
}

/// Stores a counter with its initial value; the delta does not count.
fn create<M>(store: &mut Store<M>, key: Key<'_>, extras: &CounterExtras, now: u32) -> Counted
where
    M: AsRef<[u8]> + AsMut<[u8]>,
{
    let number = extras.initial;
    let attributes = Attributes {
        flags: 0,
        expiration: absolute(extras.expiration, now),
    };
    match store.set(
        SetMode::Set,
        key,
        Decimal::new(number).as_bytes(),
        attributes,
        0,
        now,
    ) {
        Ok(cas) => Counted::Created { number, cas },
        Err(_) => Counted::NoMemory("Out of memory allocating new item"),
    }
}

/// Stores new digits. Shorter ones are padded with blanks to the old length, which clients see when they get the value.
///
/// Returns the new CAS; `None` when there is no room.
fn replace<M>(
    store: &mut Store<M>,
    key: Key<'_>,
    digits: &[u8],
    old_len: usize,
    attributes: Attributes,
    now: u32,
) -> Option<u64>
where
    M: AsRef<[u8]> + AsMut<[u8]>,
{
    const BLANKS: [u8; 64] = [b' '; 64];
    let mut padded = BLANKS;
    for (place, digit) in padded.iter_mut().zip(digits) {
        *place = *digit;
    }
    let len = old_len.max(digits.len());
    if let Some(text) = padded.get(..len) {
        return store.set(SetMode::Set, key, text, attributes, 0, now).ok();
    }
    // A number followed by many blanks: too long for the stack of a device.
    let reservation = store
        .reserve(key, u32::try_from(len).ok()?, attributes, now)
        .ok()?;
    let mut offset = 0;
    let mut text = &padded;
    while offset < len {
        let piece = text.get(..len.saturating_sub(offset)).unwrap_or(text);
        // A reservation that is lost shows when it is committed.
        let _ = store.write(&reservation, offset as u32, piece);
        offset = offset.saturating_add(piece.len());
        text = &BLANKS;
    }
    store.commit(reservation, SetMode::Set, 0, now).ok()
}

/// The number that a value starts with, by the rules of `strtoull` and memcached's additions to them.
///
/// White space, perhaps a sign, digits, then the end, white space or NUL; anything may follow. Negative numbers count
/// modulo 2^64, but where that would be 2^63 or more, a minus anywhere in the text is refused.
fn number(value: &Value<'_>) -> Option<u64> {
    let (first, second) = value.pieces();
    let (mut part, mut negative, mut minus, mut magnitude) = (Part::Space, false, false, 0_u64);
    for &byte in first.iter().chain(second) {
        match (part, byte) {
            (Part::Rest, 0) => break,
            (Part::Rest, _) => {}
            (Part::Space, byte) if is_space(byte) => {}
            (Part::Space, b'-' | b'+') => {
                negative = byte == b'-';
                part = Part::Sign;
            }
            (_, b'0'..=b'9') => {
                let digit = u64::from(byte.wrapping_sub(b'0'));
                magnitude = magnitude.checked_mul(10)?.checked_add(digit)?;
                part = Part::Digits;
            }
            (Part::Digits, 0) => break,
            (Part::Digits, byte) if is_space(byte) => part = Part::Rest,
            _ => return None,
        }
        minus |= byte == b'-';
    }
    let number = if negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    };
    let is_number = matches!(part, Part::Digits | Part::Rest);
    (is_number && !(minus && number >> 63 != 0)).then_some(number)
}

/// Where in the text of a number the reader is.
#[derive(Clone, Copy)]
enum Part {
    Space,
    Sign,
    Digits,
    Rest,
}

/// White space as C's `isspace` has it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

const _: () = assert!(DIGITS_MAX <= 64);
