//! What has arrived for a feed and has not been dealt with.

use core::ops::Range;

use memlet_core::wire::HEADER_LEN;

use super::Buffer;

/// How long an input is at the least, if it can grow.
const LEN_MIN: usize = 16 << 10;

/// A buffer, and where in it the bytes are that nobody has consumed.
#[derive(Debug)]
pub(crate) struct Inbox<B> {
    buffer: B,
    start: usize,
    end: usize,
    /// How many bytes have to arrive before there is something to do.
    missing: usize,
}

impl<B: Buffer> Inbox<B> {
    /// Starts with the `unread` bytes of the buffer.
    pub(crate) fn new(buffer: B, unread: Range<usize>) -> Self {
        let end = unread.end.min(buffer.as_ref().len());
        Inbox {
            start: unread.start.min(end),
            end,
            buffer,
            missing: HEADER_LEN,
        }
    }

    /// The longest packet in bytes that it can hold.
    pub(crate) fn capacity(&self) -> u32 {
        u32::try_from(self.buffer.len_max()).unwrap_or(u32::MAX)
    }

    /// What has arrived and not been consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        let unread = self.buffer.as_ref().get(self.start..self.end);
        unread.unwrap_or_default()
    }

    /// Where [`Inbox::unread`] starts; bytes before it stay as they are until [`Inbox::space`].
    pub(crate) fn position(&self) -> usize {
        self.start
    }

    /// Bytes that stood at these places when they were consumed, until [`Inbox::space`].
    pub(crate) fn at(&self, range: Range<usize>) -> &[u8] {
        self.buffer.as_ref().get(range).unwrap_or_default()
    }

    /// Says that so many unread bytes have been dealt with.
    pub(crate) fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
    }

    /// Says how many more bytes are needed.
    pub(crate) fn need(&mut self, missing: u64) {
        self.missing = usize::try_from(missing).unwrap_or(usize::MAX);
    }

    /// Where to read to; empty only when the buffer is full and of fixed size.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let len = self.buffer.as_ref().len();
        if len.saturating_sub(self.end) < self.missing.max(1) {
            super::buffer::move_to_front(self.buffer.as_mut(), self.start, self.end);
            (self.start, self.end) = (0, self.end - self.start);
            let wanted = self.end.saturating_add(self.missing.max(1));
            if wanted > len {
                // What the peer announces is believed only as far as it is borne out.
                self.buffer.grow(len.saturating_mul(2).max(LEN_MIN));
            }
        }
        self.buffer.as_mut().get_mut(self.end..).unwrap_or_default()
    }

    /// Says that so many bytes have been read into [`Inbox::space`].
    pub(crate) fn handle_read(&mut self, len: usize) {
        self.end = self.end.saturating_add(len).min(self.buffer.as_ref().len());
    }

    pub(crate) fn into_parts(self) -> (B, Range<usize>) {
        (self.buffer, self.start..self.end)
    }
}
