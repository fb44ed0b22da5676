//! From bytes to values and back.

use super::{Sample, samples};
use memlet_core::wire::{
    EmitError, HEADER_LEN, Header, Limits, Magic, Packet, PacketView, ParseErrorKind, Parsed,
    Request, Response,
};

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
