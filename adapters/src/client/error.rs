//! What can go wrong for a client, by who has to act.

use core::fmt;

use embedded_io::ErrorKind;
use memlet_core::connection::client::{ReplyError, ReplyErrorKind};
use memlet_core::wire::{EmitError, Opcode, Status};

/// Why a request cannot be sent. Nothing has been sent of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RequestError {
    /// The key is longer than the settings allow.
    KeyTooLong {
        /// Its length in bytes.
        found: usize,
        /// The longest that is sent, in bytes.
        allowed: usize,
    },
    /// The command needs a key, and there is none.
    KeyMissing(Opcode),
    /// A quiet command may never be answered, so nobody can wait for its answer.
    Quiet(Opcode),
    /// The command is none that this method can understand the answer of.
    WrongCommand(Opcode),
    /// Too many requests are in flight: take replies first.
    TableFull,
    /// No request in flight always gets a reply, so there is nothing to wait for.
    NothingToReceive,
    /// The list of features, or the message of a login, is longer than its packet can tell.
    TooLong,
    /// The request cannot be written as a packet, or its front does not fit the output buffer.
    Emit(EmitError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::KeyTooLong { found, allowed } => {
                write!(f, "key too long: {found} bytes, at most {allowed}")
            }
            RequestError::KeyMissing(opcode) => write!(f, "{opcode} needs a key"),
            RequestError::Quiet(opcode) => write!(f, "{opcode} may stay without an answer"),
            RequestError::WrongCommand(opcode) => {
                write!(f, "{opcode} has another kind of answer")
            }
            RequestError::TableFull => f.write_str("too many requests in flight"),
            RequestError::NothingToReceive => f.write_str("no request in flight must be answered"),
            RequestError::TooLong => f.write_str("value too long for a packet"),
            RequestError::Emit(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RequestError {}

/// Why an operation of a client failed; `E` is the error of its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error<E> {
    /// The transport failed, or its time was over: [`Error::is_timeout`]. The client is of no more use.
    Transport(E),
    /// The server broke the protocol, or closed. The client is of no more use, and says the same from now on.
    Reply(ReplyError),
    /// The server answered with the status of an error. The client is of use: the answer was in order.
    Refused {
        /// The command.
        opcode: Opcode,
        /// What the server says of it.
        status: Status,
    },
    /// The request cannot be sent, and has not been.
    Request(RequestError),
    /// The reply, or its value, is longer than the caller's buffer. It is skipped; the client is of use.
    TooLong {
        /// Length of the value in bytes.
        value_len: u32,
    },
    /// Others changed the item at each of so many attempts.
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// The server gives items no CAS, so nobody can notice that another has changed one.
    NoCas,
    /// The server does not offer this way to log in: PLAIN.
    NoPlain,
    /// The server wants to go on with a challenge where PLAIN has ended.
    UnexpectedChallenge,
}

impl<E> Error<E> {
    /// The status, if the server refused.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self {
            Error::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the server said that there is no such key.
    #[doc(alias = "IsNotFound")]
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    /// Whether the server said that the key exists, or that its CAS is another.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(Status::KEY_EEXISTS)
    }

    /// Whether the client is of no more use after it.
    #[doc(alias = "IsFatal")]
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Error::Transport(_) | Error::Reply(_))
    }

    /// Whether the server closed the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(
            self,
            Error::Reply(ReplyError {
                kind: ReplyErrorKind::Closed
                    | ReplyErrorKind::Truncated { .. }
                    | ReplyErrorKind::Ended,
                ..
            })
        )
    }
}

impl<E: embedded_io::Error> Error<E> {
    /// The transport's kind of error, if it failed.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Error::Transport(error) => Some(error.kind()),
            _ => None,
        }
    }

    /// Whether the time for connecting, reading or writing was over.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind() == Some(ErrorKind::TimedOut)
    }
}

impl<E> From<ReplyError> for Error<E> {
    fn from(error: ReplyError) -> Error<E> {
        Error::Reply(error)
    }
}

impl<E> From<RequestError> for Error<E> {
    fn from(error: RequestError) -> Error<E> {
        Error::Request(error)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Transport(error) => write!(f, "transport: {error}"),
            Error::Reply(error) => error.fmt(f),
            Error::Refused { opcode, status } => {
                write!(f, "{opcode}: {status}")?;
                match status.meaning() {
                    "" => Ok(()),
                    meaning => write!(f, " ({meaning})"),
                }
            }
            Error::Request(error) => error.fmt(f),
            Error::TooLong { value_len } => {
                write!(f, "value of {value_len} bytes does not fit the buffer")
            }
            Error::Contended { attempts } => {
                write!(
                    f,
                    "the item was changed by others at each of {attempts} attempts"
                )
            }
            Error::NoCas => f.write_str("the server gives items no CAS"),
            Error::NoPlain => f.write_str("the server does not offer the mechanism PLAIN"),
            Error::UnexpectedChallenge => {
                f.write_str("the server goes on with a challenge after PLAIN")
            }
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Error::Transport(error) => Some(error),
            Error::Reply(error) => Some(error),
            Error::Request(error) => Some(error),
            _ => None,
        }
    }
}
