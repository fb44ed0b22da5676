//! The published byte vectors, sent as literal bytes and compared as literal bytes.
//!
//! memcached binary protocol: byte vectors. CAS values and the version text are the server's own; where one is expected the
//! vector says so with `c` and `v` digits, which must then be not zero and printable.

mod common;

use common::{Answer, Server, hex, unhex};

/// Name, request, response; `cccccccccccccccc` stands for any CAS that isn't 0.
const VECTORS: &[(&str, &str, &str)] = &[
    (
        "FLUSH without extras",
        "800800000000000000000000000000010000000000000000",
        "810800000000000000000000000000010000000000000000",
    ),
    (
        "SET Hello=World, flags 0xdeadbeef, expiration 3600",
        "800100050800000000000012000000020000000000000000deadbeef00000e1048656c6c6f576f726c64",
        "81010000000000000000000000000002cccccccccccccccc",
    ),
    (
        "GET hit",
        "80000005000000000000000500000003000000000000000048656c6c6f",
        "81000000040000000000000900000003ccccccccccccccccdeadbeef576f726c64",
    ),
    (
        "GETK hit",
        "800c0005000000000000000500000003000000000000000048656c6c6f",
        "810c0005040000000000000e00000003ccccccccccccccccdeadbeef48656c6c6f576f726c64",
    ),
    (
        "GET miss",
        "8000000400000000000000040000000400000000000000006e6f7065",
        "8100000000000001000000090000000400000000000000004e6f7420666f756e64",
    ),
    (
        "GETK miss",
        "800c000400000000000000040000000400000000000000006e6f7065",
        "810c000400000001000000040000000400000000000000006e6f7065",
    ),
    (
        "TOUCH hit, expiration 0",
        "801c000504000000000000090000000500000000000000000000000048656c6c6f",
        "811c0000040000000000000400000005ccccccccccccccccdeadbeef",
    ),
    (
        "INCREMENT that creates, initial 0, expiration 3600",
        "80050007140000000000001b0000000600000000000000000000000000000001000000000000000000000e10636f756e746572",
        "81050000000000000000000800000006cccccccccccccccc0000000000000000",
    ),
    (
        "INCREMENT miss, expiration 0xffffffff",
        "80050002140000000000001600000006000000000000000000000000000000010000000000000000ffffffff7a7a",
        "8105000000000001000000090000000600000000000000004e6f7420666f756e64",
    ),
    (
        "DELETE hit",
        "80040005000000000000000500000009000000000000000048656c6c6f",
        "810400000000000000000000000000090000000000000000",
    ),
];

/// The answer's bytes with a CAS that isn't 0 replaced by the vectors' placeholder.
fn masked(answer: &Answer) -> String {
    let mut digits = hex(&answer.raw);
    if answer.cas() != 0 {
        digits.replace_range(32..48, "cccccccccccccccc");
    }
    digits
}

#[test]
fn byte_vectors_are_answered_byte_for_byte() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for (name, request, response) in VECTORS {
        client.send_bytes(&unhex(request));
        let answer = client.receive();
        assert_eq!(&masked(&answer), response, "{name}");
    }
    client.expect_alive();
}

#[test]
fn byte_vectors_in_one_segment_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let all: String = VECTORS.iter().map(|(_, request, _)| *request).collect();
    client.send_bytes(&unhex(&all));
    for (name, _, response) in VECTORS {
        assert_eq!(&masked(&client.receive()), response, "{name}");
    }
    client.expect_alive();
}

#[test]
fn byte_vectors_split_at_every_byte_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let all = unhex(
        &VECTORS
            .iter()
            .map(|(_, request, _)| *request)
            .collect::<String>(),
    );
    for at in 1..all.len() {
        client.send_bytes(&all[..at]);
        // Long enough for the server to see the first piece alone most of the time.
        std::thread::sleep(std::time::Duration::from_micros(200));
        client.send_bytes(&all[at..]);
        for (name, _, response) in VECTORS {
            assert_eq!(
                &masked(&client.receive()),
                response,
                "{name}, split at {at}"
            );
        }
    }
}

#[test]
fn version_is_answered_with_the_header_of_the_vector_and_a_printable_text() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send_bytes(&unhex("800b00000000000000000000000000080000000000000000"));
    let answer = client.receive();
    let text = answer.value().to_vec();
    let expected = format!(
        "810b000000000000{:08x}000000080000000000000000{}",
        text.len(),
        hex(&text)
    );
    assert_eq!(hex(&answer.raw), expected);
    assert!(
        !text.is_empty() && text.iter().all(u8::is_ascii_graphic),
        "{text:?}"
    );
}
