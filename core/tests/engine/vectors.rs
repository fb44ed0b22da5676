//! Bytes seen at a real memcached (memcached binary protocol: byte vectors).

use crate::support::{Cache, answers};
use memlet_core::wire::Status;

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// Sends a request and compares the response, all but its CAS.
fn check(cache: &mut Cache, request: &str, response: &str) -> u64 {
    let output = cache.wire.send(&mut cache.engine, &unhex(request));
    let expected = unhex(response);
    assert_eq!(output[..16], expected[..16], "{request}");
    assert_eq!(output[24..], expected[24..], "{request}");
    let cas = answers(&output)[0].cas;
    let wants_cas = expected[16..24] != [0; 8];
    assert_eq!(cas != 0, wants_cas, "{request}");
    cas
}

#[test]
fn responses_are_those_of_memcached_byte_for_byte() {
    let mut cache = Cache::new();
    let steps = [
        (
            "800800000000000000000000000000010000000000000000",
            "810800000000000000000000000000010000000000000000",
        ),
        (
            "800100050800000000000012000000020000000000000000deadbeef00000e1048656c6c6f576f726c64",
            "810100000000000000000000000000020000000000000116",
        ),
        (
            "80000005000000000000000500000003000000000000000048656c6c6f",
            "810000000400000000000009000000030000000000000116deadbeef576f726c64",
        ),
        (
            "800c0005000000000000000500000003000000000000000048656c6c6f",
            "810c0005040000000000000e000000030000000000000116deadbeef48656c6c6f576f726c64",
        ),
        (
            "8000000400000000000000040000000400000000000000006e6f7065",
            "8100000000000001000000090000000400000000000000004e6f7420666f756e64",
        ),
        (
            "800c000400000000000000040000000400000000000000006e6f7065",
            "810c000400000001000000040000000400000000000000006e6f7065",
        ),
        (
            "801c000504000000000000090000000500000000000000000000000048656c6c6f",
            "811c00000400000000000004000000050000000000000116deadbeef",
        ),
        (
            "80050007140000000000001b0000000600000000000000000000000000000001000000000000000000000e10636f756e746572",
            "8105000000000000000000080000000600000000000001170000000000000000",
        ),
        (
            "80050002140000000000001600000006000000000000000000000000000000010000000000000000ffffffff7a7a",
            "8105000000000001000000090000000600000000000000004e6f7420666f756e64",
        ),
        (
            "80040005000000000000000500000009000000000000000048656c6c6f",
            "810400000000000000000000000000090000000000000000",
        ),
    ];
    let mut last = 0;
    for (request, response) in steps {
        let cas = check(&mut cache, request, response);
        assert!(cas == 0 || cas >= last);
        last = last.max(cas);
    }
}

#[test]
fn version_starts_with_three_numbers() {
    let mut cache = Cache::new();
    let answer = cache.one(&unhex("800b00000000000000000000000000080000000000000000"));
    assert_eq!(
        (answer.status, answer.opaque, answer.cas),
        (Status::SUCCESS, 8, 0)
    );
    assert_eq!(answer.text(), "1.6.18-memlet");
}
