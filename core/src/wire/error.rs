//! Why bytes are no packet, and why a packet cannot become bytes.

use core::fmt;

/// The place in a packet that an error speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Field {
    /// Byte 0 of the header.
    Magic,
    /// Byte 1 of the header.
    Opcode,
    /// The key length of the header, or the key itself.
    Key,
    /// The extras length of the header, or the extras themselves.
    Extras,
    /// The framing extras of a flex packet.
    FramingExtras,
    /// The total body length of the header.
    Body,
    /// What follows the key.
    Value,
    /// The engine-private bytes of a TAP message, or their length in its extras.
    EngineBytes,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Magic => "magic",
            Field::Opcode => "opcode",
            Field::Key => "key",
            Field::Extras => "extras",
            Field::FramingExtras => "framing extras",
            Field::Body => "body",
            Field::Value => "value",
            Field::EngineBytes => "engine bytes",
        })
    }
}

/// What rule the bytes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The first byte starts no packet.
    UnknownMagic,
    /// The packet is a response where a request was asked for, or the other way round.
    WrongDirection,
    /// Framing extras, extras and key together are longer than the total body.
    PartsExceedBody,
    /// The key is longer than the limit given.
    KeyTooLong,
    /// The total body is longer than the limit given.
    BodyTooLong,
    /// The opcode takes no extras of this length.
    ExtrasLength,
    /// The opcode needs a key and there is none.
    KeyMissing,
    /// The opcode takes no key and there is one.
    KeyForbidden,
    /// The opcode needs a value and there is none.
    ValueMissing,
    /// The opcode takes no value and there is one.
    ValueForbidden,
    /// A frame info runs past the framing extras.
    FrameInfoTruncated,
    /// The opcode does not belong to the family of messages that was asked for.
    ForeignOpcode,
    /// The opcode takes no value of this length.
    ValueLength,
    /// A part of the value runs past the value's end.
    PartExceedsValue,
    /// The fields carry a version that has no layout.
    UnknownVersion,
    /// The key starts with no collection id: not a LEB128 number of 32 bits in its shortest form.
    CollectionId,
    /// Engine-private bytes and key of a TAP message are longer than what its extras leave of the body.
    EngineBytesTooLong,
    /// The engine-private bytes of a TAP message end before the number that they have to hold.
    EngineBytesTooShort,
}

/// What [`ParseError::found`] would have had to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Allowed {
    /// No more than this.
    AtMost(u32),
    /// No less than this.
    AtLeast(u32),
    /// One of these numbers.
    OneOf(&'static [u8]),
    /// One of the numbers whose bit is set; bit 0 stands for 0.
    Bits(u64),
    /// A multiple of this.
    MultipleOf(u32),
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Allowed::AtMost(most) => write!(f, "at most {most}"),
            Allowed::AtLeast(least) => write!(f, "at least {least}"),
            Allowed::MultipleOf(unit) => write!(f, "a multiple of {unit}"),
            Allowed::OneOf(numbers) => {
                let mut separator = "";
                for number in numbers {
                    write!(f, "{separator}0x{number:02x}")?;
                    separator = " or ";
                }
                Ok(())
            }
            Allowed::Bits(bits) => {
                let mut separator = "";
                for number in 0..u64::BITS {
                    if bits >> number & 1 == 1 {
                        write!(f, "{separator}{number}")?;
                        separator = " or ";
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Allowed {
    fn format(&self, f: defmt::Formatter<'_>) {
        let mut separator = "";
        match *self {
            Allowed::AtMost(most) => defmt::write!(f, "at most {=u32}", most),
            Allowed::AtLeast(least) => defmt::write!(f, "at least {=u32}", least),
            Allowed::MultipleOf(unit) => defmt::write!(f, "a multiple of {=u32}", unit),
            Allowed::OneOf(numbers) => {
                for number in numbers {
                    defmt::write!(f, "{=str:a}{=u8:#04x}", separator, *number);
                    separator = " or ";
                }
            }
            Allowed::Bits(bits) => {
                for number in (0..u64::BITS).filter(|number| bits >> number & 1 == 1) {
                    defmt::write!(f, "{=str:a}{=u32}", separator, number);
                    separator = " or ";
                }
            }
        }
    }
}

/// Why bytes are no well-formed packet: which rule, in which field, where, what was found and what is allowed.
///
/// Too few bytes are no error; they are [`Parsed::NeedMore`](super::Parsed::NeedMore).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ParseError {
    /// The rule that is broken.
    pub kind: ParseErrorKind,
    /// The field whose number or length breaks it.
    pub field: Field,
    /// Where in the parsed bytes the offending number stands, in bytes from their start.
    pub offset: u32,
    /// The offending number: a byte value, or a length in bytes.
    pub found: u32,
    /// What `found` would have had to be.
    pub allowed: Allowed,
}

impl ParseError {
    #[cold]
    pub(crate) const fn new(
        kind: ParseErrorKind,
        field: Field,
        offset: u32,
        found: u32,
        allowed: Allowed,
    ) -> Self {
        ParseError {
            kind,
            field,
            offset,
            found,
            allowed,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParseError {
            kind,
            field,
            offset,
            found,
            allowed,
        } = self;
        if *kind == ParseErrorKind::UnknownMagic || *kind == ParseErrorKind::WrongDirection {
            // The wording that users of gomemcached search their logs for.
            write!(f, "bad magic: 0x{found:02x}")?;
        } else {
            write!(f, "{field}: ")?;
            f.write_str(match kind {
                ParseErrorKind::PartsExceedBody => "framing extras, extras and key exceed the body",
                ParseErrorKind::KeyTooLong | ParseErrorKind::BodyTooLong => "too long",
                ParseErrorKind::ExtrasLength | ParseErrorKind::ValueLength => {
                    "length does not fit the opcode"
                }
                ParseErrorKind::KeyMissing | ParseErrorKind::ValueMissing => "missing",
                ParseErrorKind::KeyForbidden | ParseErrorKind::ValueForbidden => {
                    "not taken by the opcode"
                }
                ParseErrorKind::EngineBytesTooLong => "run, with the key, past the body",
                ParseErrorKind::EngineBytesTooShort => "too short",
                ParseErrorKind::ForeignOpcode => "of another family",
                ParseErrorKind::PartExceedsValue => "a part runs past its end",
                ParseErrorKind::UnknownVersion => "unknown version",
                ParseErrorKind::CollectionId => "no collection id",
                _ => "truncated",
            })?;
            write!(f, ": {found}")?;
        }
        write!(f, " at byte {offset}, allowed {allowed}")
    }
}

impl core::error::Error for ParseError {}

/// Why a packet cannot be written. Nothing has been written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EmitError {
    /// The output has too little room.
    OutputTooShort {
        /// Bytes the packet takes.
        needed: usize,
        /// Bytes the output has.
        available: usize,
    },
    /// A part of the packet is longer than its length field, or this machine's addresses, can tell.
    TooLong {
        /// The part.
        field: Field,
        /// Its length in bytes.
        found: u64,
        /// The largest length that can be written, in bytes.
        allowed: u64,
    },
    /// The magic is none that starts a packet of this kind.
    Magic(super::Magic),
    /// The opcode is none of this kind of packet.
    Opcode(super::Opcode),
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmitError::OutputTooShort { needed, available } => {
                write!(
                    f,
                    "output too short: {needed} bytes needed, {available} available"
                )
            }
            EmitError::TooLong {
                field,
                found,
                allowed,
            } => {
                write!(
                    f,
                    "{field} too long: {found} bytes, at most {allowed} can be written"
                )
            }
            EmitError::Magic(magic) => write!(f, "bad magic: {magic}"),
            EmitError::Opcode(opcode) => write!(f, "bad opcode: {opcode}"),
        }
    }
}

impl core::error::Error for EmitError {}
