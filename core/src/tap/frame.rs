//! What the messages 0x41 to 0x47 have in common, read and written without judging them.

use crate::wire::emit::Writer;
use crate::wire::parse::{Step, array, be_u16, be_u32};
use crate::wire::{
    Allowed, DataType, EmitError, Field, HEADER_LEN, Header, Limits, Magic, Opcode, ParseError,
    ParseErrorKind, Parsed,
};

use super::MessageFlags;

/// Length in bytes of the extras that every message has.
pub(super) const EXTRAS_LEN: u8 = 8;
/// Length in bytes of the extras of a message that carries item fields too.
pub(super) const ITEM_EXTRAS_LEN: u8 = 16;

/// The opcodes of the messages, as errors name them.
pub(super) const OPCODES: &[u8] = &[0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];

/// The fields of header and extras that every message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Head {
    /// What the value is.
    pub datatype: DataType,
    /// The vbucket that the message is about.
    pub vbucket: u16,
    /// The producer's number of the message, its opaque: what an answer refers to.
    pub sequence: u32,
    /// The version of the item; 0 for none.
    pub cas: u64,
    /// What is said of the message.
    pub flags: MessageFlags,
    /// How many more nodes the message may travel; a consumer refuses 0 with
    /// [`Status::EINVAL`](crate::wire::Status::EINVAL).
    pub ttl: u8,
    /// Three bytes without meaning.
    pub reserved: [u8; 3],
}

/// A TTL of 255, everything else 0.
impl Default for Head {
    fn default() -> Self {
        Head {
            datatype: DataType::RAW,
            vbucket: 0,
            sequence: 0,
            cas: 0,
            flags: MessageFlags(0),
            ttl: 255,
            reserved: [0; 3],
        }
    }
}

/// The fields of an item that stand in the extras of a mutation and, always 0, of checkpoint messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ItemFields {
    /// The flags of the item, as they stand on the wire: swapped, unless
    /// [`MessageFlags::NETWORK_BYTE_ORDER`] is set, by producers on little-endian machines.
    pub flags: u32,
    /// When the item expires, in seconds since 1970; 0 never.
    pub expiration: u32,
}

/// Any of the messages 0x41 to 0x47, as it stands on the wire.
///
/// The engine-private bytes belong to neither extras nor key of the header, so
/// [`Packet`](crate::wire::Packet) takes them for the start of the key; here they stand by themselves. Parsing and
/// emitting give the same bytes again. [`Message`](super::Message) tells what the parts mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame<'a> {
    /// [`Opcode::TAP_MUTATION`] to [`Opcode::TAP_CHECKPOINT_END`].
    pub opcode: Opcode,
    /// The fields that every message has.
    pub head: Head,
    /// The fields of an item, when the extras are 16 bytes long.
    pub item: Option<ItemFields>,
    /// What the producer's engine tells the consumer's, at most 65535 bytes.
    pub engine: &'a [u8],
    /// The key, at most 65535 bytes.
    pub key: &'a [u8],
    /// What follows the key.
    pub value: &'a [u8],
}

format_fields!(Frame {
    opcode,
    head,
    item,
    engine: Length,
    key: Text,
    value: Length
});

impl<'a> Frame<'a> {
    /// Whether a request of this opcode is one of these messages.
    #[must_use]
    pub const fn is_message(opcode: Opcode) -> bool {
        matches!(opcode.0, 0x41..=0x47)
    }

    /// Reads a message off the front of `input`.
    ///
    /// # Errors
    /// A first byte other than 0x80, an opcode that is none of TAP's messages, extras of a length other than 8 or 16, and
    /// lengths that do not add up or break `limits`: as soon as the header is there. Engine-private bytes that run past
    /// the body: once all of it is.
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Parsed<Frame<'a>>, ParseError> {
        match Header::parse(input)? {
            Parsed::NeedMore { missing } => Ok(Parsed::NeedMore { missing }),
            Parsed::Complete { value: header, .. } => {
                let body = input.get(HEADER_LEN..).unwrap_or_default();
                Ok(match Frame::parse_body(&header, body, limits)? {
                    Parsed::Complete { value, consumed } => Parsed::Complete {
                        value,
                        consumed: consumed.saturating_add(HEADER_LEN),
                    },
                    need_more => need_more,
                })
            }
        }
    }

    /// Reads the body of a message whose header has been read before; `consumed` counts from behind the header.
    ///
    /// # Errors
    /// As [`Frame::parse`].
    pub fn parse_body(
        header: &Header,
        body: &'a [u8],
        limits: &Limits,
    ) -> Result<Parsed<Frame<'a>>, ParseError> {
        check(header, limits)?;
        // The one place where a length of the wire becomes a length in memory.
        let len = usize::try_from(header.body_len).unwrap_or(usize::MAX);
        let Some(body) = body.get(..len) else {
            let missing = u64::from(header.body_len).saturating_sub(body.len() as u64);
            return Ok(Parsed::NeedMore { missing });
        };
        match parts(header, body) {
            Ok((_, frame)) => Ok(Parsed::Complete {
                value: frame,
                consumed: len,
            }),
            // The header's own lengths add up, so this can only be the length that stands in the body.
            Err(_) => Err(engine_bytes_too_long(header, body)),
        }
    }

    /// Bytes that [`Frame::emit`] writes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when a part is longer than its length field can tell.
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        self.parts().packet_len().and_then(address)
    }

    /// Writes the message to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// Too little room, or a part that is too long. `out` is untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        self.parts().emit(out)
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            opcode: self.opcode,
            head: &self.head,
            item: self.item,
            engine: [self.engine, &[]],
            key: self.key,
            value: [self.value, &[]],
        }
    }
}

/// Judges what the header alone tells.
fn check(header: &Header, limits: &Limits) -> Result<(), ParseError> {
    if header.magic != Magic::CLIENT_REQUEST {
        return Err(ParseError::new(
            ParseErrorKind::WrongDirection,
            Field::Magic,
            0,
            header.magic.0.into(),
            Allowed::OneOf(&[0x80]),
        ));
    }
    if !Frame::is_message(header.opcode) {
        return Err(wrong_opcode(header.opcode, OPCODES));
    }
    if ![EXTRAS_LEN, ITEM_EXTRAS_LEN].contains(&header.extras_len) {
        return Err(wrong_extras_len(
            header.extras_len,
            1 << EXTRAS_LEN | 1 << ITEM_EXTRAS_LEN,
        ));
    }
    header.check(limits)?;
    Ok(())
}

#[cold]
pub(super) fn wrong_opcode(opcode: Opcode, allowed: &'static [u8]) -> ParseError {
    ParseError::new(
        ParseErrorKind::ForeignOpcode,
        Field::Opcode,
        1,
        opcode.0.into(),
        Allowed::OneOf(allowed),
    )
}

#[cold]
pub(super) fn wrong_extras_len(found: u8, allowed: u64) -> ParseError {
    ParseError::new(
        ParseErrorKind::ExtrasLength,
        Field::Extras,
        4,
        found.into(),
        Allowed::Bits(allowed),
    )
}

/// Body bytes that extras and key leave to the engine's.
fn left_for_engine(header: &Header) -> u32 {
    header.value_len().unwrap_or(0)
}

#[cold]
fn engine_bytes_too_long(header: &Header, body: &[u8]) -> ParseError {
    let found = match be_u16(body) {
        Ok((_, len)) => len,
        Err(_) => 0,
    };
    ParseError::new(
        ParseErrorKind::EngineBytesTooLong,
        Field::EngineBytes,
        HEADER_LEN as u32,
        found.into(),
        Allowed::AtMost(left_for_engine(header)),
    )
}

/// The parts of a body that is all there.
fn parts<'a>(header: &Header, body: &'a [u8]) -> Step<'a, Frame<'a>> {
    let (rest, engine_len) = be_u16(body)?;
    let (rest, flags) = be_u16(rest)?;
    let (rest, &[ttl, reserved @ ..]) = array::<4>(rest)?;
    let (rest, item) = if header.extras_len == ITEM_EXTRAS_LEN {
        let (rest, flags) = be_u32(rest)?;
        let (rest, expiration) = be_u32(rest)?;
        (rest, Some(ItemFields { flags, expiration }))
    } else {
        (rest, None)
    };
    let (rest, engine) = nom::bytes::streaming::take(engine_len)(rest)?;
    let (value, key) = nom::bytes::streaming::take(header.key_len)(rest)?;
    let head = Head {
        datatype: header.datatype,
        vbucket: header.vbucket_or_status,
        sequence: header.opaque,
        cas: header.cas,
        flags: MessageFlags(flags),
        ttl,
        reserved,
    };
    let frame = Frame {
        opcode: header.opcode,
        head,
        item,
        engine,
        key,
        value,
    };
    Ok((&[], frame))
}

/// A message to be written; what the wire joins may lie in two places.
pub(crate) struct Parts<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) head: &'a Head,
    pub(crate) item: Option<ItemFields>,
    pub(crate) engine: [&'a [u8]; 2],
    pub(crate) key: &'a [u8],
    pub(crate) value: [&'a [u8]; 2],
}

impl Parts<'_> {
    /// Header and length of the engine-private bytes.
    fn header(&self) -> Result<(Header, u16), EmitError> {
        if !Frame::is_message(self.opcode) {
            return Err(EmitError::Opcode(self.opcode));
        }
        let extras_len = match self.item {
            None => EXTRAS_LEN,
            Some(_) => ITEM_EXTRAS_LEN,
        };
        let [engine_len, value_len] = [self.engine, self.value]
            .map(|[first, second]| first.len() as u64 + second.len() as u64);
        let engine_len = length(Field::EngineBytes, engine_len)?;
        let key_len = length(Field::Key, self.key.len() as u64)?;
        let body_len = u64::from(extras_len)
            .saturating_add(u64::from(engine_len))
            .saturating_add(u64::from(key_len))
            .saturating_add(value_len);
        let header = Header {
            magic: Magic::CLIENT_REQUEST,
            opcode: self.opcode,
            framing_extras_len: 0,
            key_len,
            extras_len,
            datatype: self.head.datatype,
            vbucket_or_status: self.head.vbucket,
            body_len: u32::try_from(body_len)
                .map_err(|_| too_long(Field::Body, body_len, u32::MAX.into()))?,
            opaque: self.head.sequence,
            cas: self.head.cas,
        };
        Ok((header, engine_len))
    }

    /// Length of the message in bytes.
    pub(crate) fn packet_len(&self) -> Result<u64, EmitError> {
        let (header, _) = self.header()?;
        Ok(header.packet_len())
    }

    pub(crate) fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let (header, engine_len) = self.header()?;
        let needed = address(header.packet_len())?;
        let header = header.to_bytes()?;
        let mut writer = Writer::new(out, needed)?;
        writer.put(&header);
        writer.put(&engine_len.to_be_bytes());
        writer.put(&self.head.flags.0.to_be_bytes());
        writer.put(&[self.head.ttl]);
        writer.put(&self.head.reserved);
        if let Some(item) = self.item {
            writer.put(&item.flags.to_be_bytes());
            writer.put(&item.expiration.to_be_bytes());
        }
        for piece in self.engine {
            writer.put(piece);
        }
        writer.put(self.key);
        for piece in self.value {
            writer.put(piece);
        }
        Ok(needed)
    }
}

#[cold]
pub(super) fn too_long(field: Field, found: u64, allowed: u64) -> EmitError {
    EmitError::TooLong {
        field,
        found,
        allowed,
    }
}

/// A length, if its field of two bytes can tell it.
pub(super) fn length(field: Field, len: u64) -> Result<u16, EmitError> {
    u16::try_from(len).map_err(|_| too_long(field, len, u16::MAX.into()))
}

/// A number of bytes as this machine counts them in memory.
pub(super) fn address(len: u64) -> Result<usize, EmitError> {
    usize::try_from(len).map_err(|_| too_long(Field::Body, len, usize::MAX as u64))
}
