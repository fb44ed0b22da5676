//! Logins that are malformed, refused, or too long.

use super::{Key, SHAPES};
use crate::common::{Answer, Client, Kind, Request, Server, ServerBuilder, op, status};
use std::io::Write;

fn sasl_server() -> Server {
    ServerBuilder::new(Kind::from_environment())
        .user("user", "secret")
        .start()
}

fn authenticate(client: &mut Client, message: &[u8]) -> Answer {
    client.call(Request::new(op::SASL_AUTH).key("PLAIN").value(message))
}

#[test]
fn sasl_plain_with_missing_nuls_and_empty_names() {
    let server = sasl_server();
    let messages: &[&[u8]] = &[
        b"user",
        b"\0",
        b"\0\0",
        b"\0\0\0",
        b"\0user",
        b"\0user\0",
        b"user\0secret",
        b"usersecret",
        b"\0\0secret",
        b"\0user\0wrong",
        b"\0nobody\0secret",
        b"\0user\0secret\0",
        b"\0user\0secret\0more",
        b"user\0\0secret",
        b"\0\xff\xfe\0\xff",
        b"\0user\0secre",
        b"\0user\0secrett",
        b"\0use\0rsecret",
        b"someone else\0user\0secret",
    ];
    for message in messages {
        let mut client = server.connect();
        let answer = authenticate(&mut client, message);
        let said = (
            answer.status(),
            String::from_utf8_lossy(answer.value()).into_owned(),
        );
        assert_eq!(
            said,
            (status::AUTH_ERROR, "Auth failure.".to_owned()),
            "message {:?}",
            String::from_utf8_lossy(message)
        );
        // The connection lives and may try again.
        let answer = authenticate(&mut client, b"\0user\0secret");
        assert_eq!(
            (answer.status(), answer.value()),
            (0, &b"Authenticated"[..])
        );
        client.expect_alive();
    }
}

#[test]
fn sasl_plain_without_an_initial_response_is_continued() {
    let server = sasl_server();
    let mut client = server.connect();
    let answer = client.call(Request::new(op::SASL_AUTH).key("PLAIN"));
    assert_eq!(
        (answer.status(), answer.value()),
        (status::AUTH_CONTINUE, &b""[..])
    );
    let answer = client.call(
        Request::new(op::SASL_STEP)
            .key("PLAIN")
            .value("\0user\0secret"),
    );
    assert_eq!(
        (answer.status(), answer.value()),
        (0, &b"Authenticated"[..])
    );
    client.expect_alive();
}

#[test]
fn sasl_with_long_credentials() {
    let server = sasl_server();
    for len in [1000, 16_384, 100_000, 1 << 20, 3 << 20] {
        let mut client = server.connect();
        let message = [&b"\0user\0"[..], &vec![b'p'; len]].concat();
        let answer = authenticate(&mut client, &message);
        assert!(
            matches!(
                answer.status(),
                status::AUTH_ERROR | status::OUT_OF_MEMORY | status::TOO_BIG
            ),
            "credentials of {len}: {answer:?}"
        );
        assert_eq!(
            authenticate(&mut client, b"\0user\0secret").status(),
            0,
            "after credentials of {len}"
        );
        client.expect_alive();
    }
}

#[test]
fn sasl_mechanisms_unknown_or_too_long() {
    let server = sasl_server();
    let mut client = server.connect();
    for mechanism in ["X", "plain?", "CRAM-MD6", &"M".repeat(32)] {
        let answer = client.call(
            Request::new(op::SASL_AUTH)
                .key(mechanism)
                .value("\0user\0secret"),
        );
        assert_eq!(
            (answer.status(), answer.value()),
            (status::AUTH_ERROR, &b"Auth failure."[..]),
            "{mechanism}"
        );
    }
    for len in [33, 40, 250] {
        let answer = client.call(
            Request::new(op::SASL_AUTH)
                .key("M".repeat(len))
                .value("\0user\0secret"),
        );
        assert_eq!(
            (answer.status(), answer.value()),
            (status::INVALID, &b"Invalid arguments"[..]),
            "length {len}"
        );
    }
    let answer = client.call(
        Request::new(op::SASL_STEP)
            .key("PLAIN")
            .value("\0user\0secret"),
    );
    assert_eq!(
        answer.status(),
        status::AUTH_ERROR,
        "a step before any AUTH"
    );
    assert_eq!(authenticate(&mut client, b"\0user\0secret").status(), 0);
    client.expect_alive();
}

#[test]
fn sasl_commands_of_the_wrong_shape() {
    let server = sasl_server();
    for request in [
        Request::new(op::SASL_AUTH).value("\0user\0secret"),
        Request::new(op::SASL_AUTH)
            .key("PLAIN")
            .extras([0; 4])
            .value("\0user\0secret"),
        Request::new(op::SASL_STEP).value("x"),
        Request::new(op::SASL_STEP).key("PLAIN").extras([0; 4]),
        Request::new(op::SASL_LIST).key("x"),
        Request::new(op::SASL_LIST).extras([0; 4]),
        Request::new(op::SASL_LIST).value("x"),
    ] {
        let mut client = server.connect();
        client.send(&request.opaque(5));
        let answers = client.answers_to_close();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(
            (answers[0].status(), answers[0].opaque()),
            (status::INVALID, 5)
        );
    }
}

#[test]
fn before_authentication_everything_else_is_refused_and_closed() {
    let server = sasl_server();
    for opcode in (0..=u8::MAX).filter(|opcode| !matches!(*opcode, 0x20..=0x22 | op::VERSION)) {
        let mut client = server.connect();
        let mut request = Request::new(opcode).opaque(3);
        if let Some((_, extras, key, _)) = SHAPES.iter().find(|shape| shape.0 == opcode) {
            request = request.extras(vec![0; usize::from(extras[0])]);
            if *key == Key::Must {
                request = request.key("key");
            }
        }
        client.send(&request);
        let answers = client.answers_to_close();
        assert_eq!(answers.len(), 1, "opcode {opcode:#04x}: {answers:?}");
        assert_eq!(
            (answers[0].status(), answers[0].opaque()),
            (status::AUTH_ERROR, 3),
            "opcode {opcode:#04x}"
        );
        assert_eq!(answers[0].value(), b"Auth failure.");
    }
    let mut client = server.connect();
    assert_eq!(client.call(Request::new(op::VERSION)).status(), 0);
    let answer = client.call(Request::new(op::SASL_LIST));
    assert_eq!(answer.status(), 0);
    let names = String::from_utf8(answer.value().to_vec()).unwrap();
    assert!(names.split(' ').any(|name| name == "PLAIN"), "{names:?}");
}

/// A stranger's half-sent requests don't get executed once somebody else has logged in.
#[test]
fn authentication_belongs_to_its_connection() {
    let server = sasl_server();
    let mut first = server.connect();
    assert_eq!(authenticate(&mut first, b"\0user\0secret").status(), 0);
    let mut second = server.connect();
    second.send(&Request::set("k", "v"));
    assert_eq!(second.answers_to_close()[0].status(), status::AUTH_ERROR);
    first.expect_alive();
    assert_eq!(first.call(Request::get("k")).status(), status::NOT_FOUND);
}

#[test]
fn a_login_and_requests_in_one_segment() {
    let server = sasl_server();
    let mut client = server.connect();
    let mut bytes = Request::new(op::SASL_AUTH)
        .key("PLAIN")
        .value("\0user\0secret")
        .opaque(1)
        .bytes();
    bytes.extend(Request::set("k", "v").opaque(2).bytes());
    bytes.extend(Request::get("k").opaque(3).bytes());
    client.socket.write_all(&bytes).unwrap();
    let answers: Vec<(u32, u16)> = (0..3)
        .map(|_| client.receive())
        .map(|a| (a.opaque(), a.status()))
        .collect();
    assert_eq!(answers, [(1, 0), (2, 0), (3, 0)]);
}
