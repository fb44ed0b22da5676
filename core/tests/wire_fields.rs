//! What stands inside the parts of a packet: extras, frame infos, packed durations.

#![allow(missing_docs)]

use std::time::Duration;

use memlet_core::wire::extras::{
    CounterExtras, FlagsExtras, FlushExtras, StoreExtras, TouchExtras, VerbosityExtras,
};
use memlet_core::wire::{
    Allowed, EmitError, Field, FrameInfo, ParseError, ParseErrorKind, pack_duration,
    unpack_duration,
};
use proptest::prelude::*;

const BYTES: [u8; 20] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
];

/// One layout: read from its bytes, written to the same, refused at every other length.
macro_rules! assert_extras {
    ($type:ident { $($field:ident: $value:expr),* }) => {
        let extras = $type { $($field: $value),* };
        let bytes = &BYTES[..$type::LEN];
        assert_eq!($type::parse(bytes), Ok(extras));
        assert_eq!(extras.to_bytes(), bytes);
        let mut out = [0xee; 24];
        assert_eq!(extras.emit(&mut out), Ok($type::LEN));
        assert_eq!(&out[..$type::LEN], bytes);
        assert!(out[$type::LEN..].iter().all(|&byte| byte == 0xee));
        let mut short = [0xee; $type::LEN - 1];
        let error = EmitError::OutputTooShort { needed: $type::LEN, available: $type::LEN - 1 };
        assert_eq!(extras.emit(&mut short), Err(error));
        assert_eq!(short, [0xee; $type::LEN - 1]);
        for len in (0..=30).filter(|&len| len != $type::LEN) {
            let ParseError { kind, field, found, allowed, .. } = $type::parse(&[0; 30][..len]).unwrap_err();
            assert_eq!((kind, field), (ParseErrorKind::ExtrasLength, Field::Extras));
            assert_eq!((found, allowed), (len as u32, Allowed::Bits(1 << $type::LEN)));
        }
    };
}

#[test]
fn extras() {
    assert_extras!(StoreExtras {
        flags: 0x0102_0304,
        expiration: 0x0506_0708
    });
    assert_extras!(CounterExtras {
        delta: 0x0102_0304_0506_0708,
        initial: 0x090a_0b0c_0d0e_0f10,
        expiration: 0x1112_1314
    });
    assert_extras!(TouchExtras {
        expiration: 0x0102_0304
    });
    assert_extras!(VerbosityExtras { level: 0x0102_0304 });
    assert_extras!(FlagsExtras { flags: 0x0102_0304 });
}

#[test]
fn flush_extras_may_be_left_out() {
    for (bytes, expiration) in [(&BYTES[..0], None), (&BYTES[..4], Some(0x0102_0304))] {
        let extras = FlushExtras { expiration };
        assert_eq!(FlushExtras::parse(bytes), Ok(extras));
        let mut out = [0xee; 4];
        assert_eq!(extras.emit(&mut out), Ok(bytes.len()));
        assert_eq!(&out[..bytes.len()], bytes);
    }
    let error = FlushExtras::parse(&BYTES[..8]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "extras: length does not fit the opcode: 8 at byte 0, allowed 0 or 4"
    );
}

fn collect(framing_extras: &[u8]) -> Result<Vec<FrameInfo<'_>>, ParseError> {
    FrameInfo::iter(framing_extras).collect()
}

#[test]
fn frame_infos() {
    let fifteen = [7; 15];
    let seventeen = [9; 17];
    let cases = [
        (&[0x00][..], &[][..], 0, &[][..]),
        (&[0x02], &[0xaa, 0xbb], 0, &[0xaa, 0xbb]),
        (&[0x11, 0x01], &[], 1, &[0x01]),
        (&[0x4f, 0x00], &fifteen, 4, &fifteen),
        (&[0xf0, 0x00], &[], 15, &[]),
        (&[0xff, 0x01, 0x02], &seventeen, 16, &seventeen),
    ];
    let mut run = Vec::new();
    let mut all = Vec::new();
    for (head, tail, id, data) in cases {
        let bytes = [head, tail].concat();
        let info = FrameInfo { id, data };
        assert_eq!(collect(&bytes), Ok(vec![info]));
        assert_eq!(info.encoded_len(), Ok(bytes.len()));
        let mut out = vec![0xee; bytes.len()];
        assert_eq!(info.emit(&mut out), Ok(bytes.len()));
        assert_eq!(out, bytes);
        for len in 0..bytes.len() {
            let mut out = vec![0xee; len];
            let error = EmitError::OutputTooShort {
                needed: bytes.len(),
                available: len,
            };
            assert_eq!(info.emit(&mut out), Err(error));
            assert!(out.iter().all(|&byte| byte == 0xee));
        }
        run.extend(&bytes);
        all.push(info);
    }
    assert_eq!(collect(&run), Ok(all));
}

#[test]
fn cut_frame_infos_are_an_error_with_their_place() {
    let run = [0x00, 0x4f, 0x01, 1, 2, 3];
    let mut infos = FrameInfo::iter(&run);
    assert_eq!(
        infos.next(),
        Some(Ok(FrameInfo {
            id: FrameInfo::BARRIER,
            data: &[]
        }))
    );
    let error = infos.next().unwrap().unwrap_err();
    assert_eq!(
        (error.kind, error.field),
        (ParseErrorKind::FrameInfoTruncated, Field::FramingExtras)
    );
    assert_eq!(
        (error.offset, error.found, error.allowed),
        (1, 5, Allowed::AtLeast(18))
    );
    assert_eq!(infos.next(), None);
    assert!(collect(&[0xf0]).is_err());
    assert!(collect(&[0x0f]).is_err());
    assert!(collect(&[0xff, 0x00]).is_err());
}

#[test]
fn frame_infos_have_limits() {
    let data = [0; 271];
    let largest = FrameInfo {
        id: 270,
        data: &data[..270],
    };
    let mut out = [0; 300];
    assert_eq!(largest.emit(&mut out), Ok(273));
    assert_eq!(collect(&out[..273]), Ok(vec![largest]));
    let error = EmitError::TooLong {
        field: Field::FramingExtras,
        found: 271,
        allowed: 270,
    };
    assert_eq!(FrameInfo { id: 271, data: &[] }.emit(&mut out), Err(error));
    assert_eq!(FrameInfo { id: 0, data: &data }.emit(&mut out), Err(error));
    assert_eq!(
        FrameInfo::request_name(FrameInfo::IMPERSONATE),
        Some("Impersonate")
    );
    assert_eq!(FrameInfo::request_name(3), None);
    assert_eq!(
        FrameInfo::response_name(FrameInfo::THROTTLE_DURATION),
        Some("ThrottleDuration")
    );
}

proptest! {
    #[test]
    fn any_framing_extras_survive_up_to_the_first_error(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let mut written = Vec::new();
        for info in FrameInfo::iter(&bytes).map_while(Result::ok) {
            let mut out = [0; 300];
            let len = info.emit(&mut out).unwrap();
            prop_assert_eq!(info.encoded_len(), Ok(len));
            written.extend(&out[..len]);
        }
        prop_assert!(bytes.starts_with(&written));
    }
}

#[test]
fn packed_durations() {
    let table = [
        (0, 0),
        (1, 1),
        (2, 2),
        (10, 6),
        (100, 21),
        (1000, 79),
        (10_000, 296),
        (1_000_000, 4181),
        (10_000_000, 15703),
        (120_000_000, 65496),
        (120_125_042, 65535),
        (u64::MAX, 65535),
    ];
    for (microseconds, packed) in table {
        assert_eq!(
            pack_duration(Duration::from_micros(microseconds)),
            packed,
            "{microseconds}"
        );
    }
    assert_eq!(unpack_duration(1), Duration::from_nanos(500));
    for packed in 0..=u16::MAX {
        let nanoseconds = f64::from(packed).powf(1.74) / 2.0 * 1000.0;
        let difference = unpack_duration(packed).as_nanos() as f64 - nanoseconds;
        assert!(difference.abs() <= 1.0, "{packed}: off by {difference} ns");
    }
    for microseconds in (0..20_000).chain((20_000..121_000_000).step_by(997)) {
        let exact = ((2 * microseconds.min(120_125_042)) as f64)
            .powf(1.0 / 1.74)
            .round() as u16;
        assert_eq!(
            pack_duration(Duration::from_micros(microseconds)),
            exact,
            "{microseconds}"
        );
    }
}
