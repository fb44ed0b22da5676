//! What ends a run before its time.

use std::{error, fmt, io};

use memlet_core::wire::{ParseError, Status};

/// Why a run failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The options contradict each other; the text says how.
    Options(&'static str),
    /// A connection could not be made.
    Connect(io::Error),
    /// A connection broke.
    Transport(io::Error),
    /// The server closed a connection while requests were under way.
    Closed,
    /// The server answered nothing for as long as [`LoadOptions::patience`](super::LoadOptions::patience).
    Silent,
    /// The server refused the login: [`Status::AUTH_ERROR`] when user or password is wrong, [`Status::UNKNOWN_COMMAND`] when
    /// it wants none.
    Login(Status),
    /// A response could not be read.
    Parse(ParseError),
    /// A response is none to the request that was due: its field is not what it must be.
    Mismatch {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: u64,
        /// What it is.
        found: u64,
    },
}

impl LoadError {
    /// Of a socket that waits for the server for as long as the patience lasts.
    pub(super) fn of_wait(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Transport(error),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(what) => write!(f, "options: {what}"),
            Self::Connect(error) => write!(f, "can't connect: {error}"),
            Self::Transport(error) => write!(f, "connection broke: {error}"),
            Self::Closed => f.write_str("the server closed a connection"),
            Self::Silent => f.write_str("the server does not answer"),
            Self::Login(status) => write!(f, "the server refuses the login: {status}"),
            Self::Parse(error) => write!(f, "a response is malformed: {error}"),
            Self::Mismatch {
                field,
                expected,
                found,
            } => {
                write!(
                    f,
                    "a response does not belong to its request: {field} is {found:#x}, not {expected:#x}"
                )
            }
        }
    }
}

impl error::Error for LoadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connect(error) | Self::Transport(error) => Some(error),
            Self::Parse(error) => Some(error),
            _ => None,
        }
    }
}
