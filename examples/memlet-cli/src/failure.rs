//! Why a command did not do what it was asked for, and the exit code that tells scripts.

use std::io;
use std::process::ExitCode;

use memlet::client;
use memlet::load::LoadError;
use memlet_core::wire::Status;

use crate::connection::Address;

/// Why a command failed. The texts are for the one who typed it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for is not there; the text, if any, says more than the output already has.
    NotFound(Option<String>),
    /// The command line, or a file that it names, is wrong.
    Usage(String),
    /// The server cannot be reached, or the connection broke.
    Connection(String),
    /// The server answered with an error.
    Server(String),
    /// Nobody reads the output any more.
    OutputClosed,
}

impl Failure {
    /// What to say of it.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::NotFound(text) => text.as_deref(),
            Self::Usage(text) | Self::Connection(text) | Self::Server(text) => Some(text),
            Self::OutputClosed => None,
        }
    }

    /// The process's exit code; the command line's help lists them.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::NotFound(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::Connection(_) => ExitCode::from(3),
            Self::Server(_) => ExitCode::from(4),
        }
    }
}

/// A failure to write to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::Usage(format!("standard output: {error}"))
        }
    }
}

impl Failure {
    /// Of the load generator against `server`.
    pub(crate) fn of_load(server: &Address, error: &LoadError) -> Self {
        let text = format!("{server}: {error}");
        match error {
            // It is not the server's fault.
            LoadError::Options(_) => Self::Usage(error.to_string()),
            LoadError::Parse(_) | LoadError::Mismatch { .. } | LoadError::Login(_) => {
                Self::Server(text)
            }
            _ => Self::Connection(text),
        }
    }
}

impl From<client::Error<io::Error>> for Failure {
    fn from(error: client::Error<io::Error>) -> Self {
        let text = error.to_string();
        match error {
            client::Error::Request(_) => Self::Usage(text),
            client::Error::Transport(_) if error.is_timeout() => {
                Self::Connection("the server did not answer in time".into())
            }
            client::Error::Transport(_) => Self::Connection(text),
            client::Error::Reply(_) if error.is_closed() => Self::Connection(text),
            _ => match error.status() {
                Some(Status::KEY_ENOENT | Status::KEY_EEXISTS | Status::NOT_STORED) => {
                    Self::NotFound(Some(text))
                }
                _ => Self::Server(text),
            },
        }
    }
}
