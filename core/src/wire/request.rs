//! Requests: packets that ask.

use core::convert::identity;
use core::fmt;

use super::directed::directed;
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
}

directed!(Request, "request", not "response", Requests, is_request, vbucket: identity, identity);

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

/// As [`fmt::Display`], with the key in bounded length.
#[cfg(feature = "defmt")]
impl defmt::Format for Request<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let (len, key) = (self.value.len(), crate::format::Text(self.key));
        if self.magic.is_server_initiated() {
            let opcode = super::ServerOpcode(self.opcode.0);
            defmt::write!(
                f,
                "{{MCRequest opcode={}, bodylen={=usize}, key={}}}",
                opcode,
                len,
                key
            );
        } else {
            defmt::write!(
                f,
                "{{MCRequest opcode={}, bodylen={=usize}, key={}}}",
                self.opcode,
                len,
                key
            );
        }
    }
}
