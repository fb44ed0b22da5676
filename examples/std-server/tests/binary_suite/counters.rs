//! INCREMENT and DECREMENT.

use super::{check, set};
use crate::common::{Client, Request, Server, op, status};

#[track_caller]
fn number(client: &mut Client, opcode: u8, key: &str, delta: u64, initial: u64) -> u64 {
    let answer = client.call(Request::counter(opcode, key, delta, initial, 0));
    assert_eq!(answer.status(), 0, "{answer:?}");
    answer.number()
}

#[test]
fn increment_from_zero() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(number(&mut client, op::INCREMENT, "x", 1, 0), 0);
    assert_eq!(number(&mut client, op::INCREMENT, "x", 1, 0), 1);
    assert_eq!(number(&mut client, op::INCREMENT, "x", 211, 0), 212);
    assert_eq!(
        number(&mut client, op::INCREMENT, "x", 1 << 33, 0),
        8_589_934_804
    );
    check(&mut client, "x", 0, b"8589934804");
}

#[test]
fn counters_on_text_are_refused_and_change_nothing() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let cas = set(&mut client, "issue48", b"text", 0, 0);
    for opcode in [op::INCREMENT, op::DECREMENT] {
        let answer = client.call(Request::counter(opcode, "issue48", 1, 0, 0));
        assert_eq!(answer.status(), status::DELTA_BAD_VALUE);
        assert_eq!(check(&mut client, "issue48", 0, b"text"), cas);
    }
}

#[test]
fn a_created_counter_has_a_value_of_exact_length() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(number(&mut client, op::INCREMENT, "a", 1, 1), 1);
    check(&mut client, "a", 0, b"1");
}

#[test]
fn decrement_stops_at_zero() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(number(&mut client, op::DECREMENT, "x", 1, 5), 5);
    assert_eq!(number(&mut client, op::DECREMENT, "x", 1, 5), 4);
    assert_eq!(number(&mut client, op::DECREMENT, "x", 211, 5), 0);
}

#[test]
fn a_shorter_number_is_padded_in_place() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for (value, delta, padded) in [("100", 1, "99 "), ("10", 10, "0 "), ("1000", 999, "1   ")] {
        set(&mut client, "n", value.as_bytes(), 3, 0);
        number(&mut client, op::DECREMENT, "n", delta, 0);
        check(&mut client, "n", 3, padded.as_bytes());
    }
    set(&mut client, "n", b"99", 3, 0);
    assert_eq!(number(&mut client, op::INCREMENT, "n", 1, 0), 100);
    check(&mut client, "n", 3, b"100");
}

#[test]
fn the_cas_of_an_increment_is_the_cas_of_the_next_get() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut cas = set(&mut client, "x", b"100", 0, 0);
    for (delta, expected) in [(999, 1099), (999, 2098)] {
        let answer = client.call(Request::counter(op::INCREMENT, "x", delta, 0, 0));
        assert_eq!(answer.number(), expected);
        assert_ne!(answer.cas(), cas);
        cas = check(&mut client, "x", 0, expected.to_string().as_bytes());
        assert_eq!(cas, answer.cas());
    }
    let wrong = client.call(Request::counter(op::INCREMENT, "x", 1, 0, 0).cas(cas + 1000));
    assert_eq!(wrong.status(), status::EXISTS);
    let right = client.call(Request::counter(op::INCREMENT, "x", 1, 0, 0).cas(cas));
    assert_eq!(right.number(), 2099);
}

#[test]
fn counters_beyond_two_to_the_sixty_third() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    set(&mut client, "big", b"9223372036854775807", 0, 0);
    assert_eq!(
        number(&mut client, op::INCREMENT, "big", 1, 0),
        9_223_372_036_854_775_808
    );
    assert_eq!(
        number(&mut client, op::INCREMENT, "big", 1, 0),
        9_223_372_036_854_775_809
    );
    assert_eq!(
        number(&mut client, op::DECREMENT, "big", 1, 0),
        9_223_372_036_854_775_808
    );
    set(&mut client, "big", b"18446744073709551615", 0, 0);
    assert_eq!(number(&mut client, op::INCREMENT, "big", 1, 0), 0);
}
