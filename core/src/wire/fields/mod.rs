//! What each byte of a packet says: its fields as named spans, and what is wrong or odd about it.
//!
//! [`visit`] walks once over a packet and tells a [`Visitor`] both; [`spans`] and [`lints`] are for those who want one of
//! them and have a closure. Any bytes will do: a packet that is cut off is told as far as it goes, and bytes that are no
//! packet are one span. Nothing is allocated, nothing is copied, and the work is proportional to the bytes that are
//! there.
//!
//! ```text
//!   header ─ magic, opcode, key length, extras length, data type, vbucket | status, body length, opaque, cas
//!   framing extras ─ each frame info ─ id and length, its data
//!   extras ─ the fields of the command
//!   engine-private ─ of TAP's messages only
//!   key ─ collection id, logical key
//!   value ─ what the command, the data type and the status make of it: paths, features, records, attributes …
//! ```
//!
//! Every message of memcached and Couchbase is known: requests, responses and what servers ask; SASL with its credentials
//! masked, sub-document commands with one path or many, HELLO's features, TAP, DCP. The leaves tile the packet: each byte
//! belongs to exactly one of them.
//!
//! A [`Lint`] is something that parses and yet is wrong or suspicious. A [`Finding`] says which, where, what was found and
//! what is allowed. Lints that need more than one packet, such as quiet commands that nothing ends, are found by a
//! [`Conversation`].
//!
//! ```
//! use memlet_core::wire::fields::{self, Lint, Options};
//!
//! // SET a=b, to expire 31 days from now: or so its sender thought.
//! let mut set = *b"\x80\x01\0\x01\x08\0\0\0\0\0\0\x0a\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\x00\x28\xde\x80ab";
//! let options = Options::default();
//!
//! fields::spans(&set, &options, &mut |span| {
//!     if span.name == "expiration" {
//!         assert_eq!((span.offset, span.len, span.depth), (28, 4, 1));
//!         assert_eq!(span.value.to_string(), "1970-02-01 00:00:00 UTC");
//!     }
//! });
//! fields::lints(&set, &options, &mut |finding| {
//!     assert_eq!(finding.lint, Lint::ExpirationIn1970);
//!     assert_eq!(
//!         finding.to_string(),
//!         "the expiration is a date in the 1970s: expiration at byte 28: 2678400, allowed at most 2592000",
//!     );
//! });
//! ```

mod context;
mod conversation;
mod document;
mod families;
mod finding;
mod framing;
mod judge;
mod layout;
mod lint;
mod names;
mod packet;
mod section;
mod span;
mod walk;

pub use conversation::{Conversation, Side};
pub use finding::{Expected, Finding};
pub use lint::{Lint, Severity};
pub use section::Section;
pub use span::{Span, Value};

use super::{Dialect, Request};

/// What is known besides the packet's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Whose meaning of the numbers applies.
    pub dialect: Dialect,
    /// The request that a response answers: it is then read as the answer to that, whatever its own opcode.
    pub request: Option<Request<'a>>,
    /// Whether keys of documents start with the id of their collection, as they do after HELLO Collections.
    pub collections: bool,
    /// Whether passwords, proofs and keys are shown. Those who see [`Span::secret`] should not show its bytes either
    /// unless this is set.
    pub show_credentials: bool,
    /// When the packet was on its way, in unix seconds: lets dates in the past be told.
    pub now: Option<u32>,
}

/// Who wants to know what is in a packet.
pub trait Visitor<'a> {
    /// A field; groups come before what is in them, all in the order of the packet.
    fn span(&mut self, span: &Span<'a>);

    /// Something that is wrong or odd.
    fn finding(&mut self, finding: &Finding);
}

/// Tells the visitor every field at the front of `packet`, and everything that is wrong or odd about it.
///
/// What follows the packet in the same slice is not looked at.
pub fn visit<'a>(packet: &'a [u8], options: &Options<'_>, visitor: &mut dyn Visitor<'a>) {
    packet::visit(packet, options, visitor);
}

/// Calls `visitor` with every field of a packet, as [`visit`] does.
pub fn spans<'a>(packet: &'a [u8], options: &Options<'_>, visitor: &mut dyn FnMut(&Span<'a>)) {
    struct Spans<'v, 'a>(&'v mut dyn FnMut(&Span<'a>));
    impl<'a> Visitor<'a> for Spans<'_, 'a> {
        fn span(&mut self, span: &Span<'a>) {
            (self.0)(span);
        }

        fn finding(&mut self, _: &Finding) {}
    }
    packet::visit(packet, options, &mut Spans(visitor));
}

/// Calls `visitor` with everything that is wrong or odd about a packet by itself, as [`visit`] does.
pub fn lints(packet: &[u8], options: &Options<'_>, visitor: &mut dyn FnMut(&Finding)) {
    struct Findings<'v>(&'v mut dyn FnMut(&Finding));
    impl<'a> Visitor<'a> for Findings<'_> {
        fn span(&mut self, _: &Span<'a>) {}

        fn finding(&mut self, finding: &Finding) {
            (self.0)(finding);
        }
    }
    packet::visit(packet, options, &mut Findings(visitor));
}
