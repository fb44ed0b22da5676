//! The process around an engine: what `stat` tells beside the engine's own counters.

use super::{Figures, StatGroups, Statistics};

/// The process around an engine.
///
/// Everything has a default that suits a device with one engine. A server with one engine a thread implements
/// [`totals`](Host::totals) and [`reset`](Host::reset), so that `stat` answers for all of them on any connection.
pub trait Host {
    /// The groups of statistics that this build answers: all of them unless a device leaves some out to save flash. Asked
    /// for another one the engine answers as for a group that it does not know.
    const STAT_GROUPS: StatGroups = StatGroups::ALL;

    /// What all engines of the process have counted since the last reset; `own` is what the asking one has. `None` means
    /// just that.
    fn totals(&self, own: &Statistics) -> Option<Statistics> {
        let _ = own;
        None
    }

    /// Starts counting anew in all engines; `own` are the counters of the one that was asked to.
    ///
    /// A host that cannot reach the others may leave all counters alone, remember their sums, and
    /// [subtract](Statistics::subtract) these in [`totals`](Host::totals). Its own counters of connections start anew
    /// as well; those of the store are seen to by the engine.
    fn reset(&mut self, own: &mut Statistics) {
        *own = Statistics::default();
    }

    /// The unix second in which the process began to serve.
    fn started(&self) -> u32 {
        0
    }

    /// Figures that change.
    fn figures(&self) -> HostFigures {
        HostFigures::default()
    }

    /// Figures of the host's own (free sockets, the most stack used), which plain `stat` shows behind memcached's.
    ///
    /// They may change their values while an answer is on its way in several outputs, but neither their number nor their
    /// order.
    fn own_figures(&self, figures: &mut Figures<'_, '_>) {
        let _ = figures;
    }

    /// What the process was told at its start.
    fn settings(&self) -> HostSettings<'_> {
        HostSettings::default()
    }

    /// Takes the level of a VERBOSITY command, which [`HostSettings::verbosity`] then shows.
    fn set_verbosity(&mut self, level: u32) {
        let _ = level;
    }
}

/// Figures of the process, named as memcached's `stats` names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HostFigures {
    /// The number of the process.
    pub pid: u64,
    /// Processor time spent in the program, in microseconds.
    pub rusage_user_us: u64,
    /// Processor time spent in the kernel, in microseconds.
    pub rusage_system_us: u64,
    /// Connections open now.
    pub curr_connections: u64,
    /// Connections accepted so far.
    pub total_connections: u64,
    /// Connections turned away because there were too many.
    pub rejected_connections: u64,
    /// Connections for which memory is held.
    pub connection_structures: u64,
    /// Whether connections are accepted now.
    pub accepting_conns: bool,
    /// How often accepting was stopped because there were too many connections.
    pub listen_disabled_num: u64,
    /// For how long in all, in microseconds.
    pub time_in_listen_disabled_us: u64,
    /// How often a connection had to let others go first.
    pub conn_yields: u64,
}

/// What the process was told at its start, named as memcached's `stats settings` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HostSettings<'a> {
    /// Most connections at a time.
    pub maxconns: u64,
    /// TCP port; 0 for none.
    pub tcpport: u16,
    /// Address listened on; `None` for any.
    pub inter: Option<&'a str>,
    /// How much is logged.
    pub verbosity: u32,
    /// Path of the unix socket, if any.
    pub domain_socket: Option<&'a str>,
    /// Threads that serve.
    pub num_threads: u64,
    /// Connections that may wait to be accepted.
    pub tcp_backlog: u64,
    /// Whether connections over the limit are closed at once instead of waiting.
    pub maxconns_fast: bool,
    /// Seconds after which an idle connection is closed; 0 for never.
    pub idle_timeout: u64,
}

impl Default for HostSettings<'_> {
    fn default() -> Self {
        HostSettings {
            maxconns: 0,
            tcpport: 0,
            inter: None,
            verbosity: 0,
            domain_socket: None,
            num_threads: 1,
            tcp_backlog: 0,
            maxconns_fast: true,
            idle_timeout: 0,
        }
    }
}

/// A process of which the engine knows nothing: a device, a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alone {
    verbosity: u32,
    /// The unix second in which it began to serve.
    pub started: u32,
}

impl Alone {
    /// A process that begins to serve at this unix second.
    #[must_use]
    pub const fn since(started: u32) -> Alone {
        Alone {
            started,
            verbosity: 0,
        }
    }
}

impl Host for Alone {
    fn started(&self) -> u32 {
        self.started
    }

    fn settings(&self) -> HostSettings<'_> {
        HostSettings {
            verbosity: self.verbosity,
            ..HostSettings::default()
        }
    }

    fn set_verbosity(&mut self, level: u32) {
        self.verbosity = level;
    }
}
