//! What is known of a packet before its body is walked through.

use super::Options;
use crate::wire::{Dialect, HEADER_LEN, Header, Magic, Opcode, Status};

/// The packet's header and what stands at known places of its body.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) header: Header,
    /// The opcode whose layout the packet has: a response has that of its request, if that is known.
    pub(super) opcode: Opcode,
    pub(super) dialect: Dialect,
    /// The extras, as far as they are there.
    pub(super) extras: &'a [u8],
    /// The length of TAP's engine-private bytes, which stand between extras and key; at most what the body has room for.
    pub(super) engine_len: u64,
    /// The length that the extras give for them.
    pub(super) engine_len_told: u64,
}

impl<'a> Context<'a> {
    pub(super) fn new(header: Header, packet: &'a [u8], options: &Options<'_>) -> Self {
        let extras_at = HEADER_LEN + usize::from(header.framing_extras_len);
        let extras_end = extras_at + usize::from(header.extras_len);
        let extras = packet.get(extras_at..extras_end.min(packet.len()));
        let extras = extras.unwrap_or_default();
        let opcode = match options.request {
            Some(request) if header.magic.is_response() => request.opcode,
            _ => header.opcode,
        };
        let mut context = Context {
            header,
            opcode,
            dialect: options.dialect,
            extras,
            engine_len: 0,
            engine_len_told: 0,
        };
        if let (true, [high, low, ..]) = (context.is_tap_message(), extras) {
            let parts_len = u32::from(header.extras_len) + u32::from(header.key_len);
            context.engine_len_told = u16::from_be_bytes([*high, *low]).into();
            let room = u64::from(header.body_len.saturating_sub(parts_len));
            context.engine_len = context.engine_len_told.min(room);
        }
        context
    }

    /// A packet of which less than a header is there.
    pub(super) fn none(dialect: Dialect) -> Self {
        Context {
            header: Header {
                magic: Magic(0),
                opcode: Opcode::INVALID,
                framing_extras_len: 0,
                key_len: 0,
                extras_len: 0,
                datatype: crate::wire::DataType::RAW,
                vbucket_or_status: 0,
                body_len: 0,
                opaque: 0,
                cas: 0,
            },
            opcode: Opcode::INVALID,
            dialect,
            extras: &[],
            engine_len: 0,
            engine_len_told: 0,
        }
    }

    /// Whether it is one of the requests that TAP's producer sends; they know no flex form.
    pub(super) fn is_tap_message(&self) -> bool {
        self.header.magic == Magic::CLIENT_REQUEST && matches!(self.opcode.0, 0x41..=0x47)
    }

    pub(super) fn is_request(&self) -> bool {
        self.header.magic.is_request()
    }

    pub(super) fn is_server_initiated(&self) -> bool {
        self.header.magic.is_server_initiated()
    }

    /// Of a response.
    pub(super) fn status(&self) -> Status {
        Status(self.header.vbucket_or_status)
    }

    /// Whether it is a response that carries an error's text in place of what the command promises.
    pub(super) fn is_failure(&self) -> bool {
        self.header.magic.is_response() && !self.status().is_success()
    }

    /// Length of the value in bytes, engine-private bytes left out; 0 when the parts exceed the body.
    pub(super) fn value_len(&self) -> u64 {
        let value_len = self.header.value_len().unwrap_or(0);
        u64::from(value_len).saturating_sub(self.engine_len)
    }

    /// A number in the extras.
    pub(super) fn extras_number(&self, at: usize, len: usize) -> Option<u64> {
        let bytes = self.extras.get(at..at.checked_add(len)?)?;
        Some(super::walk::number(bytes))
    }
}
