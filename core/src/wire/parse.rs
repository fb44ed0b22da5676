//! Bytes to values, on `nom`. No type of `nom` leaves the functions that the rest of `wire` calls.
//!
//! The parsers here know shapes only, so the one thing that can go wrong in them is that bytes are missing
//! (`nom::Err::Incomplete`). Which numbers are allowed is judged between them, by `Magic` and `lengths`.

use nom::bytes::streaming::take;
use nom::{IResult, Needed, Parser};

use super::error::{Allowed, Field, ParseError, ParseErrorKind};
use super::framing::FrameInfo;
use super::header::{HEADER_LEN, Header, Parsed};
use super::lengths::Limits;
use super::packet::Packet;
use super::view::PacketView;
use super::{DataType, Magic, Opcode};

pub(crate) type Step<'a, T> = IResult<&'a [u8], T, ()>;

/// Takes the next `N` bytes.
#[inline(always)]
pub(crate) fn array<const N: usize>(input: &[u8]) -> Step<'_, &[u8; N]> {
    match input.split_first_chunk::<N>() {
        Some((bytes, rest)) => Ok((rest, bytes)),
        None => Err(nom::Err::Incomplete(Needed::new(
            N.saturating_sub(input.len()),
        ))),
    }
}

#[inline]
pub(crate) fn be_u16(input: &[u8]) -> Step<'_, u16> {
    array.map(|&bytes| u16::from_be_bytes(bytes)).parse(input)
}

#[inline]
pub(crate) fn be_u32(input: &[u8]) -> Step<'_, u32> {
    array.map(|&bytes| u32::from_be_bytes(bytes)).parse(input)
}

#[inline]
pub(crate) fn be_u64(input: &[u8]) -> Step<'_, u64> {
    array.map(|&bytes| u64::from_be_bytes(bytes)).parse(input)
}

/// The two lengths whose places depend on the form of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FormLens {
    framing_extras: u8,
    key: u16,
}

/// The fields of a header.
#[inline(always)]
pub(super) const fn fields(bytes: &[u8; HEADER_LEN], lens: FormLens) -> Header {
    #[rustfmt::skip]
    let [
        magic, opcode, _, _, extras_len, datatype, six, seven,
        b0, b1, b2, b3, o0, o1, o2, o3,
        c0, c1, c2, c3, c4, c5, c6, c7,
    ] = *bytes;
    Header {
        magic: Magic(magic),
        opcode: Opcode(opcode),
        framing_extras_len: lens.framing_extras,
        key_len: lens.key,
        extras_len,
        datatype: DataType(datatype),
        vbucket_or_status: u16::from_be_bytes([six, seven]),
        body_len: u32::from_be_bytes([b0, b1, b2, b3]),
        opaque: u32::from_be_bytes([o0, o1, o2, o3]),
        cas: u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
    }
}

/// Which packets a caller wants to see.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Any,
    Requests,
    Responses,
}

impl Direction {
    /// Whether a packet with this magic is wanted.
    const fn wants(self, magic: Magic) -> bool {
        match self {
            Direction::Any => magic.is_known(),
            Direction::Requests => magic.is_request(),
            Direction::Responses => magic.is_response(),
        }
    }

    /// The lengths of framing extras and key in this header, by its form; `None` when such a packet is not wanted.
    #[inline(always)]
    const fn lens(self, header: &[u8; HEADER_LEN]) -> Option<FormLens> {
        let &[magic, _, two, three, ..] = header;
        let classic = match self {
            Direction::Any => magic & 0xfc == 0x80,
            Direction::Requests => magic & 0xfd == 0x80,
            Direction::Responses => magic & 0xfd == 0x81,
        };
        if classic {
            return Some(FormLens {
                framing_extras: 0,
                key: u16::from_be_bytes([two, three]),
            });
        }
        rare();
        if !self.wants(Magic(magic)) {
            return None;
        }
        Some(FormLens {
            framing_extras: two,
            key: three as u16,
        })
    }

    fn unwanted(self, magic: Magic) -> ParseError {
        let kind = if magic.is_known() {
            ParseErrorKind::WrongDirection
        } else {
            ParseErrorKind::UnknownMagic
        };
        let allowed: &[u8] = match self {
            Direction::Any => &[0x80, 0x81, 0x08, 0x18, 0x82, 0x83],
            Direction::Requests => &[0x80, 0x08, 0x82],
            Direction::Responses => &[0x81, 0x18, 0x83],
        };
        ParseError::new(
            kind,
            Field::Magic,
            0,
            magic.0.into(),
            Allowed::OneOf(allowed),
        )
    }
}

/// Tells the compiler that it stands on a rare way, which is then kept apart from the common one.
#[cold]
#[inline(always)]
const fn rare() {}

/// A wanted header at the front of `input`, as yet without its body, whichever way its lengths add up; `None` is for
/// [`header_missing`] to explain.
#[inline(always)]
fn wanted(input: &[u8], direction: Direction) -> Option<(&[u8], PacketView<'_>)> {
    let (rest, header) = array(input).ok()?;
    let lens = direction.lens(header)?;
    let body = &[];
    Some((rest, PacketView { header, lens, body }))
}

/// As many bytes as the body of a packet with this header has.
#[inline(always)]
fn body<'a>(header: &Header, input: &'a [u8]) -> Step<'a, &'a [u8]> {
    let body_len = usize::try_from(header.body_len).unwrap_or(usize::MAX);
    match input.split_at_checked(body_len) {
        Some((body, rest)) => Ok((rest, body)),
        None => Err(nom::Err::Incomplete(Needed::Unknown)),
    }
}

/// A header at the front of `input`, whichever way its lengths add up. A wrong first byte is told at once.
#[inline(always)]
pub(super) fn header(input: &[u8], direction: Direction) -> Result<Parsed<Header>, ParseError> {
    match wanted(input, direction) {
        Some((_, view)) => Ok(Parsed::Complete {
            value: view.header(),
            consumed: HEADER_LEN,
        }),
        None => header_missing(input, direction).map(|missing| Parsed::NeedMore { missing }),
    }
}

/// The header that is exactly these bytes.
#[inline(always)]
pub(super) fn header_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Header, ParseError> {
    let &[magic, ..] = bytes;
    match Direction::Any.lens(bytes) {
        Some(lens) => Ok(fields(bytes, lens)),
        None => Err(Direction::Any.unwanted(Magic(magic))),
    }
}

/// A whole packet at the front of `input`, if there is one that breaks no rule.
#[inline(always)]
fn whole<'a>(input: &'a [u8], limits: &Limits, direction: Direction) -> Option<PacketView<'a>> {
    let (rest, view) = wanted(input, direction)?;
    let header = view.header();
    header.value_len_within(limits)?;
    let (_, body) = body(&header, rest).ok()?;
    Some(PacketView { body, ..view })
}

/// A whole packet at the front of `input`, made by `build` into what the caller wants.
///
/// Becomes part of the caller, and leaves all but complete packets to [`missing`], so that neither an error nor its
/// reason is carried along here.
#[inline(always)]
pub(super) fn packet<'a, T>(
    input: &'a [u8],
    limits: &Limits,
    direction: Direction,
    build: impl FnOnce(PacketView<'a>) -> T,
) -> Result<Parsed<T>, ParseError> {
    match whole(input, limits, direction) {
        Some(view) => Ok(Parsed::Complete {
            value: build(view),
            consumed: view.body.len().wrapping_add(HEADER_LEN),
        }),
        None => missing(input, limits, direction).map(|missing| Parsed::NeedMore { missing }),
    }
}

/// How many bytes a [`packet`] lacks, or why it is none.
#[cold]
#[inline(never)]
fn missing(input: &[u8], limits: &Limits, direction: Direction) -> Result<u64, ParseError> {
    match wanted(input, direction) {
        Some((rest, view)) => body_missing(&view.header(), rest, limits, direction),
        None => header_missing(input, direction),
    }
}

/// A packet whose header is known; `input` starts behind the header, and `consumed` counts from there.
#[inline(always)]
pub(super) fn packet_body<'a>(
    header: &Header,
    input: &'a [u8],
    limits: &Limits,
    direction: Direction,
) -> Result<Parsed<Packet<'a>>, ParseError> {
    if direction.wants(header.magic)
        && header.value_len_within(limits).is_some()
        && let Ok((_, body)) = body(header, input)
        && let Some(value) = Packet::split(header, body)
    {
        return Ok(Parsed::Complete {
            value,
            consumed: body.len(),
        });
    }
    body_missing(header, input, limits, direction).map(|missing| Parsed::NeedMore { missing })
}

/// How many bytes the header at the front of `input` lacks, or why it is none.
#[cold]
#[inline(never)]
fn header_missing(input: &[u8], direction: Direction) -> Result<u64, ParseError> {
    match input.first() {
        Some(&magic) if !direction.wants(Magic(magic)) => Err(direction.unwanted(Magic(magic))),
        _ => Ok((HEADER_LEN as u64).saturating_sub(input.len() as u64)),
    }
}

/// How many bytes the body at the front of `input` lacks, or why the packet is none.
#[cold]
#[inline(never)]
fn body_missing(
    header: &Header,
    input: &[u8],
    limits: &Limits,
    direction: Direction,
) -> Result<u64, ParseError> {
    if !direction.wants(header.magic) {
        return Err(direction.unwanted(header.magic));
    }
    header.check(limits)?;
    Ok(u64::from(header.body_len).saturating_sub(input.len() as u64))
}

/// One object at the front of some framing extras, and what is behind it; or how many bytes it lacks, at least.
pub(super) fn frame_info(input: &[u8]) -> Result<(FrameInfo<'_>, &[u8]), u32> {
    match frame_info_step(input) {
        Ok((rest, info)) => Ok((info, rest)),
        Err(nom::Err::Incomplete(Needed::Size(missing))) => {
            Err(u32::try_from(missing.get()).unwrap_or(u32::MAX))
        }
        Err(_) => Err(1),
    }
}

fn frame_info_step(input: &[u8]) -> Step<'_, FrameInfo<'_>> {
    let (rest, &[nibbles]) = array(input)?;
    let (rest, id) = escaped(nibbles >> 4, rest)?;
    let (rest, len) = escaped(nibbles & 15, rest)?;
    let (rest, data) = take(len)(rest)?;
    Ok((rest, FrameInfo { id, data }))
}

/// A number from half a byte and, if that is 15, the next one.
fn escaped(nibble: u8, input: &[u8]) -> Step<'_, u16> {
    match nibble {
        15 => array.map(|&[more]| 15 + u16::from(more)).parse(input),
        _ => Ok((input, nibble.into())),
    }
}

/// Applies a parser that has to take all of `input`.
#[inline]
pub(crate) fn exactly<'a, T>(
    input: &'a [u8],
    mut parser: impl Parser<&'a [u8], Output = T, Error = ()>,
) -> Option<T> {
    match parser.parse(input) {
        Ok(([], value)) => Some(value),
        _ => None,
    }
}
