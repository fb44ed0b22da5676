//! What holds for every packet, run over every opcode of the table in every form of the header.

#![allow(missing_docs)]

mod emission;
mod lengths;
mod packets;
mod random;
mod tables;

use memlet_core::wire::{
    DataType, Dialect, Header, Magic, Opcode, Packet, Presence, Shape, Status,
};

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
