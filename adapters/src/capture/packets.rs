//! Bytes of one direction, in order, to packets.

use memlet_core::wire::{
    DataType, Dialect, Escaped, HEADER_LEN, Header, Limits, PacketView, Parsed, Status,
};

use super::reassembly::Origin;

/// What comes out.
pub(super) enum Output<'a> {
    /// A packet, of which `missing` bytes at the end are not there.
    Packet {
        header: Header,
        bytes: &'a [u8],
        missing: u64,
    },
    /// The bytes are no packets from here on, for this reason.
    Lost(String),
    /// They are again; so many were skipped.
    Found { skipped: u64 },
}

/// Of a packet that does not lie in one segment so many bytes are kept, body included.
const KEPT_MAX: usize = (1 << 20) + 4096;
/// No server takes more, so that a header that says so is none.
const LIMITS: Limits = Limits {
    key_len_max: u16::MAX,
    body_len_max: 1 << 30,
};
/// What is believed of a header that is found by searching.
const SEARCH_LIMITS: Limits = Limits {
    key_len_max: 255,
    body_len_max: 64 << 20,
};

/// One direction's packets.
pub(super) struct Packets {
    /// The front of the packet at hand; while searching, the last bytes that may start a header.
    held: Vec<u8>,
    /// Length of the packet at hand, once its header is there, and how much of it has passed.
    whole: Option<(Header, u64)>,
    passed: u64,
    /// Bytes of the packet at hand after a hole are not kept.
    has_hole: bool,
    is_lost: bool,
    skipped: u64,
}

impl Packets {
    pub(super) fn new() -> Self {
        Packets {
            held: Vec::new(),
            whole: None,
            passed: 0,
            has_hole: false,
            is_lost: false,
            skipped: 0,
        }
    }

    /// Takes the next bytes.
    pub(super) fn bytes(
        &mut self,
        mut bytes: &[u8],
        origin: Origin,
        sink: &mut dyn FnMut(Output<'_>, Origin),
    ) {
        while !bytes.is_empty() {
            bytes = if self.is_lost {
                self.search(bytes, origin, sink)
            } else if self.held.is_empty() && self.whole.is_none() {
                self.in_place(bytes, origin, sink)
            } else {
                self.collect(bytes, origin, sink)
            };
        }
    }

    /// Goes over bytes that are not in the capture.
    pub(super) fn gap(
        &mut self,
        len: Option<u64>,
        origin: Origin,
        sink: &mut dyn FnMut(Output<'_>, Origin),
    ) {
        if let (Some((_, whole_len)), Some(len)) = (&self.whole, len)
            && len <= whole_len - self.passed
        {
            self.has_hole = true;
            self.passed += len;
            self.end_if_whole(origin, sink);
            return;
        }
        self.cut(origin, sink);
        self.is_lost = true;
    }

    /// Tells what is left when nothing more comes.
    pub(super) fn finish(&mut self, origin: Origin, sink: &mut dyn FnMut(Output<'_>, Origin)) {
        if self.is_lost {
            self.skipped += self.held.len() as u64;
            self.held.clear();
        } else {
            self.cut(origin, sink);
        }
    }

    /// Tells the front of a packet whose end does not come.
    fn cut(&mut self, origin: Origin, sink: &mut dyn FnMut(Output<'_>, Origin)) {
        if let Some((header, len)) = self.whole.take() {
            let missing = len - self.held.len() as u64;
            sink(
                Output::Packet {
                    header,
                    bytes: &self.held,
                    missing,
                },
                origin,
            );
        } else if !self.held.is_empty() {
            let text = format!("{} bytes of a header, and no more", self.held.len());
            sink(Output::Lost(text), origin);
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.held.clear();
        self.whole = None;
        self.passed = 0;
        self.has_hole = false;
    }

    /// Takes a packet from where it lies, or starts to hold it.
    fn in_place<'a>(
        &mut self,
        bytes: &'a [u8],
        origin: Origin,
        sink: &mut dyn FnMut(Output<'_>, Origin),
    ) -> &'a [u8] {
        match PacketView::parse(bytes, &LIMITS) {
            Ok(Parsed::Complete { value, consumed }) => {
                let (bytes, rest) = bytes.split_at(consumed);
                let header = value.header();
                sink(
                    Output::Packet {
                        header,
                        bytes,
                        missing: 0,
                    },
                    origin,
                );
                rest
            }
            Ok(Parsed::NeedMore { .. }) => self.collect(bytes, origin, sink),
            Err(error) => {
                let front = Escaped(&bytes[..bytes.len().min(24)]);
                self.lose(
                    format!("{error}; the bytes start with \"{front}\""),
                    origin,
                    sink,
                );
                // What starts here is no header.
                self.skipped = 1;
                &bytes[1..]
            }
        }
    }

    fn lose(&mut self, text: String, origin: Origin, sink: &mut dyn FnMut(Output<'_>, Origin)) {
        sink(Output::Lost(text), origin);
        self.reset();
        self.is_lost = true;
        self.skipped = 0;
    }

    /// Adds to the packet at hand.
    fn collect<'a>(
        &mut self,
        bytes: &'a [u8],
        origin: Origin,
        sink: &mut dyn FnMut(Output<'_>, Origin),
    ) -> &'a [u8] {
        let Some((_, whole_len)) = self.whole else {
            let wanted = HEADER_LEN - self.held.len();
            let (front, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.held.extend_from_slice(front);
            match Header::parse(&self.held) {
                Ok(Parsed::Complete { value, .. }) => match value.check(&LIMITS) {
                    Ok(_) => {
                        self.whole = Some((value, value.packet_len()));
                        self.passed = HEADER_LEN as u64;
                        self.end_if_whole(origin, sink);
                    }
                    Err(error) => self.lose(error.to_string(), origin, sink),
                },
                Ok(Parsed::NeedMore { .. }) => {}
                Err(error) => self.lose(error.to_string(), origin, sink),
            }
            return rest;
        };
        let wanted = usize::try_from(whole_len - self.passed).unwrap_or(usize::MAX);
        let (front, rest) = bytes.split_at(wanted.min(bytes.len()));
        if !self.has_hole {
            let room = KEPT_MAX.saturating_sub(self.held.len());
            self.held.extend_from_slice(&front[..front.len().min(room)]);
        }
        self.passed += front.len() as u64;
        self.end_if_whole(origin, sink);
        rest
    }

    fn end_if_whole(&mut self, origin: Origin, sink: &mut dyn FnMut(Output<'_>, Origin)) {
        if let Some((header, len)) = self.whole
            && self.passed >= len
        {
            let missing = len - self.held.len() as u64;
            sink(
                Output::Packet {
                    header,
                    bytes: &self.held,
                    missing,
                },
                origin,
            );
            self.reset();
        }
    }

    /// Looks for the next header.
    fn search<'a>(
        &mut self,
        bytes: &'a [u8],
        origin: Origin,
        sink: &mut dyn FnMut(Output<'_>, Origin),
    ) -> &'a [u8] {
        // Headers that start in what was held and end in what has come.
        while let Some(at) = self.held.iter().position(|byte| is_magic(*byte)) {
            self.held.drain(..at);
            self.skipped += at as u64;
            let mut header = [0; HEADER_LEN];
            let front = self.held.len();
            let Some(back) = bytes.get(..HEADER_LEN - front) else {
                self.held.extend_from_slice(bytes);
                return &[];
            };
            header[..front].copy_from_slice(&self.held);
            header[front..].copy_from_slice(back);
            if is_plausible(&header) {
                return self.find(bytes, origin, sink);
            }
            self.held.remove(0);
            self.skipped += 1;
        }
        self.skipped += self.held.len() as u64;
        self.held.clear();
        for (at, byte) in bytes.iter().enumerate() {
            if !is_magic(*byte) {
                continue;
            }
            match bytes[at..].first_chunk() {
                Some(header) if is_plausible(header) => {
                    self.skipped += at as u64;
                    return self.find(&bytes[at..], origin, sink);
                }
                Some(_) => {}
                None => {
                    self.skipped += at as u64;
                    self.held.extend_from_slice(&bytes[at..]);
                    return &[];
                }
            }
        }
        self.skipped += bytes.len() as u64;
        &[]
    }

    /// A header has been found, in front of which nothing is left to skip.
    fn find<'a>(
        &mut self,
        bytes: &'a [u8],
        origin: Origin,
        sink: &mut dyn FnMut(Output<'_>, Origin),
    ) -> &'a [u8] {
        sink(
            Output::Found {
                skipped: self.skipped,
            },
            origin,
        );
        self.is_lost = false;
        self.skipped = 0;
        bytes
    }
}

fn is_magic(byte: u8) -> bool {
    memlet_core::wire::Magic(byte).is_known()
}

/// Whether bytes that may be anything are most likely a header: every number in it has a name, and the lengths add up.
pub(super) fn is_plausible(bytes: &[u8; HEADER_LEN]) -> bool {
    let Ok(header) = Header::from_bytes(bytes) else {
        return false;
    };
    let (magic, opcode) = (header.magic, header.opcode);
    let is_named = if magic.is_server_initiated() {
        memlet_core::wire::ServerOpcode(opcode.0).name().is_some()
    } else {
        opcode.name(Dialect::Couchbase).is_some()
    };
    if !is_named
        || header.check(&SEARCH_LIMITS).is_err()
        || header.datatype.unnamed_bits() != DataType::RAW.0
    {
        return false;
    }
    if magic.is_response() {
        return Status(header.vbucket_or_status).name().is_some();
    }
    let shapes = [Dialect::Memcached, Dialect::Couchbase].map(|dialect| opcode.shape(dialect));
    let mut known = shapes.iter().flatten().peekable();
    magic.is_server_initiated()
        || known.peek().is_none()
        || known.any(|shape| header.check_shape(shape).is_ok())
}
