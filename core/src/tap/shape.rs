//! Which parts each message has to have.

use crate::wire::parse::{be_u32, be_u64, exactly};
use crate::wire::{Allowed, Field, HEADER_LEN, ParseError, ParseErrorKind, Presence};

use super::frame::{EXTRAS_LEN, Frame, ITEM_EXTRAS_LEN, wrong_extras_len, wrong_opcode};

/// Extras without item fields.
pub(super) const PLAIN: u64 = 1 << EXTRAS_LEN;
/// Extras with item fields.
pub(super) const ITEM: u64 = 1 << ITEM_EXTRAS_LEN;
/// Extras of either kind.
pub(super) const EITHER: u64 = PLAIN | ITEM;

/// The parts of one message.
pub(super) struct Shape {
    pub(super) opcodes: &'static [u8],
    /// Bit N stands for extras of N bytes.
    pub(super) extras_lens: u64,
    pub(super) engine_len_min: u16,
    pub(super) key: Presence,
    pub(super) value: Presence,
}

/// Whether a frame has the parts of a message.
pub(super) fn judge(frame: &Frame<'_>, shape: &Shape) -> Result<(), ParseError> {
    if !shape.opcodes.contains(&frame.opcode.0) {
        return Err(wrong_opcode(frame.opcode, shape.opcodes));
    }
    let extras_len = match frame.item {
        None => EXTRAS_LEN,
        Some(_) => ITEM_EXTRAS_LEN,
    };
    if shape.extras_lens >> extras_len & 1 == 0 {
        return Err(wrong_extras_len(extras_len, shape.extras_lens));
    }
    if frame.engine.len() < shape.engine_len_min.into() {
        return Err(ParseError::new(
            ParseErrorKind::EngineBytesTooShort,
            Field::EngineBytes,
            HEADER_LEN as u32,
            count(frame.engine),
            Allowed::AtLeast(shape.engine_len_min.into()),
        ));
    }
    for (field, offset, presence, part, [missing, forbidden]) in [
        (
            Field::Key,
            2,
            shape.key,
            frame.key,
            [ParseErrorKind::KeyMissing, ParseErrorKind::KeyForbidden],
        ),
        (
            Field::Value,
            8,
            shape.value,
            frame.value,
            [ParseErrorKind::ValueMissing, ParseErrorKind::ValueForbidden],
        ),
    ] {
        if presence.allows(!part.is_empty()) {
            continue;
        }
        let (kind, allowed) = if part.is_empty() {
            (missing, Allowed::AtLeast(1))
        } else {
            (forbidden, Allowed::AtMost(0))
        };
        return Err(ParseError::new(kind, field, offset, count(part), allowed));
    }
    Ok(())
}

/// The number at the front of engine-private bytes that [`judge`] found long enough, and what follows it.
pub(super) fn first_u32(engine: &[u8]) -> (u32, &[u8]) {
    match be_u32(engine) {
        Ok((rest, number)) => (number, rest),
        Err(_) => (0, engine),
    }
}

/// The number that is all of the value.
pub(super) fn checkpoint_id(frame: &Frame<'_>) -> Result<u64, ParseError> {
    exactly(frame.value, be_u64).ok_or_else(|| {
        ParseError::new(
            ParseErrorKind::ValueLength,
            Field::Value,
            8,
            count(frame.value),
            Allowed::Bits(1 << 8),
        )
    })
}

/// A length for an error.
pub(super) fn count(part: &[u8]) -> u32 {
    u32::try_from(part.len()).unwrap_or(u32::MAX)
}
