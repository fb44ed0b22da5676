//! The tables of opcodes, shapes, statuses and data types.

use super::header;
use memlet_core::wire::{
    DataType, Dialect, Header, Magic, Opcode, ParseErrorKind, Presence, ServerOpcode, Status,
};
use std::collections::HashSet;

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
