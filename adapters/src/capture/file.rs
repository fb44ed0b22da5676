//! Capture files to frames: pcap and pcapng, pushed in pieces of any size.
//!
//! ```text
//!   pcap     file header (24) │ record header (16) ─ frame │ record header ─ frame │ …
//!   pcapng   section header │ interface description … │ enhanced packet ─ frame, options │ …   each with its length at both ends
//! ```
//!
//! What is held is the record at hand and one piece of input. Where a record makes no sense the reader says so, and goes on
//! at the next place that looks like one.

use pcap_parser::nom;
use pcap_parser::{
    Block, InterfaceDescriptionBlock, OptionCode, PcapHeader, PcapNGOption, parse_block_be,
    parse_block_le, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};

/// A frame as the file has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// Counted from 1, as tools do.
    pub(super) number: u64,
    /// Nanoseconds since 1970; 0 where the file does not say.
    pub(super) time: u64,
    /// The number of the link type.
    pub(super) link: i32,
    pub(super) bytes: &'a [u8],
    /// Bytes of it that were on the wire and are not in the file.
    pub(super) missing: usize,
}

/// What a reader finds.
pub(super) enum Found<'a> {
    Frame(Frame<'a>),
    /// Something is wrong with the file at this place, in bytes from its start.
    Fault {
        offset: u64,
        text: String,
    },
}

/// No record of a sane file is longer, in bytes.
const RECORD_LEN_MAX: usize = 16 << 20;
/// Nor any that is looked for behind nonsense: the longest snap length of common tools, and a block around it.
const RESUMED_LEN_MAX: usize = 1 << 18;
/// Input is taken in pieces of this many bytes, so that a large one is not held twice.
const PIECE_LEN: usize = 1 << 16;
/// Interfaces of a section that are remembered.
const INTERFACES_MAX: usize = 1 << 12;
const RECORD_HEADER_LEN: usize = 16;
const BLOCK_LEN_MIN: usize = 12;
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

enum Format {
    Unknown,
    Pcap(PcapHeader),
    PcapNg {
        big_endian: bool,
        interfaces: Vec<Interface>,
    },
    /// Neither.
    Nothing,
}

struct Interface {
    link: i32,
    /// Units of a timestamp in a second.
    resolution: u64,
    /// Seconds to add to all timestamps.
    offset: i64,
}

/// How far the bytes at hand lead.
enum Step {
    NeedMore,
    /// So many bytes are done with.
    Done(usize),
    /// The bytes are no record, for this reason.
    Nonsense(String),
}

pub(super) struct FileReader {
    format: Format,
    buffer: Vec<u8>,
    /// Where the buffer starts in the file.
    offset: u64,
    frames: u64,
    /// The latest time of a frame.
    time: u64,
    /// Looking for the next record behind nonsense.
    is_lost: bool,
}

impl FileReader {
    pub(super) fn new() -> Self {
        FileReader {
            format: Format::Unknown,
            buffer: Vec::new(),
            offset: 0,
            frames: 0,
            time: 0,
            is_lost: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Found<'_>)) {
        for piece in bytes.chunks(PIECE_LEN) {
            self.buffer.extend_from_slice(piece);
            self.work(false, sink);
        }
    }

    /// Tells what is left when the file has ended.
    pub(super) fn finish(&mut self, sink: &mut dyn FnMut(Found<'_>)) {
        self.work(true, sink);
        let left = self.buffer.len();
        if left > 0 && !matches!(self.format, Format::Nothing) {
            let text = if self.is_lost {
                format!("the last {left} bytes hold no record")
            } else {
                format!("the file ends within a record, of which {left} bytes are there")
            };
            sink(Found::Fault {
                offset: self.offset,
                text,
            });
        } else if self.offset == 0 {
            sink(Found::Fault {
                offset: 0,
                text: "the file is empty".into(),
            });
        }
        self.buffer.clear();
    }

    fn work(&mut self, is_end: bool, sink: &mut dyn FnMut(Found<'_>)) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            if self.is_lost {
                let (skipped, found) = self.search(rest, is_end);
                rest = &rest[skipped..];
                self.offset += skipped as u64;
                if !found {
                    break;
                }
                self.is_lost = false;
            }
            match self.step(rest, is_end, sink) {
                Step::NeedMore => break,
                Step::Done(len) => {
                    rest = &rest[len..];
                    self.offset += len as u64;
                }
                Step::Nonsense(text) => {
                    sink(Found::Fault {
                        offset: self.offset,
                        text,
                    });
                    self.is_lost = true;
                    rest = &rest[1..];
                    self.offset += 1;
                }
            }
        }
        let done = buffer.len() - rest.len();
        self.buffer = buffer;
        self.buffer.drain(..done);
    }

    fn step(&mut self, bytes: &[u8], is_end: bool, sink: &mut dyn FnMut(Found<'_>)) -> Step {
        match &self.format {
            Format::Unknown => self.begin(bytes, is_end, sink),
            Format::Nothing => Step::Done(bytes.len()),
            Format::Pcap(_) => self.record(bytes, sink),
            Format::PcapNg { .. } => self.block(bytes, sink),
        }
    }

    fn begin(&mut self, bytes: &[u8], is_end: bool, sink: &mut dyn FnMut(Found<'_>)) -> Step {
        if bytes.len() < 24 && !is_end {
            return Step::NeedMore;
        }
        if bytes.starts_with(&SECTION_HEADER) {
            self.format = Format::PcapNg {
                big_endian: false,
                interfaces: Vec::new(),
            };
            return Step::Done(0);
        }
        match parse_pcap_header(bytes) {
            Ok((rest, header)) => {
                let len = bytes.len() - rest.len();
                self.format = Format::Pcap(header);
                Step::Done(len)
            }
            Err(_) => {
                let front = memlet_core::wire::Escaped(&bytes[..bytes.len().min(16)]);
                let hint = match bytes {
                    [0x1f, 0x8b, ..] => "; it is packed with gzip",
                    [0x28, 0xb5, 0x2f, 0xfd, ..] => "; it is packed with zstd",
                    _ => "",
                };
                sink(Found::Fault {
                    offset: 0,
                    text: format!("neither pcap nor pcapng: starts with \"{front}\"{hint}"),
                });
                self.format = Format::Nothing;
                Step::Done(bytes.len())
            }
        }
    }

    /// One record of a pcap file.
    fn record(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Found<'_>)) -> Step {
        let Format::Pcap(header) = &self.format else {
            return Step::NeedMore;
        };
        let Some(head) = RecordHead::read(bytes, header) else {
            return Step::NeedMore;
        };
        if head.captured > RECORD_LEN_MAX {
            let captured = head.captured;
            return Step::Nonsense(format!(
                "a frame of {captured} bytes; at most {RECORD_LEN_MAX} are believed"
            ));
        }
        let parsed = if header.is_bigendian() {
            parse_pcap_frame_be(bytes)
        } else if header.is_modified_format() {
            parse_pcap_frame_modified(bytes)
        } else {
            parse_pcap_frame(bytes)
        };
        let (rest, block) = match parsed {
            Ok(parsed) => parsed,
            Err(nom::Err::Incomplete(_)) => return Step::NeedMore,
            Err(_) => return Step::Nonsense("no record of a frame".into()),
        };
        self.frames += 1;
        self.time = head.time(header);
        sink(Found::Frame(Frame {
            number: self.frames,
            time: self.time,
            link: header.network.0,
            bytes: block.data,
            missing: head.on_the_wire.saturating_sub(head.captured),
        }));
        Step::Done(bytes.len() - rest.len())
    }

    /// One block of a pcapng file.
    fn block(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Found<'_>)) -> Step {
        let Format::PcapNg {
            big_endian,
            interfaces,
        } = &mut self.format
        else {
            return Step::NeedMore;
        };
        let block = match whole_block(bytes, big_endian) {
            Ok(block) => block,
            Err(step) => return step,
        };
        let len = block.len();
        let parsed = if *big_endian {
            parse_block_be(block)
        } else {
            parse_block_le(block)
        };
        let mut frame = |number: u32, time: u64, bytes, captured: u32, on_the_wire: u32| {
            self.frames += 1;
            let interface = interfaces.get(number as usize);
            if let Some(interface) = interface.filter(|_| time > 0) {
                self.time = interface.time(time);
            }
            let bytes: &[u8] = bytes;
            sink(Found::Frame(Frame {
                number: self.frames,
                time: self.time,
                link: interface.map_or(-1, |interface| interface.link),
                bytes: bytes.get(..captured as usize).unwrap_or(bytes),
                missing: on_the_wire.saturating_sub(captured) as usize,
            }));
        };
        match parsed {
            Ok((_, Block::EnhancedPacket(packet))) => {
                let time = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let (captured, on_the_wire) = (packet.caplen, packet.origlen);
                frame(packet.if_id, time, packet.data, captured, on_the_wire);
            }
            Ok((_, Block::SimplePacket(packet))) => {
                let captured = packet.origlen.min(packet.data.len() as u32);
                frame(0, 0, packet.data, captured, packet.origlen);
            }
            Ok((_, Block::SectionHeader(_))) => interfaces.clear(),
            Ok((_, Block::InterfaceDescription(described))) => {
                if interfaces.len() < INTERFACES_MAX {
                    interfaces.push(Interface {
                        link: described.linktype.0,
                        resolution: described.ts_resolution().unwrap_or(1_000_000).max(1),
                        offset: offset_of(&described, *big_endian),
                    });
                }
            }
            Ok(_) => {}
            // Its ends fit, so what follows can be told.
            Err(_) => sink(Found::Fault {
                offset: self.offset,
                text: format!("a block of {len} bytes that cannot be read"),
            }),
        }
        Step::Done(len)
    }

    /// How many bytes lead to something that looks like a record, and whether there is one.
    fn search(&self, bytes: &[u8], is_end: bool) -> (usize, bool) {
        for at in 0..bytes.len() {
            let looks = match &self.format {
                Format::Pcap(header) => self.looks_like_record(&bytes[at..], header, is_end),
                Format::PcapNg { big_endian, .. } => looks_like_block(&bytes[at..], *big_endian),
                _ => Some(false),
            };
            match looks {
                Some(true) => return (at, true),
                Some(false) => {}
                None if is_end => {}
                None => return (at, false),
            }
        }
        (bytes.len(), false)
    }

    /// Whether a record starts here: sane by itself, and another sane one or the end behind it.
    fn looks_like_record(&self, bytes: &[u8], header: &PcapHeader, is_end: bool) -> Option<bool> {
        let head = RecordHead::read(bytes, header)?;
        if !head.is_sane(header, self.time) {
            return Some(false);
        }
        let behind = bytes.get(head.len(header)..)?;
        if is_end && behind.is_empty() {
            return Some(true);
        }
        Some(RecordHead::read(behind, header)?.is_sane(header, self.time))
    }
}

impl Interface {
    fn time(&self, units: u64) -> u64 {
        let nanoseconds = u128::from(units) * 1_000_000_000 / u128::from(self.resolution);
        let offset = i128::from(self.offset) * 1_000_000_000;
        let sum = i128::try_from(nanoseconds)
            .unwrap_or(i128::MAX)
            .saturating_add(offset);
        u64::try_from(sum.max(0)).unwrap_or(u64::MAX)
    }
}

/// The block at the front of `bytes`, by the length at both its ends.
fn whole_block<'a>(bytes: &'a [u8], big_endian: &mut bool) -> Result<&'a [u8], Step> {
    // A section says in which order its numbers are, its own length included.
    if bytes.starts_with(&SECTION_HEADER) {
        match bytes.get(8..12) {
            None => return Err(Step::NeedMore),
            Some(&[0x1a, 0x2b, 0x3c, 0x4d]) => *big_endian = true,
            Some(&[0x4d, 0x3c, 0x2b, 0x1a]) => *big_endian = false,
            Some(_) => return Err(Step::Nonsense("a section without a byte order".into())),
        }
    }
    let len = u32_at(bytes, 4, *big_endian).ok_or(Step::NeedMore)? as usize;
    if !(BLOCK_LEN_MIN..=RECORD_LEN_MAX).contains(&len) || !len.is_multiple_of(4) {
        return Err(Step::Nonsense(format!(
            "a block of {len} bytes; {BLOCK_LEN_MIN} to {RECORD_LEN_MAX} in steps of 4 are believed"
        )));
    }
    let block = bytes.get(..len).ok_or(Step::NeedMore)?;
    if u32_at(block, len - 4, *big_endian) != Some(len as u32) {
        let text = format!("a block of {len} bytes whose end has another length");
        return Err(Step::Nonsense(text));
    }
    Ok(block)
}

/// Seconds to add to the times of an interface. The library reads them in little endian, whatever the section's order.
fn offset_of(described: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> i64 {
    let is_offset = |option: &&PcapNGOption<'_>| option.code == OptionCode::IfTsoffset;
    let option = described.options.iter().find(is_offset);
    match option.and_then(|option| option.value().first_chunk()) {
        Some(bytes) if big_endian => i64::from_be_bytes(*bytes),
        Some(bytes) => i64::from_le_bytes(*bytes),
        None => 0,
    }
}

fn u32_at(bytes: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let bytes = *bytes.get(at..)?.first_chunk()?;
    Some(if big_endian {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    })
}

fn looks_like_block(bytes: &[u8], big_endian: bool) -> Option<bool> {
    let known = matches!(u32_at(bytes, 0, big_endian)?, 1..=6 | 0x0a0d_0d0a);
    let len = u32_at(bytes, 4, big_endian)? as usize;
    if !known || !(BLOCK_LEN_MIN..=RESUMED_LEN_MAX).contains(&len) || !len.is_multiple_of(4) {
        return Some(false);
    }
    Some(u32_at(bytes, len - 4, big_endian)? as usize == len)
}

/// The numbers in front of a frame in a pcap file.
struct RecordHead {
    seconds: u32,
    /// In the file's unit.
    fraction: u32,
    captured: usize,
    on_the_wire: usize,
}

impl RecordHead {
    fn read(bytes: &[u8], header: &PcapHeader) -> Option<Self> {
        let number = |at| u32_at(bytes, at, header.is_bigendian());
        Some(RecordHead {
            seconds: number(0)?,
            fraction: number(4)?,
            captured: number(8)? as usize,
            on_the_wire: number(12)? as usize,
        })
    }

    /// Length of head and frame in bytes.
    fn len(&self, header: &PcapHeader) -> usize {
        let more = if header.is_modified_format() { 8 } else { 0 };
        RECORD_HEADER_LEN + more + self.captured
    }

    fn time(&self, header: &PcapHeader) -> u64 {
        let unit = if header.is_nanosecond_precision() {
            1
        } else {
            1000
        };
        u64::from(self.seconds) * 1_000_000_000 + u64::from(self.fraction) * unit
    }

    /// Whether it may well be one, in a file whose last frame was at `time`.
    fn is_sane(&self, header: &PcapHeader, time: u64) -> bool {
        const DAY: u64 = 86_400_000_000_000;
        let fraction_max = if header.is_nanosecond_precision() {
            1_000_000_000
        } else {
            1_000_000
        };
        self.fraction < fraction_max
            && self.captured <= self.on_the_wire
            && self.on_the_wire <= RESUMED_LEN_MAX
            && self.captured > 0
            && (time == 0 || self.time(header).abs_diff(time) < DAY)
    }
}
