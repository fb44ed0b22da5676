//! One direction of a TCP connection, put into order.

use std::collections::VecDeque;

/// Segments that wait for an earlier one: at most so many.
const WAITING_MAX: usize = 256;
/// And at most so many bytes.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// A segment that is further ahead belongs to no window: the connection is another one, or the number is wrong.
const AHEAD_MAX: u32 = 1 << 30;

/// Where bytes came from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    pub(super) frame: u64,
    /// Nanoseconds since 1970.
    pub(super) time: u64,
}

/// What comes out, in order.
pub(super) enum Piece<'a> {
    Bytes(&'a [u8]),
    /// So many bytes are not in the capture; `None` where that cannot be told.
    Gap(Option<u64>),
}

struct Waiting {
    sequence: u32,
    bytes: Vec<u8>,
    missing: usize,
    origin: Origin,
}

#[derive(Default)]
pub(super) struct Reassembly {
    /// The number of the next byte in order.
    next: Option<u32>,
    /// By sequence number.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
}

impl Reassembly {
    /// Whether bytes or a SYN have been seen.
    pub(super) fn is_started(&self) -> bool {
        self.next.is_some()
    }

    /// Whether `sequence` is that of the next byte.
    pub(super) fn expects(&self, sequence: u32) -> bool {
        self.next == Some(sequence)
    }

    /// The connection starts: the next byte has this number.
    pub(super) fn start(&mut self, next: u32) {
        self.next.get_or_insert(next);
    }

    /// Takes a segment; `missing` bytes of its end are not in the capture.
    pub(super) fn segment(
        &mut self,
        sequence: u32,
        bytes: &[u8],
        missing: usize,
        origin: Origin,
        sink: &mut dyn FnMut(Piece<'_>, Origin),
    ) {
        if bytes.is_empty() && missing == 0 {
            return;
        }
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(next);
        if ahead == 0 || ahead > u32::MAX / 2 {
            self.deliver(sequence, bytes, missing, origin, sink);
        } else if ahead > AHEAD_MAX {
            self.finish(sink);
            sink(Piece::Gap(None), origin);
            self.next = Some(sequence);
            self.deliver(sequence, bytes, missing, origin, sink);
        } else {
            self.hold(ahead, next, sequence, bytes, missing, origin);
        }
        self.drain(sink);
        while self.waiting.len() > WAITING_MAX || self.waiting_bytes > WAITING_BYTES_MAX {
            self.skip(sink);
        }
    }

    /// The receiver has all bytes up to `acknowledged`: what is missing before that will not come any more.
    pub(super) fn acknowledged(
        &mut self,
        acknowledged: u32,
        sink: &mut dyn FnMut(Piece<'_>, Origin),
    ) {
        while let (Some(next), Some(first)) = (self.next, self.waiting.front()) {
            let gap = first.sequence.wrapping_sub(next);
            let known = acknowledged.wrapping_sub(next);
            if known > AHEAD_MAX || known < gap {
                return;
            }
            self.skip(sink);
        }
    }

    /// Gives out what still waits, with its gaps.
    pub(super) fn finish(&mut self, sink: &mut dyn FnMut(Piece<'_>, Origin)) {
        while !self.waiting.is_empty() {
            self.skip(sink);
        }
    }

    /// Goes over the gap before the first segment that waits.
    fn skip(&mut self, sink: &mut dyn FnMut(Piece<'_>, Origin)) {
        let (Some(next), Some(first)) = (self.next, self.waiting.front()) else {
            self.waiting.clear();
            return;
        };
        let gap = first.sequence.wrapping_sub(next);
        sink(Piece::Gap(Some(gap.into())), first.origin);
        self.next = Some(first.sequence);
        self.drain(sink);
    }

    fn hold(
        &mut self,
        ahead: u32,
        next: u32,
        sequence: u32,
        bytes: &[u8],
        missing: usize,
        origin: Origin,
    ) {
        let behind = |waiting: &Waiting| waiting.sequence.wrapping_sub(next) <= ahead;
        let at = self.waiting.partition_point(behind);
        // A retransmission of what waits already; of two that overlap, the first counts when it is given out.
        if let Some(before) = at.checked_sub(1).and_then(|at| self.waiting.get(at)) {
            let same = before.sequence == sequence && before.bytes.len() >= bytes.len();
            if same {
                return;
            }
        }
        self.waiting_bytes += bytes.len();
        let bytes = bytes.to_vec();
        self.waiting.insert(
            at,
            Waiting {
                sequence,
                bytes,
                missing,
                origin,
            },
        );
    }

    /// Gives out what is in order now.
    fn drain(&mut self, sink: &mut dyn FnMut(Piece<'_>, Origin)) {
        while let (Some(next), Some(first)) = (self.next, self.waiting.front()) {
            let ahead = first.sequence.wrapping_sub(next);
            if ahead != 0 && ahead <= u32::MAX / 2 {
                return;
            }
            let Some(first) = self.waiting.pop_front() else {
                return;
            };
            self.waiting_bytes -= first.bytes.len();
            self.deliver(
                first.sequence,
                &first.bytes,
                first.missing,
                first.origin,
                sink,
            );
        }
    }

    /// Gives out what is new of a segment that starts at or before the next byte.
    fn deliver(
        &mut self,
        sequence: u32,
        bytes: &[u8],
        missing: usize,
        origin: Origin,
        sink: &mut dyn FnMut(Piece<'_>, Origin),
    ) {
        let Some(next) = self.next else { return };
        let seen = next.wrapping_sub(sequence) as usize;
        if let Some(new) = bytes.get(seen..).filter(|new| !new.is_empty()) {
            self.next = Some(next.wrapping_add(new.len() as u32));
            sink(Piece::Bytes(new), origin);
        }
        // Its end is cut off by the capture, and may be there in a retransmission no more than here.
        let missing = (bytes.len() + missing).saturating_sub(seen.max(bytes.len()));
        if missing > 0 {
            let next = self.next.unwrap_or(next);
            self.next = Some(next.wrapping_add(missing as u32));
            sink(Piece::Gap(Some(missing as u64)), origin);
        }
    }
}
