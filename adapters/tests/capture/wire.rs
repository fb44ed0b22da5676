//! Captures for the tests: packets, frames and files written by hand.

use std::net::SocketAddr;

use etherparse::{Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, PacketBuilder};
use memlet_core::wire::{Opcode, Request, Response, Status};

pub(crate) const START: u64 = 1_700_000_000_123_456_789;
pub(crate) const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 40_000);
pub(crate) const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 11_211);

pub(crate) fn request(opcode: Opcode, key: &[u8], opaque: u32) -> Vec<u8> {
    let extras: &[u8] = match opcode.loud() {
        Opcode::SET => &[0; 8],
        _ => &[],
    };
    let value: &[u8] = match opcode.loud() {
        Opcode::SET => &[b'v'; 1000],
        _ => &[],
    };
    let request = Request {
        key,
        extras,
        value,
        opaque,
        ..Request::new(opcode)
    };
    let mut bytes = vec![0; 2000];
    let len = request.emit(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

pub(crate) fn response(opcode: Opcode, status: Status, value: &[u8], opaque: u32) -> Vec<u8> {
    let is_hit = opcode.loud() == Opcode::GET && status == Status::SUCCESS;
    let response = Response {
        status,
        extras: if is_hit { &[0; 4] } else { &[] },
        value,
        opaque,
        ..Response::new(opcode, status)
    };
    let mut bytes = vec![0; 100 + value.len()];
    let len = response.emit(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

/// A frame of a capture: the time in nanoseconds after the start, and the bytes from IP on.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) time: u64,
    pub(crate) ip: Vec<u8>,
}

/// A conversation over TCP, segment by segment.
pub(crate) struct Talk {
    pub(crate) frames: Vec<Sent>,
    /// The next sequence numbers of client and server.
    next: [u32; 2],
    time: u64,
}

impl Talk {
    pub(crate) fn new() -> Self {
        Talk {
            frames: Vec::new(),
            // They wrap soon.
            next: [u32::MAX - 20, 5000],
            time: 0,
        }
    }

    /// The next segment of a side, sent.
    pub(crate) fn say(&mut self, is_server: bool, bytes: &[u8]) {
        let frame = self.segment(is_server, bytes);
        self.frames.push(frame);
    }

    /// The next segment of a side, for the caller to place.
    pub(crate) fn segment(&mut self, is_server: bool, bytes: &[u8]) -> Sent {
        let side = usize::from(is_server);
        let ((src, src_port), (dst, dst_port)) = if is_server {
            (SERVER, CLIENT)
        } else {
            (CLIENT, SERVER)
        };
        self.time += 1_000_000;
        let mut ip = Vec::new();
        PacketBuilder::ipv4(src, dst, 64)
            .tcp(src_port, dst_port, self.next[side], 1000)
            .ack(self.next[1 - side])
            .write(&mut ip, bytes)
            .unwrap();
        self.next[side] = self.next[side].wrapping_add(bytes.len() as u32);
        let time = self.time;
        Sent { time, ip }
    }
}

pub(crate) fn udp(time: u64, is_server: bool, payload: &[u8]) -> Sent {
    let ((src, src_port), (dst, dst_port)) = if is_server {
        (SERVER, CLIENT)
    } else {
        (CLIENT, SERVER)
    };
    let mut ip = Vec::new();
    PacketBuilder::ipv4(src, dst, 64)
        .udp(src_port, dst_port)
        .write(&mut ip, payload)
        .unwrap();
    Sent { time, ip }
}

/// The same datagram in fragments of `len` bytes.
pub(crate) fn fragments(sent: &Sent, len: usize) -> Vec<Sent> {
    let (header, payload) = Ipv4Header::from_slice(&sent.ip).unwrap();
    let pieces = payload.chunks(len);
    let last = pieces.len() - 1;
    let fragment = |(index, piece): (usize, &[u8])| {
        let mut header = Ipv4Header::new(
            piece.len() as u16,
            64,
            IpNumber::UDP,
            header.source,
            header.destination,
        )
        .unwrap();
        header.identification = 77;
        header.more_fragments = index < last;
        header.fragment_offset = IpFragOffset::try_new((index * len / 8) as u16).unwrap();
        header.header_checksum = header.calc_header_checksum();
        let mut ip = header.to_bytes().to_vec();
        ip.extend_from_slice(piece);
        Sent {
            time: sent.time,
            ip,
        }
    };
    pieces.enumerate().map(fragment).collect()
}

/// What frames are wrapped in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    Ethernet,
    Vlan,
    Raw,
    Null,
    Sll,
    Sll2,
}

impl Link {
    pub(crate) const ALL: [Link; 6] = [
        Link::Ethernet,
        Link::Vlan,
        Link::Raw,
        Link::Null,
        Link::Sll,
        Link::Sll2,
    ];

    pub(crate) fn number(self) -> u32 {
        match self {
            Link::Ethernet | Link::Vlan => 1,
            Link::Raw => 101,
            Link::Null => 0,
            Link::Sll => 113,
            Link::Sll2 => 276,
        }
    }

    pub(crate) fn wrap(self, ip: &[u8]) -> Vec<u8> {
        let mut bytes = match self {
            Link::Raw => Vec::new(),
            Link::Null => vec![2, 0, 0, 0],
            Link::Ethernet => Ethernet2Header {
                ether_type: etherparse::EtherType::IPV4,
                ..Ethernet2Header::default()
            }
            .to_bytes()
            .to_vec(),
            Link::Vlan => {
                let mut bytes = vec![0; 12];
                bytes.extend_from_slice(&[0x81, 0, 0, 42, 8, 0]);
                bytes
            }
            Link::Sll => {
                let mut bytes = vec![0; 14];
                bytes.extend_from_slice(&[8, 0]);
                bytes
            }
            Link::Sll2 => {
                let mut bytes = vec![8, 0];
                bytes.extend_from_slice(&[0; 18]);
                bytes
            }
        };
        bytes.extend_from_slice(ip);
        bytes
    }
}

/// How a pcap file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) is_big_endian: bool,
    pub(crate) is_nanoseconds: bool,
    pub(crate) link: Link,
    /// Longest frame that is captured.
    pub(crate) snap_len: usize,
}

impl Default for Form {
    fn default() -> Self {
        Form {
            is_big_endian: false,
            is_nanoseconds: true,
            link: Link::Ethernet,
            snap_len: 1 << 18,
        }
    }
}

impl Form {
    fn u32(self, number: u32) -> [u8; 4] {
        if self.is_big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    fn u16(self, number: u16) -> [u8; 2] {
        if self.is_big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    pub(crate) fn pcap(self, frames: &[Sent]) -> Vec<u8> {
        let magic = if self.is_nanoseconds {
            0xa1b2_3c4d
        } else {
            0xa1b2_c3d4
        };
        let mut file = self.u32(magic).to_vec();
        file.extend_from_slice(&self.u16(2));
        file.extend_from_slice(&self.u16(4));
        for number in [0, 0, self.snap_len as u32, self.link.number()] {
            file.extend_from_slice(&self.u32(number));
        }
        for sent in frames {
            let time = START + sent.time;
            let unit = if self.is_nanoseconds { 1 } else { 1000 };
            let bytes = self.link.wrap(&sent.ip);
            let captured = bytes.len().min(self.snap_len);
            for number in [
                (time / 1_000_000_000) as u32,
                (time % 1_000_000_000 / unit) as u32,
                captured as u32,
                bytes.len() as u32,
            ] {
                file.extend_from_slice(&self.u32(number));
            }
            file.extend_from_slice(&bytes[..captured]);
        }
        file
    }

    /// With timestamps in units of 2^-30 or 10^-6 seconds, before which an offset is subtracted.
    pub(crate) fn pcapng(self, frames: &[Sent]) -> Vec<u8> {
        const OFFSET: u64 = 1_600_000_000;
        let mut file = Vec::new();
        let mut section = self.u32(0x1a2b_3c4d).to_vec();
        section.extend_from_slice(&self.u16(1));
        section.extend_from_slice(&self.u16(0));
        section.extend_from_slice(&[0xff; 8]);
        self.block(0x0a0d_0d0a, &section, &mut file);
        let mut interface = self.u16(self.link.number() as u16).to_vec();
        interface.extend_from_slice(&self.u16(0));
        interface.extend_from_slice(&self.u32(self.snap_len as u32));
        if self.is_nanoseconds {
            interface.extend_from_slice(&self.u16(9));
            interface.extend_from_slice(&self.u16(1));
            interface.extend_from_slice(&[9, 0, 0, 0]);
        }
        interface.extend_from_slice(&self.u16(14));
        interface.extend_from_slice(&self.u16(8));
        let (front, back) = if self.is_big_endian {
            (0, OFFSET as u32)
        } else {
            (OFFSET as u32, 0)
        };
        interface.extend_from_slice(&self.u32(front));
        interface.extend_from_slice(&self.u32(back));
        interface.extend_from_slice(&[0; 4]);
        self.block(1, &interface, &mut file);
        // A block that nobody knows.
        self.block(0x0bad_cafe, b"whatever", &mut file);
        for sent in frames {
            let unit = if self.is_nanoseconds { 1 } else { 1000 };
            let time = (START + sent.time - OFFSET * 1_000_000_000) / unit;
            let bytes = self.link.wrap(&sent.ip);
            let captured = bytes.len().min(self.snap_len);
            let mut block = self.u32(0).to_vec();
            for number in [
                (time >> 32) as u32,
                time as u32,
                captured as u32,
                bytes.len() as u32,
            ] {
                block.extend_from_slice(&self.u32(number));
            }
            block.extend_from_slice(&bytes[..captured]);
            block.resize(block.len().next_multiple_of(4), 0);
            self.block(6, &block, &mut file);
        }
        file
    }

    fn block(self, number: u32, content: &[u8], file: &mut Vec<u8>) {
        let len = self.u32(content.len() as u32 + 12);
        file.extend_from_slice(&self.u32(number));
        file.extend_from_slice(&len);
        file.extend_from_slice(content);
        file.extend_from_slice(&len);
    }
}

pub(crate) fn address((ip, port): ([u8; 4], u16)) -> SocketAddr {
    SocketAddr::from((ip, port))
}
