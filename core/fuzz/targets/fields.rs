//! Any bytes through the explanation of packets: nothing panics, the leaves tile what is there, groups hold what is in them.

use memlet_core::wire::fields::{Conversation, Finding, Lint, Options, Side, Span, Visitor, visit};
use memlet_core::wire::{Dialect, Header, Opcode, Request};

/// The first byte says what is known besides the packet, the second which request it answers.
pub(crate) fn run(data: &[u8]) {
    let [choice, opcode, packet @ ..] = data else {
        return;
    };
    let dialect = match choice & 1 {
        0 => Dialect::Memcached,
        _ => Dialect::Couchbase,
    };
    let options = Options {
        dialect,
        collections: choice & 2 != 0,
        show_credentials: choice & 4 != 0,
        request: (choice & 8 != 0).then(|| Request::new(Opcode(*opcode))),
        now: (choice & 16 != 0).then_some(1_700_000_000),
    };
    check(packet, &options);
    check(&packet[..packet.len() / 2], &options);
    converse(packet, dialect);
}

/// The packet from either side, and what it is an answer to.
fn converse(packet: &[u8], dialect: Dialect) {
    let mut conversation = Conversation::new(dialect);
    let mut visitor = |finding: &Finding| {
        assert!(finding.to_string().starts_with(finding.lint.title()));
    };
    for side in [Side::Client, Side::Server, Side::Client] {
        conversation.handle_packet(side, packet, &mut visitor);
        // The same as an answer, or as a request.
        let mut turned = packet.to_vec();
        if let Some(magic) = turned.first_mut() {
            *magic ^= 1;
        }
        conversation.handle_packet(side, &turned, &mut visitor);
    }
    conversation.finish(&mut visitor);
}

/// Everything that holds of the explanation of any bytes.
pub(crate) fn check(packet: &[u8], options: &Options<'_>) {
    let announced = packet
        .first_chunk()
        .and_then(|bytes| Header::from_bytes(bytes).ok())
        .map_or(packet.len() as u64, |header| header.packet_len());
    let there = usize::try_from(announced).map_or(packet.len(), |len| len.min(packet.len()));
    let mut tiles = Tiles {
        packet: &packet[..there],
        ..Tiles::default()
    };
    visit(packet, options, &mut tiles);
    tiles.finish();
}

#[derive(Default)]
struct Tiles<'p> {
    packet: &'p [u8],
    /// Where the next leaf has to start.
    next: usize,
    /// Where each of the open groups ends.
    groups: Vec<usize>,
    spans: usize,
    findings: usize,
}

impl Tiles<'_> {
    /// Closes the groups until so many are open; each has been covered.
    fn close_to(&mut self, depth: usize) {
        while self.groups.len() > depth {
            assert_eq!(self.groups.pop(), Some(self.next), "a group is not covered");
        }
    }

    fn finish(&mut self) {
        self.close_to(0);
        assert_eq!(self.next, self.packet.len(), "the packet is not covered");
        // A group takes at least a byte, and none is deeper than a few.
        assert!(self.spans <= 8 * self.packet.len() + 8);
        assert!(self.findings <= 8 * self.packet.len() + 32);
    }
}

impl<'a> Visitor<'a> for Tiles<'_> {
    fn span(&mut self, span: &Span<'a>) {
        self.spans += 1;
        let depth = usize::from(span.depth);
        assert!(depth <= self.groups.len(), "{span:?} in no group");
        self.close_to(depth);
        assert_eq!(span.offset, self.next, "{span:?}");
        assert!(span.len > 0, "{span:?}");
        let end = span.offset + span.len;
        let room = self.groups.last().copied().unwrap_or(self.packet.len());
        assert!(end <= room, "{span:?} ends behind {room}");
        assert!(!span.name.is_empty());
        if span.value.is_group() {
            self.groups.push(end);
        } else {
            self.next = end;
        }
        if let Some(bytes) = span.value.bytes() {
            assert_eq!(bytes, &self.packet[span.offset..end], "{span:?}");
        } else if let Some(number) = span.value.number()
            && span.len <= 8
            && span.name != "collection id"
            && !span.name.ends_with("length")
        {
            let on_wire = self.packet[span.offset..end]
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte));
            assert_eq!(number, on_wire, "{span:?}");
        }
        let _ = span.value.to_string();
    }

    fn finding(&mut self, finding: &Finding) {
        self.findings += 1;
        assert!(finding.offset <= self.packet.len(), "{finding:?}");
        assert!(Lint::ALL.contains(&finding.lint));
        assert!(finding.to_string().starts_with(finding.lint.title()));
    }
}
