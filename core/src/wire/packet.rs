//! Any packet, whatever its direction: the lossless level below requests and responses.

use super::emit::Writer;
use super::error::{EmitError, Field, ParseError};
use super::header::{Header, Parsed};
use super::lengths::Limits;
use super::parse::{self, Direction};
use super::{DataType, Magic, Opcode};

/// A packet whose parts are borrowed from the bytes it was parsed from, or from wherever its sender keeps them.
///
/// Parsing and emitting give the same bytes again, whether or not opcode, status or data type have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packet<'a> {
    /// Direction of the packet and form of its header.
    pub magic: Magic,
    /// The command.
    pub opcode: Opcode,
    /// What the value is.
    pub datatype: DataType,
    /// The vbucket of a request, the status of a response.
    pub vbucket_or_status: u16,
    /// The sender's own number, handed back untouched.
    pub opaque: u32,
    /// The version of the item; 0 for none.
    pub cas: u64,
    /// Frame infos, only in the flex form, at most 255 bytes.
    pub framing_extras: &'a [u8],
    /// The fixed fields of the command, at most 255 bytes.
    pub extras: &'a [u8],
    /// The key, at most 65535 bytes, in the flex form 255.
    pub key: &'a [u8],
    /// What follows the key.
    pub value: &'a [u8],
}

format_fields!(Packet {
    magic,
    opcode,
    datatype,
    vbucket_or_status,
    opaque,
    cas,
    framing_extras: Length,
    extras: Length,
    key: Text,
    value: Length,
});

/// A GET request of nothing: a start to fill in.
impl Default for Packet<'_> {
    fn default() -> Self {
        Packet {
            magic: Magic::CLIENT_REQUEST,
            opcode: Opcode::GET,
            datatype: DataType::RAW,
            vbucket_or_status: 0,
            opaque: 0,
            cas: 0,
            framing_extras: &[],
            extras: &[],
            key: &[],
            value: &[],
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet off the front of `input`.
    ///
    /// # Errors
    /// A wrong first byte, or lengths that do not add up or break `limits`: known, and told, as soon as the header is
    /// there.
    #[inline(always)]
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Parsed<Packet<'a>>, ParseError> {
        parse::packet(input, limits, Direction::Any, |view| view.to_packet())
    }

    /// Reads the body of a packet whose header has been read before; `consumed` counts from behind the header.
    ///
    /// # Errors
    /// Lengths that do not add up or break `limits`.
    #[inline(always)]
    pub fn parse_body(
        header: &Header,
        body: &'a [u8],
        limits: &Limits,
    ) -> Result<Parsed<Packet<'a>>, ParseError> {
        parse::packet_body(header, body, limits, Direction::Any)
    }

    /// The packet of this header and body; `None` when the lengths do not add up.
    ///
    /// The places are told in 32 bits, as [`Header::check`] adds the lengths up: so the compiler sees that its comparison
    /// with the body settles those here.
    #[inline(always)]
    pub(super) fn split(header: &Header, body: &'a [u8]) -> Option<Packet<'a>> {
        let extras_at = u32::from(header.framing_extras_len);
        let key_at = extras_at.wrapping_add(header.extras_len.into());
        let value_at = key_at.wrapping_add(header.key_len.into());
        let (extras_at, key_at, value_at) =
            (extras_at as usize, key_at as usize, value_at as usize);
        Some(Packet {
            magic: header.magic,
            opcode: header.opcode,
            datatype: header.datatype,
            vbucket_or_status: header.vbucket_or_status,
            opaque: header.opaque,
            cas: header.cas,
            framing_extras: body.get(..extras_at)?,
            extras: body.get(extras_at..key_at)?,
            key: body.get(key_at..value_at)?,
            value: body.get(value_at..)?,
        })
    }

    /// The header of this packet.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when a part is longer than its length field can tell.
    #[inline]
    pub fn header(&self) -> Result<Header, EmitError> {
        self.header_for(self.value.len() as u64)
    }

    /// The header of this packet with another value of `value_len` bytes in place of its own.
    #[inline(always)]
    fn header_for(&self, value_len: u64) -> Result<Header, EmitError> {
        let key_len_max = if self.magic.is_flex() { 0xff } else { 0xffff };
        let framing_extras_len_max = if self.magic.is_flex() { 0xff } else { 0 };
        let key_len = length(Field::Key, self.key, key_len_max)?;
        let extras_len = length(Field::Extras, self.extras, 0xff)?;
        let framing_extras_len = length(
            Field::FramingExtras,
            self.framing_extras,
            framing_extras_len_max,
        )?;
        let parts_len = u64::from(key_len) + u64::from(extras_len) + u64::from(framing_extras_len);
        let body_len = value_len.saturating_add(parts_len);
        Ok(Header {
            magic: self.magic,
            opcode: self.opcode,
            framing_extras_len: framing_extras_len as u8,
            key_len,
            extras_len: extras_len as u8,
            datatype: self.datatype,
            vbucket_or_status: self.vbucket_or_status,
            body_len: u32::try_from(body_len)
                .map_err(|_| too_long(Field::Body, body_len, u32::MAX.into()))?,
            opaque: self.opaque,
            cas: self.cas,
        })
    }

    /// Bytes that [`Packet::emit`] writes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when a part is longer than its length field can tell.
    #[inline]
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        address(self.header()?.packet_len())
    }

    /// Writes the packet to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// Too little room, a part that is too long, or a magic that starts no packet. `out` is untouched then.
    #[inline(always)]
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        self.emit_parts(self.value.len() as u64, self.value, out)
    }

    /// Writes all but the value, for a value of `value_len` bytes that follows by another way, and returns how many
    /// bytes that took. The packet's own value is not looked at.
    ///
    /// # Errors
    /// As [`Packet::emit`].
    #[inline(always)]
    pub fn emit_head(&self, value_len: u32, out: &mut [u8]) -> Result<usize, EmitError> {
        self.emit_parts(value_len.into(), &[], out)
    }

    #[inline(always)]
    fn emit_parts(&self, value_len: u64, value: &[u8], out: &mut [u8]) -> Result<usize, EmitError> {
        let header = self.header_for(value_len)?;
        let left_out = value_len.wrapping_sub(value.len() as u64);
        let needed = address(header.packet_len().wrapping_sub(left_out))?;
        if !self.magic.is_known() {
            return Err(EmitError::Magic(self.magic));
        }
        let mut writer = Writer::new(out, needed)?;
        writer.put_array(|place| header.write(place));
        writer.put(self.framing_extras);
        writer.put(self.extras);
        writer.put(self.key);
        writer.put(value);
        Ok(needed)
    }
}

#[cold]
fn too_long(field: Field, found: u64, allowed: u64) -> EmitError {
    EmitError::TooLong {
        field,
        found,
        allowed,
    }
}

/// The length of a part, if no longer than `allowed`.
#[inline(always)]
fn length(field: Field, part: &[u8], allowed: u16) -> Result<u16, EmitError> {
    match u16::try_from(part.len()) {
        Ok(len) if len <= allowed => Ok(len),
        _ => Err(too_long(field, part.len() as u64, allowed.into())),
    }
}

/// A number of bytes as this machine counts them in memory.
#[inline(always)]
fn address(len: u64) -> Result<usize, EmitError> {
    usize::try_from(len).map_err(|_| too_long(Field::Body, len, usize::MAX as u64))
}
