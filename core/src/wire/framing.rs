//! What the framing extras of a flex packet hold.

use core::iter::FusedIterator;

use super::emit::Writer;
use super::error::{Allowed, EmitError, Field, ParseError, ParseErrorKind};
use super::parse;

/// One object of the framing extras (memcached binary protocol: frame-info encoding).
///
/// ```text
///  byte 0           then, if id nibble is 15   then, if length nibble is 15   then
///  id | length      id - 15                    length - 15                    data
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameInfo<'a> {
    /// What it is, 0 to 270: of requests [`FrameInfo::BARRIER`] and following, of responses
    /// [`FrameInfo::SERVER_DURATION`] and following.
    pub id: u16,
    /// Its content, at most 270 bytes.
    pub data: &'a [u8],
}

format_fields!(FrameInfo { id, data: Length });

impl<'a> FrameInfo<'a> {
    /// Largest id and largest length of the data in bytes: 15 and what one more byte can add.
    pub const MAX: u16 = 15 + 255;

    /// Request: nothing may run beside this command. No data.
    pub const BARRIER: u16 = 0;
    /// Request: how safe the write must be. A level u8, then perhaps a timeout u16 in milliseconds.
    pub const DURABILITY_REQUIREMENT: u16 = 1;
    /// Request: the DCP stream, a u16.
    pub const DCP_STREAM_ID: u16 = 2;
    /// Request: the user on whose behalf to act, text; `^` in front marks an external user.
    pub const IMPERSONATE: u16 = 4;
    /// Request: keep the expiration of an existing document. No data.
    pub const PRESERVE_TTL: u16 = 5;
    /// Request: a privilege that the impersonated user has besides, text.
    pub const IMPERSONATE_EXTRA_PRIVILEGE: u16 = 6;
    /// Request: the authentication token whose user to impersonate, a u16.
    pub const IMPERSONATE_WITH_TOKEN_AUTH_DATA_ID: u16 = 7;

    /// Response: how long the server took, a u16 for [`unpack_duration`](super::unpack_duration).
    pub const SERVER_DURATION: u16 = 0;
    /// Response: read units used, a u16.
    pub const READ_UNITS: u16 = 1;
    /// Response: write units used, a u16.
    pub const WRITE_UNITS: u16 = 2;
    /// Response: how long the command was throttled, a u16 for [`unpack_duration`](super::unpack_duration).
    pub const THROTTLE_DURATION: u16 = 3;

    /// The name of an id in a request.
    #[must_use]
    pub const fn request_name(id: u16) -> Option<&'static str> {
        Some(match id {
            FrameInfo::BARRIER => "Barrier",
            FrameInfo::DURABILITY_REQUIREMENT => "DurabilityRequirement",
            FrameInfo::DCP_STREAM_ID => "DcpStreamId",
            FrameInfo::IMPERSONATE => "Impersonate",
            FrameInfo::PRESERVE_TTL => "PreserveTtl",
            FrameInfo::IMPERSONATE_EXTRA_PRIVILEGE => "ImpersonateExtraPrivilege",
            FrameInfo::IMPERSONATE_WITH_TOKEN_AUTH_DATA_ID => "ImpersonateWithTokenAuthDataId",
            _ => return None,
        })
    }

    /// The name of an id in a response.
    #[must_use]
    pub const fn response_name(id: u16) -> Option<&'static str> {
        Some(match id {
            FrameInfo::SERVER_DURATION => "ServerDuration",
            FrameInfo::READ_UNITS => "ReadUnits",
            FrameInfo::WRITE_UNITS => "WriteUnits",
            FrameInfo::THROTTLE_DURATION => "ThrottleDuration",
            _ => return None,
        })
    }

    /// The objects in the framing extras of a packet.
    #[must_use]
    pub const fn iter(framing_extras: &'a [u8]) -> FrameInfos<'a> {
        FrameInfos {
            all: framing_extras,
            rest: framing_extras,
        }
    }

    /// Bytes that [`FrameInfo::emit`] writes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when id or length is above 270.
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        let (id, len) = (Nibble::new(self.id.into())?, Nibble::new(self.data.len())?);
        Ok(1 + id.escape.as_slice().len() + len.escape.as_slice().len() + self.data.len())
    }

    /// Writes the object to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when id or length is above 270, or too little room. `out` is untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let needed = self.encoded_len()?;
        let (id, len) = (Nibble::new(self.id.into())?, Nibble::new(self.data.len())?);
        let mut writer = Writer::new(out, needed)?;
        writer.put(&[id.nibble << 4 | len.nibble]);
        writer.put(id.escape.as_slice());
        writer.put(len.escape.as_slice());
        writer.put(self.data);
        Ok(needed)
    }
}

/// A number from 0 to 270 as half a byte and perhaps one more.
struct Nibble {
    nibble: u8,
    escape: Option<u8>,
}

impl Nibble {
    fn new(number: usize) -> Result<Nibble, EmitError> {
        match (u8::try_from(number), u8::try_from(number.wrapping_sub(15))) {
            (Ok(nibble @ 0..=14), _) => Ok(Nibble {
                nibble,
                escape: None,
            }),
            (_, Ok(more)) => Ok(Nibble {
                nibble: 15,
                escape: Some(more),
            }),
            _ => Err(EmitError::TooLong {
                field: Field::FramingExtras,
                found: number as u64,
                allowed: FrameInfo::MAX.into(),
            }),
        }
    }
}

/// The objects of some framing extras, in order. After an error there are no more.
#[derive(Clone, Debug)]
pub struct FrameInfos<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Iterator for FrameInfos<'a> {
    /// The error tells the offset of the object in the framing extras, and how many bytes are left for it.
    type Item = Result<FrameInfo<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let here = core::mem::take(&mut self.rest);
        match parse::frame_info(here) {
            Ok((info, rest)) => {
                self.rest = rest;
                Some(Ok(info))
            }
            Err(missing) => {
                let offset =
                    u32::try_from(self.all.len().saturating_sub(here.len())).unwrap_or(u32::MAX);
                let found = u32::try_from(here.len()).unwrap_or(u32::MAX);
                let allowed = Allowed::AtLeast(found.saturating_add(missing));
                let kind = ParseErrorKind::FrameInfoTruncated;
                Some(Err(ParseError::new(
                    kind,
                    Field::FramingExtras,
                    offset,
                    found,
                    allowed,
                )))
            }
        }
    }
}

impl FusedIterator for FrameInfos<'_> {}
