//! Why servers make no ring.

use core::fmt;

/// Why a ring of points cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PlacementError {
    /// There is no server.
    NoServers,
    /// The memory given holds too few points.
    TooFewPoints {
        /// Points that the servers take.
        needed: usize,
        /// Points that there is room for.
        available: usize,
    },
}

impl fmt::Display for PlacementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlacementError::NoServers => f.write_str("no servers: at least 1 is needed"),
            PlacementError::TooFewPoints { needed, available } => {
                write!(
                    f,
                    "too few points: the servers take {needed}, there is room for {available}"
                )
            }
        }
    }
}

impl core::error::Error for PlacementError {}
