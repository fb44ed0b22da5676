//! What is written, and what is not.

use super::{Sample, samples};
use memlet_core::wire::{EmitError, Field, Limits, Magic, Packet, Parsed};

#[test]
fn a_short_output_stays_untouched() {
    for Sample { packet, bytes } in samples() {
        for len in 0..bytes.len() {
            let mut out = vec![0xee; len];
            let error = EmitError::OutputTooShort {
                needed: bytes.len(),
                available: len,
            };
            assert_eq!(packet.emit(&mut out), Err(error));
            assert!(out.iter().all(|&byte| byte == 0xee));
        }
        let head_len = bytes.len() - packet.value.len();
        for len in 0..=head_len {
            let mut out = vec![0xee; len];
            let result = packet.emit_head(packet.value.len() as u32, &mut out);
            if len < head_len {
                assert_eq!(
                    result,
                    Err(EmitError::OutputTooShort {
                        needed: head_len,
                        available: len
                    })
                );
                assert!(out.iter().all(|&byte| byte == 0xee));
            } else {
                assert_eq!(result, Ok(head_len));
                assert_eq!(out, bytes[..head_len]);
            }
        }
    }
}

#[test]
fn too_long_parts_are_not_written() {
    let long = vec![b'x'; 0x1_0000];
    let classic = Packet::default();
    let flex = Packet {
        magic: Magic::FLEX_REQUEST,
        ..classic
    };
    let mut out = vec![0xee; 0x2_0000];
    let cases = [
        (
            Packet {
                key: &long,
                ..classic
            },
            Field::Key,
            0x1_0000,
            0xffff,
        ),
        (
            Packet {
                key: &long[..256],
                ..flex
            },
            Field::Key,
            256,
            255,
        ),
        (
            Packet {
                extras: &long[..256],
                ..classic
            },
            Field::Extras,
            256,
            255,
        ),
        (
            Packet {
                framing_extras: &long[..256],
                ..flex
            },
            Field::FramingExtras,
            256,
            255,
        ),
        (
            Packet {
                framing_extras: &long[..1],
                ..classic
            },
            Field::FramingExtras,
            1,
            0,
        ),
    ];
    for (packet, field, found, allowed) in cases {
        let error = EmitError::TooLong {
            field,
            found,
            allowed,
        };
        assert_eq!(packet.emit(&mut out), Err(error));
        assert_eq!(packet.encoded_len(), Err(error));
        assert_eq!(packet.header(), Err(error));
    }
    let error = EmitError::TooLong {
        field: Field::Body,
        found: (1 << 32) + 9,
        allowed: u32::MAX.into(),
    };
    let packet = Packet {
        key: &long[..10],
        ..classic
    };
    assert_eq!(packet.emit_head(u32::MAX, &mut out), Err(error));
    let packet = Packet {
        magic: Magic(0x42),
        ..classic
    };
    assert_eq!(packet.emit(&mut out), Err(EmitError::Magic(Magic(0x42))));
    assert!(out.iter().all(|&byte| byte == 0xee));
}

#[test]
fn the_longest_parts_are_written() {
    let long = vec![b'x'; 0x1_0000];
    let mut out = vec![0xee; 0x2_0000];
    let classic = Packet::default();
    let flex = Packet {
        magic: Magic::FLEX_REQUEST,
        ..classic
    };
    let longest = Packet {
        key: &long[..0xffff],
        extras: &long[..0xff],
        ..classic
    };
    let len = longest.emit(&mut out).unwrap();
    let complete = Parsed::Complete {
        value: longest,
        consumed: len,
    };
    assert_eq!(Packet::parse(&out, &Limits::NONE), Ok(complete));
    let longest = Packet {
        key: &long[..0xff],
        extras: &long[..0xff],
        framing_extras: &long[..0xff],
        ..flex
    };
    let len = longest.emit(&mut out).unwrap();
    let complete = Parsed::Complete {
        value: longest,
        consumed: len,
    };
    assert_eq!(Packet::parse(&out, &Limits::NONE), Ok(complete));
}
