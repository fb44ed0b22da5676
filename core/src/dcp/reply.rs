//! Answers of the family.

use super::fields::{Fields, Fixed, Parts, found_len, value_offset, wrong_value_len};
use super::message::foreign;
use super::{FailoverLog, StreamOpaque};
use crate::wire::{
    Allowed, DataType, EmitError, Field, Magic, Opcode, Packet, ParseError, ParseErrorKind, Status,
};

/// An answer of either side: the header's fields, and what opcode and status say besides.
#[doc(alias = "UprReply")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reply<'a> {
    /// [`Magic::CLIENT_RESPONSE`], or [`Magic::FLEX_RESPONSE`] when there are framing extras.
    pub magic: Magic,
    /// The opcode of the request, one of the family.
    pub opcode: Opcode,
    /// How it went.
    pub status: Status,
    /// The opaque of the request.
    pub opaque: u32,
    /// The version of the item; 0 for none.
    pub cas: u64,
    /// What the value is.
    pub datatype: DataType,
    /// Frame infos, only in the flex form, at most 255 bytes.
    pub framing_extras: &'a [u8],
    /// What opcode and status say.
    pub body: ReplyBody<'a>,
}

format_fields!(Reply {
    magic,
    opcode,
    status,
    opaque,
    cas,
    datatype,
    framing_extras: Length,
    body,
});

/// What a [`Reply`] says, by its opcode and status (memcached binary protocol: UPR and DCP; failover log and rollback).
///
/// ```text
///  STREAM_REQ, GET_FAILOVER_LOG, success  value: failover log
///  STREAM_REQ, 0x23                       value: seqno u64
///  ADD_STREAM, success                    extras, 4: opaque u32
///  all other                              value: nothing, or a text
/// ```
#[doc(alias = "UprReplyBody")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyBody<'a> {
    /// The stream is open, or the log was asked for.
    FailoverLog(FailoverLog<'a>),
    /// The consumer has what the producer does not know of: drop what is beyond `seqno`, and ask again from there.
    Rollback {
        /// The last change that both have.
        seqno: u64,
    },
    /// The consumer will ask for the stream, with this opaque.
    StreamAdded {
        /// The opaque of the stream's messages.
        opaque: StreamOpaque,
    },
    /// Nothing but the status.
    Plain {
        /// A text that goes with an error, mostly nothing.
        value: &'a [u8],
    },
}

#[cfg(feature = "defmt")]
impl defmt::Format for ReplyBody<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            ReplyBody::FailoverLog(log) => defmt::write!(f, "FailoverLog({})", log),
            ReplyBody::Rollback { seqno } => {
                defmt::write!(f, "Rollback {{ seqno: {=u64} }}", seqno);
            }
            ReplyBody::StreamAdded { opaque } => {
                defmt::write!(f, "StreamAdded {{ opaque: {} }}", opaque);
            }
            ReplyBody::Plain { value } => {
                defmt::write!(f, "Plain {{ value: {=usize} bytes }}", value.len());
            }
        }
    }
}

impl<'a> Reply<'a> {
    /// An answer in the classic form with nothing but a status.
    #[must_use]
    pub const fn new(opcode: Opcode, status: Status, opaque: u32) -> Reply<'a> {
        Reply {
            magic: Magic::CLIENT_RESPONSE,
            opcode,
            status,
            opaque,
            cas: 0,
            datatype: DataType::RAW,
            framing_extras: &[],
            body: ReplyBody::Plain { value: &[] },
        }
    }

    /// Reads a packet as an answer of the family.
    ///
    /// # Errors
    /// [`ParseErrorKind::WrongDirection`] for what is no answer to a client's request, [`ParseErrorKind::ForeignOpcode`]
    /// for another family's; [`ParseErrorKind::ExtrasLength`], [`ParseErrorKind::KeyForbidden`],
    /// [`ParseErrorKind::ValueLength`] for lengths that are none of the answer's. Offsets count from the packet's
    /// start.
    pub fn parse(packet: &Packet<'a>) -> Result<Reply<'a>, ParseError> {
        if !matches!(packet.magic, Magic::CLIENT_RESPONSE | Magic::FLEX_RESPONSE) {
            return Err(ParseError::new(
                ParseErrorKind::WrongDirection,
                Field::Magic,
                0,
                packet.magic.0.into(),
                Allowed::OneOf(&[0x81, 0x18]),
            ));
        }
        if !matches!(packet.opcode, Opcode(0x50..=0x67)) {
            return Err(foreign(packet.opcode));
        }
        Ok(Reply {
            magic: packet.magic,
            opcode: packet.opcode,
            status: Status(packet.vbucket_or_status),
            opaque: packet.opaque,
            cas: packet.cas,
            datatype: packet.datatype,
            framing_extras: packet.framing_extras,
            body: ReplyBody::parse(packet)?,
        })
    }

    /// Bytes that [`Reply::emit`] writes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when a part is longer than its length field can tell.
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        self.parts().encoded_len(&self.frame()?)
    }

    /// Writes the answer to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// Too little room, a part that is too long, or a magic that is no answer to a client's request. `out` is untouched
    /// then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        self.parts().emit(&self.frame()?, out)
    }

    fn parts(&self) -> Parts<'a> {
        let parts = |fixed| Parts::new(self.opcode, fixed);
        match self.body {
            ReplyBody::FailoverLog(log) => Parts {
                value: log.as_bytes(),
                ..parts(Fixed::new())
            },
            ReplyBody::Rollback { seqno } => parts(Fixed::new().value_u64(seqno)),
            ReplyBody::StreamAdded { opaque } => parts(Fixed::new().u32(opaque.to_opaque())),
            ReplyBody::Plain { value } => Parts {
                value,
                ..parts(Fixed::new())
            },
        }
    }

    /// The header's fields, as a packet without a body.
    fn frame(&self) -> Result<Packet<'a>, EmitError> {
        if !matches!(self.magic, Magic::CLIENT_RESPONSE | Magic::FLEX_RESPONSE) {
            return Err(EmitError::Magic(self.magic));
        }
        Ok(Packet {
            magic: self.magic,
            datatype: self.datatype,
            vbucket_or_status: self.status.0,
            opaque: self.opaque,
            cas: self.cas,
            framing_extras: self.framing_extras,
            ..Packet::default()
        })
    }
}

impl<'a> ReplyBody<'a> {
    fn parse(packet: &Packet<'a>) -> Result<ReplyBody<'a>, ParseError> {
        let status = Status(packet.vbucket_or_status);
        let is_added = (packet.opcode, status) == (Opcode::DCP_ADD_STREAM, Status::SUCCESS);
        let extras_len = if is_added { 4 } else { 0 };
        if packet.extras.len() != extras_len {
            return Err(ParseError::new(
                ParseErrorKind::ExtrasLength,
                Field::Extras,
                EXTRAS_LEN_AT,
                found_len(packet.extras),
                Allowed::Bits(1 << extras_len),
            ));
        }
        if !packet.key.is_empty() {
            return Err(ParseError::new(
                ParseErrorKind::KeyForbidden,
                Field::Key,
                KEY_LEN_AT,
                found_len(packet.key),
                Allowed::AtMost(0),
            ));
        }
        Ok(match (packet.opcode, status) {
            (Opcode::DCP_STREAM_REQ | Opcode::DCP_GET_FAILOVER_LOG, Status::SUCCESS) => {
                let log = FailoverLog::parse(packet.value).map_err(|error| ParseError {
                    offset: value_offset(packet),
                    ..error
                })?;
                ReplyBody::FailoverLog(log)
            }
            (Opcode::DCP_STREAM_REQ, Status::ROLLBACK) => {
                if packet.value.len() != SEQNO_LEN {
                    return Err(wrong_value_len(packet, Allowed::Bits(1 << SEQNO_LEN)));
                }
                let seqno = Fields::new(packet.value).u64();
                ReplyBody::Rollback { seqno }
            }
            _ if is_added => {
                if !packet.value.is_empty() {
                    return Err(wrong_value_len(packet, Allowed::AtMost(0)));
                }
                let opaque = StreamOpaque::from_opaque(Fields::new(packet.extras).u32());
                ReplyBody::StreamAdded { opaque }
            }
            _ => ReplyBody::Plain {
                value: packet.value,
            },
        })
    }
}

/// Byte offsets of length fields of a header.
const KEY_LEN_AT: u32 = 2;
const EXTRAS_LEN_AT: u32 = 4;

/// Length in bytes of the seqno of a rollback.
const SEQNO_LEN: usize = 8;
