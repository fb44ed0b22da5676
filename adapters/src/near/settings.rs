//! What a near cache is told at its start, and its memory.

use core::time::Duration;

use super::slot::{Slot, Waiter};
use crate::client::ClientSettings;

/// How a near cache behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct NearSettings {
    /// For how many seconds an item is served after it was asked from upstream, or given to it; 0: never.
    ///
    /// The bound on how old an answer can be when somebody else changes items upstream.
    pub ttl: u32,
    /// What VERSION answers; clients expect it to start with a number.
    pub version: &'static str,
}

impl Default for NearSettings {
    /// Ten seconds, and the version of memlet's engine.
    fn default() -> NearSettings {
        NearSettings {
            ttl: 10,
            version: memlet_core::engine::EngineSettings::default().version,
        }
    }
}

/// How a near cache deals with its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct UpstreamSettings<'a> {
    /// How long upstream may take for its next answer, and how long one write to it may. Then the connection is given
    /// up, and those who wait are told.
    pub timeout: Duration,
    /// How long connecting may take, login included.
    pub connect_timeout: Duration,
    /// How long to wait after a first failure before connecting again; doubled with each that follows.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// Logs in with PLAIN.
    pub login: Option<Login<'a>>,
    /// Limits of the client. Its `unread_len_max` bounds what is on its way at once.
    pub client: ClientSettings,
}

impl Default for UpstreamSettings<'_> {
    /// One second for an answer, two for a connection, from 100 ms to 10 s between attempts, no login.
    fn default() -> Self {
        UpstreamSettings {
            timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(2),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
            login: None,
            client: ClientSettings::default(),
        }
    }
}

/// User and password for upstream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Login<'a> {
    /// The user.
    pub user: &'a [u8],
    /// The password. It goes over the connection as it is.
    pub password: &'a [u8],
}

/// Without the password.
impl core::fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// As `Debug`: a password gets into no log.
#[cfg(feature = "defmt")]
impl defmt::Format for Login<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Login(..)");
    }
}

/// The memory in which requests wait for upstream.
///
/// - `WAITING`: how many connections may wait at the same time. One waits for a single request.
/// - `REQUESTS`: how many different requests may be under way; several gets of one key are one.
/// - `LEN`: the longest request or answer, in bytes: key, value, extras and 8 bytes. Longer ones are refused with 0x82.
///
/// Takes `REQUESTS * (LEN + 48) + WAITING * 12` bytes on a device. Neither number beyond 65,535 has an effect.
#[derive(Debug)]
pub struct NearMemory<const WAITING: usize, const REQUESTS: usize, const LEN: usize> {
    pub(super) waiters: [Waiter; WAITING],
    pub(super) slots: [Slot; REQUESTS],
    pub(super) bytes: [[u8; LEN]; REQUESTS],
}

impl<const WAITING: usize, const REQUESTS: usize, const LEN: usize>
    NearMemory<WAITING, REQUESTS, LEN>
{
    /// Nothing waits. Can be the value of a `static`.
    #[must_use]
    pub const fn new() -> Self {
        NearMemory {
            waiters: [const { Waiter::FREE }; WAITING],
            slots: [Slot::FREE; REQUESTS],
            bytes: [[0; LEN]; REQUESTS],
        }
    }
}

impl<const WAITING: usize, const REQUESTS: usize, const LEN: usize> Default
    for NearMemory<WAITING, REQUESTS, LEN>
{
    fn default() -> Self {
        NearMemory::new()
    }
}
