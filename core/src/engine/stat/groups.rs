//! Which statistics a build answers.

/// Groups of statistics, so that a device can leave out of its flash what nobody asks it for.
///
/// ```
/// use memlet_core::engine::StatGroups;
///
/// const GROUPS: StatGroups = StatGroups::NONE.with(StatGroups::RESET).with(StatGroups::ITEMS);
/// assert!(GROUPS.contains(StatGroups::RESET) && !GROUPS.contains(StatGroups::SETTINGS));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StatGroups(u8);

impl StatGroups {
    /// Plain `stat` alone, with what every cache has: its version and time, connections, commands with hits and misses,
    /// traffic, memory, items, evictions, and the host's own figures.
    pub const NONE: StatGroups = StatGroups(0);
    /// `stat settings`.
    pub const SETTINGS: StatGroups = StatGroups(1 << 0);
    /// `stat items`.
    pub const ITEMS: StatGroups = StatGroups(1 << 1);
    /// `stat slabs`.
    pub const SLABS: StatGroups = StatGroups(1 << 2);
    /// `stat sizes`.
    pub const SIZES: StatGroups = StatGroups(1 << 3);
    /// `stat detail on`, `off` and `dump`.
    pub const DETAIL: StatGroups = StatGroups(1 << 4);
    /// `stat reset`.
    pub const RESET: StatGroups = StatGroups(1 << 5);
    /// In plain `stat` what only a process of an operating system has, or a server with threads: `pid`, `rusage_user`,
    /// `rusage_system`, `pointer_size`, `connection_structures`, `cmd_meta`, `accepting_conns`, `listen_disabled_num`,
    /// `time_in_listen_disabled_us`, `threads`, `conn_yields`.
    pub const PROCESS: StatGroups = StatGroups(1 << 6);
    /// Everything.
    pub const ALL: StatGroups = StatGroups((1 << 7) - 1);

    /// These groups and the `others`.
    #[must_use]
    pub const fn with(self, others: StatGroups) -> StatGroups {
        StatGroups(self.0 | others.0)
    }

    /// These groups but for the `others`.
    #[must_use]
    pub const fn without(self, others: StatGroups) -> StatGroups {
        StatGroups(self.0 & !others.0)
    }

    /// Whether all the `others` are among these.
    #[must_use]
    pub const fn contains(self, others: StatGroups) -> bool {
        self.0 & others.0 == others.0
    }
}
