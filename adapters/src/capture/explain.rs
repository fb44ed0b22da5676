//! From bytes to explained packets.

use std::iter::FusedIterator;

use memlet_core::wire::fields::{Conversation, Finding, Options, Side, Span, Visitor, visit};
use memlet_core::wire::{
    Dialect, Escaped, Header, Limits, Magic, PacketView, ParseError, Parsed, Status,
};

/// A packet in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained<'a> {
    /// Where it starts, in bytes from the start of all input.
    pub offset: usize,
    /// Bytes of the input that belong to it; fewer than it has when it is cut off.
    pub len: usize,
    /// What it is, in one line.
    pub summary: String,
    /// Its fields, in the order of the wire; their offsets count from the start of all input.
    pub fields: Vec<Span<'a>>,
    /// What is wrong with it or odd about it, by itself or behind those before it; offsets count from the start of all
    /// input. What is still open at the end, such as quiet commands, is found at the last packet.
    pub findings: Vec<Finding>,
    /// Why this is no whole packet. It is the last one then: what follows cannot be told apart.
    pub fault: Option<Fault>,
}

/// Why bytes are no whole packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// They break a rule: which one, where from the start of the packet, what was found and what is allowed.
    Malformed(ParseError),
    /// The input ends before the packet does.
    Truncated {
        /// Bytes that are missing: exact once a header is there, at least so many before.
        missing: u64,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Malformed(error) => error.fmt(f),
            Fault::Truncated { missing } => {
                write!(f, "the input ends {missing} bytes before the packet does")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Explains the packets that follow one another in `input`, which is one direction of a connection.
#[must_use]
pub fn explain<'a>(input: &'a [u8], options: Options<'a>) -> Explainer<'a> {
    Explainer {
        rest: input,
        offset: 0,
        options,
        conversation: Conversation::new(options.dialect),
        side: None,
    }
}

/// The packets of some input; made by [`explain`]. Ends behind a packet with a [`Fault`].
#[derive(Clone, Debug)]
pub struct Explainer<'a> {
    rest: &'a [u8],
    offset: usize,
    options: Options<'a>,
    /// What has been said before by the side whose packets these are.
    conversation: Conversation,
    /// That side, by the first packet.
    side: Option<Side>,
}

impl Explainer<'_> {
    /// What is wrong or odd about a packet because of those before it, or because it is the last.
    fn follow(&mut self, bytes: &[u8], is_last: bool, visitor: &mut dyn FnMut(&Finding)) {
        let Some(Ok(header)) = bytes.first_chunk().map(Header::from_bytes) else {
            return;
        };
        let from = match header.magic {
            Magic::SERVER_REQUEST => Side::Server,
            Magic::SERVER_RESPONSE => Side::Client,
            magic if magic.is_request() => Side::Client,
            _ => Side::Server,
        };
        // Of what has been mixed together by hand, the order means nothing.
        if *self.side.get_or_insert(from) == from {
            self.conversation.handle_packet(from, bytes, visitor);
        }
        if is_last {
            self.conversation.clone().finish(visitor);
        }
    }
}

impl<'a> Iterator for Explainer<'a> {
    type Item = Explained<'a>;

    fn next(&mut self) -> Option<Explained<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let here = std::mem::take(&mut self.rest);
        let offset = self.offset;
        let (bytes, fault) = match PacketView::parse(here, &Limits::NONE) {
            Ok(Parsed::Complete { consumed, .. }) => {
                let (bytes, rest) = here.split_at(consumed);
                self.rest = rest;
                self.offset += consumed;
                (bytes, None)
            }
            Ok(Parsed::NeedMore { missing }) => (here, Some(Fault::Truncated { missing })),
            Err(error) => (here, Some(Fault::Malformed(error))),
        };
        let mut lists = Lists {
            offset,
            fields: Vec::new(),
            findings: Vec::new(),
        };
        visit(bytes, &self.options, &mut lists);
        let is_last = self.rest.is_empty();
        self.follow(bytes, is_last, &mut |finding| lists.finding(finding));
        let Lists {
            fields, findings, ..
        } = lists;
        Some(Explained {
            offset,
            len: bytes.len(),
            summary: summary(
                bytes,
                offset,
                &fields,
                self.options.dialect,
                fault.is_some(),
            ),
            fields,
            findings,
            fault,
        })
    }
}

impl FusedIterator for Explainer<'_> {}

/// What is told of a packet that starts at `offset`.
struct Lists<'a> {
    offset: usize,
    fields: Vec<Span<'a>>,
    findings: Vec<Finding>,
}

impl<'a> Visitor<'a> for Lists<'a> {
    fn span(&mut self, span: &Span<'a>) {
        let mut span = *span;
        span.offset += self.offset;
        self.fields.push(span);
    }

    fn finding(&mut self, finding: &Finding) {
        let mut finding = *finding;
        finding.offset += self.offset;
        self.findings.push(finding);
    }
}

fn direction(magic: Magic) -> &'static str {
    match magic {
        Magic::SERVER_REQUEST => "server's request",
        Magic::SERVER_RESPONSE => "response to the server",
        _ if magic.is_request() => "request",
        _ => "response",
    }
}

fn summary(
    bytes: &[u8],
    offset: usize,
    fields: &[Span<'_>],
    dialect: Dialect,
    is_broken: bool,
) -> String {
    let Some(Ok(header)) = bytes.first_chunk().map(Header::from_bytes) else {
        return "no packet".into();
    };
    let mut text = format!(
        "{} {}",
        direction(header.magic),
        header.opcode.display(header.magic, dialect)
    );
    if is_broken {
        return text + ", broken";
    }
    if header.magic.is_response() {
        text += &format!(" {}", Status(header.vbucket_or_status));
    }
    // Where TAP has them is known to those who have walked over the packet.
    let outermost = |name| {
        let mut named = fields.iter().filter(|span| span.depth == 0);
        named.find(|span| span.name == name)
    };
    if let Some(key) = outermost("key") {
        let at = key.offset - offset;
        text += &format!(", key {}", quoted(&bytes[at..at + key.len]));
    }
    if let Some(value) = outermost("value") {
        text += &format!(", value of {} bytes", value.len);
    }
    text + &format!(", opaque {:#x}", header.opaque)
}

/// The first bytes as text in quotes, and how many there are in all when that is not all of them.
fn quoted(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 256;
    match bytes.get(..SHOWN_MAX) {
        Some(front) if bytes.len() > SHOWN_MAX => {
            format!("\"{}\"… ({} bytes)", Escaped(front), bytes.len())
        }
        _ => format!("\"{}\"", Escaped(bytes)),
    }
}
