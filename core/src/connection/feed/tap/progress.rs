//! What a producer's calls have done.

use core::fmt;

use super::TapProducerEnd;
use crate::wire::EmitError;

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SendError {
    /// Ten answers are outstanding: read first.
    Window,
    /// The stream is over, or about to be.
    Ended,
    /// The message cannot be written: too little room, or a part that is too long.
    Emit(EmitError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Window => f.write_str("too many messages wait for the consumer's answer"),
            SendError::Ended => f.write_str("the stream is over"),
            SendError::Emit(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SendError {}

impl From<EmitError> for SendError {
    fn from(error: EmitError) -> SendError {
        SendError::Emit(error)
    }
}

/// What one call of [`TapProducer::handle_input`](super::TapProducer::handle_input) has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TapProducerProgress {
    /// Bytes at the front of the input that are done with.
    pub consumed: usize,
    /// What is to be done now.
    pub next: TapProducerNext,
}

/// What a producer's caller is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TapProducerNext {
    /// Go on: send what there is, while [`TapProducer::may_send`](super::TapProducer::may_send), and read.
    Read {
        /// How many bytes must follow the unconsumed ones until there is something to do.
        missing: u64,
    },
    /// The consumer is busy: wait a while, then send again everything behind this position, the end of the stream
    /// included. There may be more input to hand over.
    BackOff {
        /// [`TapProducer::acknowledged`](super::TapProducer::acknowledged).
        position: u64,
    },
    /// Close the connection.
    End(TapProducerEnd),
}

/// What [`TapProducer::handle_time`](super::TapProducer::handle_time) has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TapTimer {
    /// Bytes at the front of the output that are to be sent.
    pub written: usize,
    /// When to call again at the latest, in unix seconds.
    pub next: u32,
    /// Why the stream is over, if it is.
    pub end: Option<TapProducerEnd>,
}
