//! What holds for every packet, run over every opcode of the table in every form of the header.

#![allow(missing_docs)]

use std::collections::HashSet;

use memlet_core::wire::{
    Allowed, DataType, Dialect, EmitError, Field, HEADER_LEN, Header, Limits, Magic, Opcode,
    Packet, PacketView, ParseError, ParseErrorKind, Parsed, Presence, Request, Response,
    ServerOpcode, Shape, Status,
};
use proptest::prelude::*;

/// A packet, and the bytes it must have, put together by other means than memlet's.
struct Sample {
    packet: Packet<'static>,
    bytes: Vec<u8>,
}

fn sample(
    magic: Magic,
    opcode: Opcode,
    number: u16,
    shape: Option<Shape>,
    extras_len: u8,
) -> Sample {
    const BYTES: &[u8] = &[0xa5; 64];
    let has = |presence: Option<Presence>| presence != Some(Presence::Forbidden);
    let key: &[u8] = if has(shape.map(|shape| shape.key)) {
        b"key\x00\xff"
    } else {
        b""
    };
    let value: &[u8] = if has(shape.map(|shape| shape.value)) {
        b"va\r\nlue"
    } else {
        b""
    };
    let framing_extras: &[u8] = if magic.is_flex() {
        &[0x00, 0x11, 0x01]
    } else {
        &[]
    };
    let packet = Packet {
        magic,
        opcode,
        datatype: DataType(0xc5),
        vbucket_or_status: number,
        opaque: 0x0102_0304,
        cas: 0x1112_1314_1516_1718,
        framing_extras,
        extras: &BYTES[..extras_len.into()],
        key,
        value,
    };
    let mut bytes = vec![magic.0, opcode.0];
    if magic.is_flex() {
        bytes.extend([framing_extras.len() as u8, key.len() as u8]);
    } else {
        bytes.extend([0, key.len() as u8]);
    }
    bytes.extend([extras_len, 0xc5, (number >> 8) as u8, number as u8]);
    bytes.extend([
        0,
        0,
        0,
        (framing_extras.len() + key.len() + value.len()) as u8 + extras_len,
    ]);
    bytes.extend([1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
    for part in [framing_extras, packet.extras, key, value] {
        bytes.extend(part);
    }
    Sample { packet, bytes }
}

/// Every opcode with every length of extras that it takes, in every form and direction; and every status.
fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    for number in 0..=u8::MAX {
        for dialect in [Dialect::Memcached, Dialect::Couchbase] {
            let shape = Opcode(number).shape(dialect);
            let extras_lens = shape.map_or(vec![0], |shape| shape.extras_lens().collect());
            for magic in Magic::ALL {
                for &len in &extras_lens {
                    samples.push(sample(magic, Opcode(number), 0x0102, shape, len));
                }
            }
        }
    }
    for &status in Status::ALL {
        samples.push(sample(
            Magic::CLIENT_RESPONSE,
            Opcode::GET,
            status.0,
            None,
            4,
        ));
    }
    samples
}

#[test]
fn bytes_and_values_are_two_forms_of_one_thing() {
    for Sample { packet, bytes } in samples() {
        let complete = Parsed::Complete {
            value: packet,
            consumed: bytes.len(),
        };
        assert_eq!(Packet::parse(&bytes, &Limits::default()), Ok(complete));

        let mut out = vec![0; bytes.len()];
        assert_eq!(packet.encoded_len(), Ok(bytes.len()));
        assert_eq!(packet.emit(&mut out), Ok(bytes.len()));
        assert_eq!(out, bytes);

        let header = packet.header().unwrap();
        assert_eq!(header.packet_len(), bytes.len() as u64);
        assert_eq!(header.value_len(), Ok(packet.value.len() as u32));
        assert_eq!(header.to_bytes().unwrap(), bytes[..HEADER_LEN]);
        assert_eq!(Header::from_bytes(bytes.first_chunk().unwrap()), Ok(header));

        let body = &bytes[HEADER_LEN..];
        let complete = Parsed::Complete {
            value: packet,
            consumed: body.len(),
        };
        assert_eq!(
            Packet::parse_body(&header, body, &Limits::default()),
            Ok(complete)
        );
    }
}

#[test]
fn a_view_shows_what_parsing_gives() {
    for Sample { packet, mut bytes } in samples() {
        let len = bytes.len();
        bytes.extend(b"more");
        let Ok(Parsed::Complete { value, consumed }) =
            PacketView::parse(&bytes, &Limits::default())
        else {
            panic!("{packet:?}");
        };
        assert_eq!(consumed, len);
        assert_eq!(value.header(), packet.header().unwrap());
        assert_eq!(value.framing_extras(), packet.framing_extras);
        assert_eq!(value.extras(), packet.extras);
        assert_eq!(value.key(), packet.key);
        assert_eq!(value.value(), packet.value);
        assert_eq!(value.to_packet(), packet);
    }
}

#[test]
fn requests_and_responses_keep_to_their_directions() {
    for Sample { packet, bytes } in samples() {
        let request = Request::parse(&bytes, &Limits::default());
        let response = Response::parse(&bytes, &Limits::default());
        let mut out = vec![0; bytes.len()];
        if packet.magic.is_request() {
            let Ok(Parsed::Complete { value, consumed }) = request else {
                panic!("{request:?}")
            };
            assert_eq!(consumed, bytes.len());
            assert_eq!(value.vbucket, packet.vbucket_or_status);
            assert_eq!(value.to_packet(), Ok(packet));
            assert_eq!(value.encoded_len(), Ok(bytes.len()));
            assert_eq!(value.emit(&mut out), Ok(bytes.len()));
            assert_eq!(response.unwrap_err().kind, ParseErrorKind::WrongDirection);
            assert_eq!(
                Request {
                    magic: Magic(0x81),
                    ..value
                }
                .emit(&mut out),
                Err(EmitError::Magic(Magic(0x81)))
            );
        } else {
            let Ok(Parsed::Complete { value, consumed }) = response else {
                panic!("{response:?}")
            };
            assert_eq!(consumed, bytes.len());
            assert_eq!(value.status.0, packet.vbucket_or_status);
            assert_eq!(value.to_packet(), Ok(packet));
            assert_eq!(value.encoded_len(), Ok(bytes.len()));
            assert_eq!(value.emit(&mut out), Ok(bytes.len()));
            assert_eq!(request.unwrap_err().kind, ParseErrorKind::WrongDirection);
            assert_eq!(
                Response {
                    magic: Magic(0x80),
                    ..value
                }
                .emit(&mut out),
                Err(EmitError::Magic(Magic(0x80)))
            );
        }
        assert_eq!(out, bytes);
    }
}

#[test]
fn every_truncation_asks_for_what_is_missing() {
    for Sample { packet, mut bytes } in samples() {
        for len in 0..bytes.len() {
            let whole = if len < HEADER_LEN {
                HEADER_LEN
            } else {
                bytes.len()
            };
            let missing = (whole - len) as u64;
            let need_more = Ok(Parsed::NeedMore { missing });
            assert_eq!(Packet::parse(&bytes[..len], &Limits::default()), need_more);
            if packet.magic.is_request() {
                assert_eq!(
                    Request::parse(&bytes[..len], &Limits::default()),
                    Ok(Parsed::NeedMore { missing })
                );
            } else {
                assert_eq!(
                    Response::parse(&bytes[..len], &Limits::default()),
                    Ok(Parsed::NeedMore { missing })
                );
            }
        }
        // What follows a packet is none of its business.
        let len = bytes.len();
        bytes.extend(*b"more");
        let Ok(Parsed::Complete { consumed, .. }) = Packet::parse(&bytes, &Limits::default())
        else {
            panic!("{packet:?}")
        };
        assert_eq!(consumed, len);
    }
}

/// A reader that gets a packet in two pieces and reads exactly as many bytes as it is told to.
#[test]
fn every_split_ends_in_the_same_packet() {
    for Sample { packet, bytes } in samples() {
        for split in 0..=bytes.len() {
            let mut have = split;
            let mut rounds = 0;
            let found = loop {
                match Packet::parse(&bytes[..have], &Limits::default()).unwrap() {
                    Parsed::Complete { value, consumed } => break (value, consumed),
                    Parsed::NeedMore { missing } => have += usize::try_from(missing).unwrap(),
                }
                rounds += 1;
            };
            assert_eq!(found, (packet, bytes.len()));
            assert!(rounds <= 2, "once for the header, once for the body");
        }
    }
}

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

/// A header that is well-formed but for what the caller changes.
fn header(magic: Magic) -> Header {
    Header {
        magic,
        opcode: Opcode::SET,
        framing_extras_len: 0,
        key_len: 10,
        extras_len: 8,
        datatype: DataType::RAW,
        vbucket_or_status: 0,
        body_len: 118,
        opaque: 0,
        cas: 0,
    }
}

#[test]
fn lengths_are_judged_in_memcacheds_order_once_the_header_is_there() {
    let limits = Limits::default();
    for magic in Magic::ALL {
        let good = header(magic);
        assert_eq!(good.check(&limits), Ok(100));
        let key_at = if magic.is_flex() { 3 } else { 2 };
        let cases = [
            (
                Header {
                    body_len: 17,
                    ..good
                },
                ParseErrorKind::PartsExceedBody,
                Field::Body,
                8,
                17,
                Allowed::AtLeast(18),
            ),
            (
                Header {
                    body_len: 0,
                    ..good
                },
                ParseErrorKind::PartsExceedBody,
                Field::Body,
                8,
                0,
                Allowed::AtLeast(18),
            ),
            (
                Header {
                    body_len: (1 << 30) + 1,
                    ..good
                },
                ParseErrorKind::BodyTooLong,
                Field::Body,
                8,
                (1 << 30) + 1,
                Allowed::AtMost(1 << 30),
            ),
            (
                Header {
                    key_len: 251,
                    body_len: u32::MAX,
                    ..good
                },
                ParseErrorKind::BodyTooLong,
                Field::Body,
                8,
                u32::MAX,
                Allowed::AtMost(1 << 30),
            ),
            (
                Header {
                    key_len: 251,
                    body_len: 1000,
                    ..good
                },
                ParseErrorKind::KeyTooLong,
                Field::Key,
                key_at,
                251,
                Allowed::AtMost(250),
            ),
        ];
        for (header, kind, field, offset, found, allowed) in cases {
            let error = header.check(&limits).unwrap_err();
            let ParseError {
                kind: k,
                field: f,
                offset: o,
                found: n,
                allowed: a,
                ..
            } = error;
            assert_eq!((k, f, o, n, a), (kind, field, offset, found, allowed));
            assert_eq!(
                Packet::parse(&header.to_bytes().unwrap(), &limits),
                Err(error)
            );
            assert_eq!(Packet::parse_body(&header, &[], &limits), Err(error));
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn lengths_up_to_the_limits_are_fine() {
    let limits = Limits::default();
    for magic in Magic::ALL {
        let good = header(magic);
        for header in [
            Header {
                body_len: 1 << 30,
                ..good
            },
            Header {
                key_len: 250,
                body_len: 300,
                ..good
            },
            Header {
                body_len: 18,
                ..good
            },
        ] {
            assert!(header.check(&limits).is_ok());
        }
        let largest = Header {
            key_len: 255,
            extras_len: 255,
            body_len: u32::MAX,
            ..good
        };
        assert_eq!(largest.check(&Limits::NONE), Ok(u32::MAX - 510));
        assert_eq!(largest.packet_len(), 24 + u64::from(u32::MAX));
        let missing = u64::from(u32::MAX);
        assert_eq!(
            Packet::parse(&largest.to_bytes().unwrap(), &Limits::NONE),
            Ok(Parsed::NeedMore { missing })
        );
    }
}

#[test]
fn a_wrong_first_byte_is_told_at_once() {
    for number in 0..=u8::MAX {
        for len in [1, 23, 24, 100] {
            let mut bytes = vec![0; len];
            bytes[0] = number;
            let parsed = Packet::parse(&bytes, &Limits::default());
            if Magic::ALL.contains(&Magic(number)) {
                assert!(Magic(number).is_known());
                assert!(parsed.is_ok());
            } else {
                let error = parsed.unwrap_err();
                assert_eq!(
                    (error.kind, error.field),
                    (ParseErrorKind::UnknownMagic, Field::Magic)
                );
                assert_eq!((error.offset, error.found), (0, number.into()));
                assert!(
                    error
                        .to_string()
                        .starts_with(&format!("bad magic: 0x{number:02x}"))
                );
                assert_eq!(Header::parse(&bytes), Err(error));
            }
        }
    }
}

#[test]
fn shapes_are_enforced() {
    for dialect in [Dialect::Memcached, Dialect::Couchbase] {
        for number in 0..=u8::MAX {
            let Some(shape) = Opcode(number).shape(dialect) else {
                continue;
            };
            assert!(Opcode(number).name(dialect).is_some(), "{number:#04x}");
            for (extras_len, key_len, value_len) in
                (0..=u8::MAX).flat_map(|len| [(len, 0, 0), (len, 1, 0), (len, 0, 1), (len, 1, 1)])
            {
                let body_len = u32::from(extras_len) + u32::from(key_len) + value_len;
                let header = Header {
                    opcode: Opcode(number),
                    extras_len,
                    key_len,
                    body_len,
                    ..header(Magic::CLIENT_REQUEST)
                };
                let expected = if !shape.extras_lens().any(|len| len == extras_len) {
                    Some(ParseErrorKind::ExtrasLength)
                } else {
                    match (shape.key, key_len, shape.value, value_len) {
                        (Presence::Required, 0, ..) => Some(ParseErrorKind::KeyMissing),
                        (Presence::Forbidden, 1, ..) => Some(ParseErrorKind::KeyForbidden),
                        (.., Presence::Required, 0) => Some(ParseErrorKind::ValueMissing),
                        (.., Presence::Forbidden, 1) => Some(ParseErrorKind::ValueForbidden),
                        _ => None,
                    }
                };
                assert_eq!(
                    header.check_shape(&shape).err().map(|error| error.kind),
                    expected
                );
            }
        }
    }
}

#[test]
fn memcacheds_shapes() {
    use Presence::{Forbidden, Optional, Required};
    let expected = |number| match number {
        0x00 | 0x09 | 0x0c | 0x0d | 0x04 | 0x14 => Some((vec![0], Required, Forbidden)),
        0x01..=0x03 | 0x11..=0x13 => Some((vec![8], Required, Optional)),
        0x05 | 0x06 | 0x15 | 0x16 => Some((vec![20], Required, Forbidden)),
        0x0e | 0x0f | 0x19 | 0x1a | 0x21 | 0x22 => Some((vec![0], Required, Optional)),
        0x07 | 0x17 | 0x0a | 0x0b | 0x20 => Some((vec![0], Forbidden, Forbidden)),
        0x08 | 0x18 => Some((vec![0, 4], Forbidden, Forbidden)),
        0x10 => Some((vec![0], Optional, Forbidden)),
        0x1c..=0x1e | 0x23 | 0x24 => Some((vec![4], Required, Forbidden)),
        _ => None,
    };
    for number in 0..=u8::MAX {
        let shape = Opcode(number).shape(Dialect::Memcached);
        let found = shape.map(|shape| (shape.extras_lens().collect(), shape.key, shape.value));
        assert_eq!(found, expected(number), "{number:#04x}");
    }
}

/// The numbers that nobody has assigned; all others have a name, under both dialects.
#[test]
fn names() {
    let unassigned = |number| {
        matches!(
            number,
            0x4c..=0x4f | 0x68..=0x6f | 0x7a..=0x7f | 0x88 | 0x8d..=0x90 | 0x98..=0x9d | 0xab | 0xbd..=0xc0
                | 0xc3..=0xc4 | 0xd4..=0xd9 | 0xdd..=0xdf | 0xe4..=0xef | 0xf9..=0xfa
        )
    };
    for dialect in [Dialect::Memcached, Dialect::Couchbase] {
        let mut names = HashSet::new();
        for number in 0..=u8::MAX {
            let name = Opcode(number).name(dialect);
            assert_eq!(name.is_none(), unassigned(number), "{number:#04x}");
            assert!(name.is_none_or(|name| names.insert(name)), "{name:?} twice");
        }
        let all: Vec<_> = Opcode::all(dialect).collect();
        assert_eq!(all.len(), names.len());
        assert!(
            all.iter()
                .all(|opcode| names.contains(opcode.name(dialect).unwrap()))
        );
    }
    assert_eq!(Opcode(0x23).name(Dialect::Memcached), Some("GATK"));
    assert_eq!(Opcode(0x23).name(Dialect::Couchbase), Some("IOCTL_GET"));
    assert_eq!(Opcode(0x24).name(Dialect::Memcached), Some("GATKQ"));
    assert_eq!(Opcode(0x24).name(Dialect::Couchbase), Some("IOCTL_SET"));
    let server = Opcode(0x01).display(Magic::SERVER_REQUEST, Dialect::Couchbase);
    assert_eq!(server.to_string(), "CLUSTERMAP_CHANGE_NOTIFICATION");
    assert_eq!(
        Opcode(0x05)
            .display(Magic::SERVER_REQUEST, Dialect::Couchbase)
            .to_string(),
        "0x05"
    );
    assert_eq!(ServerOpcode(0x04).to_string(), "GET_AUTHORIZATION");
    assert_eq!(format!("[{:>8}]", Opcode::GET), "[     GET]");
}

#[test]
fn quiet_and_loud_twins() {
    for dialect in [Dialect::Memcached, Dialect::Couchbase] {
        for opcode in Opcode::all(dialect) {
            let loud = opcode.loud();
            assert!(!loud.is_quiet());
            assert_eq!(loud.loud(), loud);
            if loud == opcode {
                assert!(!opcode.is_quiet());
                assert!(opcode.quiet().is_none_or(|quiet| quiet.loud() == opcode));
                continue;
            }
            assert_eq!(loud.quiet(), Some(opcode));
            let (name, twin) = (
                opcode.name(Dialect::Memcached).unwrap(),
                loud.name(Dialect::Memcached).unwrap(),
            );
            let plain = name
                .strip_suffix('Q')
                .map_or_else(|| name.replace("Q_", "_"), str::to_owned);
            assert_eq!(plain, twin);
        }
    }
    assert!(Opcode::GATKQ.is_quiet_in(Dialect::Memcached));
    assert!(!Opcode::IOCTL_SET.is_quiet_in(Dialect::Couchbase));
    assert!(Opcode::GETQ.is_quiet_in(Dialect::Couchbase));
    for opcode in [
        Opcode::GETQ_META,
        Opcode::SETQ_WITH_META,
        Opcode::ADDQ_WITH_META,
        Opcode::DELQ_WITH_META,
    ] {
        assert!(!opcode.is_quiet());
        assert!(opcode.is_quiet_in(Dialect::Couchbase));
    }
}

#[test]
fn statuses() {
    let mut numbers: Vec<u16> = Status::ALL.iter().map(|status| status.0).collect();
    let known: Vec<u16> = (0x00..=0x0f)
        .chain(0x1f..=0x29)
        .chain(0x30..=0x38)
        .chain(0x50..=0x51)
        .chain(0x80..=0x88)
        .chain([0x8a, 0x8c, 0x8d])
        .chain(0xa0..=0xa8)
        .chain(0xc0..=0xd8)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, known);
    let names: HashSet<_> = Status::ALL
        .iter()
        .map(|status| status.name().unwrap())
        .collect();
    assert_eq!(names.len(), Status::ALL.len());
    assert!(
        Status::ALL
            .iter()
            .all(|status| !status.meaning().is_empty())
    );
    let texts: Vec<_> = Status::ALL
        .iter()
        .map(|status| (status.0, status.text()))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let memcacheds = [
        (0x01, "Not found"),
        (0x02, "Data exists for key."),
        (0x03, "Too large."),
        (0x04, "Invalid arguments"),
        (0x05, "Not stored."),
        (0x06, "Non-numeric server-side value for incr or decr"),
        (0x20, "Auth failure."),
        (0x81, "Unknown command"),
        (0x82, "Out of memory"),
    ];
    assert_eq!(texts, memcacheds);
    let successes: Vec<_> = (0..=0xff)
        .filter(|&number| Status(number).is_success())
        .collect();
    assert_eq!(successes, [0x00, 0x21, 0x23, 0xa6, 0xa7, 0xcc, 0xcd, 0xd3]);
}

#[test]
fn data_types() {
    assert_eq!(DataType::RAW.to_string(), "raw");
    assert_eq!((DataType::JSON | DataType::XATTR).to_string(), "json|xattr");
    assert_eq!(DataType(0x92).to_string(), "snappy|0x90");
    assert!(DataType(0x07).contains(DataType::SNAPPY));
    assert!(!DataType(0x05).contains(DataType::SNAPPY));
}

/// Bytes that look like a packet more often than noise does.
fn packet_like() -> impl Strategy<Value = Vec<u8>> {
    let magic = prop_oneof![
        Just(0x80),
        Just(0x81),
        Just(0x08),
        Just(0x18),
        Just(0x82),
        Just(0x83),
        any::<u8>()
    ];
    let start = (
        magic,
        any::<u8>(),
        0..4u8,
        0..40u8,
        0..24u8,
        any::<[u8; 3]>(),
        0..100u8,
        any::<[u8; 12]>(),
    );
    (start, proptest::collection::vec(any::<u8>(), 0..120)).prop_map(
        |((magic, opcode, two, three, extras_len, a, body_len, b), body)| {
            let mut bytes = vec![magic, opcode, two, three, extras_len];
            bytes.extend(a);
            bytes.extend([0, 0, 0, body_len]);
            bytes.extend(b);
            bytes.extend(body);
            bytes
        },
    )
}

proptest! {
    #[test]
    fn what_parses_is_written_the_same(bytes in prop_oneof![
        packet_like(),
        proptest::collection::vec(any::<u8>(), 0..200),
    ]) {
        match Packet::parse(&bytes, &Limits::NONE) {
            Ok(Parsed::Complete { value, consumed }) => {
                let mut out = vec![0; consumed];
                prop_assert_eq!(value.emit(&mut out), Ok(consumed));
                prop_assert_eq!(&out[..], &bytes[..consumed]);
            }
            Ok(Parsed::NeedMore { missing }) => {
                prop_assert!(missing > 0);
                if bytes.len() >= HEADER_LEN {
                    let Ok(Parsed::Complete { value, .. }) = Header::parse(&bytes) else { panic!() };
                    prop_assert_eq!(missing, value.packet_len() - bytes.len() as u64);
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn what_is_written_parses_the_same(
        magic in proptest::sample::select(&Magic::ALL[..]),
        (opcode, datatype, number, opaque, cas) in any::<(u8, u8, u16, u32, u64)>(),
        framing_extras in proptest::collection::vec(any::<u8>(), 0..256),
        extras in proptest::collection::vec(any::<u8>(), 0..256),
        key in proptest::collection::vec(any::<u8>(), 0..256),
        value in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let packet = Packet {
            magic,
            opcode: Opcode(opcode),
            datatype: DataType(datatype),
            vbucket_or_status: number,
            opaque,
            cas,
            framing_extras: if magic.is_flex() { &framing_extras } else { &[] },
            extras: &extras,
            key: &key,
            value: &value,
        };
        let len = packet.encoded_len().unwrap();
        let mut out = vec![0; len];
        prop_assert_eq!(packet.emit(&mut out), Ok(len));
        prop_assert_eq!(
            Packet::parse(&out, &Limits::NONE),
            Ok(Parsed::Complete { value: packet, consumed: len })
        );
    }
}
