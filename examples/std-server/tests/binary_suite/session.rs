//! The connection: quiet commands, pipelines, its end.

use super::{check, check_missing, set};
use crate::common::{
    Answer, Client, Kind, Random, Request, Server, ServerBuilder, op, status, store_extras,
};
use std::thread;
use std::time::Duration;

#[test]
fn version_returns_a_text() {
    let server = Server::start(&[]);
    let answer = server.connect().call(Request::new(op::VERSION));
    assert_eq!(
        (
            answer.status(),
            answer.cas(),
            answer.extras_len(),
            answer.key_len()
        ),
        (0, 0, 0, 0)
    );
    assert!(!answer.value().is_empty());
}

#[test]
fn three_quiet_gets_and_a_noop_answer_for_the_two_present_keys() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for opcode in [op::GETQ, op::GETKQ] {
        set(&mut client, "xval", b"somevalue", 5, 19);
        set(&mut client, "wval", b"somevalue2", 6, 19);
        assert_eq!(client.call(Request::new(op::FLUSH)).status(), 0);
        client.call(Request::store(op::ADD, "xval", "somevalue", 5, 0));
        client.call(Request::store(op::ADD, "wval", "somevalue2", 6, 0));
        let mut bytes = Vec::new();
        for (opaque, key) in [
            (0xabcd_0001, "xval"),
            (0xabcd_0002, "zval"),
            (0xabcd_0003, "wval"),
        ] {
            bytes.extend(Request::new(opcode).key(key).opaque(opaque).bytes());
        }
        let answers = client.exchange(&bytes);
        let seen: Vec<(u8, u32, &[u8])> = answers
            .iter()
            .map(|a| (a.opcode(), a.opaque(), a.value()))
            .collect();
        assert_eq!(
            seen,
            [
                (opcode, 0xabcd_0001, &b"somevalue"[..]),
                (opcode, 0xabcd_0003, b"somevalue2")
            ]
        );
        assert_eq!(
            answers[1].key(),
            if opcode == op::GETKQ {
                &b"wval"[..]
            } else {
                b""
            }
        );
    }
}

#[test]
fn successful_quiet_commands_are_silent_and_effective() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let silent =
        |client: &mut Client, request: Request| assert_eq!(client.exchange(&request.bytes()), []);
    silent(&mut client, Request::store(op::SETQ, "q", "set", 1, 0));
    check(&mut client, "q", 1, b"set");
    silent(
        &mut client,
        Request::store(op::REPLACEQ, "q", "replaced", 2, 0),
    );
    check(&mut client, "q", 2, b"replaced");
    silent(&mut client, Request::new(op::APPENDQ).key("q").value(">"));
    silent(&mut client, Request::new(op::PREPENDQ).key("q").value("<"));
    check(&mut client, "q", 2, b"<replaced>");
    silent(&mut client, Request::new(op::DELETEQ).key("q"));
    check_missing(&mut client, "q");
    silent(&mut client, Request::store(op::ADDQ, "q", "added", 3, 0));
    check(&mut client, "q", 3, b"added");
    silent(&mut client, Request::counter(op::INCREMENTQ, "n", 1, 10, 0));
    check(&mut client, "n", 0, b"10");
    silent(&mut client, Request::counter(op::INCREMENTQ, "n", 5, 10, 0));
    check(&mut client, "n", 0, b"15");
    silent(&mut client, Request::counter(op::DECREMENTQ, "n", 1, 10, 0));
    check(&mut client, "n", 0, b"14");
    silent(&mut client, Request::new(op::FLUSHQ));
    check_missing(&mut client, "q");
    check_missing(&mut client, "n");
}

#[test]
fn everything_works_on_a_unix_socket() {
    let server = ServerBuilder::new(Kind::from_environment())
        .unix_socket()
        .start();
    let mut client = server.connect();
    set(&mut client, "k", b"v", 9, 0);
    check(&mut client, "k", 9, b"v");
    client.expect_alive();
    server.probe();
}

#[test]
fn quitq_closes_without_a_byte() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(&Request::new(op::QUITQ));
    assert_eq!(client.read_to_close(), b"");
    let mut client = server.connect();
    client.send(&Request::new(op::QUIT).opaque(8));
    let answers = client.answers_to_close();
    assert_eq!(
        answers
            .iter()
            .map(|a| (a.opcode(), a.opaque(), a.status()))
            .collect::<Vec<_>>(),
        [(op::QUIT, 8, 0)]
    );
}

#[test]
fn requests_split_at_every_byte_around_a_buffer_edge() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut random = Random(2048);
    for edge in 2024..=2095 {
        let len = 1900 + random.below(200);
        let first = random.bytes(len);
        let second = random.bytes(100 + len);
        let mut bytes = Request::store(op::SETQ, "mfoo", &first, 0, 0).bytes();
        bytes.extend(Request::store(op::SETQ, "mbar", &second, 0, 0).bytes());
        client.send_bytes(&bytes[..edge]);
        thread::sleep(Duration::from_micros(300));
        assert_eq!(client.exchange(&bytes[edge..]), []);
        check(&mut client, "mfoo", 0, &first);
        check(&mut client, "mbar", 0, &second);
    }
}

#[test]
fn a_key_of_365_bytes_is_invalid() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(&Request::get("k".repeat(365)));
    let answers = client.answers_to_close();
    assert_eq!(
        answers.iter().map(Answer::status).collect::<Vec<_>>(),
        [status::INVALID]
    );
}

/// SETQ extras of the wrong length in a row of good ones: everything before is done, nothing behind.
#[test]
fn a_malformed_request_in_a_pipeline_ends_it_there() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut bytes = Request::store(op::SETQ, "a", "1", 0, 0).opaque(1).bytes();
    bytes.extend(
        Request::new(op::SETQ)
            .extras([0; 4])
            .key("b")
            .value("2")
            .opaque(2)
            .bytes(),
    );
    bytes.extend(
        Request::new(op::SETQ)
            .extras(store_extras(0, 0))
            .key("c")
            .value("3")
            .opaque(3)
            .bytes(),
    );
    client.send_bytes(&bytes);
    let answers = client.answers_to_close();
    assert_eq!(
        answers
            .iter()
            .map(|a| (a.opaque(), a.status()))
            .collect::<Vec<_>>(),
        [(2, status::INVALID)]
    );
    let mut client = server.connect();
    check(&mut client, "a", 0, b"1");
    check_missing(&mut client, "b");
    check_missing(&mut client, "c");
}
