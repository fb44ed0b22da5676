//! What can go wrong with several servers.

use std::{error, fmt, io};

use crate::client::Error;

/// Why an operation on a server of a pool failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClusterError {
    /// The server cannot be reached.
    Connect {
        /// The server.
        server: String,
        /// Why not.
        error: io::Error,
    },
    /// The operation failed there.
    Client {
        /// The server.
        server: String,
        /// Why.
        error: Error<io::Error>,
    },
    /// The server is out after failures, and has not been asked.
    Out {
        /// The server.
        server: String,
    },
    /// All servers are out after failures, and none has been asked.
    AllOut,
}

impl ClusterError {
    /// The error of the client, if it came so far.
    #[must_use]
    pub fn client_error(&self) -> Option<&Error<io::Error>> {
        match self {
            Self::Client { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Whether it speaks against the server, rather than being its answer or the request's fault.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Client { error, .. } => error.is_fatal(),
            Self::Out { .. } | Self::AllOut => false,
        }
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { server, error } => write!(f, "{server}: can't connect: {error}"),
            Self::Client { server, error } => write!(f, "{server}: {error}"),
            Self::Out { server } => write!(f, "{server}: out after failures, tried again later"),
            Self::AllOut => f.write_str("all servers are out after failures"),
        }
    }
}

impl error::Error for ClusterError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connect { error, .. } => Some(error),
            Self::Client { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// The part of an operation on many keys that failed, because their server did.
#[derive(Debug)]
pub struct PartFailure {
    /// Why.
    pub error: ClusterError,
    /// The places, in the list that was given, of the commands that the server was to do. Some may have been done.
    pub places: Vec<usize>,
}
