//! Any bytes through every parser of packets: nothing panics, and what is accepted is written back the same.

use memlet_core::wire::extras::{
    CounterExtras, FlagsExtras, FlushExtras, StoreExtras, TouchExtras,
};
use memlet_core::wire::{
    Dialect, EmitError, FrameInfo, HEADER_LEN, Header, Limits, Packet, ParseErrorKind, Parsed,
    Request, Response, unpack_duration,
};

pub(crate) fn run(data: &[u8]) {
    match Packet::parse(data, &Limits::NONE) {
        Ok(Parsed::Complete { value, consumed }) => {
            assert!(consumed <= data.len());
            check_complete(&value, &data[..consumed]);
        }
        Ok(Parsed::NeedMore { missing }) => check_need_more(data, missing),
        Err(error) => {
            assert!(matches!(
                error.kind,
                ParseErrorKind::UnknownMagic | ParseErrorKind::PartsExceedBody
            ));
            assert!(!error.to_string().is_empty());
        }
    }
    // Tighter limits only refuse more.
    if let Ok(Parsed::Complete { consumed, .. }) = Packet::parse(data, &Limits::default()) {
        let Ok(Parsed::Complete {
            consumed: without_limits,
            ..
        }) = Packet::parse(data, &Limits::NONE)
        else {
            panic!("limits made a packet acceptable");
        };
        assert_eq!(consumed, without_limits);
    }
}

/// `bytes` are exactly one packet.
fn check_complete(packet: &Packet<'_>, bytes: &[u8]) {
    let mut out = vec![0xee; bytes.len()];
    assert_eq!(packet.encoded_len(), Ok(bytes.len()));
    assert_eq!(packet.emit(&mut out), Ok(bytes.len()));
    assert_eq!(out, bytes);
    let mut short = vec![0xee; bytes.len() - 1];
    let error = EmitError::OutputTooShort {
        needed: bytes.len(),
        available: bytes.len() - 1,
    };
    assert_eq!(packet.emit(&mut short), Err(error));
    assert!(short.iter().all(|&byte| byte == 0xee));

    // One byte less is no packet yet, and one byte is what it asks for or, before the header, at least that.
    match Packet::parse(&bytes[..bytes.len() - 1], &Limits::NONE) {
        Ok(Parsed::NeedMore { missing }) => assert_eq!(missing, 1),
        other => panic!("{other:?}"),
    }

    let header = packet.header().expect("it has just been read");
    assert_eq!(header.packet_len(), bytes.len() as u64);
    let Ok(Parsed::Complete { value, consumed }) =
        Packet::parse_body(&header, &bytes[HEADER_LEN..], &Limits::NONE)
    else {
        panic!("the body was there a moment ago");
    };
    assert_eq!((&value, consumed), (packet, bytes.len() - HEADER_LEN));

    check_direction(packet, bytes);
    check_parts(packet, &header);
}

fn check_direction(packet: &Packet<'_>, bytes: &[u8]) {
    match (
        Request::parse(bytes, &Limits::NONE),
        Response::parse(bytes, &Limits::NONE),
    ) {
        (Ok(Parsed::Complete { value, .. }), Err(error)) => {
            assert!(packet.magic.is_request());
            assert_eq!(error.kind, ParseErrorKind::WrongDirection);
            assert_eq!(value.to_packet(), Ok(*packet));
            assert!(value.to_string().starts_with("{MCRequest opcode="));
        }
        (Err(error), Ok(Parsed::Complete { value, .. })) => {
            assert!(packet.magic.is_response());
            assert_eq!(error.kind, ParseErrorKind::WrongDirection);
            assert_eq!(value.to_packet(), Ok(*packet));
            assert!(value.to_string().starts_with("{MCResponse status="));
            assert!(
                value
                    .as_error()
                    .to_string()
                    .starts_with("MCResponse status=")
            );
        }
        other => panic!("{other:?}"),
    }
}

/// What stands inside the parts, in either dialect.
fn check_parts(packet: &Packet<'_>, header: &Header) {
    for dialect in [Dialect::Memcached, Dialect::Couchbase] {
        if let Some(shape) = packet.opcode.shape(dialect) {
            let fits = header.check_shape(&shape).is_ok();
            let allowed = shape.allows_extras_len(header.extras_len)
                && shape.key.allows(!packet.key.is_empty())
                && shape.value.allows(!packet.value.is_empty());
            assert_eq!(fits, allowed);
        }
    }
    if let Ok(extras) = StoreExtras::parse(packet.extras) {
        assert_eq!(extras.to_bytes(), packet.extras);
    }
    if let Ok(extras) = CounterExtras::parse(packet.extras) {
        assert_eq!(extras.to_bytes(), packet.extras);
    }
    if let Ok(extras) = TouchExtras::parse(packet.extras) {
        assert_eq!(extras.to_bytes(), packet.extras);
        assert_eq!(
            FlagsExtras::parse(packet.extras),
            Ok(FlagsExtras {
                flags: extras.expiration
            })
        );
        assert_eq!(
            FlushExtras::parse(packet.extras),
            Ok(FlushExtras {
                expiration: Some(extras.expiration)
            })
        );
    }

    let mut framing_extras = Vec::new();
    let mut cut = false;
    for info in FrameInfo::iter(packet.framing_extras) {
        let Ok(info) = info else {
            cut = true;
            break;
        };
        let mut out = [0; 3 + FrameInfo::MAX as usize];
        let len = info
            .emit(&mut out)
            .expect("the output is as long as the longest");
        framing_extras.extend_from_slice(&out[..len]);
        if let &[high, low] = info.data {
            assert!(unpack_duration(u16::from_be_bytes([high, low])).as_secs() < 121);
        }
    }
    assert!(packet.framing_extras.starts_with(&framing_extras));
    assert_eq!(framing_extras.len() == packet.framing_extras.len(), !cut);
}

/// The number of missing bytes is exact once the header is there.
fn check_need_more(data: &[u8], missing: u64) {
    assert!(missing > 0);
    match Header::parse(data) {
        Ok(Parsed::NeedMore { missing: of_header }) => assert_eq!(missing, of_header),
        Ok(Parsed::Complete { value, .. }) => {
            assert_eq!(value.packet_len(), data.len() as u64 + missing);
        }
        Err(error) => panic!("{error}"),
    }
    if missing < 1 << 16 {
        let mut more = data.to_vec();
        more.resize(data.len() + missing as usize, 0);
        match Packet::parse(&more, &Limits::NONE) {
            Ok(Parsed::Complete { consumed, .. }) => assert_eq!(consumed, more.len()),
            Ok(Parsed::NeedMore { .. }) | Err(_) => assert!(data.len() < HEADER_LEN),
        }
    }
}
