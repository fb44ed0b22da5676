//! A circular log of records: appended at the head, taken away at the tail.
//!
//! A record may wrap around the end of the log, so that no room is wasted there; its value is then in two pieces.

use super::bytes::{load_u8, move_within, put, slice};
use super::item::Value;
use super::record::{Header, WINDOW_LEN, filler, key_at};

/// Where a log lies and what it holds. All figures are bytes or positions in the store's memory.
///
/// These are six words, the most that a device copies without calling a routine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log {
    pub(super) start: u32,
    /// One past the last byte; moves when the index grows or shrinks.
    pub(super) end: u32,
    /// The oldest record.
    pub(super) tail: u32,
    /// From tail to head, where the next record goes; dead bytes included.
    pub(super) used: u32,
    /// Fillers among the used.
    pub(super) dead: u32,
    /// How often the head has passed the end.
    pub(super) lap: u32,
}

impl Log {
    pub(super) const fn new(start: u32, end: u32) -> Log {
        Log {
            start,
            end,
            tail: start,
            used: 0,
            dead: 0,
            lap: 0,
        }
    }

    #[inline]
    pub(super) fn capacity(&self) -> u32 {
        self.end.wrapping_sub(self.start)
    }

    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn free(&self) -> u32 {
        self.capacity().saturating_sub(self.used)
    }

    /// Whether the dead bytes are so many that records are moved to get at them. Together with the gap between head and
    /// tail this keeps what is not used below a twentieth of the log.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn is_littered(&self) -> bool {
        self.dead > self.capacity() / 32
    }

    /// The position `len` bytes after `at`.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn after(&self, at: u32, len: u32) -> u32 {
        let left = self.end.saturating_sub(at);
        if len < left {
            at.wrapping_add(len)
        } else {
            self.start.wrapping_add(len - left)
        }
    }

    /// Where the next record goes.
    pub(super) fn head(&self) -> u32 {
        self.after(self.tail, self.used)
    }

    /// Whether the used bytes reach up to the end, so that what follows them is at the start.
    pub(super) fn is_wrapped(&self) -> bool {
        self.used != 0 && self.used >= self.end.saturating_sub(self.tail)
    }

    /// Takes `len` free bytes at the head.
    pub(super) fn push(&mut self, len: u32) -> u32 {
        let at = self.head();
        if self.after(at, len) <= at && len != 0 {
            self.lap = self.lap.wrapping_add(1);
        }
        self.used = self.used.saturating_add(len);
        at
    }

    /// Frees the `len` bytes at the tail.
    pub(super) fn pop(&mut self, len: u32) {
        self.tail = self.after(self.tail, len);
        self.used = self.used.saturating_sub(len);
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        *self = Log {
            lap: self.lap.wrapping_add(1),
            ..Log::new(self.start, self.end)
        };
    }

    /// What begins at `at`; none if that cannot be, which only happens to memory that somebody else wrote to.
    pub(super) fn entry(&self, memory: &[u8], at: u32) -> Option<Header> {
        let entry = match memory.get(at as usize..self.end as usize)?.first_chunk() {
            Some(window) => Header::decode(window),
            None => Header::decode(&self.wrapped_window(memory, at)),
        };
        (entry.record_len() <= self.used).then_some(entry)
    }

    /// The header of the record at `at`, for the path that every request to a server takes.
    #[inline]
    pub(super) fn header_at_once(&self, memory: &[u8], at: u32) -> Option<Header> {
        match memory
            .get(at as usize..self.end as usize)?
            .first_chunk::<WINDOW_LEN>()
        {
            Some(window @ [1..=250, ..]) => {
                let header = Header::decode_record(window);
                (header.record_len() <= self.used).then_some(header)
            }
            _ => self.header(memory, at),
        }
    }

    /// The header of the record at `at`.
    pub(super) fn header(&self, memory: &[u8], at: u32) -> Option<Header> {
        self.entry(memory, at).filter(|entry| !entry.is_filler())
    }

    /// The key of the record at `at`.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn key<'m>(&self, memory: &'m [u8], at: u32, header: &Header) -> Value<'m> {
        self.pieces(memory, at, header.len(), u32::from(header.key_len))
    }

    /// Whether the record at `at` has this key, for the same path.
    #[inline]
    pub(super) fn has_key(&self, memory: &[u8], at: u32, key: &[u8]) -> bool {
        // Nearly every record lies in one piece.
        if let Some(record) = memory.get(at as usize..self.end as usize)
            && let Some([key_len, control]) = record.first_chunk()
            && let Some(rest) = record.get(key_at(*control) as usize..)
            && let Some(stored) = rest.get(..key.len())
        {
            return usize::from(*key_len) == key.len() && stored == key;
        }
        let key_len = load_u8(memory, at);
        let control = load_u8(memory, self.after(at, 1));
        usize::from(key_len) == key.len() && {
            let stored = self.pieces(memory, at, key_at(control), u32::from(key_len));
            stored == *key
        }
    }

    #[cold]
    fn wrapped_window(&self, memory: &[u8], at: u32) -> [u8; WINDOW_LEN] {
        core::array::from_fn(|i| load_u8(memory, self.after(at, i as u32)))
    }

    /// The `len` bytes that lie `offset` bytes after `at`, around the end if need be.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn pieces<'m>(&self, memory: &'m [u8], at: u32, offset: u32, len: u32) -> Value<'m> {
        if offset.saturating_add(len) <= self.end.saturating_sub(at) {
            return Value::new(slice(memory, at.wrapping_add(offset), len), &[]);
        }
        let at = self.after(at, offset);
        let left = self.end.saturating_sub(at);
        if len <= left {
            return Value::new(slice(memory, at, len), &[]);
        }
        let rest = (len - left).min(self.capacity());
        Value::new(slice(memory, at, left), slice(memory, self.start, rest))
    }

    /// Writes `bytes` at `at`, around the end if need be.
    #[inline]
    pub(super) fn put(&self, memory: &mut [u8], at: u32, bytes: &[u8]) {
        let left = self.end.saturating_sub(at) as usize;
        match bytes.split_at_checked(left) {
            Some((first, second)) => {
                put(memory, at, first);
                put(memory, self.start, second);
            }
            None => put(memory, at, bytes),
        }
    }

    /// Writes the header of a record.
    #[inline]
    pub(super) fn put_header(&self, memory: &mut [u8], at: u32, header: &Header) {
        let words = header.encode();
        let bytes = words.as_flattened().get(..header.len() as usize);
        self.put(memory, at, bytes.unwrap_or_default());
    }

    /// Makes the `len` bytes at `at` a filler; the caller counts them.
    pub(super) fn put_filler(&self, memory: &mut [u8], at: u32, len: u32) {
        let (bytes, bytes_len) = filler(len);
        self.put(memory, at, bytes.get(..bytes_len).unwrap_or_default());
    }
}

/// Copies `len` bytes from one place in a log to another, in the same log or not.
///
/// Within one log the target may overlap the source if it begins before it: the pieces are moved in ascending order.
pub(super) fn copy(memory: &mut [u8], from_log: &Log, from: u32, to_log: &Log, to: u32, len: u32) {
    let (mut from, mut to, mut left) = (from, to, len);
    // At most both places wrap, each at another byte: three pieces.
    for _ in 0..3 {
        let step = left
            .min(from_log.end.saturating_sub(from))
            .min(to_log.end.saturating_sub(to));
        move_within(memory, from, to, step);
        from = from_log.after(from, step);
        to = to_log.after(to, step);
        left -= step;
        if left == 0 {
            break;
        }
    }
}
