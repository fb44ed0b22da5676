//! Bytes to values, on `nom`. No type of `nom` leaves the functions that the rest of `wire` calls.
//!
//! The parsers here know shapes only, so the one thing that can go wrong in them is that bytes are missing
//! (`nom::Err::Incomplete`). Which numbers are allowed is judged between them, by `Magic` and `lengths`.

use nom::{IResult, Needed, Parser};

use super::error::{Allowed, Field, ParseError, ParseErrorKind};
use super::header::{HEADER_LEN, Header, Parsed};
use super::lengths::Limits;
use super::packet::Packet;
use super::{DataType, Magic, Opcode};

type Step<'a, T> = IResult<&'a [u8], T, ()>;

/// Takes the next `N` bytes.
#[inline]
fn array<const N: usize>(input: &[u8]) -> Step<'_, [u8; N]> {
    match input.split_first_chunk::<N>() {
        Some((&bytes, rest)) => Ok((rest, bytes)),
        None => Err(nom::Err::Incomplete(Needed::new(
            N.saturating_sub(input.len()),
        ))),
    }
}

/// Takes the next `len` bytes; the length comes from the wire and may be longer than memory.
#[inline]
fn bytes<'a>(len: u32) -> impl Parser<&'a [u8], Output = &'a [u8], Error = ()> {
    move |input: &'a [u8]| -> Step<'a, &'a [u8]> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        match input.split_at_checked(len) {
            Some((bytes, rest)) => Ok((rest, bytes)),
            None => Err(nom::Err::Incomplete(Needed::new(
                len.saturating_sub(input.len()),
            ))),
        }
    }
}

#[inline]
pub(super) fn be_u8(input: &[u8]) -> Step<'_, u8> {
    array.map(u8::from_be_bytes).parse(input)
}

#[inline]
pub(super) fn be_u16(input: &[u8]) -> Step<'_, u16> {
    array.map(u16::from_be_bytes).parse(input)
}

#[inline]
pub(super) fn be_u32(input: &[u8]) -> Step<'_, u32> {
    array.map(u32::from_be_bytes).parse(input)
}

#[inline]
pub(super) fn be_u64(input: &[u8]) -> Step<'_, u64> {
    array.map(u64::from_be_bytes).parse(input)
}

/// The fields of a header in either form.
#[inline]
fn header_fields(input: &[u8]) -> Step<'_, Header> {
    (
        be_u8, be_u8, array::<2>, be_u8, be_u8, be_u16, be_u32, be_u32, be_u64,
    )
        .map(
            |(
                magic,
                opcode,
                [two, three],
                extras_len,
                datatype,
                vbucket_or_status,
                body_len,
                opaque,
                cas,
            )| {
                let magic = Magic(magic);
                let (framing_extras_len, key_len) = if magic.is_flex() {
                    (two, u16::from(three))
                } else {
                    (0, u16::from_be_bytes([two, three]))
                };
                Header {
                    magic,
                    opcode: Opcode(opcode),
                    framing_extras_len,
                    key_len,
                    extras_len,
                    datatype: DataType(datatype),
                    vbucket_or_status,
                    body_len,
                    opaque,
                    cas,
                }
            },
        )
        .parse(input)
}

const MAGICS: &[u8] = &[0x80, 0x81, 0x08, 0x18, 0x82, 0x83];

#[cold]
fn unknown_magic(found: u8) -> ParseError {
    ParseError::new(
        ParseErrorKind::UnknownMagic,
        Field::Magic,
        0,
        found.into(),
        Allowed::OneOf(MAGICS),
    )
}

/// The error value of bytes that are fewer than `needed`.
#[inline]
fn need_more<T>(needed: u64, input: &[u8]) -> Parsed<T> {
    Parsed::NeedMore {
        missing: needed.saturating_sub(input.len() as u64),
    }
}

#[inline]
pub(super) fn header_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Header, ParseError> {
    match header_fields(bytes) {
        Ok((_, header)) if header.magic.is_known() => Ok(header),
        // The array is as long as the fields together, so that nothing can be missing.
        _ => Err(unknown_magic(bytes[0])),
    }
}

#[inline]
pub(super) fn header(input: &[u8]) -> Result<Parsed<Header>, ParseError> {
    match input.first_chunk() {
        Some(bytes) => Ok(Parsed::Complete {
            value: header_bytes(bytes)?,
            consumed: HEADER_LEN,
        }),
        None => match input.first() {
            Some(&magic) if !Magic(magic).is_known() => Err(unknown_magic(magic)),
            _ => Ok(need_more(HEADER_LEN as u64, input)),
        },
    }
}

/// The parts of a body whose lengths `Header::check` has found to add up.
#[inline]
fn body<'a>(
    header: &Header,
    value_len: u32,
) -> impl Parser<&'a [u8], Output = Packet<'a>, Error = ()> {
    let header = *header;
    (
        bytes(header.framing_extras_len.into()),
        bytes(header.extras_len.into()),
        bytes(header.key_len.into()),
        bytes(value_len),
    )
        .map(move |(framing_extras, extras, key, value)| Packet {
            magic: header.magic,
            opcode: header.opcode,
            datatype: header.datatype,
            vbucket_or_status: header.vbucket_or_status,
            opaque: header.opaque,
            cas: header.cas,
            framing_extras,
            extras,
            key,
            value,
        })
}

/// A packet whose header is known; `input` starts behind the header.
#[inline]
pub(super) fn packet_body<'a>(
    header: &Header,
    input: &'a [u8],
    limits: &Limits,
) -> Result<Parsed<Packet<'a>>, ParseError> {
    let value_len = header.check(limits)?;
    match body(header, value_len).parse(input) {
        Ok((rest, value)) => Ok(Parsed::Complete {
            value,
            consumed: input.len().saturating_sub(rest.len()),
        }),
        Err(_) => Ok(need_more(header.body_len.into(), input)),
    }
}

#[inline]
pub(super) fn packet<'a>(
    input: &'a [u8],
    limits: &Limits,
) -> Result<Parsed<Packet<'a>>, ParseError> {
    let Some((bytes, rest)) = input.split_first_chunk() else {
        return Ok(header(input)?.map(|_| Packet::default()));
    };
    let header = header_bytes(bytes)?;
    Ok(match packet_body(&header, rest, limits)? {
        Parsed::Complete { value, consumed } => Parsed::Complete {
            value,
            consumed: consumed.saturating_add(HEADER_LEN),
        },
        need_more => need_more,
    })
}

/// Applies a parser that has to take all of `input`.
#[inline]
pub(super) fn exactly<'a, T>(
    input: &'a [u8],
    mut parser: impl Parser<&'a [u8], Output = T, Error = ()>,
) -> Option<T> {
    match parser.parse(input) {
        Ok(([], value)) => Some(value),
        _ => None,
    }
}
