//! The messages 0x41 to 0x47: bytes to values and back, and what is refused.

use memlet_core::tap::{
    Checkpoint, Frame, Head, ItemFields, Message, MessageFlags, Mutation, Subtype, VbucketState,
};
use memlet_core::wire::{
    Allowed, EmitError, Field, Header, Limits, Opcode, Packet, ParseError, ParseErrorKind, Parsed,
};
use proptest::prelude::*;

use crate::samples::{HEAD, samples};

#[test]
fn every_message_has_its_bytes_and_is_read_from_them() {
    for (name, message, bytes) in samples() {
        assert_eq!(message.encoded_len(), Ok(bytes.len()), "{name}");
        let mut out = vec![0xee; bytes.len() + 3];
        assert_eq!(message.emit(&mut out), Ok(bytes.len()), "{name}");
        assert_eq!(out[..bytes.len()], bytes, "{name}");
        assert_eq!(out[bytes.len()..], [0xee; 3], "{name}");

        // What follows a message is left alone.
        let complete = Parsed::Complete {
            value: message,
            consumed: bytes.len(),
        };
        assert_eq!(Message::parse(&out, &Limits::NONE), Ok(complete), "{name}");
        assert_eq!(message.opcode().0, bytes[1], "{name}");
        assert_eq!(*message.head(), HEAD, "{name}");
        assert!(message.wants_ack(), "{name}");
    }
}

#[test]
fn every_message_survives_as_frame_too() {
    for (name, _, bytes) in samples() {
        let Ok(Parsed::Complete { value, consumed }) = Frame::parse(&bytes, &Limits::NONE) else {
            panic!("{name}");
        };
        assert_eq!(consumed, bytes.len(), "{name}");
        assert_eq!(value.encoded_len(), Ok(bytes.len()), "{name}");
        let mut out = vec![0xee; bytes.len()];
        assert_eq!(value.emit(&mut out), Ok(bytes.len()), "{name}");
        assert_eq!(out, bytes, "{name}");
    }
}

#[test]
fn the_output_is_untouched_when_it_is_too_short() {
    for (name, message, bytes) in samples() {
        for len in 0..bytes.len() {
            let mut out = vec![0xee; len];
            let error = EmitError::OutputTooShort {
                needed: bytes.len(),
                available: len,
            };
            assert_eq!(message.emit(&mut out), Err(error), "{name} in {len}");
            assert!(out.iter().all(|&byte| byte == 0xee), "{name} in {len}");
        }
    }
}

#[test]
fn a_cut_message_needs_what_is_missing() {
    for (name, _, bytes) in samples() {
        for len in 0..bytes.len() {
            let missing = if len < 24 {
                24 - len
            } else {
                bytes.len() - len
            } as u64;
            let need_more = Ok(Parsed::NeedMore { missing });
            assert_eq!(
                Message::parse(&bytes[..len], &Limits::NONE),
                need_more,
                "{name} at {len}"
            );
        }
    }
}

#[test]
fn a_message_is_read_the_same_behind_its_header() {
    for (name, message, bytes) in samples() {
        let header = Header::from_bytes(bytes.first_chunk().unwrap()).unwrap();
        let Ok(Parsed::Complete { value, consumed }) =
            Frame::parse_body(&header, &bytes[24..], &Limits::NONE)
        else {
            panic!("{name}");
        };
        assert_eq!(consumed, bytes.len() - 24, "{name}");
        assert_eq!(Message::from_frame(&value), Ok(message), "{name}");
    }
}

/// The bytes of the sample called so.
fn bytes_of(name: &str) -> Vec<u8> {
    let found = samples().into_iter().find(|(other, ..)| *other == name);
    found.unwrap().2
}

/// Kind, field, offset, found number and allowed ones of the error.
fn refused(bytes: &[u8]) -> (ParseErrorKind, Field, u32, u32, Allowed) {
    match Message::parse(bytes, &Limits::NONE) {
        Err(ParseError {
            kind,
            field,
            offset,
            found,
            allowed,
            ..
        }) => (kind, field, offset, found, allowed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn engine_bytes_past_the_body_are_refused() {
    // The body of the deletion holds 8 engine bytes and a key of 3: one more does not fit beside the key.
    let mut bytes = bytes_of("deletion");
    bytes[25] = 9;
    assert_eq!(
        refused(&bytes),
        (
            ParseErrorKind::EngineBytesTooLong,
            Field::EngineBytes,
            24,
            9,
            Allowed::AtMost(8)
        )
    );
    let error = Message::parse(&bytes, &Limits::NONE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "engine bytes: run, with the key, past the body: 9 at byte 24, allowed at most 8"
    );
    bytes[24] = 0xff;
    assert_eq!(refused(&bytes).3, 0xff09);
}

#[test]
fn a_packet_too_short_for_its_own_extras_is_refused_by_its_header() {
    // What made gomemcached's receiver crash: one of TAP's opcodes, and a body of fewer bytes than the extras.
    for opcode in 0x41..=0x47 {
        for extras_len in 0..=20_u8 {
            for body_len in 0..extras_len {
                let mut bytes = [0; 44];
                bytes[..2].copy_from_slice(&[0x80, opcode]);
                bytes[4] = extras_len;
                bytes[11] = body_len;
                let (kind, ..) = refused(&bytes[..24]);
                let expected = match extras_len {
                    8 | 16 => ParseErrorKind::PartsExceedBody,
                    _ => ParseErrorKind::ExtrasLength,
                };
                assert_eq!(kind, expected, "{opcode} {extras_len} {body_len}");
            }
        }
    }
}

#[test]
fn responses_are_no_messages_and_keep_their_key() {
    let mut bytes = bytes_of("mutation");
    bytes[0] = 0x81;
    let refused = refused(&bytes);
    assert_eq!(
        refused,
        (
            ParseErrorKind::WrongDirection,
            Field::Magic,
            0,
            0x81,
            Allowed::OneOf(&[0x80])
        )
    );
    // The engine's bytes are not taken from a response, so nothing is missing from its parts.
    let Ok(Parsed::Complete { value, .. }) = Packet::parse(&bytes, &Limits::NONE) else {
        panic!("still a packet");
    };
    assert_eq!((value.extras.len(), value.key.len()), (16, 5));
}

#[test]
fn other_opcodes_are_no_messages() {
    for opcode in (0..=u8::MAX).filter(|opcode| !(0x41..=0x47).contains(opcode)) {
        let mut bytes = bytes_of("flush");
        bytes[1] = opcode;
        let (kind, field, offset, found, _) = refused(&bytes);
        assert_eq!(
            (kind, field, offset, found),
            (
                ParseErrorKind::ForeignOpcode,
                Field::Opcode,
                1,
                opcode.into()
            )
        );
    }
}

#[test]
fn limits_hold_for_messages() {
    let bytes = bytes_of("mutation");
    for (limits, kind) in [
        (
            Limits {
                key_len_max: 4,
                ..Limits::NONE
            },
            ParseErrorKind::KeyTooLong,
        ),
        (
            Limits {
                body_len_max: 36,
                ..Limits::NONE
            },
            ParseErrorKind::BodyTooLong,
        ),
    ] {
        let error = Message::parse(&bytes[..24], &limits).unwrap_err();
        assert_eq!(error.kind, kind);
    }
}

/// A frame of the kind, with item fields or without, with so many engine bytes, a key and a value.
fn frame(opcode: Opcode, item: bool, engine: usize, key: usize, value: usize) -> Frame<'static> {
    const BYTES: &[u8] = &[0xa5; 16];
    Frame {
        opcode,
        head: Head::default(),
        item: item.then(ItemFields::default),
        engine: &BYTES[..engine],
        key: &BYTES[..key],
        value: &BYTES[..value],
    }
}

#[test]
fn a_frame_without_the_parts_of_its_message_is_refused() {
    use ParseErrorKind as Kind;
    #[rustfmt::skip]
    let cases = [
        (Opcode::TAP_MUTATION, false, 0, 1, 0, Kind::ExtrasLength, Field::Extras),
        (Opcode::TAP_MUTATION, true, 0, 0, 0, Kind::KeyMissing, Field::Key),
        (Opcode::TAP_DELETE, true, 0, 1, 0, Kind::ExtrasLength, Field::Extras),
        (Opcode::TAP_DELETE, false, 0, 0, 0, Kind::KeyMissing, Field::Key),
        (Opcode::TAP_FLUSH, true, 0, 0, 0, Kind::ExtrasLength, Field::Extras),
        (Opcode::TAP_FLUSH, false, 0, 1, 0, Kind::KeyForbidden, Field::Key),
        (Opcode::TAP_FLUSH, false, 0, 0, 1, Kind::ValueForbidden, Field::Value),
        (Opcode::TAP_OPAQUE, false, 3, 0, 0, Kind::EngineBytesTooShort, Field::EngineBytes),
        (Opcode::TAP_OPAQUE, false, 4, 1, 0, Kind::KeyForbidden, Field::Key),
        (Opcode::TAP_VBUCKET_SET, false, 0, 0, 0, Kind::EngineBytesTooShort, Field::EngineBytes),
        (Opcode::TAP_VBUCKET_SET, false, 4, 0, 1, Kind::ValueForbidden, Field::Value),
        (Opcode::TAP_CHECKPOINT_START, true, 8, 0, 0, Kind::ValueMissing, Field::Value),
        (Opcode::TAP_CHECKPOINT_START, true, 8, 0, 7, Kind::ValueLength, Field::Value),
        (Opcode::TAP_CHECKPOINT_END, false, 0, 0, 9, Kind::ValueLength, Field::Value),
    ];
    for (opcode, item, engine, key, value, kind, field) in cases {
        let frame = frame(opcode, item, engine, key, value);
        let error = Message::from_frame(&frame).unwrap_err();
        assert_eq!((error.kind, error.field), (kind, field), "{frame:?}");
        assert!(!error.to_string().is_empty());
        // Well-formed all the same: the frame goes through as it is.
        let mut out = [0; 128];
        let len = frame.emit(&mut out).unwrap();
        assert_eq!(
            Frame::parse(&out[..len], &Limits::NONE),
            Ok(Parsed::Complete {
                value: frame,
                consumed: len
            })
        );
    }
}

#[test]
fn what_no_length_field_can_tell_is_not_written() {
    let long = vec![0; 0x1_0000];
    let whole = frame(Opcode::TAP_MUTATION, true, 0, 1, 1);
    for (frame, field) in [
        (
            Frame {
                engine: &long,
                ..whole
            },
            Field::EngineBytes,
        ),
        (
            Frame {
                key: &long,
                ..whole
            },
            Field::Key,
        ),
    ] {
        let error = EmitError::TooLong {
            field,
            found: 0x1_0000,
            allowed: 0xffff,
        };
        assert_eq!(frame.encoded_len(), Err(error));
        assert_eq!(frame.emit(&mut vec![0; 0x2_0000]), Err(error));
    }
    let frame = Frame {
        opcode: Opcode::GET,
        ..whole
    };
    assert_eq!(
        frame.emit(&mut [0; 99]),
        Err(EmitError::Opcode(Opcode::GET))
    );
}

/// The sample mutation with these flags.
fn mutation(flags: MessageFlags) -> Mutation<'static> {
    Mutation {
        head: Head { flags, ..HEAD },
        item: ItemFields {
            flags: 0x0102_0304,
            expiration: 0,
        },
        engine: &[0, 0, 0, 0, 0, 0, 1, 2, 3],
        key: b"key",
        value: b"",
    }
}

#[test]
fn item_flags_are_put_in_order_by_the_message_flag() {
    assert_eq!(
        mutation(MessageFlags::NETWORK_BYTE_ORDER).item_flags(),
        0x0102_0304
    );
    assert_eq!(mutation(MessageFlags::ACK).item_flags(), 0x0403_0201);
}

#[test]
fn a_left_out_value_is_not_an_empty_one() {
    assert_eq!(mutation(MessageFlags(0)).value_sent(), Some(&b""[..]));
    assert_eq!(mutation(MessageFlags::NO_VALUE).value_sent(), None);
}

#[test]
fn engine_bytes_of_couchbase_are_read_and_written() {
    let message = mutation(MessageFlags(0));
    assert_eq!((message.revision(), message.nru()), (Some(0x0102), Some(3)));
    assert_eq!(Mutation::engine_bytes(0x0102, 3), message.engine);
    // Receivers take 8 bytes too, and other engines send what they like.
    let short = Mutation {
        engine: &message.engine[..8],
        ..message
    };
    assert_eq!((short.revision(), short.nru()), (Some(0x0102), None));
    let other = Mutation {
        engine: b"x",
        ..message
    };
    assert_eq!((other.revision(), other.nru()), (None, None));
}

#[test]
fn checkpoints_tell_their_number() {
    let start = samples()
        .into_iter()
        .find_map(|(_, message, _)| match message {
            Message::CheckpointStart(Checkpoint { id, .. }) => Some((id, message)),
            _ => None,
        });
    let (id, Message::CheckpointStart(start)) = start.unwrap() else {
        panic!("just found");
    };
    assert_eq!(id, 0x0102_0304_0506_0708);
    assert_eq!(start.highest_deleted_revision(), Some(0x0405));
}

#[test]
fn numbers_print_by_name_or_as_hexadecimal() {
    let names: Vec<String> = (0..=9).map(|number| Subtype(number).to_string()).collect();
    assert_eq!(
        names,
        [
            "ENABLE_AUTO_NACK",
            "INITIAL_VBUCKET_STREAM",
            "ENABLE_CHECKPOINT_SYNC",
            "OPEN_CHECKPOINT",
            "COMPLETE_VB_FILTER_CHANGE",
            "STOP_ONLINEUPDATE",
            "REVERT_ONLINEUPDATE",
            "CLOSE_TAP_STREAM",
            "CLOSE_BACKFILL",
            "0x09"
        ]
    );
    let states: Vec<String> = (0..=5)
        .map(|number| VbucketState(number).to_string())
        .collect();
    assert_eq!(
        states,
        ["0x00", "active", "replica", "pending", "dead", "0x05"]
    );
    assert_eq!(
        MessageFlags(0x000f).to_string(),
        "ACK|NO_VALUE|NETWORK_BYTE_ORDER|0x8"
    );
}

#[test]
fn messages_print_as_gomemcached_prints_its_events() {
    let printed: Vec<String> = samples()
        .iter()
        .map(|(_, message, _)| message.to_string())
        .collect();
    assert_eq!(
        printed,
        [
            "<TapEvent Mutation, key=\"key\\0\\xff\" (7 bytes) flags=deadbeef, exp=117967114>",
            "<TapEvent Mutation, key=\"k\" (0 bytes) flags=deadbeef, exp=117967114>",
            "<TapEvent Deletion, key=\"key\" (0 bytes) flags=0, exp=0>",
            "<TapEvent Deletion, key=\"key\" (5 bytes) flags=0, exp=0>",
            "<TapEvent Flush, vbucket=258>",
            "<TapEvent EndBackfill, vbucket=258>",
            "<TapEvent 0x1020304, vbucket=258>",
            "<TapEvent VbucketSet pending, vbucket=258>",
            "<TapEvent TapCheckpointStart, vbucket=258>",
            "<TapEvent TapCheckpointEnd, vbucket=258>",
        ]
    );
}

proptest! {
    #[test]
    fn any_frame_survives(
        opcode in 0x41_u8..=0x47,
        fields in any::<(u8, u16, u32, u64, u16, u8, [u8; 3])>(),
        item in any::<Option<(u32, u32)>>(),
        engine in prop::collection::vec(any::<u8>(), 0..40),
        key in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (datatype, vbucket, sequence, cas, flags, ttl, reserved) = fields;
        let frame = Frame {
            opcode: Opcode(opcode),
            head: Head {
                datatype: memlet_core::wire::DataType(datatype),
                vbucket,
                sequence,
                cas,
                flags: MessageFlags(flags),
                ttl,
                reserved,
            },
            item: item.map(|(flags, expiration)| ItemFields { flags, expiration }),
            engine: &engine,
            key: &key,
            value: &value,
        };
        let mut out = [0; 256];
        let len = frame.emit(&mut out).unwrap();
        let complete = Parsed::Complete { value: frame, consumed: len };
        prop_assert_eq!(Frame::parse(&out[..len], &Limits::NONE), Ok(complete));
        if let Ok(message) = Message::from_frame(&frame) {
            let mut again = [0; 256];
            prop_assert_eq!(message.emit(&mut again), Ok(len));
            prop_assert_eq!(out, again);
        }
    }
}
