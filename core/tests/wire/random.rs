//! Packets and noise by chance.

use memlet_core::wire::{DataType, HEADER_LEN, Header, Limits, Magic, Opcode, Packet, Parsed};
use proptest::prelude::*;

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
