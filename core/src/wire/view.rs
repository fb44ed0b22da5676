//! A packet where it lies, read only where it is asked.

use core::convert::identity;

use super::error::ParseError;
use super::header::{HEADER_LEN, Header, Parsed};
use super::lengths::Limits;
use super::packet::Packet;
use super::parse::{self, Direction, FormLens};

/// A whole packet where it lies: its lengths are known to add up, its fields are decoded when they are asked for.
///
/// Every parser of whole packets starts here, so this is the cheapest of them: it is for whoever passes packets on, or
/// wants a few of their fields. Asking costs a few instructions and no copy.
///
/// ```
/// use memlet_core::wire::{Limits, Opcode, PacketView, Parsed};
///
/// let get = b"\x80\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02abcd\0\0\0\0\0\0\0\0hi, and more";
/// let Parsed::Complete { value: view, consumed: 26 } = PacketView::parse(get, &Limits::default())? else {
///     panic!("26 bytes are there");
/// };
/// assert_eq!(view.key(), b"hi");
/// assert_eq!(view.header().opcode, Opcode::GET);
/// assert_eq!(view.header().opaque, 0x61626364);
/// # Ok::<(), memlet_core::wire::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketView<'a> {
    pub(super) header: &'a [u8; HEADER_LEN],
    pub(super) lens: FormLens,
    /// As long as the header says.
    pub(super) body: &'a [u8],
}

#[cfg(feature = "defmt")]
impl defmt::Format for PacketView<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        self.to_packet().format(f);
    }
}

impl<'a> PacketView<'a> {
    /// Finds a packet at the front of `input`.
    ///
    /// # Errors
    /// A wrong first byte, or lengths that do not add up or break `limits`: known, and told, as soon as the header is
    /// there.
    #[inline(always)]
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Parsed<PacketView<'a>>, ParseError> {
        parse::packet(input, limits, Direction::Any, identity)
    }

    /// The numbers of the header. What is not looked at is not decoded either.
    #[inline(always)]
    #[must_use]
    pub const fn header(&self) -> Header {
        parse::fields(self.header, self.lens)
    }

    /// Frame infos, only in the flex form.
    #[inline(always)]
    #[must_use]
    pub fn framing_extras(&self) -> &'a [u8] {
        self.to_packet().framing_extras
    }

    /// The fixed fields of the command.
    #[inline(always)]
    #[must_use]
    pub fn extras(&self) -> &'a [u8] {
        self.to_packet().extras
    }

    /// The key.
    #[inline(always)]
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        self.to_packet().key
    }

    /// What follows the key.
    #[inline(always)]
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.to_packet().value
    }

    /// All of it, decoded.
    #[inline(always)]
    #[must_use]
    pub fn to_packet(&self) -> Packet<'a> {
        // The parts have been found to fit the body.
        Packet::split(&self.header(), self.body).unwrap_or_default()
    }
}
