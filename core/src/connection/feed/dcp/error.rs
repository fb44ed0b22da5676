//! Why a feed ends, and why a command is not written.

use core::fmt;

use crate::dcp::StreamOpaque;
use crate::wire::{Dialect, EmitError, Magic, Opcode, ParseError, Status};

/// Why a feed is over. Nothing is read or written any more; the streams keep their positions.
#[doc(alias = "UprFeedError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DcpFailure {
    /// The peer closed between two packets.
    EndOfInput,
    /// The peer closed in the middle of a packet.
    Truncated,
    /// The caller gave the feed up.
    Abandoned,
    /// A packet starts with a wrong byte, or its lengths do not add up or are beyond the limits.
    Framing(ParseError),
    /// A message does not have the layout of its opcode.
    Message {
        /// The opcode.
        opcode: Opcode,
        /// What is wrong.
        error: ParseError,
    },
    /// An answer is longer than the caller's buffer.
    ReplyTooLong {
        /// The opcode.
        opcode: Opcode,
        /// Length of the whole packet in bytes.
        len: u64,
    },
    /// The producer refused OPEN.
    OpenRefused(Status),
    /// An answer to what was not asked: nothing is open for this opcode and opaque.
    UnexpectedReply {
        /// The opcode.
        opcode: Opcode,
        /// The opaque.
        opaque: u32,
        /// The opaque of the request that is to be answered next, where there is one.
        expected: Option<u32>,
    },
    /// A change came a second time, or out of order.
    SeqnoOrder {
        /// The stream.
        stream: StreamOpaque,
        /// The seqno that the stream had come to.
        last: u64,
        /// The seqno that followed.
        found: u64,
    },
    /// The producer wants a rollback to where the consumer has not been.
    RollbackAhead {
        /// The stream.
        stream: StreamOpaque,
        /// The seqno that was asked for.
        asked: u64,
        /// The seqno of the rollback.
        found: u64,
    },
    /// Nothing has been received for so many seconds, twice the interval of NOOP.
    Silent {
        /// Seconds without a byte.
        seconds: u32,
    },
}

impl fmt::Display for DcpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |opcode: Opcode| opcode.display(Magic::CLIENT_REQUEST, Dialect::Couchbase);
        match self {
            DcpFailure::EndOfInput => f.write_str("closed by the producer"),
            DcpFailure::Truncated => {
                f.write_str("closed by the producer in the middle of a packet")
            }
            DcpFailure::Abandoned => f.write_str("given up"),
            DcpFailure::Framing(error) => write!(f, "{error}"),
            DcpFailure::Message { opcode, error } => write!(f, "{}: {error}", name(*opcode)),
            DcpFailure::ReplyTooLong { opcode, len } => {
                let opcode = name(*opcode);
                write!(
                    f,
                    "{opcode}: an answer of {len} bytes does not fit the buffer"
                )
            }
            DcpFailure::OpenRefused(status) => write!(f, "OPEN was refused: {status}"),
            DcpFailure::UnexpectedReply {
                opcode,
                opaque,
                expected,
            } => {
                let opcode = name(*opcode);
                write!(
                    f,
                    "{opcode}: an answer with opaque 0x{opaque:08x} to nothing that was asked"
                )?;
                match expected {
                    Some(expected) => write!(f, "; 0x{expected:08x} is to be answered next"),
                    None => Ok(()),
                }
            }
            DcpFailure::SeqnoOrder {
                stream,
                last,
                found,
            } => {
                let vbucket = stream.vbucket;
                write!(f, "vbucket {vbucket}: seqno {found} after {last}")
            }
            DcpFailure::RollbackAhead {
                stream,
                asked,
                found,
            } => {
                let vbucket = stream.vbucket;
                write!(
                    f,
                    "vbucket {vbucket}: rollback from seqno {asked} ahead to {found}"
                )
            }
            DcpFailure::Silent { seconds } => {
                write!(f, "nothing received for {seconds} seconds")
            }
        }
    }
}

impl core::error::Error for DcpFailure {}

/// Why a command has not been written. Nothing has changed then.
#[doc(alias = "UprCommandError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DcpCommandError {
    /// OPEN has not been answered yet, or of OPEN itself: it has been sent.
    NotNow,
    /// The feed is over.
    Failed(DcpFailure),
    /// Every slot is taken by another stream; [`DcpConsumer::forget`](super::DcpConsumer::forget) frees one.
    NoSlot {
        /// Number of slots.
        capacity: usize,
    },
    /// The stream is requested, open or closing.
    StreamBusy,
    /// No such stream is open.
    NoStream,
    /// The seqnos break snapshot start ≤ start ≤ snapshot end, or start ≤ end.
    Range,
    /// The property is one that the options set.
    OwnControl,
    /// 64 commands other than those about streams are unanswered.
    TooManyPending,
    /// The output is too short, or a part is too long.
    Emit(EmitError),
}

impl From<EmitError> for DcpCommandError {
    fn from(error: EmitError) -> Self {
        DcpCommandError::Emit(error)
    }
}

impl fmt::Display for DcpCommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DcpCommandError::NotNow => f.write_str("the connection is not at this point of OPEN"),
            DcpCommandError::Failed(failure) => write!(f, "the feed is over: {failure}"),
            DcpCommandError::NoSlot { capacity } => {
                write!(f, "all {capacity} slots are taken by other streams")
            }
            DcpCommandError::StreamBusy => f.write_str("the stream is requested, open or closing"),
            DcpCommandError::NoStream => f.write_str("no such stream is open"),
            DcpCommandError::Range => {
                f.write_str("snapshot start <= start <= snapshot end and start <= end do not hold")
            }
            DcpCommandError::OwnControl => f.write_str("the options set this property"),
            DcpCommandError::TooManyPending => f.write_str("too many commands are unanswered"),
            DcpCommandError::Emit(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for DcpCommandError {}
