//! TAP_CONNECT: flags, bodies, and what is refused.

use memlet_core::tap::{Connect, ConnectFlags};
use memlet_core::wire::{
    Allowed, EmitError, Field, Limits, Magic, Opcode, ParseErrorKind, Parsed, Request,
};

/// A connect request as its parser gets it.
fn request<'a>(extras: &'a [u8], key: &'a [u8], value: &'a [u8]) -> Request<'a> {
    Request {
        extras,
        key,
        value,
        opaque: 0x0102_0304,
        ..Request::new(Opcode::TAP_CONNECT)
    }
}

/// Reads the request and writes it again.
fn round_trip<'a>(request: &Request<'a>) -> Connect<'a> {
    let connect = Connect::from_request(request).unwrap();
    let mut expected = [0; 256];
    let expected_len = request.emit(&mut expected).unwrap();
    let mut out = [0; 256];
    assert_eq!(connect.encoded_len(), Ok(expected_len), "{connect:?}");
    assert_eq!(connect.emit(&mut out), Ok(expected_len), "{connect:?}");
    assert_eq!(out, expected, "{connect:?}");
    connect
}

#[test]
fn golden_bytes_with_every_body() {
    let connect = Connect {
        opaque: 0x0a0b_0c0d,
        backfill: Some(0x0102_0304_0506_0708),
        vbuckets: Some((&[1, 0x0203]).into()),
        checkpoints: Some((&[(7, 0x1112_1314_1516_1718)]).into()),
        flags: Some(ConnectFlags::SUPPORT_ACK | ConnectFlags::FIX_FLAG_BYTEORDER),
        remaining: b"xy",
        ..Connect::new(b"name")
    };
    #[rustfmt::skip]
    let bytes = [
        0x80, 0x40, 0, 4, 4, 0, 0, 0,
        0, 0, 0, 0x24, 0x0a, 0x0b, 0x0c, 0x0d,
        0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0x01, 0x55,
        b'n', b'a', b'm', b'e',
        1, 2, 3, 4, 5, 6, 7, 8,
        0, 2, 0, 1, 2, 3,
        0, 1, 0, 7, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
        b'x', b'y',
    ];
    let mut out = [0xee; 64];
    assert_eq!(connect.emit(&mut out), Ok(bytes.len()));
    assert_eq!(out[..bytes.len()], bytes);
    assert_eq!(connect.encoded_len(), Ok(bytes.len()));
    for len in 0..bytes.len() {
        let mut out = vec![0xee; len];
        let error = EmitError::OutputTooShort {
            needed: bytes.len(),
            available: len,
        };
        assert_eq!(connect.emit(&mut out), Err(error));
        assert!(out.iter().all(|&byte| byte == 0xee));
    }

    let Ok(Parsed::Complete { value, .. }) = Request::parse(&bytes, &Limits::default()) else {
        panic!("all of it is there");
    };
    let read = Connect::from_request(&value).unwrap();
    // The bit of the checkpoints is there with its body and without; reading keeps it.
    let expected = Connect {
        flags: connect.flags.map(|flags| flags | ConnectFlags::CHECKPOINT),
        ..connect
    };
    assert_eq!(read, expected);
    assert_eq!(read.all_flags(), ConnectFlags(0x155));
}

#[test]
fn a_new_request_asks_for_what_changes_from_now_on() {
    let connect = Connect::new(b"");
    assert_eq!(connect.backfill, Some(u64::MAX));
    // Item flags arrive as they were stored only if that is asked for.
    assert_eq!(
        connect.all_flags(),
        ConnectFlags::BACKFILL | ConnectFlags::FIX_FLAG_BYTEORDER
    );
    let mut out = [0; 36];
    assert_eq!(connect.emit(&mut out), Ok(36));
    assert_eq!(
        out[24..],
        [0, 0, 1, 1, 255, 255, 255, 255, 255, 255, 255, 255]
    );
}

#[test]
fn flags_split_lowest_first() {
    let split = |flags| -> Vec<u32> {
        ConnectFlags(flags)
            .split_flags()
            .map(|flag| flag.0)
            .collect()
    };
    assert_eq!(split(0), []);
    assert_eq!(split(0x1), [0x1]);
    assert_eq!(split(0x35), [0x1, 0x4, 0x10, 0x20]);
    assert_eq!(split(0x8000_0100), [0x100, 0x8000_0000]);
    assert_eq!(split(u32::MAX).len(), 32);
}

#[test]
fn flags_print_as_gomemcached_prints_them() {
    assert_eq!(ConnectFlags(0).to_string(), "");
    assert_eq!(
        ConnectFlags(0x1ff).to_string(),
        "BACKFILL|DUMP|LIST_VBUCKETS|TAKEOVER_VBUCKETS|SUPPORT_ACK|REQUEST_KEYS_ONLY|CHECKPOINT|\
         REGISTERED_CLIENT|FIX_FLAG_BYTEORDER"
    );
    assert_eq!(ConnectFlags(0x602).to_string(), "DUMP|0x200|0x400");
    assert_eq!(ConnectFlags::DUMP.name(), Some("DUMP"));
    assert_eq!(ConnectFlags(0x200).name(), None);
}

#[test]
fn every_single_flag_is_read() {
    for bit in 0..32 {
        let flags = (1_u32 << bit).to_be_bytes();
        let value: &[u8] = match bit {
            0 => &[0, 0, 0, 0, 0, 0, 0, 5],
            2 => &[0, 1, 0, 9],
            _ => &[],
        };
        let request = request(&flags, b"n", value);
        let connect = round_trip(&request);
        assert_eq!(connect.all_flags(), ConnectFlags(1 << bit));
        assert_eq!(connect.backfill, (bit == 0).then_some(5));
        assert_eq!(connect.vbuckets.is_some(), bit == 2);
        assert_eq!(connect.checkpoints, None);
        assert_eq!(connect.remaining, b"");
    }
}

#[test]
fn bodies_come_in_the_order_of_their_flags() {
    let value = [
        0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 0, 1, 0, 2, 0xff, 0xff, b'r', b'e', b's', b't',
    ];
    let request = request(&[0, 0, 2, 0x27], b"", &value);
    let connect = round_trip(&request);
    assert_eq!(connect.backfill, Some(1));
    let vbuckets: Vec<u16> = connect.vbuckets.unwrap().iter().collect();
    assert_eq!(vbuckets, [1, 2, 0xffff]);
    assert_eq!(connect.remaining, b"rest");
    assert_eq!(
        connect.all_flags().to_string(),
        "BACKFILL|DUMP|LIST_VBUCKETS|REQUEST_KEYS_ONLY|0x200"
    );
    assert!(connect.wants_vbucket(2) && !connect.wants_vbucket(3));
}

#[test]
fn an_empty_list_of_vbuckets_stands_for_all() {
    let request = request(&[0, 0, 0, 4], b"", &[0, 0]);
    let connect = round_trip(&request);
    assert!(connect.vbuckets.unwrap().is_empty());
    assert!(connect.wants_vbucket(1023));
    assert!(Connect::new(b"").wants_vbucket(1023));
}

#[test]
fn the_body_of_the_checkpoints_may_be_left_out() {
    for (value, expected, remaining) in [
        (&[][..], None, &[][..]),
        (&[0xaa], None, &[0xaa]),
        (&[0, 0], Some(&[][..]), &[]),
        (
            &[0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0xbb],
            Some(&[(3, 4)][..]),
            &[0xbb],
        ),
    ] {
        let request = request(&[0, 0, 0, 0x40], b"", value);
        let connect = round_trip(&request);
        assert_eq!(connect.checkpoints, expected.map(Into::into));
        assert_eq!(connect.remaining, remaining);
        assert_eq!(connect.all_flags(), ConnectFlags::CHECKPOINT);
    }
}

#[test]
fn extras_may_be_left_out_and_then_there_are_no_flags() {
    let request = request(b"", b"name", b"rest");
    let connect = round_trip(&request);
    assert_eq!(
        (connect.flags, connect.all_flags()),
        (None, ConnectFlags(0))
    );
    assert_eq!(
        (connect.name, connect.remaining),
        (&b"name"[..], &b"rest"[..])
    );
    // A body needs its flag, so the extras are written after all.
    let connect = Connect {
        flags: None,
        ..Connect::new(b"")
    };
    let mut out = [0; 64];
    let len = connect.emit(&mut out).unwrap();
    assert_eq!(
        out[24..len],
        [0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255]
    );
}

#[test]
fn bodies_too_short_for_their_flags_are_refused_with_their_place() {
    for (flags, value, offset, found, needed) in [
        (0x01_u8, &[0; 7][..], 32, 7, 8),
        (0x04, &[], 32, 0, 2),
        (0x04, &[0], 32, 1, 2),
        (0x04, &[0, 2, 0, 1, 0], 34, 3, 4),
        (0x05, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7], 42, 1, 2),
        (0x40, &[0, 1, 0, 0, 0], 34, 3, 10),
    ] {
        let flags = [0, 0, 0, flags];
        let error = Connect::from_request(&request(&flags, b"name", value)).unwrap_err();
        assert_eq!(
            (error.kind, error.field),
            (ParseErrorKind::PartExceedsValue, Field::Value)
        );
        assert_eq!((error.offset, error.found), (offset, found));
        assert_eq!(error.allowed, Allowed::AtLeast(needed));
    }
}

#[test]
fn other_requests_are_refused() {
    let good = request(&[0; 4], b"", b"");
    assert!(Connect::from_request(&good).is_ok());
    for (bad, kind) in [
        (
            Request {
                opcode: Opcode::TAP_MUTATION,
                ..good
            },
            ParseErrorKind::ForeignOpcode,
        ),
        (
            Request {
                magic: Magic::SERVER_REQUEST,
                ..good
            },
            ParseErrorKind::WrongDirection,
        ),
        (
            Request {
                extras: &[0; 3],
                ..good
            },
            ParseErrorKind::ExtrasLength,
        ),
        (
            Request {
                extras: &[0; 8],
                ..good
            },
            ParseErrorKind::ExtrasLength,
        ),
    ] {
        assert_eq!(Connect::from_request(&bad).unwrap_err().kind, kind);
    }
}

#[test]
fn what_no_length_field_can_tell_is_not_written() {
    let long_name = vec![0; 0x1_0000];
    let long_list = vec![0_u16; 0x1_0000];
    for (connect, field) in [
        (Connect::new(&long_name), Field::Key),
        (
            Connect {
                vbuckets: Some(long_list.as_slice().into()),
                ..Connect::new(b"")
            },
            Field::Value,
        ),
    ] {
        let error = EmitError::TooLong {
            field,
            found: 0x1_0000,
            allowed: 0xffff,
        };
        assert_eq!(connect.encoded_len(), Err(error));
        assert_eq!(connect.emit(&mut vec![0; 0x4_0000]), Err(error));
    }
}
