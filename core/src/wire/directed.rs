//! What requests and responses have in common: packets of one direction, whose number in the header has a meaning.

/// Parsing and emission of a packet of one direction: `$name`, a `$noun`, whose header says `$number` where a packet says
/// vbucket or status.
macro_rules! directed {
    ($name:ident, $noun:literal, not $other:literal, $direction:ident, $is_one:ident, $number:ident: $from:expr, $into:expr) => {
        impl<'a> $name<'a> {
            #[doc = concat!("Reads a ", $noun, " off the front of `input`.")]
            ///
            /// # Errors
            #[doc = concat!("As [`Packet::parse`], and [`WrongDirection`](super::ParseErrorKind::WrongDirection) for a ", $other, ".")]
            #[inline(always)]
            pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Parsed<$name<'a>>, ParseError> {
                parse::packet(input, limits, Direction::$direction, |view| {
                    $name::from_packet(view.to_packet())
                })
            }

            #[doc = concat!("Reads the body of a ", $noun, " whose header has been read before; `consumed` counts from behind the header.")]
            ///
            /// # Errors
            #[doc = concat!("As [`Packet::parse_body`], and [`WrongDirection`](super::ParseErrorKind::WrongDirection) for a ", $other, ".")]
            #[inline(always)]
            pub fn parse_body(
                header: &Header,
                body: &'a [u8],
                limits: &Limits,
            ) -> Result<Parsed<$name<'a>>, ParseError> {
                let parsed = parse::packet_body(header, body, limits, Direction::$direction)?;
                Ok(parsed.map($name::from_packet))
            }

            #[inline(always)]
            fn from_packet(packet: Packet<'a>) -> $name<'a> {
                $name {
                    magic: packet.magic,
                    opcode: packet.opcode,
                    datatype: packet.datatype,
                    $number: $from(packet.vbucket_or_status),
                    opaque: packet.opaque,
                    cas: packet.cas,
                    framing_extras: packet.framing_extras,
                    extras: packet.extras,
                    key: packet.key,
                    value: packet.value,
                }
            }

            /// The same as a packet.
            ///
            /// # Errors
            #[doc = concat!("[`EmitError::Magic`] when the magic is not a ", $noun, "'s.")]
            #[inline(always)]
            pub fn to_packet(&self) -> Result<Packet<'a>, EmitError> {
                if !self.magic.$is_one() {
                    return Err(EmitError::Magic(self.magic));
                }
                Ok(Packet {
                    magic: self.magic,
                    opcode: self.opcode,
                    datatype: self.datatype,
                    vbucket_or_status: $into(self.$number),
                    opaque: self.opaque,
                    cas: self.cas,
                    framing_extras: self.framing_extras,
                    extras: self.extras,
                    key: self.key,
                    value: self.value,
                })
            }

            #[doc = concat!("Bytes that [`", stringify!($name), "::emit`] writes.")]
            ///
            /// # Errors
            #[doc = concat!("As [`Packet::encoded_len`], and [`EmitError::Magic`] when the magic is not a ", $noun, "'s.")]
            #[doc(alias = "Size")]
            #[inline]
            pub fn encoded_len(&self) -> Result<usize, EmitError> {
                self.to_packet()?.encoded_len()
            }

            #[doc = concat!("Writes the ", $noun, " to the front of `out` and returns how many bytes that took.")]
            ///
            /// # Errors
            #[doc = concat!("As [`Packet::emit`], and [`EmitError::Magic`] when the magic is not a ", $noun, "'s. `out` is untouched then.")]
            #[doc(alias = "Transmit")]
            #[doc(alias = "Bytes")]
            #[inline(always)]
            pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
                self.to_packet()?.emit(out)
            }

            /// Writes all but the value, for a value of `value_len` bytes that follows by another way, and returns how many
            /// bytes that took.
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($name), "::emit`].")]
            #[doc(alias = "HeaderBytes")]
            #[inline]
            pub fn emit_head(&self, value_len: u32, out: &mut [u8]) -> Result<usize, EmitError> {
                self.to_packet()?.emit_head(value_len, out)
            }
        }
    };
}

pub(super) use directed;
