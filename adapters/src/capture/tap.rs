//! TAP's messages, whose parts stand elsewhere than those of other packets.

use memlet_core::tap::{CheckpointList, Connect, Frame, Message};
use memlet_core::wire::{Limits, Opcode, Packet, ParseError, Parsed, Request};

use super::fields::{FieldList, hexadecimal};
use super::layout;

fn is_message(packet: &Packet<'_>) -> bool {
    let messages = Opcode::TAP_MUTATION..=Opcode::TAP_CHECKPOINT_END;
    packet.magic.is_request()
        && !packet.magic.is_server_initiated()
        && messages.contains(&packet.opcode)
}

/// The packet as a message of TAP, if it says it is one; or what is wrong with it.
pub(super) fn frame<'a>(
    bytes: &'a [u8],
    packet: &Packet<'_>,
) -> Option<Result<Frame<'a>, ParseError>> {
    if !is_message(packet) {
        return None;
    }
    match Frame::parse(bytes, &Limits::NONE) {
        Ok(Parsed::Complete { value, .. }) => Some(Ok(value)),
        // All of it is there.
        Ok(Parsed::NeedMore { .. }) => None,
        Err(error) => Some(Err(error)),
    }
}

/// The packet with key and value where the message has them.
pub(super) fn packet<'a>(packet: &Packet<'a>, frame: &Frame<'a>) -> Packet<'a> {
    Packet {
        key: frame.key,
        value: frame.value,
        ..*packet
    }
}

pub(super) fn list_engine<'a>(frame: &Frame<'a>, list: &mut FieldList<'a>) {
    match layout::tap_engine(frame.opcode, frame.engine.len()) {
        Some(parts) => list.parts("", parts, frame.engine),
        None if frame.engine.is_empty() => {}
        None => list.bytes_as("engine-private", frame.engine, hexadecimal(frame.engine)),
    }
}

/// The bodies of TAP_CONNECT's flags; false for any other packet, and for bodies that do not fit the flags.
pub(super) fn list_connect<'a>(packet: &Packet<'a>, list: &mut FieldList<'a>) -> bool {
    let Some(Ok(connect)) = connect(packet) else {
        return false;
    };
    let mut rest = packet.value;
    let mut take = |len: usize| {
        let (here, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = behind;
        here
    };
    if let Some(oldest) = connect.backfill {
        let text = match oldest {
            Connect::EVERYTHING => "everything",
            Connect::NOTHING_OLD => "nothing old",
            _ => "seconds since 1970",
        };
        take(8);
        list.number("backfill from", 8, oldest, text);
    }
    if let Some(vbuckets) = connect.vbuckets {
        let numbers: Vec<String> = vbuckets.iter().map(|number| number.to_string()).collect();
        let text = if numbers.is_empty() {
            "all".into()
        } else {
            numbers.join(" ")
        };
        list.bytes_as("vbuckets", take(2 + 2 * vbuckets.len()), text);
    }
    if let Some(checkpoints) = connect.checkpoints {
        let len = 2 + checkpoints.len() * usize::from(CheckpointList::ENTRY_LEN);
        let here = take(len);
        list.bytes_as("checkpoints", here, hexadecimal(here));
    }
    list.bytes("value", rest);
    true
}

fn connect<'a>(packet: &Packet<'a>) -> Option<Result<Connect<'a>, ParseError>> {
    let is_connect = packet.magic.is_request()
        && !packet.magic.is_server_initiated()
        && packet.opcode == Opcode::TAP_CONNECT;
    is_connect.then(|| {
        Connect::from_request(&Request {
            magic: packet.magic,
            datatype: packet.datatype,
            vbucket: packet.vbucket_or_status,
            opaque: packet.opaque,
            cas: packet.cas,
            framing_extras: packet.framing_extras,
            extras: packet.extras,
            key: packet.key,
            value: packet.value,
            ..Request::new(packet.opcode)
        })
    })
}

/// What is wrong with a message of TAP, beyond what any packet has.
pub(super) fn remark(
    packet: &Packet<'_>,
    frame: Option<&Result<Frame<'_>, ParseError>>,
) -> Option<String> {
    let error = match (connect(packet), frame) {
        (Some(connect), _) => connect.err(),
        (None, Some(Ok(frame))) => Message::from_frame(frame).err(),
        (None, Some(Err(error))) => Some(*error),
        (None, None) => None,
    };
    error.map(|error| error.to_string())
}
