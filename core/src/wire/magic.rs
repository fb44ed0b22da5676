//! The first byte of every packet: direction and form of its header.

use core::fmt;

/// The first byte of a packet (memcached binary protocol: magic bytes).
///
/// The number stays open: a byte that is none of the constants is kept, but no packet starts with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Magic(pub u8);

impl Magic {
    /// 0x80, a request of the client; on TAP and DCP connections of either side.
    #[doc(alias = "REQ_MAGIC")]
    #[doc(alias = "ClientRequest")]
    pub const CLIENT_REQUEST: Magic = Magic(0x80);
    /// 0x81, the answer to [`Magic::CLIENT_REQUEST`].
    #[doc(alias = "RES_MAGIC")]
    #[doc(alias = "ClientResponse")]
    pub const CLIENT_RESPONSE: Magic = Magic(0x81);
    /// 0x08, a request of the client with the flex header: framing extras and a key of at most 255 bytes.
    #[doc(alias = "AltClientRequest")]
    pub const FLEX_REQUEST: Magic = Magic(0x08);
    /// 0x18, a response with the flex header.
    #[doc(alias = "AltClientResponse")]
    pub const FLEX_RESPONSE: Magic = Magic(0x18);
    /// 0x82, a request of a Couchbase server to its client.
    #[doc(alias = "ServerRequest")]
    pub const SERVER_REQUEST: Magic = Magic(0x82);
    /// 0x83, the client's answer to [`Magic::SERVER_REQUEST`].
    #[doc(alias = "ServerResponse")]
    pub const SERVER_RESPONSE: Magic = Magic(0x83);

    /// Every magic that starts a packet.
    pub const ALL: [Magic; 6] = [
        Magic::FLEX_REQUEST,
        Magic::FLEX_RESPONSE,
        Magic::CLIENT_REQUEST,
        Magic::CLIENT_RESPONSE,
        Magic::SERVER_REQUEST,
        Magic::SERVER_RESPONSE,
    ];

    /// Whether a packet may start with this byte.
    #[inline]
    #[must_use]
    pub const fn is_known(self) -> bool {
        matches!(self.0, 0x08 | 0x18 | 0x80..=0x83)
    }

    /// Whether the header has the flex form: framing extras length at byte 2, key length at byte 3 alone.
    #[inline]
    #[must_use]
    pub const fn is_flex(self) -> bool {
        matches!(self.0, 0x08 | 0x18)
    }

    /// Whether the packet is a request, so that bytes 6 and 7 of its header are a vbucket.
    #[inline]
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self.0, 0x08 | 0x80 | 0x82)
    }

    /// Whether the packet is a response, so that bytes 6 and 7 of its header are a status.
    #[inline]
    #[must_use]
    pub const fn is_response(self) -> bool {
        matches!(self.0, 0x18 | 0x81 | 0x83)
    }

    /// Whether the opcode of the packet belongs to the server-initiated ones ([`ServerOpcode`](super::ServerOpcode)).
    #[inline]
    #[must_use]
    pub const fn is_server_initiated(self) -> bool {
        matches!(self.0, 0x82 | 0x83)
    }

    /// The magic of a plain answer to this request; `None` for what is no request.
    ///
    /// A flex request is answered in the classic form unless a framing extra has to be sent back.
    #[inline]
    #[must_use]
    pub const fn response(self) -> Option<Magic> {
        match self {
            Magic::CLIENT_REQUEST | Magic::FLEX_REQUEST => Some(Magic::CLIENT_RESPONSE),
            Magic::SERVER_REQUEST => Some(Magic::SERVER_RESPONSE),
            _ => None,
        }
    }
}

impl fmt::Display for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02x}", self.0)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Magic {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u8:#04x}", self.0);
    }
}
