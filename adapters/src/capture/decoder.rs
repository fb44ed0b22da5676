//! A capture file to events: files, frames, connections and packets put together.

use std::collections::HashMap;
use std::net::SocketAddr;

use memlet_core::wire::{Dialect, HEADER_LEN};

use super::event::{Event, Notice, NoticeKind, Record, Silence, Way};
use super::file::{FileReader, Found, Frame};
use super::fragments::Fragments;
use super::link::{self, Segment, Tcp, Transport};
use super::packets::{Output, Packets, is_plausible};
use super::reassembly::{Origin, Piece, Reassembly};
use super::session::{Session, Unanswered};

/// What is known besides the capture.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CaptureOptions {
    /// Whose meaning of the numbers applies.
    pub dialect: Dialect,
    /// Ports at which servers speak memcached. What is no packet there is told. On all others a connection counts once
    /// one of its segments starts with a header that makes sense.
    pub ports: Vec<u16>,
    /// Connections that are followed at once; the one that has been quiet for longest goes first.
    pub connections_max: usize,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        CaptureOptions {
            dialect: Dialect::Memcached,
            ports: vec![11210, 11211],
            connections_max: 1 << 14,
        }
    }
}

/// Segments without a header that makes sense after which a connection at another port is not looked at any more.
const LOOKS_MAX: u8 = 16;

/// Reads a capture file that is pushed in pieces of any size.
///
/// ```
/// use memlet::capture::{CaptureOptions, Decoder, Event};
///
/// let mut decoder = Decoder::new(CaptureOptions::default());
/// let mut notices = Vec::new();
/// decoder.push(b"GET / HTTP/1.1\r\nHost: example\r\n", &mut |event| {
///     if let Event::Notice(notice) = event {
///         notices.push(notice.text);
///     }
/// });
/// decoder.finish(&mut |_| {});
/// assert!(notices[0].starts_with("byte 0 of the file: neither pcap nor pcapng"));
/// ```
pub struct Decoder {
    file: FileReader,
    flows: Flows,
}

struct Flows {
    options: CaptureOptions,
    fragments: Fragments,
    connections: HashMap<Pair, Connection>,
    /// Streams that have got a number.
    streams: u64,
}

/// Both ends of a connection, the lesser address first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pair {
    ends: [SocketAddr; 2],
    is_tcp: bool,
}

struct Connection {
    /// Once it is known to speak memcached.
    stream: Option<u64>,
    looks: u8,
    /// From the first end to the second, and back.
    directions: [Direction; 2],
    session: Session,
    last_frame: u64,
}

struct Direction {
    order: Reassembly,
    packets: Packets,
}

impl Decoder {
    /// Nothing has been read yet.
    #[must_use]
    pub fn new(options: CaptureOptions) -> Self {
        Decoder {
            file: FileReader::new(),
            flows: Flows {
                options,
                fragments: Fragments::default(),
                connections: HashMap::new(),
                streams: 0,
            },
        }
    }

    /// Takes the next bytes of the file, and tells what they bring.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        let Decoder { file, flows } = self;
        file.push(bytes, &mut |found| flows.found(&found, sink));
    }

    /// The file has ended: tells what was left open. The decoder is of no use any more.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        let Decoder { file, flows } = self;
        file.finish(&mut |found| flows.found(&found, sink));
        let mut left: Vec<_> = flows.connections.drain().collect();
        left.sort_by_key(|(_, connection)| connection.stream);
        for (pair, connection) in left {
            connection.finish(&pair, flows.options.dialect, Origin::default(), sink);
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Flows {
    fn found(&mut self, found: &Found<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let frame = match found {
            Found::Frame(frame) => frame,
            Found::Fault { offset, text } => {
                sink(Event::Notice(Notice {
                    frame: 0,
                    time: 0,
                    way: None,
                    kind: NoticeKind::File,
                    text: format!("byte {offset} of the file: {text}"),
                }));
                return;
            }
        };
        let mut fragments = std::mem::take(&mut self.fragments);
        let result = link::dissect(frame, &mut fragments, &mut |segment| {
            self.segment(frame, &segment, sink);
        });
        self.fragments = fragments;
        if let Err(text) = result {
            sink(Event::Notice(Notice {
                frame: frame.number,
                time: frame.time,
                way: None,
                kind: NoticeKind::Frame,
                text,
            }));
        }
    }

    fn segment(
        &mut self,
        frame: &Frame<'_>,
        segment: &Segment<'_>,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let origin = Origin {
            frame: frame.number,
            time: frame.time,
        };
        let is_first = segment.src <= segment.dst;
        let ends = if is_first {
            [segment.src, segment.dst]
        } else {
            [segment.dst, segment.src]
        };
        let pair = Pair {
            ends,
            is_tcp: matches!(segment.transport, Transport::Tcp(_)),
        };
        let direction = usize::from(!is_first);
        let dialect = self.options.dialect;
        if let Transport::Tcp(tcp) = segment.transport
            && self.is_another(&pair, direction, &tcp)
            && let Some(old) = self.connections.remove(&pair)
        {
            old.finish(&pair, dialect, origin, sink);
        }
        if self.connections.len() >= self.options.connections_max
            && !self.connections.contains_key(&pair)
        {
            self.forget(origin, sink);
        }
        let ports = &self.options.ports;
        let is_known = ends.iter().any(|end| ports.contains(&end.port()));
        let connection = self.connections.entry(pair).or_insert_with(Connection::new);
        connection.last_frame = frame.number;
        if connection.stream.is_none() {
            if segment.payload.is_empty() && segment.missing == 0 && !is_known {
                // A SYN says where the first byte will be.
                if let Transport::Tcp(tcp) = segment.transport {
                    connection.start(direction, &tcp);
                }
                return;
            }
            if !is_known && !connection.looks_like_memcached(segment) {
                return;
            }
            connection.stream = Some(self.streams);
            self.streams += 1;
        }
        match segment.transport {
            Transport::Tcp(tcp) => {
                connection.tcp(&pair, direction, &tcp, segment, dialect, origin, sink);
                if tcp.rst
                    && let Some(connection) = self.connections.remove(&pair)
                {
                    connection.finish(&pair, dialect, origin, sink);
                }
            }
            Transport::Udp => connection.udp(&pair, direction, segment, dialect, origin, sink),
        }
    }

    /// Whether a SYN starts another connection between the same ports.
    fn is_another(&self, pair: &Pair, direction: usize, tcp: &Tcp) -> bool {
        let Some(connection) = self.connections.get(pair) else {
            return false;
        };
        let order = &connection.directions[direction].order;
        tcp.syn && order.is_started() && !order.expects(tcp.sequence.wrapping_add(1))
    }

    /// Makes room: half of the connections go, those that have been quiet for longest.
    fn forget(&mut self, origin: Origin, sink: &mut dyn FnMut(Event<'_>)) {
        let mut last: Vec<u64> = self.connections.values().map(|it| it.last_frame).collect();
        let middle = last.len() / 2;
        let (_, middle, _) = last.select_nth_unstable(middle);
        let middle = *middle;
        let old: Vec<Pair> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.last_frame <= middle)
            .map(|(pair, _)| *pair)
            .collect();
        for pair in old {
            if let Some(connection) = self.connections.remove(&pair) {
                connection.finish(&pair, self.options.dialect, origin, sink);
            }
        }
    }
}

type PieceSink<'s> = dyn FnMut(Piece<'_>, Origin) + 's;

impl Connection {
    fn new() -> Self {
        let direction = || Direction {
            order: Reassembly::default(),
            packets: Packets::new(),
        };
        Connection {
            stream: None,
            looks: 0,
            directions: [direction(), direction()],
            session: Session::default(),
            last_frame: 0,
        }
    }

    fn start(&mut self, direction: usize, tcp: &Tcp) {
        if tcp.syn {
            let first = tcp.sequence.wrapping_add(1);
            self.directions[direction].order.start(first);
        }
    }

    /// Whether a segment starts with a header that makes sense.
    fn looks_like_memcached(&mut self, segment: &Segment<'_>) -> bool {
        if self.looks >= LOOKS_MAX {
            return false;
        }
        self.looks += 1;
        let skipped = match segment.transport {
            Transport::Tcp(_) => 0,
            Transport::Udp => UDP_HEADER_LEN,
        };
        let header = segment.payload.get(skipped..);
        header
            .and_then(<[u8]>::first_chunk::<HEADER_LEN>)
            .is_some_and(is_plausible)
    }

    #[allow(clippy::too_many_arguments)] // What is known of a segment, and where it goes.
    fn tcp(
        &mut self,
        pair: &Pair,
        direction: usize,
        tcp: &Tcp,
        segment: &Segment<'_>,
        dialect: Dialect,
        origin: Origin,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        self.start(direction, tcp);
        if let Some(acknowledged) = tcp.acknowledged {
            self.ordered(1 - direction, pair, dialect, sink, &mut |order, sink| {
                order.acknowledged(acknowledged, sink);
            });
        }
        let sequence = tcp.sequence.wrapping_add(u32::from(tcp.syn));
        self.ordered(direction, pair, dialect, sink, &mut |order, sink| {
            order.segment(sequence, segment.payload, segment.missing, origin, sink);
        });
    }

    /// Lets a direction's bytes be put into order, and reads what comes out.
    fn ordered(
        &mut self,
        direction: usize,
        pair: &Pair,
        dialect: Dialect,
        sink: &mut dyn FnMut(Event<'_>),
        work: &mut dyn FnMut(&mut Reassembly, &mut PieceSink<'_>),
    ) {
        let way = self.way(pair, direction);
        let Direction { order, packets } = &mut self.directions[direction];
        let session = &mut self.session;
        work(order, &mut |piece, origin| {
            let output = &mut |output: Output<'_>, origin: Origin| {
                told(session, direction, way, dialect, output, origin, sink);
            };
            match piece {
                Piece::Bytes(bytes) => packets.bytes(bytes, origin, output),
                Piece::Gap(len) => {
                    packets.gap(len, origin, output);
                    let text = match len {
                        Some(len) => format!("{len} bytes are not in the capture"),
                        None => "bytes are not in the capture, how many cannot be told".into(),
                    };
                    sink(notice(way, origin, NoticeKind::Gap, text));
                }
            }
        });
    }

    fn udp(
        &mut self,
        pair: &Pair,
        direction: usize,
        segment: &Segment<'_>,
        dialect: Dialect,
        origin: Origin,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let way = self.way(pair, direction);
        let Some((head, payload)) = segment.payload.split_first_chunk::<UDP_HEADER_LEN>() else {
            let text = format!(
                "a datagram of {} bytes, shorter than memcached's frame header of {UDP_HEADER_LEN}",
                segment.payload.len()
            );
            sink(notice(way, origin, NoticeKind::Lost, text));
            return;
        };
        let [_, _, high, low, ..] = *head;
        let session = &mut self.session;
        let output = &mut |output: Output<'_>, origin: Origin| {
            told(session, direction, way, dialect, output, origin, sink);
        };
        // The first datagram of an answer starts with a header; those after it go on where it ended.
        let packets = &mut self.directions[direction].packets;
        if u16::from_be_bytes([high, low]) == 0 {
            packets.finish(origin, output);
        }
        packets.bytes(payload, origin, output);
        if segment.missing > 0 {
            packets.gap(Some(segment.missing as u64), origin, output);
        }
    }

    fn way(&self, pair: &Pair, direction: usize) -> Way {
        Way {
            stream: self.stream.unwrap_or_default(),
            src: pair.ends[direction],
            dst: pair.ends[1 - direction],
            feed: self.session.feed,
        }
    }

    /// Nothing more comes.
    fn finish(
        mut self,
        pair: &Pair,
        dialect: Dialect,
        end: Origin,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        if self.stream.is_none() {
            return;
        }
        for direction in [0, 1] {
            self.ordered(direction, pair, dialect, sink, &mut |order, sink| {
                order.finish(sink);
            });
            let way = self.way(pair, direction);
            let session = &mut self.session;
            let packets = &mut self.directions[direction].packets;
            packets.finish(end, &mut |output, origin| {
                told(session, direction, way, dialect, output, origin, sink);
            });
        }
        let ways = [self.way(pair, 0), self.way(pair, 1)];
        self.session.finish(&mut |direction, asked| {
            sink(Event::Silence(Silence {
                frame: end.frame,
                time: end.time,
                way: ways[direction],
                asked,
                meaning: Unanswered::Lost,
            }));
        });
    }
}

/// Length in bytes of what memcached puts in front of each datagram: request id, number, count, reserved.
const UDP_HEADER_LEN: usize = 8;

fn notice(way: Way, origin: Origin, kind: NoticeKind, text: String) -> Event<'static> {
    Event::Notice(Notice {
        frame: origin.frame,
        time: origin.time,
        way: Some(way),
        kind,
        text,
    })
}

/// Tells what has come out of a direction's bytes.
fn told(
    session: &mut Session,
    direction: usize,
    way: Way,
    dialect: Dialect,
    output: Output<'_>,
    origin: Origin,
    sink: &mut dyn FnMut(Event<'_>),
) {
    let (header, bytes, missing) = match output {
        Output::Packet {
            header,
            bytes,
            missing,
        } => (header, bytes, missing),
        Output::Lost(text) => {
            sink(notice(way, origin, NoticeKind::Lost, text));
            return;
        }
        Output::Found { skipped } => {
            let text = format!("packets again, {skipped} bytes were skipped");
            sink(notice(way, origin, NoticeKind::Found, text));
            return;
        }
    };
    let mut record = Record {
        frame: origin.frame,
        time: origin.time,
        way,
        header,
        bytes,
        missing,
        asked: None,
    };
    let mut silent = |asked, meaning, way| {
        sink(Event::Silence(Silence {
            frame: origin.frame,
            time: origin.time,
            way,
            asked,
            meaning,
        }));
    };
    let back = Way {
        src: way.dst,
        dst: way.src,
        ..way
    };
    if header.magic.is_response() {
        record.asked = session.response(direction, &header, dialect, &mut |asked, meaning| {
            silent(asked, meaning, back);
        });
    } else {
        let extras = record.packet().extras;
        session.request(direction, &header, extras, origin, &mut |asked, meaning| {
            silent(asked, meaning, way);
        });
    }
    record.way.feed = session.feed;
    sink(Event::Packet(record));
}
