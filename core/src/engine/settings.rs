//! What an engine is told at its start.

/// What an engine is told at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EngineSettings {
    /// The largest item in bytes, counted as memcached counts it ([`item_len`]); its option `-I`.
    ///
    /// The store has a limit of its own on what fits its memory; the lower one holds.
    pub item_size_max: u32,
    /// Whether FLUSH is allowed; if not it answers 0x20, as memcached does when started with `-F`.
    pub flush_enabled: bool,
    /// What VERSION answers. Many clients want it to start with three numbers with dots between.
    pub version: &'static str,
}

impl Default for EngineSettings {
    /// memcached's: items of 1 MiB, and a version that it is compatible with.
    fn default() -> EngineSettings {
        EngineSettings {
            item_size_max: 1 << 20,
            flush_enabled: true,
            version: "1.6.18-memlet",
        }
    }
}

/// The size in bytes by which memcached judges whether an item is too large (memcached binary protocol: limits).
///
/// Its header, CAS, key with a NUL, flags if any, and value with a line end count: the largest value under a key of
/// three bytes without flags is 62 bytes below the limit.
///
/// What 32 bits cannot say is the largest number they can.
#[must_use]
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(target_pointer_width = "32", inline(never))]
pub fn item_len(key_len: usize, flags: u32, value_len: u32) -> u32 {
    const HEADER_AND_CAS: u32 = 56;
    const NUL_AND_LINE_END: u32 = 3;
    let flags_len = if flags == 0 { 0 } else { 4 };
    let key_len = u32::try_from(key_len).unwrap_or(u32::MAX);
    value_len
        .saturating_add(key_len)
        .saturating_add(HEADER_AND_CAS + NUL_AND_LINE_END + flags_len)
}

#[cfg(test)]
mod tests {
    use super::item_len;

    #[test]
    fn largest_values_are_those_of_memcached() {
        assert_eq!(item_len(3, 0, 1_048_514), 1 << 20);
        assert_eq!(item_len(3, 1, 1_048_510), 1 << 20);
        assert_eq!(item_len(250, 1, 1_048_263), 1 << 20);
        assert_eq!(item_len(3, 0, u32::MAX - 10), u32::MAX);
    }
}
