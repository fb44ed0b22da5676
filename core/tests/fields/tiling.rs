//! The leaves cover every byte once and in order, whatever the bytes.

#[path = "../../fuzz/targets/fields.rs"]
mod target;

use memlet_core::wire::fields::Options;
use memlet_core::wire::{DataType, Magic, Opcode, Packet};
use proptest::prelude::*;

use crate::support::{COUCHBASE, MEMCACHED, emit};

/// Bodies that look like something: numbers that count what follows, names, zeros.
const BODIES: [&[u8]; 6] = [
    b"",
    b"\x00",
    b"\x00\x03key\x00\x00\x00\x05value",
    b"\x00\x00\x00\x09\x00\x00\x00\x05k\x00v\x00{}",
    b"\x00\x01\x00\x04\x00\x00\x00\x02path{}\xc5\x04\x00\x01p",
    &[0xff; 80],
];

#[test]
fn every_message_of_every_opcode_is_tiled_whole_and_cut_anywhere() {
    for magic in Magic::ALL {
        for opcode in 0..=u8::MAX {
            for extras_len in 0..=52 {
                let packet = Packet {
                    magic,
                    opcode: Opcode(opcode),
                    datatype: DataType(extras_len % 8),
                    framing_extras: if magic.is_flex() {
                        &[0x13, 1, 0, 5, 0xf1]
                    } else {
                        &[]
                    },
                    extras: &[1; 52][..extras_len.into()],
                    key: b"\x08key",
                    value: BODIES[usize::from(extras_len) % BODIES.len()],
                    ..Packet::default()
                };
                let bytes = emit(&packet);
                target::check(&bytes, &MEMCACHED);
                let collections = Options {
                    collections: true,
                    ..COUCHBASE
                };
                target::check(&bytes, &collections);
                // Every cut, of a few layouts.
                let cuts = if extras_len % 13 == 8 {
                    0..bytes.len()
                } else {
                    0..0
                };
                for len in cuts {
                    target::check(&bytes[..len], &collections);
                }
            }
        }
    }
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let magic = prop::sample::select(Magic::ALL.to_vec());
    let body = || prop::collection::vec(prop_oneof![Just(0), 0_u8..20, any::<u8>()], 0..60);
    let status = prop_oneof![Just(0), Just(0x23), Just(0xcc), 0_u16..0x100];
    let parts = (body(), body(), body(), body());
    (magic, any::<u8>(), 0_u8..8, status, parts).prop_map(
        |(magic, opcode, datatype, number, (framing, extras, key, value))| {
            emit(&Packet {
                magic,
                opcode: Opcode(opcode),
                datatype: DataType(datatype),
                vbucket_or_status: number,
                framing_extras: if magic.is_flex() { &framing } else { &[] },
                extras: &extras,
                key: &key,
                value: &value,
                ..Packet::default()
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_packet_is_tiled(choice in any::<u8>(), opcode in any::<u8>(), packet in packet(), cut in 0.0..1.0) {
        let mut data = vec![choice, opcode];
        data.extend(&packet);
        target::run(&data);
        data.truncate((data.len() as f64 * cut) as usize);
        target::run(&data);
    }

    #[test]
    fn any_bytes_are_tiled(data in prop::collection::vec(any::<u8>(), 0..200)) {
        target::run(&data);
    }
}

#[test]
fn what_follows_a_packet_is_not_looked_at() {
    let mut bytes = emit(&Packet {
        key: b"key",
        ..Packet::default()
    });
    let len = bytes.len();
    bytes.extend(b"more");
    let mut end = 0;
    memlet_core::wire::fields::spans(&bytes, &MEMCACHED, &mut |span| end = span.offset + span.len);
    assert_eq!(end, len);
}

#[test]
fn a_body_of_4_gib_that_is_not_there_takes_no_time() {
    // Statistics of vbuckets, HELLO, frame infos: each a list that would have many entries.
    for opcode in 0..=u8::MAX {
        for magic in [0x80_u8, 0x81, 0x82, 0x83] {
            let mut bytes = vec![magic, opcode, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
            bytes.resize(30, 0);
            target::check(&bytes, &COUCHBASE);
        }
    }
}
