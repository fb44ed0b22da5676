//! Why a TAP stream is over.

use core::fmt;

use crate::wire::{Magic, Opcode, ParseError, Status};

/// Why a consumer's stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TapEnd {
    /// The producer said that no more data will come.
    Closed,
    /// The producer closed the connection between two messages, without a word.
    EndOfInput,
    /// The producer closed the connection in the middle of a message.
    Truncated {
        /// How many bytes of the message, or of its header, did not come.
        missing: u64,
    },
    /// The producer refused TAP_CONNECT with this status; its text came with
    /// [`TapNext::Refused`](super::TapNext::Refused).
    Refused(Status),
    /// A message breaks a rule of the protocol.
    Malformed(ParseError),
    /// A message is longer than the caller's input can ever hold.
    TooLong {
        /// Length of the message in bytes, header included.
        needed: u64,
        /// The options' `input_capacity` in bytes.
        allowed: u32,
    },
    /// A response came that answers nothing.
    UnexpectedResponse {
        /// Its magic.
        magic: Magic,
        /// Its opcode; only [`Opcode::TAP_CONNECT`] was sent.
        opcode: Opcode,
        /// Its opaque.
        opaque: u32,
        /// The opaque that was sent.
        expected: u32,
    },
}

impl fmt::Display for TapEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TapEnd::Closed => f.write_str("the producer ended the stream"),
            TapEnd::EndOfInput => f.write_str("the producer closed the connection"),
            TapEnd::Truncated { missing } => write!(
                f,
                "the producer closed the connection in the middle of a message, {missing} bytes short"
            ),
            TapEnd::Refused(status) => write!(f, "tap connection failed: {status}"),
            TapEnd::Malformed(error) => write!(f, "malformed message: {error}"),
            TapEnd::TooLong { needed, allowed } => write!(
                f,
                "a message of {needed} bytes is longer than the input, which holds {allowed}"
            ),
            TapEnd::UnexpectedResponse {
                magic,
                opcode,
                opaque,
                expected,
            } => write!(
                f,
                "unexpected response: magic {magic}, opcode {opcode}, opaque {opaque:#x}; sent was {} with {expected:#x}",
                Opcode::TAP_CONNECT
            ),
        }
    }
}

impl core::error::Error for TapEnd {}

/// Why a producer's stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TapProducerEnd {
    /// The end of the stream was sent and, if the consumer answers at all, answered.
    Done,
    /// The consumer closed the connection.
    EndOfInput,
    /// The consumer closed the connection in the middle of an answer.
    Truncated,
    /// The consumer asked for the end (QUIT).
    Quit,
    /// The consumer refused a message for good.
    Refused {
        /// The number of the message.
        sequence: u32,
        /// The status of the answer.
        status: Status,
    },
    /// The consumer answered a message that was never sent.
    UnknownSequence {
        /// The number it answered.
        sequence: u32,
    },
    /// The consumer let an answer wait for too long.
    AckTimeout {
        /// The number of the oldest message without an answer.
        sequence: u32,
        /// For how many seconds.
        waited: u32,
    },
    /// What the consumer sent breaks a rule of the protocol.
    Malformed(ParseError),
    /// The consumer sent something that has no place in a stream.
    Unexpected {
        /// Its magic.
        magic: Magic,
        /// Its opcode.
        opcode: Opcode,
    },
}

impl fmt::Display for TapProducerEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TapProducerEnd::Done => f.write_str("the stream is complete"),
            TapProducerEnd::EndOfInput => f.write_str("the consumer closed the connection"),
            TapProducerEnd::Truncated => {
                f.write_str("the consumer closed the connection in the middle of an answer")
            }
            TapProducerEnd::Quit => f.write_str("the consumer asked for the end"),
            TapProducerEnd::Refused { sequence, status } => {
                write!(f, "the consumer refused message {sequence}: {status}")
            }
            TapProducerEnd::UnknownSequence { sequence } => {
                write!(
                    f,
                    "the consumer answered message {sequence}, which was never sent"
                )
            }
            TapProducerEnd::AckTimeout { sequence, waited } => write!(
                f,
                "the consumer has not answered message {sequence} for {waited} seconds"
            ),
            TapProducerEnd::Malformed(error) => write!(f, "malformed answer: {error}"),
            TapProducerEnd::Unexpected { magic, opcode } => write!(
                f,
                "the consumer sent what has no place in a stream: magic {magic}, opcode {opcode}"
            ),
        }
    }
}

impl core::error::Error for TapProducerEnd {}
