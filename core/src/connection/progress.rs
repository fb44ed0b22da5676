//! What a run of a connection has done and wants next.

use core::fmt;

/// What one call of [`ServerConnection::handle_input`](super::ServerConnection::handle_input) has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Progress {
    /// Bytes at the front of the input that are done with. The rest belongs at the front of the next input.
    pub consumed: usize,
    /// Bytes at the front of the output that are to be sent.
    pub written: usize,
    /// What the connection needs now.
    pub next: Next,
}

/// What a connection needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Next {
    /// More input: call again when something has arrived.
    Read {
        /// How many bytes must follow the unconsumed ones until there is something to do: the rest of a header, the
        /// rest of a packet. Of a value that is taken in pieces or skipped it is what remains, though any part of it is
        /// taken at once. Unconsumed and missing bytes together never exceed the options' `input_capacity` (or a
        /// header).
        missing: u64,
    },
    /// Room in the output: send what is written, then call again with the unconsumed input, however empty.
    Write {
        /// How many bytes must be free in the output; never more than the options' `output_capacity`.
        room: usize,
    },
    /// Something outside: send what is written, and call again with the unconsumed input once
    /// [`Handler::poll_wait`](crate::handler::Handler::poll_wait) is ready. Only handlers that wait bring it about.
    Wait,
    /// Send what is written, then close.
    Close(CloseReason),
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The caller gave it up (idle for too long, shutting down, transport failed).
    Abandoned,
    /// The peer closed between two requests.
    EndOfInput,
    /// A request started with another byte than 0x80.
    Magic,
    /// The lengths in a header do not add up or are beyond the limits; the peer was told.
    Lengths,
    /// The handler refused a request by its header; the peer was told.
    Rejected,
    /// The handler asked for it, as on QUIT.
    Requested,
    /// The first byte was none of the binary protocol; the peer was told in text.
    Text,
    /// The peer closed in the middle of a request.
    Truncated,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::Abandoned => "given up",
            CloseReason::EndOfInput => "closed by the peer",
            CloseReason::Magic => "a request did not start with 0x80",
            CloseReason::Lengths => "a request's lengths are wrong",
            CloseReason::Rejected => "a request was refused",
            CloseReason::Requested => "asked for",
            CloseReason::Text => "the peer does not speak the binary protocol",
            CloseReason::Truncated => "closed by the peer in the middle of a request",
        })
    }
}

/// As [`fmt::Display`].
#[cfg(feature = "defmt")]
impl defmt::Format for CloseReason {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            CloseReason::Abandoned => defmt::write!(f, "given up"),
            CloseReason::EndOfInput => defmt::write!(f, "closed by the peer"),
            CloseReason::Magic => defmt::write!(f, "a request did not start with 0x80"),
            CloseReason::Lengths => defmt::write!(f, "a request's lengths are wrong"),
            CloseReason::Rejected => defmt::write!(f, "a request was refused"),
            CloseReason::Requested => defmt::write!(f, "asked for"),
            CloseReason::Text => {
                defmt::write!(f, "the peer does not speak the binary protocol");
            }
            CloseReason::Truncated => {
                defmt::write!(f, "closed by the peer in the middle of a request");
            }
        }
    }
}
