//! Lints that need more than one packet.

use heapless::Deque;

use super::judge::is_feed;
use super::{Expected, Finding, Lint};
use crate::wire::{Dialect, HEADER_LEN, Header, Opcode, Request, Status};

/// How many requests that wait for their answers are remembered.
const OUTSTANDING_MAX: usize = 64;

/// Features of HELLO that change what may follow, by their numbers.
const XATTR: u16 = 0x06;
const SNAPPY: u16 = 0x0a;
const JSON: u16 = 0x0b;
const UNORDERED_EXECUTION: u16 = 0x0e;
const TRACING: u16 = 0x0f;
const COLLECTIONS: u16 = 0x12;
const SNAPPY_EVERYWHERE: u16 = 0x13;
const REPORT_UNIT_USAGE: u16 = 0x1a;

/// Which side of a connection a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The side that opened the connection.
    Client,
    /// The side that accepted it.
    Server,
}

/// The two directions of a connection, packet by packet in the order of time, as far as lints need to remember them.
///
/// Its size is fixed: of requests without an answer it knows the last 64. It can start in the middle of a conversation, or
/// see one direction of it only; what it cannot know it does not complain about.
///
/// For each packet call [`Conversation::handle_packet`], which gives the request that a response answers, for
/// [`Options::request`](super::Options::request); at the end, [`Conversation::finish`].
#[derive(Clone, Debug)]
pub struct Conversation {
    dialect: Dialect,
    /// Requests that wait for their answers, the oldest first.
    outstanding: Deque<Outstanding, OUTSTANDING_MAX>,
    /// Whether a request has been forgotten for want of room, so that its answer will look unexpected.
    has_forgotten: bool,
    has_requests: bool,
    has_responses: bool,
    /// Quiet requests since the last that is not.
    quiet: u64,
    /// Features that the last HELLO asked for, as bits; `None` before the first.
    asked: Option<u64>,
    /// Features that the last HELLO was granted, as bits; `None` before the first.
    granted: Option<u64>,
    has_quit: bool,
    has_begun_sasl: bool,
    /// Whether it has become a TAP or DCP connection, on which both sides ask.
    is_feed: bool,
    /// Whether the server is the producer of that.
    has_producer: bool,
    /// Bytes of DCP messages that the producer has sent and the consumer may still acknowledge.
    unacknowledged: u64,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    opcode: Opcode,
    opaque: u32,
    is_quiet: bool,
    /// How many answers have come to a request that gets many.
    answers: u32,
}

impl Conversation {
    /// A conversation of which nothing is known yet.
    #[must_use]
    pub const fn new(dialect: Dialect) -> Self {
        Conversation {
            dialect,
            outstanding: Deque::new(),
            has_forgotten: false,
            has_requests: false,
            has_responses: false,
            quiet: 0,
            asked: None,
            granted: None,
            has_quit: false,
            has_begun_sasl: false,
            is_feed: false,
            has_producer: false,
            unacknowledged: 0,
        }
    }

    /// Whether keys start with the id of their collection, for [`Options::collections`](super::Options::collections).
    #[must_use]
    pub fn has_collections(&self) -> bool {
        self.has_feature(COLLECTIONS)
    }

    /// Takes note of a packet, calls `visitor` with what is wrong or odd about it in this place, and gives what is known of
    /// the request that it answers: opcode and opaque.
    ///
    /// Bytes that start with no header are left alone.
    pub fn handle_packet(
        &mut self,
        from: Side,
        packet: &[u8],
        visitor: &mut dyn FnMut(&Finding),
    ) -> Option<Request<'static>> {
        let header = Header::from_bytes(packet.first_chunk()?).ok()?;
        let mut at = Place {
            header,
            packet,
            visitor,
        };
        let is_request = header.magic.is_request();
        if header.magic.is_server_initiated() {
            // The server asks, the client answers.
            if is_request == (from == Side::Client) {
                at.wrong_side(from);
            }
            return None;
        }
        if !self.is_feed && is_request == (from == Side::Server) {
            at.wrong_side(from);
            return None;
        }
        if is_request {
            self.handle_request(from, &mut at);
            return None;
        }
        self.handle_response(&mut at)
    }

    /// Ends the conversation: calls `visitor` with what is still open. What it finds belongs to no packet.
    pub fn finish(self, visitor: &mut dyn FnMut(&Finding)) {
        let mut report = |lint, found| {
            visitor(&Finding {
                lint,
                field: "packet",
                offset: 0,
                len: 0,
                found,
                allowed: Expected::Exactly(0),
            });
        };
        if self.quiet > 0 {
            report(Lint::QuietWithoutNoop, self.quiet);
        }
        // Of one direction alone no request has an answer.
        if !self.has_responses {
            return;
        }
        let loud = || self.outstanding.iter().filter(|request| !request.is_quiet);
        let is_cut = |request: &Outstanding| request.opcode == Opcode::STAT && request.answers > 0;
        for request in loud().filter(|request| is_cut(request)) {
            report(Lint::StatWithoutEnd, request.answers.into());
        }
        let unanswered = loud().filter(|request| !is_cut(request)).count();
        if unanswered > 0 {
            report(Lint::Unanswered, unanswered as u64);
        }
    }

    fn has_feature(&self, feature: u16) -> bool {
        self.granted
            .is_some_and(|granted| granted & bit(feature) != 0)
    }

    fn handle_request(&mut self, from: Side, at: &mut Place<'_, '_>) {
        let header = at.header;
        self.data_type(at);
        self.feed_request(from, at);
        if self.is_feed {
            return;
        }
        if self.has_quit {
            at.report_header(
                Lint::AfterQuit,
                "packet",
                (0, HEADER_LEN),
                0,
                Expected::AsTitled,
            );
        }
        self.has_requests = true;
        let is_quiet = header.opcode.is_quiet_in(self.dialect);
        self.quiet = if is_quiet {
            self.quiet.saturating_add(1)
        } else {
            0
        };
        match header.opcode {
            Opcode::QUIT => self.has_quit = true,
            Opcode::QUITQ => {
                // It ends the quiet ones before it as well: the connection closes behind them.
                (self.has_quit, self.quiet) = (true, 0);
                return;
            }
            Opcode::SASL_AUTH => self.has_begun_sasl = true,
            Opcode::SASL_STEP if !self.has_begun_sasl => {
                let found = header.opcode.0.into();
                at.report_header(
                    Lint::SaslStepFirst,
                    "opcode",
                    (1, 1),
                    found,
                    Expected::AsTitled,
                );
            }
            Opcode::HELLO => self.asked = Some(at.features()),
            _ => {}
        }
        let is_reused = |other: &Outstanding| other.opaque == header.opaque && !other.is_quiet;
        if self.has_responses && self.outstanding.iter().any(is_reused) {
            let found = header.opaque.into();
            at.report_header(
                Lint::OpaqueReused,
                "opaque",
                (12, 4),
                found,
                Expected::AsTitled,
            );
        }
        if self.outstanding.is_full() {
            self.outstanding.pop_front();
            self.has_forgotten = true;
        }
        // There is room now.
        let _ = self.outstanding.push_back(Outstanding {
            opcode: header.opcode,
            opaque: header.opaque,
            is_quiet,
            answers: 0,
        });
    }

    /// What makes a connection one of TAP or DCP, and flow control on it.
    fn feed_request(&mut self, from: Side, at: &mut Place<'_, '_>) {
        let header = at.header;
        match (header.opcode, from) {
            (Opcode::TAP_CONNECT, Side::Client) => self.is_feed = true,
            (Opcode::DCP_OPEN, Side::Client) => {
                self.is_feed = true;
                self.has_producer = at.extras_u32(4).is_some_and(|flags| flags & 1 == 1);
            }
            (Opcode::DCP_NOOP, Side::Client) if self.has_producer => {
                let found = header.magic.0.into();
                let allowed = Expected::Exactly(0x81);
                at.report_header(Lint::DcpNoopAsRequest, "magic", (0, 1), found, allowed);
            }
            (Opcode::DCP_BUFFER_ACK, Side::Client) if self.has_producer => {
                let acknowledged = at.extras_u32(0).unwrap_or(0).into();
                if acknowledged > self.unacknowledged {
                    let allowed = Expected::AtMost(self.unacknowledged);
                    let extras_at = HEADER_LEN + usize::from(header.framing_extras_len);
                    let place = (extras_at, 4);
                    at.report_header(Lint::DcpOverAck, "bytes", place, acknowledged, allowed);
                }
                self.unacknowledged = self.unacknowledged.saturating_sub(acknowledged);
            }
            (opcode, Side::Server) if is_feed(opcode) && opcode != Opcode::DCP_NOOP => {
                self.unacknowledged = self.unacknowledged.saturating_add(header.packet_len());
            }
            _ => {}
        }
    }

    fn handle_response(&mut self, at: &mut Place<'_, '_>) -> Option<Request<'static>> {
        let header = at.header;
        self.has_responses = true;
        self.data_type(at);
        let timed = self.has_feature(TRACING) || self.has_feature(REPORT_UNIT_USAGE);
        if header.magic.is_flex() && self.granted.is_some() && !timed {
            let found = header.magic.0.into();
            let allowed = Expected::Exactly(0x81);
            at.report_header(Lint::FlexNotNegotiated, "magic", (0, 1), found, allowed);
        }
        let is_success = Status(header.vbucket_or_status) == Status::SUCCESS;
        if header.opcode == Opcode::HELLO && is_success {
            let granted = at.features();
            if let Some(asked) = self.asked
                && granted & !asked != 0
            {
                let allowed = Expected::Bits(asked);
                at.report_header(
                    Lint::FeatureNotAsked,
                    "value",
                    (HEADER_LEN, 0),
                    granted,
                    allowed,
                );
            }
            self.granted = Some(granted);
        }
        if self.is_feed {
            return None;
        }
        let answered = self.answered(at);
        if answered.is_none() && self.has_requests && !self.has_forgotten {
            let found = header.opaque.into();
            at.report_header(
                Lint::UnexpectedResponse,
                "opaque",
                (12, 4),
                found,
                Expected::AsTitled,
            );
        }
        answered.map(|request| Request {
            opaque: request.opaque,
            ..Request::new(request.opcode)
        })
    }

    /// The request that a response answers; those that it shows to be done are forgotten.
    fn answered(&mut self, at: &mut Place<'_, '_>) -> Option<Outstanding> {
        let header = at.header;
        let same = |request: &Outstanding| request.opaque == header.opaque;
        // One opaque for all is told apart by the opcode.
        let index = self
            .outstanding
            .iter()
            .position(|request| same(request) && request.opcode == header.opcode)
            .or_else(|| self.outstanding.iter().position(same))?;
        let is_ordered = !self.has_feature(UNORDERED_EXECUTION);
        let loud = self
            .outstanding
            .iter()
            .take(index)
            .filter(|request| !request.is_quiet);
        let before = loud.count() as u64;
        if is_ordered && before > 0 {
            let allowed = Expected::Exactly(0);
            at.report_header(Lint::OutOfOrder, "opaque", (12, 4), before, allowed);
        }
        let mut found = None;
        let is_last = at.is_last();
        // Turned once around, so that the order stays.
        for place in 0..self.outstanding.len() {
            let Some(mut request) = self.outstanding.pop_front() else {
                break;
            };
            let is_done = if place == index {
                request.answers = request.answers.saturating_add(1);
                found = Some(request);
                is_last
            } else {
                // A quiet request before an answered one has nothing to say any more.
                place < index && request.is_quiet && is_ordered
            };
            if !is_done {
                let _ = self.outstanding.push_back(request);
            }
        }
        found
    }

    /// memcached binary protocol: datatype bits.
    fn data_type(&mut self, at: &mut Place<'_, '_>) {
        if self.granted.is_none() {
            return;
        }
        let snappy = self.has_feature(SNAPPY) || self.has_feature(SNAPPY_EVERYWHERE);
        let allowed = u8::from(self.has_feature(JSON))
            | u8::from(snappy) << 1
            | u8::from(self.has_feature(XATTR)) << 2;
        let found = at.header.datatype.0;
        if found & 0x07 & !allowed != 0 {
            let allowed = Expected::Bits(allowed.into());
            let lint = Lint::DataTypeNotNegotiated;
            at.report_header(lint, "data type", (5, 1), found.into(), allowed);
        }
    }
}

/// The bit that stands for a feature.
fn bit(feature: u16) -> u64 {
    1_u64.checked_shl(feature.into()).unwrap_or(0)
}

/// A packet, and who wants to know about it.
struct Place<'p, 'v> {
    header: Header,
    packet: &'p [u8],
    visitor: &'v mut dyn FnMut(&Finding),
}

impl Place<'_, '_> {
    fn report_header(
        &mut self,
        lint: Lint,
        field: &'static str,
        (offset, len): (usize, usize),
        found: u64,
        allowed: Expected,
    ) {
        (self.visitor)(&Finding {
            lint,
            field,
            offset,
            len,
            found,
            allowed,
        });
    }

    fn wrong_side(&mut self, from: Side) {
        let lint = match from {
            Side::Client => Lint::ResponseFromClient,
            Side::Server => Lint::RequestFromServer,
        };
        let found = self.header.magic.0.into();
        self.report_header(lint, "magic", (0, 1), found, Expected::AsTitled);
    }

    /// Bytes behind the header that have been skipped, as far as they are there.
    fn behind(&self, skip: usize) -> &[u8] {
        let at = HEADER_LEN + usize::from(self.header.framing_extras_len) + skip;
        self.packet.get(at..).unwrap_or_default()
    }

    fn extras_u32(&self, at: usize) -> Option<u32> {
        self.behind(at)
            .first_chunk()
            .map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The features in the value of a HELLO, as bits.
    fn features(&self) -> u64 {
        let skip = usize::from(self.header.extras_len) + usize::from(self.header.key_len);
        let value = self.behind(skip).chunks_exact(2);
        value.fold(0, |features, pair| match pair {
            [0, low] => features | bit((*low).into()),
            _ => features,
        })
    }

    /// Whether no other answer to the same request follows.
    fn is_last(&self) -> bool {
        let is_success = Status(self.header.vbucket_or_status) == Status::SUCCESS;
        match self.header.opcode {
            Opcode::STAT => !is_success || self.header.body_len == 0,
            Opcode::RANGE_SCAN_CONTINUE => !is_success,
            _ => true,
        }
    }
}
