//! How long peers may take, and who learns of them.

use core::fmt;

use embassy_net::IpEndpoint;
use embassy_net::tcp::Error;
use embassy_time::{Duration, Instant};
use memlet_core::connection::CloseReason;

/// How long peers may take. `None` means for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptOptions {
    /// A peer that gets nothing done for so long is closed: no request, no part of a value, no answer read. Five minutes.
    pub idle_after: Option<Duration>,
    /// A peer that has not made room for the next answer after so long is cut off: the transmit buffer is full of what it
    /// has not acknowledged. Ten seconds.
    pub unread_after: Option<Duration>,
    /// A peer from which nothing came for so long is asked whether it is there. Ten seconds.
    pub keep_alive: Option<Duration>,
    /// A peer that has not said for so long that it is there is gone; more than `keep_alive`. Thirty seconds.
    pub vanished_after: Option<Duration>,
    /// How long a peer may take to close its side once this one is closed, until it is cut off. Two seconds.
    ///
    /// Until then its socket accepts nobody else.
    pub close_within: Duration,
}

/// In milliseconds.
#[cfg(feature = "defmt")]
impl defmt::Format for AcceptOptions {
    fn format(&self, f: defmt::Formatter<'_>) {
        let [idle, unread, keep_alive, vanished] = [
            self.idle_after,
            self.unread_after,
            self.keep_alive,
            self.vanished_after,
        ]
        .map(|time| time.map(|time| time.as_millis()));
        defmt::write!(
            f,
            "AcceptOptions {{ idle_after: {}, unread_after: {}, keep_alive: {}, vanished_after: {}, close_within: {=u64} }}",
            idle,
            unread,
            keep_alive,
            vanished,
            self.close_within.as_millis()
        );
    }
}

impl Default for AcceptOptions {
    fn default() -> AcceptOptions {
        AcceptOptions {
            idle_after: Some(Duration::from_secs(300)),
            unread_after: Some(Duration::from_secs(10)),
            keep_alive: Some(Duration::from_secs(10)),
            vanished_after: Some(Duration::from_secs(30)),
            close_within: Duration::from_secs(2),
        }
    }
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// By either side, by the rules of the protocol or against them; [`CloseReason::Abandoned`] if the task was dropped.
    Closed(CloseReason),
    /// The peer has reset the connection, or has vanished.
    Failed(Error),
    /// The peer got nothing done for too long.
    Idle,
    /// The peer did not read its answers.
    Unread,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Closed(reason) => reason.fmt(f),
            Ended::Failed(Error::ConnectionReset) => f.write_str("reset or vanished"),
            Ended::Idle => f.write_str("idle for too long"),
            Ended::Unread => f.write_str("answers left unread for too long"),
        }
    }
}

/// As [`fmt::Display`].
#[cfg(feature = "defmt")]
impl defmt::Format for Ended {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Ended::Closed(reason) => reason.format(f),
            Ended::Failed(Error::ConnectionReset) => defmt::write!(f, "reset or vanished"),
            Ended::Idle => defmt::write!(f, "idle for too long"),
            Ended::Unread => defmt::write!(f, "answers left unread for too long"),
        }
    }
}

/// Learns of every connection, to count or to log them. `()` does neither.
pub trait Observer {
    /// A peer has connected.
    fn opened(&self, peer: Option<IpEndpoint>) {
        let _ = peer;
    }

    /// A connection has ended and its socket is free; called once for every one that was opened.
    fn closed(&self, ended: Ended) {
        let _ = ended;
    }
}

impl Observer for () {}

/// The instant so long from now. One beyond the end of time never comes.
pub(super) fn after(time: Option<Duration>) -> Instant {
    time.and_then(|time| Instant::now().checked_add(time))
        .unwrap_or(Instant::MAX)
}
