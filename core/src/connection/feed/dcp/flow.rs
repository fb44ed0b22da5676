//! Flow control, the consumer's part (memcached binary protocol: flow control).

/// Bytes that the producer has counted, on their way to being acknowledged.
///
/// ```text
///   received ──▶ untaken ──taken──▶ released ──at the threshold──▶ acknowledged
/// ```
///
/// Each byte goes this way once, so no more is acknowledged than came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    /// Whether the producer has accepted the window.
    is_on: bool,
    threshold: u32,
    untaken: u64,
    released: u64,
}

impl Flow {
    pub(super) fn new(threshold: u32) -> Flow {
        Flow {
            threshold,
            ..Flow::default()
        }
    }

    /// The producer counts from its next message on.
    pub(super) fn switch_on(&mut self) {
        self.is_on = true;
    }

    /// Counts a request; returns for how many bytes.
    pub(super) fn receive(&mut self, len: u64) -> u64 {
        if !self.is_on {
            return 0;
        }
        self.untaken = self.untaken.saturating_add(len);
        len
    }

    /// At most `len` bytes are done with.
    pub(super) fn take(&mut self, len: u64) {
        let len = len.min(self.untaken);
        self.untaken = self.untaken.saturating_sub(len);
        self.released = self.released.saturating_add(len);
    }

    /// What to acknowledge now, if the threshold is reached.
    pub(super) fn due(&self) -> Option<u32> {
        (self.released >= u64::from(self.threshold)).then(|| self.pending())
    }

    /// What could be acknowledged.
    pub(super) fn pending(&self) -> u32 {
        u32::try_from(self.released).unwrap_or(u32::MAX)
    }

    /// So many bytes have been acknowledged.
    pub(super) fn acknowledged(&mut self, len: u32) {
        self.released = self.released.saturating_sub(len.into());
    }

    pub(super) fn untaken(&self) -> u64 {
        self.untaken
    }
}
