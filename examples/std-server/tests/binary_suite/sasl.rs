//! Logging in.

use super::{check, check_missing, set};
use crate::common::{Answer, Client, Kind, Request, Server, ServerBuilder, op, status};

fn sasl_server() -> Server {
    ServerBuilder::new(Kind::from_environment())
        .user("testuser", "testpass")
        .start()
}

#[track_caller]
fn login(client: &mut Client, mechanism: &str, message: &[u8]) -> u16 {
    let answer = client.call(Request::new(op::SASL_AUTH).key(mechanism).value(message));
    answer.status()
}

/// The whole of memcached's SASL test in its order, with its counters at the end.
#[test]
fn sasl_from_first_refusal_to_the_counters() {
    let server = sasl_server();
    let refused = |request: Request| {
        let mut client = server.connect();
        client.send(&request);
        let answers = client.answers_to_close();
        assert_eq!(
            answers.iter().map(Answer::status).collect::<Vec<_>>(),
            [status::AUTH_ERROR]
        );
        assert_eq!(answers[0].value(), b"Auth failure.");
    };
    let mut client = server.connect();
    assert_eq!(client.call(Request::new(op::VERSION)).status(), 0);
    assert!(!client.call(Request::new(op::SASL_LIST)).value().is_empty());
    refused(Request::set("x", "somevalue"));
    refused(Request::new(op::DELETE).key("x"));
    refused(Request::new(op::FLUSH));
    assert_eq!(
        login(&mut client, &"X".repeat(40), b"\0testuser\0testpass"),
        status::INVALID
    );
    assert_eq!(
        login(&mut client, "PLAIN", b"\0testuser\0wrongpass"),
        status::AUTH_ERROR
    );
    assert_eq!(login(&mut client, "PLAIN", b"\0testuser\0testpass"), 0);
    set(&mut client, "x", b"somevalue", 0, 0);
    check(&mut client, "x", 0, b"somevalue");
    assert_eq!(client.call(Request::new(op::DELETE).key("x")).status(), 0);
    set(&mut client, "x", b"somevalue", 0, 0);
    assert_eq!(client.call(Request::new(op::FLUSH)).status(), 0);
    check_missing(&mut client, "x");

    // A failed login elsewhere doesn't touch this connection.
    let mut other = server.connect();
    assert_eq!(
        login(&mut other, "PLAIN", b"\0testuser\0wrongpass"),
        status::AUTH_ERROR
    );
    set(&mut client, "x", b"still here", 0, 0);
    other.send(&Request::get("x"));
    assert_eq!(other.answers_to_close()[0].status(), status::AUTH_ERROR);

    let mut third = server.connect();
    let step = third.call(
        Request::new(op::SASL_STEP)
            .key("PLAIN")
            .value("\0testuser\0testpass"),
    );
    assert_eq!(step.status(), status::AUTH_ERROR);
    assert_eq!(login(&mut third, "PLAIN", b"\0testuser\0testpass"), 0);
    assert_eq!(
        (client.figure("auth_cmds"), client.figure("auth_errors")),
        (5, 3)
    );
}

#[test]
fn sasl_users_of_a_realm_and_many_users() {
    let server = ServerBuilder::new(Kind::from_environment())
        .user("first", "one")
        .user("second", "with:colon and blank")
        .start();
    let mut client = server.connect();
    assert_eq!(
        login(&mut client, "PLAIN", b"\0second\0with:colon and blank"),
        0
    );
    client.expect_alive();
    let mut client = server.connect();
    assert_eq!(
        login(&mut client, "PLAIN", b"\0first\0with:colon and blank"),
        status::AUTH_ERROR
    );
    assert_eq!(login(&mut client, "PLAIN", b"\0first\0one"), 0);
    client.expect_alive();
}
