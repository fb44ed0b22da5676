//! Requests: packets that ask.

use core::fmt;

use super::error::{EmitError, ParseError};
use super::header::{Header, Parsed};
use super::lengths::Limits;
use super::packet::Packet;
use super::parse::{self, Direction};
use super::text::Escaped;
use super::{DataType, Dialect, Magic, Opcode};

/// A request: a packet with a vbucket.
#[doc(alias = "MCRequest")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request<'a> {
    /// [`Magic::CLIENT_REQUEST`], [`Magic::FLEX_REQUEST`] or [`Magic::SERVER_REQUEST`].
    pub magic: Magic,
    /// The command.
    pub opcode: Opcode,
    /// What the value is.
    pub datatype: DataType,
    /// The partition of the key in Couchbase; memcached ignores it.
    pub vbucket: u16,
    /// The sender's own number, handed back untouched in every response.
    pub opaque: u32,
    /// The version that the item must have; 0 for any.
    pub cas: u64,
    /// Frame infos, only in the flex form, at most 255 bytes.
    pub framing_extras: &'a [u8],
    /// The fixed fields of the command, at most 255 bytes.
    pub extras: &'a [u8],
    /// The key, at most 65535 bytes, in the flex form 255.
    pub key: &'a [u8],
    /// What follows the key.
    #[doc(alias = "Body")]
    pub value: &'a [u8],
}

impl<'a> Request<'a> {
    /// A client's request with everything else empty or 0.
    #[inline]
    #[must_use]
    pub const fn new(opcode: Opcode) -> Request<'a> {
        Request {
            magic: Magic::CLIENT_REQUEST,
            opcode,
            datatype: DataType::RAW,
            vbucket: 0,
            opaque: 0,
            cas: 0,
            framing_extras: &[],
            extras: &[],
            key: &[],
            value: &[],
        }
    }

    /// Reads a request off the front of `input`.
    ///
    /// # Errors
    /// As [`Packet::parse`], and [`WrongDirection`](super::ParseErrorKind::WrongDirection) for a response.
    #[inline(always)]
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Parsed<Request<'a>>, ParseError> {
        Ok(parse::packet(input, limits, Direction::Requests)?
            .map(|view| Request::from_packet(view.to_packet())))
    }

    /// Reads the body of a request whose header has been read before; `consumed` counts from behind the header.
    ///
    /// # Errors
    /// As [`Packet::parse_body`], and [`WrongDirection`](super::ParseErrorKind::WrongDirection) for a response.
    #[inline(always)]
    pub fn parse_body(
        header: &Header,
        body: &'a [u8],
        limits: &Limits,
    ) -> Result<Parsed<Request<'a>>, ParseError> {
        Ok(
            parse::packet_body(header, body, limits, Direction::Requests)?
                .map(Request::from_packet),
        )
    }

    #[inline]
    fn from_packet(packet: Packet<'a>) -> Request<'a> {
        Request {
            magic: packet.magic,
            opcode: packet.opcode,
            datatype: packet.datatype,
            vbucket: packet.vbucket_or_status,
            opaque: packet.opaque,
            cas: packet.cas,
            framing_extras: packet.framing_extras,
            extras: packet.extras,
            key: packet.key,
            value: packet.value,
        }
    }

    /// The same as a packet.
    ///
    /// # Errors
    /// [`EmitError::Magic`] when the magic is not a request's.
    #[inline(always)]
    pub fn to_packet(&self) -> Result<Packet<'a>, EmitError> {
        if !self.magic.is_request() {
            return Err(EmitError::Magic(self.magic));
        }
        Ok(Packet {
            magic: self.magic,
            opcode: self.opcode,
            datatype: self.datatype,
            vbucket_or_status: self.vbucket,
            opaque: self.opaque,
            cas: self.cas,
            framing_extras: self.framing_extras,
            extras: self.extras,
            key: self.key,
            value: self.value,
        })
    }

    /// Bytes that [`Request::emit`] writes.
    ///
    /// # Errors
    /// As [`Packet::encoded_len`], and [`EmitError::Magic`] when the magic is not a request's.
    #[doc(alias = "Size")]
    #[inline]
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        self.to_packet()?.encoded_len()
    }

    /// Writes the request to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// As [`Packet::emit`], and [`EmitError::Magic`] when the magic is not a request's. `out` is untouched then.
    #[doc(alias = "Transmit")]
    #[doc(alias = "Bytes")]
    #[inline(always)]
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        self.to_packet()?.emit(out)
    }

    /// Writes all but the value, for a value of `value_len` bytes that follows by another way, and returns how many
    /// bytes that took.
    ///
    /// # Errors
    /// As [`Request::emit`].
    #[doc(alias = "HeaderBytes")]
    #[inline]
    pub fn emit_head(&self, value_len: u32, out: &mut [u8]) -> Result<usize, EmitError> {
        self.to_packet()?.emit_head(value_len, out)
    }
}

/// gomemcached's form: `{MCRequest opcode=SET, bodylen=5, key='Hello'}`, where the body is the value alone. Bytes of
/// the key that are not printable UTF-8, quotes and backslashes are escaped.
impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opcode = self.opcode.display(self.magic, Dialect::Memcached);
        write!(
            f,
            "{{MCRequest opcode={opcode}, bodylen={}, key='{}'}}",
            self.value.len(),
            Escaped(self.key)
        )
    }
}
