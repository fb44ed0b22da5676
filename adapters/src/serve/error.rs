//! Why a connection could not be served, by who has to act.

use core::fmt;

use embedded_io::ErrorKind;
use memlet_core::handler::REPLY_ROOM_MIN;
use memlet_core::wire::HEADER_LEN;

/// A buffer of the caller's is too short to serve anything with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum BufferError {
    /// The input does not hold the header of a packet.
    Input {
        /// Its length in bytes.
        len: usize,
        /// The least, in bytes.
        needed: usize,
    },
    /// The output does not hold a short response.
    Output {
        /// Its length in bytes.
        len: usize,
        /// The least, in bytes.
        needed: usize,
    },
}

impl fmt::Display for BufferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, len, needed) = match self {
            BufferError::Input { len, needed } => ("input", len, needed),
            BufferError::Output { len, needed } => ("output", len, needed),
        };
        write!(
            f,
            "the {name} buffer has {len} bytes, at least {needed} are needed"
        )
    }
}

impl core::error::Error for BufferError {}

/// Whether buffers of these lengths in bytes are long enough to serve anything with.
pub(crate) fn check_buffers(input_len: usize, output_len: usize) -> Result<(), BufferError> {
    if input_len < HEADER_LEN {
        return Err(BufferError::Input {
            len: input_len,
            needed: HEADER_LEN,
        });
    }
    if output_len < REPLY_ROOM_MIN {
        return Err(BufferError::Output {
            len: output_len,
            needed: REPLY_ROOM_MIN,
        });
    }
    Ok(())
}

/// Why serving a connection ended before either side had closed it by the rules; `E` is the error of its transport.
///
/// What a peer did wrong is none of these: it has been told, and is the
/// [`CloseReason`](memlet_core::connection::CloseReason).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ServeError<E> {
    /// The transport failed.
    Transport(E),
    /// The transport took none of the bytes to be sent.
    WriteZero,
    /// The caller's buffers are too short.
    Buffer(BufferError),
}

impl<E: embedded_io::Error + 'static> embedded_io::Error for ServeError<E> {
    /// The transport's own kind, if it failed.
    fn kind(&self) -> ErrorKind {
        match self {
            ServeError::Transport(error) => error.kind(),
            ServeError::WriteZero => ErrorKind::WriteZero,
            ServeError::Buffer(_) => ErrorKind::InvalidInput,
        }
    }
}

impl<E> From<BufferError> for ServeError<E> {
    fn from(error: BufferError) -> ServeError<E> {
        ServeError::Buffer(error)
    }
}

impl<E: fmt::Display> fmt::Display for ServeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Transport(error) => write!(f, "transport: {error}"),
            ServeError::WriteZero => f.write_str("the transport takes no more bytes"),
            ServeError::Buffer(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for ServeError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            ServeError::Transport(error) => Some(error),
            ServeError::Buffer(error) => Some(error),
            ServeError::WriteZero => None,
        }
    }
}
