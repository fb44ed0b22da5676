//! What a server counts about its connections, readable from every thread.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::clock::Clock;
use super::{Listen, ServerOptions};

/// What a running server counts about its connections and how it was set up.
///
/// Threads share it; reading it costs nothing that others would notice.
#[derive(Debug)]
pub struct Figures {
    pub(super) clock: Clock,
    pub(super) options: ServerOptions,
    pub(super) addresses: Vec<Listen>,
    pub(super) current: AtomicUsize,
    pub(super) accepted: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) accepting: AtomicBool,
}

impl Figures {
    pub(super) fn new(options: ServerOptions, addresses: Vec<Listen>) -> Figures {
        Figures {
            clock: Clock::start(),
            options,
            addresses,
            current: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            accepting: AtomicBool::new(true),
        }
    }

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Connections that were accepted since the start.
    #[must_use]
    pub fn connections_total(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections that were hung up on because there were too many.
    #[must_use]
    pub fn connections_rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// The unix second in which the server began to listen.
    #[must_use]
    pub fn started(&self) -> u32 {
        self.clock.started()
    }

    /// Seconds since then.
    #[must_use]
    pub fn uptime(&self) -> u32 {
        self.clock.now().saturating_sub(self.clock.started())
    }

    /// Whether the server still accepts connections.
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.accepting.load(Ordering::Relaxed)
    }

    /// How the server was set up.
    #[must_use]
    pub fn options(&self) -> &ServerOptions {
        &self.options
    }

    /// Where the server listens, with the ports that were chosen for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }
}
