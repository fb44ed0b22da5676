//! Magics and lengths that do not fit the packet or its command.

use super::{Key, SHAPES, assert_one_error_line, refused_and_closed};
use crate::common::{Answer, Kind, Request, Server, hex, op, status, store_extras};

#[test]
fn bad_magic_on_a_binary_connection_closes_without_an_answer() {
    let server = Server::start(&[]);
    for magic in [0x00, 0x01, 0x08, 0x18, 0x7f, 0x81, 0x82, 0x83, b'g', 0xff] {
        let mut client = server.connect();
        client.expect_alive();
        client.send(&Request::new(op::NOOP).magic(magic));
        assert_eq!(client.read_to_close(), b"", "magic {magic:#04x}");
    }
    server.probe();
}

#[test]
fn requests_before_a_bad_magic_in_the_same_segment_are_answered() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut bytes = Request::set("k", "v").opaque(1).bytes();
    bytes.extend(Request::get("k").opaque(2).bytes());
    bytes.extend(Request::get("k").opaque(3).magic(0x33).bytes());
    client.send_bytes(&bytes);
    let answers = client.answers_to_close();
    // memcached loses what it hasn't written yet; that a good request is answered is no harm to anybody.
    if server.kind == Kind::Memlet {
        assert_eq!(
            answers.iter().map(Answer::opaque).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(answers[1].value(), b"v");
    }
    server.probe();
}

#[test]
fn response_magic_as_the_first_byte_is_not_taken_for_a_request() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(&Request::set("k", "v").magic(0x81));
    client.end_of_input();
    let answer = client.read_to_close();
    assert!(!answer.starts_with(&[0x81]), "{}", hex(&answer));
    if server.kind == Kind::Memlet {
        assert_one_error_line(&answer);
    }
    assert_eq!(
        server.connect().call(Request::get("k")).status(),
        status::NOT_FOUND
    );
    server.probe();
}

#[test]
fn key_longer_than_body() {
    let server = Server::start(&[]);
    for (opcode, ..) in SHAPES {
        for (key_len, body_len) in [
            (1, 0),
            (4, 3),
            (250, 249),
            (251, 0),
            (16_000, 9),
            (u16::MAX, 0),
            (u16::MAX, 65534),
        ] {
            if server.kind == Kind::Memcached && key_len == u16::MAX {
                // memcached drops a connection whose key doesn't fit its read buffer.
                continue;
            }
            let request = Request::new(*opcode)
                .claim_key_len(key_len)
                .claim_body_len(body_len);
            refused_and_closed(&server, &request, status::UNKNOWN_COMMAND);
        }
    }
    server.probe();
}

#[test]
fn extras_longer_than_body() {
    let server = Server::start(&[]);
    for (opcode, ..) in SHAPES {
        for (extras_len, key_len, body_len) in [
            (1, 0, 0),
            (8, 0, 7),
            (255, 0, 254),
            (20, 0, 3),
            (8, 3, 10),
            (255, 16_000, 100),
        ] {
            let request = Request::new(*opcode)
                .claim_extras_len(extras_len)
                .claim_key_len(key_len)
                .claim_body_len(body_len);
            refused_and_closed(&server, &request, status::UNKNOWN_COMMAND);
        }
    }
    server.probe();
}

/// `body length - key length - extras length` must not wrap into a value of 4 GiB that swallows or leaks what follows.
#[test]
fn body_length_minus_key_length_never_wraps() {
    let server = Server::start(&[]);
    for opcode in [
        op::SET,
        op::SETQ,
        op::APPEND,
        op::GET,
        op::TOUCH,
        op::STAT,
        op::SASL_AUTH,
        0x77,
    ] {
        let request = Request::new(opcode)
            .extras([0; 8])
            .key("key")
            .claim_body_len(10);
        refused_and_closed(&server, &request, status::UNKNOWN_COMMAND);
    }
    server.probe();
}

#[test]
fn extras_of_the_wrong_length_for_each_opcode() {
    let server = Server::start(&[]);
    for (opcode, right, key, _) in SHAPES {
        for len in (0..=24).chain([32, 127, 255]) {
            if right.contains(&len) {
                continue;
            }
            let mut request = Request::new(*opcode).extras(vec![0; usize::from(len)]);
            if *key == Key::Must {
                request = request.key("key");
            }
            refused_and_closed(&server, &request, status::INVALID);
        }
    }
    server.probe();
}

#[test]
fn a_key_where_none_belongs() {
    let server = Server::start(&[]);
    for (opcode, extras, key, _) in SHAPES.iter().filter(|shape| shape.2 == Key::MustNot) {
        assert!(*key == Key::MustNot);
        for len in *extras {
            let request = Request::new(*opcode)
                .extras(vec![0; usize::from(*len)])
                .key("key");
            refused_and_closed(&server, &request, status::INVALID);
        }
    }
    server.probe();
}

#[test]
fn no_key_where_one_belongs() {
    let server = Server::start(&[]);
    for (opcode, extras, _, value) in SHAPES.iter().filter(|shape| shape.2 == Key::Must) {
        let mut request = Request::new(*opcode).extras(vec![0; usize::from(extras[0])]);
        refused_and_closed(&server, &request, status::INVALID);
        if *value {
            request = request.value("a value");
            refused_and_closed(&server, &request, status::INVALID);
        }
    }
    server.probe();
}

#[test]
fn a_value_where_none_belongs() {
    let server = Server::start(&[]);
    for (opcode, extras, key, value) in SHAPES {
        // memcached parses the value of these as the next packet; here it is refused like every other.
        let quirk = matches!(
            *opcode,
            op::TOUCH | op::GAT | op::GATQ | op::GATK | op::GATKQ | op::STAT
        );
        if *value || (quirk && server.kind == Kind::Memcached) {
            continue;
        }
        let mut request = Request::new(*opcode)
            .extras(vec![0; usize::from(extras[0])])
            .value("unasked");
        if *key != Key::MustNot {
            request = request.key("key");
        }
        refused_and_closed(&server, &request, status::INVALID);
    }
    server.probe();
}

#[test]
fn key_over_250() {
    let server = Server::start(&[]);
    let longest = "k".repeat(250);
    let mut client = server.connect();
    assert_eq!(client.call(Request::set(&longest, "v")).status(), 0);
    assert_eq!(client.call(Request::get(&longest)).value(), b"v");
    client.expect_alive();
    for (opcode, extras, ..) in SHAPES.iter().filter(|shape| shape.2 != Key::MustNot) {
        for len in [251, 252, 365, 1000, 16000] {
            let request = Request::new(*opcode)
                .extras(vec![0; usize::from(extras[0])])
                .key(vec![b'k'; len]);
            refused_and_closed(&server, &request, status::INVALID);
        }
    }
    // memcached drops the connection without an answer when the key doesn't fit its read buffer.
    for len in [16361, 20_000, 65_535] {
        let mut client = server.connect();
        client.send(&Request::get(vec![b'k'; len]));
        let answers = client.answers_to_close();
        if server.kind == Kind::Memlet {
            assert_eq!(
                answers.iter().map(Answer::status).collect::<Vec<_>>(),
                [status::INVALID],
                "key of {len}"
            );
        }
    }
    server.probe();
}

#[test]
fn body_of_0xffffffff() {
    let server = Server::start(&[]);
    if server.kind == Kind::Memcached {
        // memcached has the limit of 1 GiB since 1.6.19 or later; 1.6.18 lets the length wrap and waits.
        return;
    }
    for body_len in [
        (1 << 30) + 1,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fff0,
        u32::MAX,
    ] {
        for request in [
            Request::set("key", ""),
            Request::get("key"),
            Request::new(op::SETQ).extras(store_extras(0, 0)).key("key"),
            Request::new(op::APPEND).key("key"),
            Request::new(op::NOOP),
            Request::new(op::SASL_AUTH).key("PLAIN"),
            Request::new(0x99),
        ] {
            refused_and_closed(&server, &request.claim_body_len(body_len), status::INVALID);
        }
    }
    server.probe();
}
