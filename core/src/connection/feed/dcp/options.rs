//! What a consumer asks for, and what it has to know of its caller's buffers.

use crate::wire::Limits;

/// When an event counts as taken, so that its bytes may be acknowledged.
#[doc(alias = "UprTaking")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DcpTaking {
    /// When the next one is polled for: the caller is done with an event before it asks for more.
    #[default]
    WhenPolled,
    /// When [`DcpConsumer::take`](super::DcpConsumer::take) says so: the caller hands events on, and they are done with
    /// later.
    WhenTold,
}

/// How a consumer receives.
#[doc(alias = "UprFeedOptions")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DcpOptions {
    /// The longest packet in bytes, header included, that the caller can present in one piece. Longer requests are
    /// skipped and told of, longer answers end the feed.
    pub input_capacity: u32,
    /// Limits on key and body of a packet; what is beyond them ends the feed.
    pub limits: Limits,
    /// Bytes that the producer may send ahead of what is acknowledged; 0 for no flow control.
    pub window: u32,
    /// How many bytes are to be taken before they are acknowledged; 0 for a fifth of the window, never more than the
    /// window.
    pub acknowledge_at: u32,
    /// How often the producer is to show that it lives, in seconds; 0 for never. After twice as long without a byte
    /// the feed ends.
    pub noop_interval: u32,
    /// When an event counts as taken.
    pub taking: DcpTaking,
}

impl DcpOptions {
    /// Options for an input buffer of fixed size: a window twice as large.
    #[must_use]
    pub fn for_buffer(input_len: usize) -> DcpOptions {
        let input_capacity = u32::try_from(input_len).unwrap_or(u32::MAX);
        DcpOptions {
            input_capacity,
            window: input_capacity.saturating_mul(2),
            ..DcpOptions::default()
        }
    }

    /// How many bytes are taken before they are acknowledged.
    pub(super) fn threshold(&self) -> u32 {
        let wanted = match self.acknowledge_at {
            0 => self.window / 5,
            wanted => wanted,
        };
        wanted.clamp(1, self.window.max(1))
    }
}

impl Default for DcpOptions {
    /// For items of Couchbase's largest size, 20 MiB and some more; a window of 20 MiB; a sign of life every 120
    /// seconds.
    fn default() -> DcpOptions {
        DcpOptions {
            input_capacity: 22 << 20,
            limits: Limits {
                key_len_max: u16::MAX,
                body_len_max: 30 << 20,
            },
            window: 20 << 20,
            acknowledge_at: 0,
            noop_interval: 120,
            taking: DcpTaking::WhenPolled,
        }
    }
}
