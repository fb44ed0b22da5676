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

/// The two forms of a header.
#[derive(Clone, Copy)]
enum Form {
    Classic,
    Flex,
}

/// The fields of a header.
#[inline(always)]
fn fields(bytes: &[u8; HEADER_LEN], form: Form) -> Header {
    #[rustfmt::skip]
    let [
        magic, opcode, two, three, extras_len, datatype, six, seven,
        b0, b1, b2, b3, o0, o1, o2, o3,
        c0, c1, c2, c3, c4, c5, c6, c7,
    ] = *bytes;
    let (framing_extras_len, key_len) = match form {
        Form::Classic => (0, u16::from_be_bytes([two, three])),
        Form::Flex => flex_lengths(two, three),
    };
    Header {
        magic: Magic(magic),
        opcode: Opcode(opcode),
        framing_extras_len,
        key_len,
        extras_len,
        datatype: DataType(datatype),
        vbucket_or_status: u16::from_be_bytes([six, seven]),
        body_len: u32::from_be_bytes([b0, b1, b2, b3]),
        opaque: u32::from_be_bytes([o0, o1, o2, o3]),
        cas: u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
    }
}

/// The lengths of framing extras and key in a flex header. A function of its own only to tell the compiler that it is
/// the rare case, which keeps the classic form free of a choice between the two.
#[cold]
const fn flex_lengths(two: u8, three: u8) -> (u8, u16) {
    (two, three as u16)
}

/// Which packets a caller wants to see.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Any,
    Requests,
    Responses,
}

impl Direction {
    /// The form of a header with this magic; `None` when such a packet is not wanted.
    #[inline(always)]
    const fn form(self, magic: Magic) -> Option<Form> {
        match (self, magic.0) {
            (Direction::Any, 0x80..=0x83) => Some(Form::Classic),
            (Direction::Any, 0x08 | 0x18) => Some(Form::Flex),
            (Direction::Requests, 0x80 | 0x82) => Some(Form::Classic),
            (Direction::Requests, 0x08) => Some(Form::Flex),
            (Direction::Responses, 0x81 | 0x83) => Some(Form::Classic),
            (Direction::Responses, 0x18) => Some(Form::Flex),
            _ => None,
        }
    }

    /// Whether these bytes start with a magic of the classic form that is wanted.
    #[inline(always)]
    const fn wants_classic(self, bytes: &[u8; HEADER_LEN]) -> bool {
        let &[magic, ..] = bytes;
        match self {
            Direction::Any => magic & 0xfc == 0x80,
            Direction::Requests => magic & 0xfd == 0x80,
            Direction::Responses => magic & 0xfd == 0x81,
        }
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

/// A wanted header at the front of `input`, whichever way its lengths add up; `None` is for [`missing`] to explain.
#[inline(always)]
fn wanted(input: &[u8], direction: Direction) -> Option<(&[u8], Header)> {
    let (rest, bytes) = array::<HEADER_LEN>(input).ok()?;
    let form = direction.form(Magic(*bytes.first()?))?;
    Some((rest, fields(bytes, form)))
}

/// The body of a packet and what is behind it, once `Header::check` has found that its lengths add up.
///
/// The places are told from the front of the body, all in `usize`: so the compiler sees that the first comparison, of
/// the body with the input, settles the others.
#[inline(always)]
fn body<'a>(header: &Header, input: &'a [u8]) -> Step<'a, Packet<'a>> {
    let extras_at = usize::from(header.framing_extras_len);
    let key_at = extras_at.wrapping_add(header.extras_len.into());
    let value_at = key_at.wrapping_add(header.key_len.into());
    let body_len = usize::try_from(header.body_len).unwrap_or(usize::MAX);
    let missing = || nom::Err::Incomplete(Needed::new(body_len.saturating_sub(input.len())));
    if value_at > body_len {
        return Err(missing());
    }
    let (body, rest) = input.split_at_checked(body_len).ok_or_else(missing)?;
    let packet = Packet {
        magic: header.magic,
        opcode: header.opcode,
        datatype: header.datatype,
        vbucket_or_status: header.vbucket_or_status,
        opaque: header.opaque,
        cas: header.cas,
        framing_extras: body.get(..extras_at).ok_or_else(missing)?,
        extras: body.get(extras_at..key_at).ok_or_else(missing)?,
        key: body.get(key_at..value_at).ok_or_else(missing)?,
        value: body.get(value_at..).ok_or_else(missing)?,
    };
    Ok((rest, packet))
}

/// A header at the front of `input`, whichever way its lengths add up. A wrong first byte is told at once.
#[inline(always)]
pub(super) fn header(input: &[u8], direction: Direction) -> Result<Parsed<Header>, ParseError> {
    match wanted(input, direction) {
        Some((_, header)) => Ok(Parsed::Complete {
            value: header,
            consumed: HEADER_LEN,
        }),
        None => header_missing(input, direction).map(|missing| Parsed::NeedMore { missing }),
    }
}

/// The header that is exactly these bytes.
#[inline(always)]
pub(super) fn header_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Header, ParseError> {
    let &[magic, ..] = bytes;
    match Direction::Any.form(Magic(magic)) {
        Some(form) => Ok(fields(bytes, form)),
        None => Err(Direction::Any.unwanted(Magic(magic))),
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
    if direction.form(header.magic).is_some()
        && header.value_len_within(limits).is_some()
        && let Ok((_, value)) = body(header, input)
    {
        return Ok(Parsed::Complete {
            value,
            consumed: header.body_len as usize,
        });
    }
    body_missing(header, input, limits, direction).map(|missing| Parsed::NeedMore { missing })
}

/// A whole packet at the front of `input`, made by `build` into what the caller wants.
///
/// Short enough to become part of the caller, and for complete packets of the classic form alone; [`uncommon`] looks at
/// all others once more, so that neither an error nor its reason is carried along here.
#[inline(always)]
pub(super) fn packet<'a, T>(
    input: &'a [u8],
    limits: &Limits,
    direction: Direction,
    build: impl FnOnce(Packet<'a>) -> T,
) -> Result<Parsed<T>, ParseError> {
    if let Ok((rest, bytes)) = array::<HEADER_LEN>(input)
        && direction.wants_classic(bytes)
    {
        let header = fields(bytes, Form::Classic);
        if header.value_len_within(limits).is_some()
            && let Ok((_, packet)) = body(&header, rest)
        {
            return Ok(complete(packet, &header, build));
        }
    }
    // A place of its own: were it the caller's, the compiler would have to keep the caller's in memory for the call, and
    // copy there what now stays in registers.
    let mut answer = Ok(Parsed::NeedMore { missing: 0 });
    uncommon(input, limits, direction, build, &mut answer);
    answer
}

/// The answer for a packet that is all there.
#[inline(always)]
fn complete<'a, T>(
    packet: Packet<'a>,
    header: &Header,
    build: impl FnOnce(Packet<'a>) -> T,
) -> Parsed<T> {
    Parsed::Complete {
        value: build(packet),
        consumed: (header.body_len as usize).wrapping_add(HEADER_LEN),
    }
}

/// What [`packet`] answers when it is no complete packet of the classic form: a flex packet, how many bytes are
/// missing, or why it is none.
#[cold]
#[inline(never)]
fn uncommon<'a, T>(
    input: &'a [u8],
    limits: &Limits,
    direction: Direction,
    build: impl FnOnce(Packet<'a>) -> T,
    answer: &mut Result<Parsed<T>, ParseError>,
) {
    *answer = match wanted(input, direction) {
        Some((rest, header)) => {
            if header.value_len_within(limits).is_some()
                && let Ok((_, packet)) = body(&header, rest)
            {
                Ok(complete(packet, &header, build))
            } else {
                body_missing(&header, rest, limits, direction)
                    .map(|missing| Parsed::NeedMore { missing })
            }
        }
        None => header_missing(input, direction).map(|missing| Parsed::NeedMore { missing }),
    };
}

/// How many bytes the header at the front of `input` lacks, or why it is none.
#[cold]
#[inline(never)]
fn header_missing(input: &[u8], direction: Direction) -> Result<u64, ParseError> {
    match input.first() {
        Some(&magic) if direction.form(Magic(magic)).is_none() => {
            Err(direction.unwanted(Magic(magic)))
        }
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
    if direction.form(header.magic).is_none() {
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
