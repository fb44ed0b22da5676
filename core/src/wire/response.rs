//! Responses: packets that answer.

use core::fmt;

use super::directed::directed;
use super::error::{EmitError, ParseError};
use super::header::{Header, Parsed};
use super::lengths::Limits;
use super::packet::Packet;
use super::parse::{self, Direction};
use super::text::Escaped;
use super::{DataType, Dialect, Magic, Opcode, Status};

/// A response: a packet with a status.
#[doc(alias = "MCResponse")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Response<'a> {
    /// [`Magic::CLIENT_RESPONSE`], [`Magic::FLEX_RESPONSE`] or [`Magic::SERVER_RESPONSE`].
    pub magic: Magic,
    /// The command of the request, quiet if that was quiet.
    pub opcode: Opcode,
    /// What the value is.
    pub datatype: DataType,
    /// How it went.
    pub status: Status,
    /// The opaque of the request.
    pub opaque: u32,
    /// The version of the item; 0 for none.
    pub cas: u64,
    /// Frame infos, only in the flex form, at most 255 bytes.
    pub framing_extras: &'a [u8],
    /// The fixed fields of the answer, at most 255 bytes.
    pub extras: &'a [u8],
    /// The key, at most 65535 bytes, in the flex form 255.
    pub key: &'a [u8],
    /// What follows the key; with an error its text.
    #[doc(alias = "Body")]
    pub value: &'a [u8],
}

impl<'a> Response<'a> {
    /// A server's response with everything else empty or 0.
    #[inline]
    #[must_use]
    pub const fn new(opcode: Opcode, status: Status) -> Response<'a> {
        Response {
            magic: Magic::CLIENT_RESPONSE,
            opcode,
            datatype: DataType::RAW,
            status,
            opaque: 0,
            cas: 0,
            framing_extras: &[],
            extras: &[],
            key: &[],
            value: &[],
        }
    }

    /// This response as an error, for a caller that did not get what it asked for.
    #[inline]
    #[must_use]
    pub const fn as_error(&self) -> ResponseError<'a> {
        ResponseError(*self)
    }
}

directed!(Response, "response", not "request", Responses, is_response, status: Status, (|Status(number)| number));

/// gomemcached's form: `{MCResponse status=SUCCESS keylen=0, extralen=4, bodylen=5}`, where the body is the value alone.
impl fmt::Display for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Response {
            status,
            key,
            extras,
            value,
            ..
        } = self;
        let (key_len, extras_len, value_len) = (key.len(), extras.len(), value.len());
        write!(
            f,
            "{{MCResponse status={status} keylen={key_len}, extralen={extras_len}, bodylen={value_len}}}"
        )
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Response<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "{{MCResponse status={} keylen={=usize}, extralen={=usize}, bodylen={=usize}}}",
            self.status,
            self.key.len(),
            self.extras.len(),
            self.value.len()
        );
    }
}

/// A response taken as an error; [`Status::is_fatal`] tells whether the connection is still of use.
///
/// Prints as gomemcached does: `MCResponse status=KEY_ENOENT, opcode=GET, opaque=3, msg: Not found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponseError<'a>(pub Response<'a>);

impl fmt::Display for ResponseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Response {
            magic,
            status,
            opcode,
            opaque,
            value,
            ..
        } = self.0;
        let opcode = opcode.display(magic, Dialect::Memcached);
        write!(
            f,
            "MCResponse status={status}, opcode={opcode}, opaque={opaque}, msg: {}",
            Escaped(value)
        )
    }
}

/// As [`fmt::Display`], with the text in bounded length.
#[cfg(feature = "defmt")]
impl defmt::Format for ResponseError<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let Response {
            status,
            opcode,
            opaque,
            value,
            ..
        } = self.0;
        defmt::write!(
            f,
            "MCResponse status={}, opcode={}, opaque={=u32}, msg: {}",
            status,
            opcode,
            opaque,
            Escaped(value)
        );
    }
}

impl core::error::Error for ResponseError<'_> {}
