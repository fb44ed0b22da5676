//! What a capture tells.

use std::net::SocketAddr;

use memlet_core::wire::{Header, Packet};

use super::session::{Asked, Feed, Unanswered};

/// Something in a capture, in the order in which it can be told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A packet.
    Packet(Record<'a>),
    /// A request got no answer, which can be told by now.
    Silence(Silence),
    /// Something is wrong with the capture or with a connection, or has come right again.
    Notice(Notice),
}

/// The way that a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Number of the connection, or of the pair of UDP ports, counted from 0 over those that speak memcached.
    pub stream: u64,
    /// Who sent it.
    pub src: SocketAddr,
    /// Who it is for.
    pub dst: SocketAddr,
    /// What kind of feed the connection has become, if it has.
    pub feed: Option<Feed>,
}

/// A packet of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The frame in which it ended, counted from 1.
    pub frame: u64,
    /// When that frame came, in nanoseconds since 1970.
    pub time: u64,
    /// From where to where.
    pub way: Way,
    /// Its header.
    pub header: Header,
    /// The packet, header included, as far as it is there.
    pub bytes: &'a [u8],
    /// How many bytes of it are not: lost, cut off by the capture, or more than are kept (1 MiB).
    pub missing: u64,
    /// Of a response: the request that it answers, if that has been seen.
    pub asked: Option<Asked>,
}

impl<'a> Record<'a> {
    /// Nanoseconds since its request; `None` for requests, and for responses to nothing that was seen.
    #[must_use]
    pub fn latency(&self) -> Option<u64> {
        self.asked.map(|asked| self.time.saturating_sub(asked.time))
    }

    /// Its parts. Those that are not there are empty or cut.
    #[must_use]
    pub fn packet(&self) -> Packet<'a> {
        let header = &self.header;
        let mut rest = self
            .bytes
            .get(memlet_core::wire::HEADER_LEN..)
            .unwrap_or_default();
        let mut take = |len: usize| {
            let (front, behind) = rest.split_at(len.min(rest.len()));
            rest = behind;
            front
        };
        let framing_extras = take(header.framing_extras_len.into());
        let extras = take(header.extras_len.into());
        let key = take(header.key_len.into());
        Packet {
            magic: header.magic,
            opcode: header.opcode,
            datatype: header.datatype,
            vbucket_or_status: header.vbucket_or_status,
            opaque: header.opaque,
            cas: header.cas,
            framing_extras,
            extras,
            key,
            value: rest,
        }
    }
}

/// A request without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The frame from which it can be told; 0 at the end of the capture.
    pub frame: u64,
    /// When that frame came, in nanoseconds since 1970; 0 at the end of the capture.
    pub time: u64,
    /// From where to where the request went.
    pub way: Way,
    /// The request.
    pub asked: Asked,
    /// What that means.
    pub meaning: Unanswered,
}

/// Something that is wrong, or has come right again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The frame at which it shows; 0 for what concerns the file or shows only at its end.
    pub frame: u64,
    /// When that frame came, in nanoseconds since 1970, or 0.
    pub time: u64,
    /// The way that is concerned, if it is one.
    pub way: Option<Way>,
    /// What it is.
    pub kind: NoticeKind,
    /// What it is, in words, with places and numbers.
    pub text: String,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NoticeKind {
    /// The file cannot be read at some place.
    File,
    /// A frame cannot be read.
    Frame,
    /// Bytes of a connection are not in the capture.
    Gap,
    /// Bytes of a connection are no packets.
    Lost,
    /// They are again.
    Found,
}

impl NoticeKind {
    /// In one word, lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            NoticeKind::File => "file",
            NoticeKind::Frame => "frame",
            NoticeKind::Gap => "gap",
            NoticeKind::Lost => "lost",
            NoticeKind::Found => "found",
        }
    }
}
