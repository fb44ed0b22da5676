//! Lengths that do not add up, or are beyond the limits.

use super::header;
use memlet_core::wire::{
    Allowed, Field, Header, Limits, Magic, Packet, ParseError, ParseErrorKind, Parsed,
};

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
