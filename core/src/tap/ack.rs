//! Answers of the consumer.

use crate::wire::{EmitError, Opcode, ParseError, Response, Status};

use super::Frame;
use super::frame::{OPCODES, wrong_opcode};

/// A consumer's answer to a message (memcached binary protocol: TAP acks): a header alone, with the message's opcode
/// and sequence number.
///
/// Answers are cumulative: one stands for every message before it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ack {
    /// The opcode of the message.
    pub opcode: Opcode,
    /// The sequence number of the message.
    pub sequence: u32,
    /// [`Status::SUCCESS`]; or why the message is refused.
    pub status: Status,
}

/// What a producer does on an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AckVerdict {
    /// The message and all before it have arrived.
    Accepted,
    /// The consumer is busy ([`Status::EBUSY`], [`Status::TMPFAIL`]): wait, then send again from this message on.
    BackOff,
    /// Any other status: the stream is over.
    Disconnect,
}

impl Ack {
    /// The longest answer in bytes: a header.
    pub const LEN: usize = crate::wire::HEADER_LEN;

    /// Says that a message, and all before it, has been dealt with.
    #[must_use]
    pub const fn to(frame: &Frame<'_>) -> Ack {
        Ack {
            opcode: frame.opcode,
            sequence: frame.head.sequence,
            status: Status::SUCCESS,
        }
    }

    /// The same with another status: [`Status::EBUSY`] or [`Status::TMPFAIL`] to get the message again later, others to
    /// be cut off.
    #[must_use]
    pub const fn with_status(self, status: Status) -> Ack {
        Ack { status, ..self }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`ParseErrorKind::ForeignOpcode`](crate::wire::ParseErrorKind::ForeignOpcode) when the opcode is none of TAP's
    /// messages.
    pub fn from_response(response: &Response<'_>) -> Result<Ack, ParseError> {
        if !Frame::is_message(response.opcode) {
            return Err(wrong_opcode(response.opcode, OPCODES));
        }
        Ok(Ack {
            opcode: response.opcode,
            sequence: response.opaque,
            status: response.status,
        })
    }

    /// The answer as a response.
    #[must_use]
    pub const fn to_response(&self) -> Response<'static> {
        Response {
            opaque: self.sequence,
            ..Response::new(self.opcode, self.status)
        }
    }

    /// Writes the answer to the front of `out` and returns its 24 bytes' length.
    ///
    /// # Errors
    /// [`EmitError::OutputTooShort`]; `out` is untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        self.to_response().emit(out)
    }

    /// What the producer is to do.
    #[must_use]
    pub const fn verdict(&self) -> AckVerdict {
        match self.status {
            Status::SUCCESS => AckVerdict::Accepted,
            Status::EBUSY | Status::TMPFAIL => AckVerdict::BackOff,
            _ => AckVerdict::Disconnect,
        }
    }
}
