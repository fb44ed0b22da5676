//! INCREMENT, DECREMENT and their quiet twins (memcached binary protocol: counters).

use super::decimal::{Decimal, TEXT_LEN_MAX};
use super::expiration::absolute;
use super::storage::len_u32;
use super::{Credentials, Engine, Host, Statistics, invalid, item_len};
use crate::handler::{Outcome, Reply};
use crate::store::{Attributes, Key, Observer, SetMode, Shards, Store, Value};
use crate::wire::{Opcode, Request, Status, extras::CounterExtras};

/// What is to be done with a counter.
enum Plan {
    /// It is there and changes to this number; its value has so many bytes.
    Change {
        number: u64,
        attributes: Attributes,
        old_len: usize,
    },
    /// It is not there.
    Missing,
    /// It stays as it is.
    Refuse(Status),
}

/// What became of a counter.
enum Counted {
    /// It has this number now.
    Stored {
        number: u64,
        cas: u64,
        created: bool,
    },
    /// It was not there and was not to be created.
    Missing,
    /// It stays as it was.
    Refused(Status),
    /// The store has no room.
    NoMemory { created: bool },
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
        let item_len_max = self.settings.item_size_max / 2;
        let counted = self.shards.with(request.key, |store, key| {
            let planned = plan(store, key, extras.delta, up, request.cas, item_len_max, now);
            let created = matches!(planned, Plan::Missing);
            let (number, attributes, old_len) = match planned {
                Plan::Change {
                    number,
                    attributes,
                    old_len,
                } => (number, attributes, old_len),
                Plan::Missing if extras.expiration == CounterExtras::NO_CREATE => {
                    return Counted::Missing;
                }
                // The delta does not count.
                Plan::Missing => {
                    let expiration = absolute(extras.expiration, now);
                    (
                        extras.initial,
                        Attributes {
                            flags: 0,
                            expiration,
                        },
                        0,
                    )
                }
                Plan::Refuse(status) => return Counted::Refused(status),
            };
            match replace(store, key, number, old_len, attributes, now) {
                Some(cas) => Counted::Stored {
                    number,
                    cas,
                    created,
                },
                None => Counted::NoMemory { created },
            }
        });
        self.answer_counted(counted, up, request.opcode.is_quiet(), reply)
    }

    fn answer_counted(
        &mut self,
        counted: Counted,
        up: bool,
        quiet: bool,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let statistics = &mut self.statistics;
        let (hits, misses) = if up {
            (&mut statistics.incr_hits, &mut statistics.incr_misses)
        } else {
            (&mut statistics.decr_hits, &mut statistics.decr_misses)
        };
        let status = match counted {
            Counted::Stored {
                number,
                cas,
                created,
            } => {
                if !created {
                    Statistics::raise(hits);
                }
                if quiet {
                    return Outcome::Done;
                }
                return reply.send(&[], &[], &number.to_be_bytes(), cas).into();
            }
            Counted::Missing => {
                Statistics::raise(misses);
                Status::KEY_ENOENT
            }
            Counted::Refused(status) => status,
            Counted::NoMemory { created } => {
                let text = if created {
                    "Out of memory allocating new item"
                } else {
                    "Out of memory incrementing value"
                };
                return reply.error_text(Status::ENOMEM, text).into();
            }
        };
        reply.error(status).into()
    }
}

/// Looks at the counter and adds or subtracts. The tests come in memcached's order: size, CAS, number.
fn plan<M, O>(
    store: &mut Store<M, O>,
    key: Key<'_>,
    delta: u64,
    up: bool,
    cas: u64,
    item_len_max: u32,
    now: u32,
) -> Plan
where
    M: AsRef<[u8]> + AsMut<[u8]>,
    O: Observer,
{
    let Some(item) = store.get(key, now) else {
        return Plan::Missing;
    };
    let old_len = item.value.len();
    let attributes = Attributes {
        flags: item.flags,
        expiration: item.expiration,
    };
    if item.value.is_empty()
        || item_len(key.bytes().len(), item.flags, len_u32(old_len)) > item_len_max
    {
        return Plan::Refuse(Status::DELTA_BADVAL);
    }
    if cas != 0 && cas != item.cas {
        return Plan::Refuse(Status::KEY_EEXISTS);
    }
    let Some(old) = number(&item.value) else {
        return Plan::Refuse(Status::DELTA_BADVAL);
    };
    let number = if up {
        old.wrapping_add(delta)
    } else {
        old.saturating_sub(delta)
    };
    Plan::Change {
        number,
        attributes,
        old_len,
    }
}

/// Stores a number. Fewer digits are padded with blanks to the old length, which clients see when they get the value.
///
/// Returns the new CAS; `None` when there is no room. memcached writes a number that is not longer where it lies, so that
/// it does not count as a new item.
fn replace<M, O>(
    store: &mut Store<M, O>,
    key: Key<'_>,
    number: u64,
    old_len: usize,
    attributes: Attributes,
    now: u32,
) -> Option<u64>
where
    M: AsRef<[u8]> + AsMut<[u8]>,
    O: Observer,
{
    let decimal = Decimal::new(number);
    // The text, or as much of it as goes onto the stack of a device.
    let mut piece = Piece::new();
    let _ = piece.extend_from_slice(decimal.as_bytes());
    let len = old_len.max(piece.len());
    pad(&mut piece, len);
    if piece.len() == len {
        let cas = store
            .set(SetMode::Set, key, &piece, attributes, 0, now)
            .ok()?;
        if len == old_len {
            store.uncount_item();
        }
        return Some(cas);
    }
    let reservation = store.reserve(key, len_u32(len), attributes, now).ok()?;
    let mut offset = 0;
    while offset < len {
        // A reservation that is lost shows when it is committed.
        let _ = store.write(&reservation, offset as u32, &piece);
        offset = offset.saturating_add(piece.len());
        piece.clear();
        pad(&mut piece, len.saturating_sub(offset));
    }
    let cas = store.commit(reservation, SetMode::Set, 0, now).ok()?;
    // Only an old value is so long.
    store.uncount_item();
    Some(cas)
}

/// The number that a value starts with, by the rules of `strtoull` and memcached's additions to them.
///
/// White space, perhaps a sign, digits, then the end, white space or NUL; anything may follow. Negative numbers count
/// modulo 2^64, but where that would be 2^63 or more, a minus anywhere in the text is refused.
fn number(value: &Value<'_>) -> Option<u64> {
    let (first, second) = value.pieces();
    let (mut part, mut negative, mut minus, mut magnitude) = (Part::Space, false, false, 0_u64);
    'text: for piece in [first, second] {
        for &byte in piece {
            if byte == 0 && part >= Part::Digits {
                break 'text;
            }
            if part == Part::Rest {
                // Nothing here counts but a minus.
            } else if byte.is_ascii_digit() {
                let digit = u64::from(byte.wrapping_sub(b'0'));
                magnitude = magnitude.checked_mul(10)?.checked_add(digit)?;
                part = Part::Digits;
            } else if part == Part::Space && matches!(byte, b'-' | b'+') {
                negative = byte == b'-';
                part = Part::Sign;
            } else if part == Part::Sign || !is_space(byte) {
                return None;
            } else if part == Part::Digits {
                part = Part::Rest;
            }
            minus |= byte == b'-';
        }
    }
    let number = if negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    };
    let is_number = part >= Part::Digits;
    (is_number && !(minus && number >> 63 != 0)).then_some(number)
}

/// Where in the text of a number the reader is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
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

/// What is padded with blanks at a time.
const PIECE_LEN: usize = 64;
type Piece = heapless::Vec<u8, PIECE_LEN>;

const _: () = assert!(TEXT_LEN_MAX <= PIECE_LEN);

/// Appends blanks until there are `len` bytes, or no more fit.
fn pad(piece: &mut Piece, len: usize) {
    while piece.len() < len && piece.push(b' ').is_ok() {}
}
