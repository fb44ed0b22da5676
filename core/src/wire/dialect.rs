//! Whose meaning of the numbers applies.

/// The family of servers whose meaning of opcodes and layouts applies.
///
/// Both families speak the same framing and share most numbers. They collide at 0x23 and 0x24 (memcached: GATK and
/// GATKQ; Couchbase: IOCTL_GET and IOCTL_SET) and differ in some shapes (STAT takes a value in Couchbase).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Dialect {
    /// memcached and what follows it.
    #[default]
    Memcached,
    /// Couchbase's kv_engine.
    Couchbase,
}
