//! Commands that are unknown, or fail, or carry what they do not use.

use super::{refused_and_closed, text_of};
use crate::common::{Kind, Random, Request, Server, op, status};

#[test]
fn unknown_opcodes_are_refused_and_the_next_request_is_answered() {
    let server = Server::start(&[]);
    let known = |opcode: u8| opcode <= 0x1e || matches!(opcode, 0x20..=0x24);
    // TAP_CONNECT needs no more than its header, and makes the connection a feed, which memcached doesn't have.
    let feeds = |opcode: u8| server.kind == Kind::Memlet && opcode == 0x40;
    let mut client = server.connect();
    for opcode in (0..=u8::MAX).filter(|opcode| !known(*opcode) && !feeds(*opcode)) {
        let answer = client.call(Request::new(opcode));
        assert_eq!(
            (answer.status(), answer.value()),
            (status::UNKNOWN_COMMAND, &b"Unknown command"[..])
        );
    }
    client.expect_alive();
    // memcached skips a body of an unknown opcode wrongly and loses the requests behind it.
    if server.kind == Kind::Memlet {
        for opcode in (0..=u8::MAX).filter(|opcode| !known(*opcode)) {
            let request = Request::new(opcode)
                .extras([1; 5])
                .key("some key")
                .value(vec![0x80; 300]);
            assert_eq!(
                client.call(request).status(),
                status::UNKNOWN_COMMAND,
                "opcode {opcode:#04x}"
            );
        }
        let request = Request::new(0x57).value(vec![0x80; 5_000_000]);
        assert_eq!(client.call(request).status(), status::UNKNOWN_COMMAND);
        client.expect_alive();
    }
    server.probe();
}

/// The protocol has VERBOSITY, memcached's server doesn't; here it works and changes nothing else.
#[test]
fn verbosity_is_known_here_and_unknown_to_memcached() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    if server.kind == Kind::Memcached {
        let answer = client.call(Request::new(op::VERBOSITY));
        assert_eq!(answer.status(), status::UNKNOWN_COMMAND);
        return;
    }
    let answer = client.call(Request::new(op::VERBOSITY).extras(2_u32.to_be_bytes()));
    assert_eq!((answer.status(), answer.raw.len()), (0, 24));
    let settings = client.stat("settings");
    let level = settings.iter().find(|(name, _)| name == "verbosity");
    assert_eq!(level.unwrap().1, "2");
    for len in [0, 3, 5, 8] {
        let request = Request::new(op::VERBOSITY).extras(vec![0; len]);
        refused_and_closed(&server, &request, status::INVALID);
    }
    client.expect_alive();
    server.probe();
}

/// Without `-S` the SASL commands are unknown; the connection stays and the body is skipped.
#[test]
fn sasl_on_a_server_without_sasl_is_an_unknown_command() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(
        client.call(Request::new(op::SASL_LIST)).status(),
        status::UNKNOWN_COMMAND
    );
    for opcode in [op::SASL_AUTH, op::SASL_STEP] {
        let answer = client.call(Request::new(opcode).key("PLAIN").value("\0user\0password"));
        assert_eq!(
            (answer.status(), answer.value()),
            (status::UNKNOWN_COMMAND, &b"Unknown command"[..])
        );
    }
    client.expect_alive();
    server.probe();
}

/// Quiet suppresses success only: each failure is answered, under the quiet opcode and with the opaque of its request.
#[test]
fn quiet_commands_that_fail_are_answered() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.call(Request::set("text", "text")).status(), 0);
    let failing = [
        (
            Request::store(op::SETQ, "text", "v", 0, 0).cas(0xbad),
            status::EXISTS,
        ),
        (
            Request::store(op::SETQ, "missing", "v", 0, 0).cas(0xbad),
            status::NOT_FOUND,
        ),
        (Request::store(op::ADDQ, "text", "v", 0, 0), status::EXISTS),
        (
            Request::store(op::REPLACEQ, "missing", "v", 0, 0),
            status::NOT_FOUND,
        ),
        (Request::new(op::DELETEQ).key("missing"), status::NOT_FOUND),
        (
            Request::new(op::DELETEQ).key("text").cas(0xbad),
            status::EXISTS,
        ),
        (
            Request::counter(op::INCREMENTQ, "text", 1, 0, 0),
            status::DELTA_BAD_VALUE,
        ),
        (
            Request::counter(op::DECREMENTQ, "text", 1, 0, 0),
            status::DELTA_BAD_VALUE,
        ),
        (
            Request::counter(op::INCREMENTQ, "missing", 1, 0, u32::MAX),
            status::NOT_FOUND,
        ),
        (
            Request::new(op::APPENDQ).key("missing").value("v"),
            status::NOT_STORED,
        ),
        (
            Request::new(op::PREPENDQ).key("missing").value("v"),
            status::NOT_STORED,
        ),
        (
            Request::new(op::APPENDQ).key("text").value("v").cas(0xbad),
            status::EXISTS,
        ),
        (
            Request::store(op::SETQ, "large", vec![0; 2 << 20], 0, 0),
            status::TOO_BIG,
        ),
    ];
    let silent = [
        Request::store(op::SETQ, "other", "v", 0, 0),
        Request::new(op::GETQ).key("missing"),
        Request::new(op::GETKQ).key("missing"),
        Request::touch(op::GATQ, "missing", 0),
        Request::touch(op::GATKQ, "missing", 0),
        Request::new(op::DELETEQ).key("other"),
    ];
    let mut bytes = Vec::new();
    for (number, (request, _)) in (0..).zip(&failing) {
        for request in &silent {
            bytes.extend(request.clone().opaque(0xdead).bytes());
        }
        bytes.extend(request.clone().opaque(number).bytes());
    }
    let answers = client.exchange(&bytes);
    assert_eq!(answers.len(), failing.len(), "{answers:?}");
    for (number, (answer, (request, expected))) in (0..).zip(answers.iter().zip(&failing)) {
        assert_eq!(
            (answer.opaque(), answer.opcode(), answer.status()),
            (number, request.opcode, *expected)
        );
        assert_eq!(answer.value(), text_of(*expected));
    }
    assert_eq!(client.call(Request::get("text")).value(), b"text");
    server.probe();
}

#[test]
fn counters_on_values_that_are_not_numbers() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let refused: &[&[u8]] = &[
        b"",
        b"text",
        b"-1",
        b"0x10",
        b"12abc",
        b"18446744073709551616",
        b"99999999999999999999",
        b"1.5",
        b"\0",
        b"--1",
        b"+",
        b"+-1",
        b"1e3",
        b"\xff\xff",
    ];
    for value in refused {
        assert_eq!(client.call(Request::set("n", value)).status(), 0);
        for opcode in [op::INCREMENT, op::DECREMENT] {
            let answer = client.call(Request::counter(opcode, "n", 1, 5, 0));
            assert_eq!(
                answer.status(),
                status::DELTA_BAD_VALUE,
                "value {:?}",
                String::from_utf8_lossy(value)
            );
            assert_eq!(answer.value(), text_of(status::DELTA_BAD_VALUE));
        }
        assert_eq!(
            &client.call(Request::get("n")).value(),
            value,
            "a refused counter command changed the value"
        );
    }
    let accepted: &[(&[u8], u64)] = &[
        (b"12", 12),
        (b"12 ", 12),
        (b" 12", 12),
        (b"+5", 5),
        (b"007", 7),
        (b"5\r\nx", 5),
        (b"7\0", 7),
        (b"7\0x", 7),
        (b"0", 0),
        (b"18446744073709551615", u64::MAX),
    ];
    for (value, number) in accepted {
        assert_eq!(client.call(Request::set("n", value)).status(), 0);
        let answer = client.call(Request::counter(op::INCREMENT, "n", 1, 0, 0));
        assert_eq!(
            answer.status(),
            0,
            "value {:?}",
            String::from_utf8_lossy(value)
        );
        assert_eq!(answer.number(), number.wrapping_add(1));
    }
    client.expect_alive();
    server.probe();
}

/// Vbucket, datatype and the CAS of reading commands are ignored, as memcached ignores them.
#[test]
fn reserved_fields_are_ignored() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut set = Request::set("k", "v");
    set.vbucket = 0xffff;
    set.datatype = 0xff;
    assert_eq!(client.call(set).status(), 0);
    let mut get = Request::get("k").cas(0xdead_beef);
    get.vbucket = 1023;
    get.datatype = 1;
    assert_eq!(client.call(get).value(), b"v");
    assert_eq!(client.call(Request::new(op::NOOP).cas(1)).status(), 0);
    assert_eq!(client.call(Request::new(op::VERSION).cas(1)).status(), 0);
    assert_eq!(
        client.call(Request::touch(op::GAT, "k", 0).cas(1)).value(),
        b"v"
    );
    server.probe();
}

#[test]
fn keys_are_binary_safe() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut random = Random(11);
    for len in [1, 2, 10, 249, 250] {
        let key = random.bytes(len);
        assert_eq!(client.call(Request::set(&key, &key)).status(), 0);
        let answer = client.call(Request::new(op::GETK).key(&key));
        assert!(answer.key() == key && answer.value() == key);
    }
    for key in [
        &b"\0"[..],
        b" ",
        b"\r\n",
        b"a b",
        b"\r\nset x 0 0 1\r\ny\r\n",
        b"\x80",
    ] {
        assert_eq!(client.call(Request::set(key, "v")).status(), 0);
        assert_eq!(client.call(Request::get(key)).value(), b"v");
    }
    client.expect_alive();
}
