//! The bytes of one record in a log.
//!
//! ```text
//! key length   1 byte    1 to 250: an item. 0, 251, 252: a filler (1 byte; length in 1 byte; length in 4 bytes)
//! control      1 byte    visits (2 bits), flags there?, expiration there?, width of value length, width of CAS
//! value length 1 to 4 bytes
//! CAS          4, 5, 6 or 8 bytes; 0 while the value is still arriving
//! flags        4 bytes, if not zero when stored
//! expiration   4 bytes, if not zero when stored or touched
//! key, value
//! ```
//!
//! All numbers are little endian. An item of a cache that has handed out fewer than 2^48 ids takes at most 10 bytes
//! beside key and value as long as its value is shorter than 64 KiB, and 18 with flags and expiration.

use super::item::Attributes;

/// The longest header in bytes, rounded up.
pub(super) const WINDOW_LEN: usize = 24;

const FILLER_ONE: u8 = 0;
const FILLER_SHORT: u8 = 251;
const FILLER_LONG: u8 = 252;

const HAS_FLAGS: u8 = 0b0100;
const HAS_EXPIRATION: u8 = 0b1000;
const VALUE_WIDTH_SHIFT: u8 = 4;
const CAS_WIDTH_SHIFT: u8 = 6;

/// How often an item was read, as far as two bits can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Visits(u8);

impl Visits {
    /// Never read.
    pub(super) const NEVER: Visits = Visits(0);
    /// Read, but not since the record reached its place.
    pub(super) const NOT_LATELY: Visits = Visits(1);
    /// Read twice or more since.
    pub(super) const OFTEN: Visits = Visits(3);

    /// After one more read.
    pub(super) fn more(self) -> Visits {
        Visits(if self.0 < 2 { 2 } else { 3 })
    }

    /// After the end of the log has passed by once.
    pub(super) fn less(self) -> Visits {
        Visits(if self.0 > 1 { self.0 - 1 } else { self.0 })
    }

    /// Whether it was read since the record reached its place.
    pub(super) fn is_warm(self) -> bool {
        self.0 > 1
    }
}

/// What begins at a place in a log, as far as its first bytes say: an item's record, or a filler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// 0 = a filler: bytes that are nobody's.
    pub(super) key_len: u8,
    control: u8,
    /// The length of the header itself; 0 for a filler.
    len: u8,
    /// The length of the value, or of the filler.
    pub(super) value_len: u32,
    pub(super) cas: u64,
    pub(super) flags: u32,
    pub(super) expiration: u32,
}

fn cas_code(cas: u64) -> u8 {
    match (cas >> 32) as u32 {
        0 => 0,
        1..0x100 => 1,
        0x100..0x1_0000 => 2,
        _ => 3,
    }
}

impl Header {
    /// The header for an item whose CAS will be `cas`.
    pub(super) fn new(key_len: u8, value_len: u32, cas: u64, attributes: Attributes) -> Header {
        let value_code = match value_len {
            0..0x100 => 0,
            0x100..0x1_0000 => 1,
            0x1_0000..0x100_0000 => 2,
            _ => 3,
        };
        let mut control = value_code << VALUE_WIDTH_SHIFT | cas_code(cas) << CAS_WIDTH_SHIFT;
        if attributes.flags != 0 {
            control |= HAS_FLAGS;
        }
        if attributes.expiration != 0 {
            control |= HAS_EXPIRATION;
        }
        let Attributes { flags, expiration } = attributes;
        Header {
            key_len,
            control,
            len: header_len(control),
            value_len,
            cas,
            flags,
            expiration,
        }
    }

    /// Reads what begins with the bytes of `window`.
    pub(super) fn decode(window: &[u8; WINDOW_LEN]) -> Header {
        let [first, second, ..] = *window;
        let value_len = match first {
            1..=250 => return Header::decode_record(window),
            FILLER_ONE => 1,
            FILLER_SHORT => u32::from(second).max(2),
            _ => take_u32(window, 1).max(5),
        };
        Header {
            key_len: 0,
            control: 0,
            len: 0,
            value_len,
            cas: 0,
            flags: 0,
            expiration: 0,
        }
    }

    /// Reads the header of a record.
    #[inline]
    pub(super) fn decode_record(window: &[u8; WINDOW_LEN]) -> Header {
        let [key_len, control, ..] = *window;
        let value_width = value_width(control);
        let cas_width = cas_width(control);
        let value_len = take_u32(window, 2) & (u32::MAX >> (32 - 8 * value_width));
        let mut at = 2 + value_width as usize;
        let high_mask = u32::MAX.checked_shr(64 - 8 * cas_width).unwrap_or(0);
        let high = take_u32(window, at + 4) & high_mask;
        let cas = u64::from(high) << 32 | u64::from(take_u32(window, at));
        at += cas_width as usize;
        let len = header_len(control);
        let mut header = Header {
            key_len,
            control,
            len,
            value_len,
            cas,
            flags: 0,
            expiration: 0,
        };
        if control & (HAS_FLAGS | HAS_EXPIRATION) != 0 {
            if control & HAS_FLAGS != 0 {
                header.flags = take_u32(window, at);
                at += 4;
            }
            if control & HAS_EXPIRATION != 0 {
                header.expiration = take_u32(window, at);
            }
        }
        header
    }

    /// The header's bytes, in three words; only the first [`Header::len`] of them count.
    pub(super) fn encode(&self) -> [[u8; 8]; WINDOW_LEN / 8] {
        // Filled with what is at hand: for zeros a device would call a routine.
        let mut words = [self.cas.to_le_bytes(); WINDOW_LEN / 8];
        let bytes = words.as_flattened_mut();
        // Each field is written at full width; the next one overwrites what is too much.
        write_at(bytes, 0, &[self.key_len, self.control]);
        let mut at = 2;
        write_at(bytes, at, &self.value_len.to_le_bytes());
        at += value_width(self.control) as usize;
        write_at(bytes, at, &self.cas.to_le_bytes());
        at += cas_width(self.control) as usize;
        if self.control & HAS_FLAGS != 0 {
            write_at(bytes, at, &self.flags.to_le_bytes());
            at += 4;
        }
        if self.control & HAS_EXPIRATION != 0 {
            write_at(bytes, at, &self.expiration.to_le_bytes());
        }
        words
    }

    /// The length of the header in bytes.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        u32::from(self.len)
    }

    /// Whether this is no record.
    pub(super) fn is_filler(&self) -> bool {
        self.key_len == 0
    }

    /// The length of header and key.
    #[inline]
    pub(super) fn value_at(&self) -> u32 {
        self.len() + u32::from(self.key_len)
    }

    /// The length of the whole record or filler; saturates, and then fits nowhere.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn record_len(&self) -> u32 {
        self.value_len.saturating_add(self.value_at())
    }

    /// Whether the record of this header has a field for the expiration.
    pub(super) fn has_expiration(&self) -> bool {
        self.control & HAS_EXPIRATION != 0
    }

    pub(super) fn visits(&self) -> Visits {
        Visits(self.control & 0b11)
    }

    pub(super) fn set_visits(&mut self, visits: Visits) {
        self.control = self.control & !0b11 | visits.0;
    }

    /// The byte at offset 1 of the record.
    pub(super) fn control(&self) -> u8 {
        self.control
    }

    /// The header of the same item with an expiration.
    pub(super) fn with_expiration(&self, expiration: u32) -> Header {
        let attributes = Attributes {
            flags: self.flags,
            expiration,
        };
        let mut header = Header::new(self.key_len, self.value_len, self.cas, attributes);
        header.set_visits(self.visits());
        header
    }

    pub(super) fn attributes(&self) -> Attributes {
        Attributes {
            flags: self.flags,
            expiration: self.expiration,
        }
    }
}

/// The length of a header with this control byte.
#[inline(always)]
fn header_len(control: u8) -> u8 {
    let attributes = (control & HAS_FLAGS) + (control & HAS_EXPIRATION) / 2;
    2 + value_width(control) as u8 + cas_width(control) as u8 + attributes
}

/// How far the key is from the beginning of a record with this control byte.
#[inline]
pub(super) fn key_at(control: u8) -> u32 {
    u32::from(header_len(control))
}

/// The first bytes of a filler of `len` bytes, and how many of them count.
pub(super) fn filler(len: u32) -> ([u8; 5], usize) {
    let [a, b, c, d] = len.to_le_bytes();
    match len {
        0 => ([0; 5], 0),
        1 => ([FILLER_ONE, 0, 0, 0, 0], 1),
        2..=255 => ([FILLER_SHORT, a, 0, 0, 0], 2),
        _ => ([FILLER_LONG, a, b, c, d], 5),
    }
}

#[inline]
fn value_width(control: u8) -> u32 {
    u32::from(control >> VALUE_WIDTH_SHIFT & 0b11) + 1
}

#[inline]
fn cas_width(control: u8) -> u32 {
    let code = u32::from(control >> CAS_WIDTH_SHIFT);
    4 + code + (code + 1) / 4
}

#[inline]
fn take_u32(window: &[u8; WINDOW_LEN], at: usize) -> u32 {
    window
        .get(at..)
        .and_then(|w| w.first_chunk())
        .map_or(0, |b| u32::from_le_bytes(*b))
}

#[inline]
fn write_at<const N: usize>(bytes: &mut [u8], at: usize, field: &[u8; N]) {
    if let Some(to) = bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
        *to = *field;
    }
}
