//! What a consumer has received.

/// Sums over the life of a consumer, copied at one moment.
#[doc(alias = "UprStats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DcpStatistics {
    /// Bytes of all packets that have been taken off the input.
    #[doc(alias = "TotalBytes")]
    pub bytes_received: u64,
    /// Bytes of requests that flow control counts.
    pub bytes_counted: u64,
    /// Bytes that have been acknowledged.
    pub bytes_acknowledged: u64,
    /// BUFFER_ACK messages sent.
    #[doc(alias = "TotalBufferAckSent")]
    pub buffer_acks: u64,
    /// Mutations delivered.
    #[doc(alias = "TotalMutation")]
    pub mutations: u64,
    /// Deletions delivered.
    pub deletions: u64,
    /// Expirations delivered.
    pub expirations: u64,
    /// Snapshot markers delivered.
    #[doc(alias = "TotalSnapShot")]
    pub snapshots: u64,
    /// System events delivered.
    pub system_events: u64,
    /// Prepares, commits and aborts delivered.
    pub durable_writes: u64,
    /// NOOPs answered.
    pub noops: u64,
    /// Streams that have been opened.
    pub streams_opened: u64,
    /// Streams that have ended.
    pub streams_ended: u64,
    /// Requests that have been skipped.
    pub skipped: u64,
}
