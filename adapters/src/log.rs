//! Where connections tell what happens to them.
//!
//! One macro, `log!`, tells it to defmt (feature `defmt`), to tracing (feature `tracing`), to both or to nobody, in which
//! case it leaves nothing behind. Under an operating system there is no logger for defmt, and a program would not link: there
//! tracing is told alone.

use core::fmt;

use memlet_core::connection::client::{ReplyError, ReplyErrorKind};
use memlet_core::wire::{Escaped, Header, Limits, PacketView, Parsed, Status};

/// `log!(info, "connected from {}", address)`. What is printed needs `Display` as well as `defmt::Format`, or `Debug` when
/// printed by `{:?}`; it is evaluated once for each that is told.
macro_rules! log {
    ($level:ident, $text:literal $(, $value:expr)* $(,)?) => {{
        #[cfg(all(feature = "defmt", not(any(unix, windows, target_family = "wasm"))))]
        defmt::$level!($text $(, $value)*);
        #[cfg(feature = "tracing")]
        tracing::$level!($text $(, $value)*);
        // Whatever is told to nobody counts as used.
        if false {
            let _ = ($( &$value, )*);
        }
    }};
}

/// By what the connections of one accept loop are told apart: the peer's port; 0 if the loop is the caller's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Label {
    #[cfg(any(feature = "defmt", feature = "tracing"))]
    port: u16,
}

impl Label {
    #[cfg(all(feature = "embassy", any(feature = "defmt", feature = "tracing")))]
    pub(crate) fn new(port: u16) -> Label {
        Label { port }
    }

    fn port(self) -> u16 {
        #[cfg(any(feature = "defmt", feature = "tracing"))]
        return self.port;
        #[cfg(not(any(feature = "defmt", feature = "tracing")))]
        0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port() {
            0 => Ok(()),
            port => write!(f, "[{port}] "),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Label {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.port() {
            0 => {}
            port => defmt::write!(f, "[{=u16}] ", port),
        }
    }
}

/// Why a client's connection is of no more use.
#[cold]
pub(crate) fn log_break(error: &ReplyError) {
    match error.kind {
        ReplyErrorKind::Closed | ReplyErrorKind::Ended => {
            log!(info, "the server is gone: {}", error);
        }
        _ => log!(warn, "the connection to the server is given up: {}", error),
    }
}

/// The packets of one direction that were dealt with at once, in short: `GET "Hello", SET "k" with 5 bytes`.
///
/// What does not start or end a packet is a part of a value, or of an answer that goes out in pieces.
#[derive(Clone, Copy)]
pub(crate) struct Packets<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether the first byte starts a packet.
    pub(crate) starts_packet: bool,
}

/// A packet, the front of one that goes on elsewhere, or what is none.
enum Piece<'a> {
    Packet(PacketView<'a>),
    Front(Header, usize),
    Value(usize),
    Other(usize),
}

impl<'a> Packets<'a> {
    fn pieces(self) -> impl Iterator<Item = Piece<'a>> {
        let mut rest = self.bytes;
        let mut starts_packet = self.starts_packet;
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let parsed = match starts_packet {
                true => PacketView::parse(rest, &Limits::NONE),
                false => Ok(Parsed::NeedMore { missing: 0 }),
            };
            let Ok(Parsed::Complete { value, consumed }) = parsed else {
                let bytes = core::mem::take(&mut rest);
                return Some(match Header::parse(bytes) {
                    Ok(Parsed::Complete { value, .. }) if starts_packet => {
                        Piece::Front(value, bytes.len())
                    }
                    _ if starts_packet => Piece::Other(bytes.len()),
                    _ => Piece::Value(bytes.len()),
                });
            };
            starts_packet = true;
            rest = rest.get(consumed..).unwrap_or_default();
            Some(Piece::Packet(value))
        })
    }
}

impl fmt::Display for Packets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for piece in self.pieces() {
            f.write_str(separator)?;
            separator = ", ";
            match piece {
                Piece::Value(len) => write!(f, "{len} bytes of a value")?,
                Piece::Other(len) => write!(f, "{len} bytes that are no packet")?,
                Piece::Front(header, len) => {
                    let (opcode, whole) = (header.opcode, header.packet_len());
                    write!(f, "{opcode}, {len} of its {whole} bytes")?;
                }
                Piece::Packet(view) => {
                    let packet = view.to_packet();
                    write!(f, "{}", packet.opcode)?;
                    if packet.magic.is_response() {
                        write!(f, " {}", Status(packet.vbucket_or_status))?;
                    }
                    if !packet.key.is_empty() {
                        write!(f, " \"{}\"", Escaped(packet.key))?;
                    }
                    if !packet.value.is_empty() {
                        write!(f, " with {} bytes", packet.value.len())?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Packets<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let mut is_first = true;
        for piece in self.pieces() {
            if !core::mem::take(&mut is_first) {
                defmt::write!(f, ", ");
            }
            match piece {
                Piece::Value(len) => defmt::write!(f, "{=usize} bytes of a value", len),
                Piece::Other(len) => {
                    defmt::write!(f, "{=usize} bytes that are no packet", len);
                }
                Piece::Front(header, len) => defmt::write!(
                    f,
                    "{}, {=usize} of its {=u64} bytes",
                    header.opcode,
                    len,
                    header.packet_len()
                ),
                Piece::Packet(view) => {
                    let packet = view.to_packet();
                    defmt::write!(f, "{}", packet.opcode);
                    if packet.magic.is_response() {
                        defmt::write!(f, " {}", Status(packet.vbucket_or_status));
                    }
                    if !packet.key.is_empty() {
                        defmt::write!(f, " {}", Escaped(packet.key));
                    }
                    if !packet.value.is_empty() {
                        defmt::write!(f, " with {=usize} bytes", packet.value.len());
                    }
                }
            }
        }
    }
}

/// The headers of packets, with every field.
#[derive(Clone, Copy)]
pub(crate) struct Headers<'a>(pub(crate) Packets<'a>);

impl<'a> Headers<'a> {
    fn headers(self) -> impl Iterator<Item = Header> + use<'a> {
        self.0.pieces().filter_map(|piece| match piece {
            Piece::Packet(view) => Some(view.header()),
            Piece::Front(header, _) => Some(header),
            Piece::Value(_) | Piece::Other(_) => None,
        })
    }
}

impl fmt::Display for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.headers()).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Headers<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        for header in self.headers() {
            defmt::write!(f, "{} ", header);
        }
    }
}
