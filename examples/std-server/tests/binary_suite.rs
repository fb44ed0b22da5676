//! What memcached's own tests of the binary protocol check, as named tests (memcached binary protocol: what the binary tests
//! check). The wording and the code are our own; the numbers are those of the checks.

mod common;

use common::{
    Answer, Client, Kind, Random, Request, Server, ServerBuilder, op, status, store_extras,
    wait_until,
};
use std::thread;
use std::time::Duration;

#[track_caller]
fn set(client: &mut Client, key: &str, value: &[u8], flags: u32, expiration: u32) -> u64 {
    let answer = client.call(Request::store(op::SET, key, value, flags, expiration));
    assert_eq!((answer.status(), answer.raw.len()), (0, 24));
    assert_ne!(answer.cas(), 0);
    answer.cas()
}

#[track_caller]
fn check(client: &mut Client, key: &str, flags: u32, value: &[u8]) -> u64 {
    let answer = client.call(Request::get(key));
    assert_eq!((answer.status(), answer.flags()), (0, flags), "key {key}");
    assert!(answer.value() == value, "key {key}: {answer:?}");
    assert!(answer.key().is_empty());
    answer.cas()
}

#[track_caller]
fn check_missing(client: &mut Client, key: &str) {
    let answer = client.call(Request::get(key));
    assert_eq!(
        (answer.status(), answer.value(), answer.cas()),
        (status::NOT_FOUND, &b"Not found"[..], 0),
        "key {key}"
    );
}

#[track_caller]
fn number(client: &mut Client, opcode: u8, key: &str, delta: u64, initial: u64) -> u64 {
    let answer = client.call(Request::counter(opcode, key, delta, initial, 0));
    assert_eq!(answer.status(), 0, "{answer:?}");
    answer.number()
}

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
fn flush_raises_cmd_flush_by_exactly_one() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let before = client.figure("cmd_flush");
    assert_eq!(client.call(Request::new(op::FLUSH)).status(), 0);
    assert_eq!(client.figure("cmd_flush"), before + 1);
    assert_eq!(client.exchange(&Request::new(op::FLUSHQ).bytes()), []);
    assert_eq!(client.figure("cmd_flush"), before + 2);
    assert_eq!(
        client.call(Request::new(op::FLUSH).extras([0; 4])).status(),
        0
    );
    assert_eq!(client.figure("cmd_flush"), before + 3);
}

#[test]
fn set_get_delete_and_flush() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    check_missing(&mut client, "x");
    set(&mut client, "x", b"somevalue", 5, 19);
    check(&mut client, "x", 5, b"somevalue");
    let deleted = client.call(Request::new(op::DELETE).key("x"));
    assert_eq!(
        (deleted.status(), deleted.cas(), deleted.raw.len()),
        (0, 0, 24)
    );
    check_missing(&mut client, "x");
    assert_eq!(
        client.call(Request::new(op::DELETE).key("x")).status(),
        status::NOT_FOUND
    );
    set(&mut client, "x", b"somevaluex", 5, 19);
    set(&mut client, "y", b"somevaluey", 17, 19);
    assert_eq!(client.call(Request::new(op::FLUSH)).status(), 0);
    check_missing(&mut client, "x");
    check_missing(&mut client, "y");
    // Stored right after the flush, in the same second: it stays.
    set(&mut client, "x", b"again", 0, 0);
    check(&mut client, "x", 0, b"again");
}

#[test]
fn values_around_eight_kilobytes_survive() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut random = Random(7903);
    for len in 7903..=8103 {
        let value = random.bytes(len);
        set(&mut client, "large", &value, 82, 0);
        check(&mut client, "large", 82, &value);
    }
}

#[test]
fn add_stores_once() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    check_missing(&mut client, "i");
    let added = client.call(Request::store(op::ADD, "i", "ex", 5, 10));
    assert_eq!(added.status(), 0);
    assert_eq!(check(&mut client, "i", 5, b"ex"), added.cas());
    let again = client.call(Request::store(op::ADD, "i", "ex2", 7, 10));
    assert_eq!(
        (again.status(), again.value(), again.cas()),
        (status::EXISTS, &b"Data exists for key."[..], 0)
    );
    assert_eq!(check(&mut client, "i", 5, b"ex"), added.cas());
}

#[test]
fn a_value_of_one_mebibyte_and_a_byte_is_too_large_and_the_key_goes() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    set(&mut client, "toobig", b"not too big", 10, 10);
    check(&mut client, "toobig", 10, b"not too big");
    let answer = client.call(Request::store(
        op::SET,
        "toobig",
        vec![b'x'; (1 << 20) + 1],
        10,
        10,
    ));
    assert_eq!(
        (answer.status(), answer.value()),
        (status::TOO_BIG, &b"Too large."[..])
    );
    check_missing(&mut client, "toobig");
}

#[test]
fn replace_needs_the_key() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let answer = client.call(Request::store(op::REPLACE, "j", "ex", 19, 5));
    assert_eq!(
        (answer.status(), answer.value()),
        (status::NOT_FOUND, &b"Not found"[..])
    );
    check_missing(&mut client, "j");
    assert_eq!(
        client
            .call(Request::store(op::ADD, "j", "ex2", 14, 5))
            .status(),
        0
    );
    check(&mut client, "j", 14, b"ex2");
    assert_eq!(
        client
            .call(Request::store(op::REPLACE, "j", "ex3", 24, 5))
            .status(),
        0
    );
    check(&mut client, "j", 24, b"ex3");
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

#[test]
fn cas_guards_a_store() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let missing = client.call(Request::store(op::SET, "x", "bad value", 5, 19).cas(0x7fff_ffff));
    assert_eq!(
        (missing.status(), missing.value()),
        (status::NOT_FOUND, &b"Not found"[..])
    );
    let added = client.call(Request::store(op::ADD, "x", "original value", 5, 19));
    assert_eq!(check(&mut client, "x", 5, b"original value"), added.cas());
    let wrong = client.call(Request::store(op::SET, "x", "broken", 5, 19).cas(added.cas() + 1));
    assert_eq!(wrong.status(), status::EXISTS);
    let right = client.call(Request::store(op::SET, "x", "new value", 7, 19).cas(added.cas()));
    assert_eq!(right.status(), 0);
    assert_eq!(check(&mut client, "x", 7, b"new value"), right.cas());
    let replayed = client.call(Request::store(op::SET, "x", "replay", 5, 19).cas(added.cas()));
    assert_eq!(replayed.status(), status::EXISTS);
    check(&mut client, "x", 7, b"new value");
}

#[test]
fn touch_and_gat_prolong_and_shorten_a_life() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let is_missing = |client: &mut Client, key: &str| {
        client.call(Request::get(key)).status() == status::NOT_FOUND
    };
    let cas = set(&mut client, "touched", b"t", 17, 4);
    set(&mut client, "got", b"g", 18, 4);
    set(&mut client, "gone", b"x", 0, 4);
    let touched = client.call(Request::touch(op::TOUCH, "touched", 100));
    assert_eq!(
        (
            touched.status(),
            touched.flags(),
            touched.value(),
            touched.cas()
        ),
        (0, 17, &b""[..], cas)
    );
    let got = client.call(Request::touch(op::GAT, "got", 100));
    assert_eq!((got.status(), got.flags(), got.value()), (0, 18, &b"g"[..]));
    // It was the last to be stored: when its time is over, so is the old one of the others.
    wait_until("the life of an item is over", || {
        is_missing(&mut client, "gone")
    });
    check(&mut client, "touched", 17, b"t");
    check(&mut client, "got", 18, b"g");
    assert_eq!(
        client
            .call(Request::touch(op::TOUCH, "touched", 1))
            .status(),
        0
    );
    let key = client.call(Request::touch(op::GATK, "got", 1));
    assert_eq!((key.key(), key.value()), (&b"got"[..], &b"g"[..]));
    wait_until("shortened lives are over", || {
        is_missing(&mut client, "touched") && is_missing(&mut client, "got")
    });
    check_missing(&mut client, "touched");
    check_missing(&mut client, "got");
    assert_eq!(
        client.call(Request::touch(op::TOUCH, "got", 1)).status(),
        status::NOT_FOUND
    );
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
fn append_and_prepend_join_and_keep_the_flags() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for opcode in [op::APPEND, op::PREPEND] {
        let answer = client.call(Request::new(opcode).key("nothing").value("x"));
        assert_eq!(
            (answer.status(), answer.value()),
            (status::NOT_STORED, &b"Not stored."[..])
        );
        check_missing(&mut client, "nothing");
    }
    let stored = set(&mut client, "key", b"world", 42, 0);
    let prepended = client.call(Request::new(op::PREPEND).key("key").value("hello "));
    assert_eq!(prepended.status(), 0);
    assert_ne!(prepended.cas(), stored);
    let appended = client.call(Request::new(op::APPEND).key("key").value("!"));
    assert_eq!(
        check(&mut client, "key", 42, b"hello world!"),
        appended.cas()
    );
    let nothing = client.call(Request::new(op::APPEND).key("key"));
    assert_eq!(nothing.status(), 0);
    assert_ne!(nothing.cas(), appended.cas());
    check(&mut client, "key", 42, b"hello world!");
}

#[test]
fn a_hundred_large_values_are_read_back() {
    let server = Server::start(&["-m", "256"]);
    let mut client = server.connect();
    let mut random = Random(19);
    let template = random.bytes(1_048_000);
    let lengths: Vec<usize> = (0..100).map(|_| 524_288 + random.below(500_000)).collect();
    for (number, len) in lengths.iter().enumerate() {
        set(
            &mut client,
            &format!("large {number}"),
            &template[..*len],
            0,
            0,
        );
    }
    for (number, len) in lengths.iter().enumerate() {
        check(
            &mut client,
            &format!("large {number}"),
            0,
            &template[..*len],
        );
    }
}

/// Far from full, nothing that was stored may be missing, at no number of items.
#[test]
fn a_store_with_room_loses_nothing() {
    let server = Server::start(&["-m", "256"]);
    let mut client = server.connect();
    let mut stored = 0_u32;
    for total in [
        100,
        300,
        1000,
        2000,
        3000,
        5000,
        10_000,
        30_000,
        100_000_u32,
    ] {
        let sets: Vec<u8> = (stored..total)
            .flat_map(|n| Request::store(op::SETQ, format!("key {n}"), n.to_string(), 0, 0).bytes())
            .collect();
        stored = total;
        for piece in sets.chunks(50_000) {
            client.send_bytes(piece);
        }
        assert_eq!(client.exchange(&[]), []);
        let mut missing = 0;
        for first in (0..total).step_by(100) {
            let gets: Vec<u8> = (first..first + 100)
                .flat_map(|n| {
                    Request::new(op::GETQ)
                        .key(format!("key {n}"))
                        .opaque(n)
                        .bytes()
                })
                .collect();
            let answers = client.exchange(&gets);
            missing += 100 - answers.len();
            for answer in answers {
                assert_eq!(answer.value(), answer.opaque().to_string().as_bytes());
            }
        }
        assert_eq!(missing, 0, "of {total} items");
        assert_eq!(client.figure("curr_items"), u64::from(total));
    }
    assert_eq!(client.figure("evictions"), 0);
}

/// Started with `-F`, the server refuses to flush, and the connection lives.
#[test]
fn flush_can_be_forbidden() {
    let server = Server::start(&["-F"]);
    let mut client = server.connect();
    set(&mut client, "k", b"v", 0, 0);
    for request in [
        Request::new(op::FLUSH),
        Request::new(op::FLUSH).extras([0; 4]),
        Request::new(op::FLUSHQ),
        Request::new(op::FLUSHQ).extras([0, 0, 0, 9]),
    ] {
        let answer = client.call(request);
        assert_eq!(
            (answer.status(), answer.value()),
            (status::AUTH_ERROR, &b"Auth failure."[..])
        );
    }
    check(&mut client, "k", 0, b"v");
    client.expect_alive();
}

/// `-I` moves the item limit, to the byte where memcached has it.
#[test]
fn the_item_limit_can_be_moved() {
    let server = Server::start(&["-I", "2m", "-m", "128"]);
    let mut client = server.connect();
    let largest = (2 << 20) - 62;
    let answer = client.call(Request::set("abc", vec![b'x'; largest]));
    assert_eq!(answer.status(), 0);
    assert_eq!(client.call(Request::get("abc")).value().len(), largest);
    assert_eq!(
        client
            .call(Request::set("abc", vec![b'x'; largest + 1]))
            .status(),
        status::TOO_BIG
    );
    check_missing(&mut client, "abc");
}

/// APPEND and PREPEND up to the item limit: a join beyond it is not stored, a piece that is too large itself is refused.
#[test]
fn joins_up_to_the_item_limit() {
    let server = Server::start(&["-m", "128"]);
    let mut client = server.connect();
    let largest = (1 << 20) - 62;
    for opcode in [op::APPEND, op::PREPEND] {
        set(&mut client, "abc", &vec![b'x'; largest - 1000], 0, 0);
        assert_eq!(
            client
                .call(Request::new(opcode).key("abc").value(vec![b'y'; 999]))
                .status(),
            0
        );
        assert_eq!(
            client
                .call(Request::new(opcode).key("abc").value("z"))
                .status(),
            0
        );
        let whole = client.call(Request::get("abc"));
        assert_eq!(whole.value().len(), largest);
        let end = if opcode == op::APPEND { largest - 1 } else { 0 };
        assert_eq!(whole.value()[end], b'z');
        let beyond = client.call(Request::new(opcode).key("abc").value("z"));
        let said = (
            beyond.status(),
            String::from_utf8_lossy(beyond.value()).into_owned(),
        );
        assert_eq!(said, (status::NOT_STORED, "Not stored.".to_owned()));
        let too_large = client.call(
            Request::new(opcode)
                .key("abc")
                .value(vec![b'y'; largest + 1]),
        );
        assert_eq!(too_large.status(), status::TOO_BIG);
        assert_eq!(client.call(Request::get("abc")).value().len(), largest);
    }
    client.expect_alive();
}

#[test]
fn stat_settings_names_the_settings() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let setting = |client: &mut Client, name: &str| {
        let pairs = client.stat("settings");
        let found = pairs.into_iter().find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("no setting {name}")).1
    };
    assert_eq!(setting(&mut client, "maxconns"), "1024");
    assert_eq!(setting(&mut client, "domain_socket"), "NULL");
    assert_eq!(setting(&mut client, "evictions"), "on");
    assert_eq!(setting(&mut client, "cas_enabled"), "yes");
    assert_eq!(setting(&mut client, "flush_enabled"), "yes");
    assert_eq!(setting(&mut client, "maxbytes"), (64 << 20).to_string());
    assert_eq!(setting(&mut client, "item_size_max"), (1 << 20).to_string());
    let unix = ServerBuilder::new(Kind::from_environment())
        .unix_socket()
        .start();
    assert_ne!(setting(&mut unix.connect(), "domain_socket"), "NULL");
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

/// With `-D :` statistics by prefix are on; the binary protocol reads them as one packet.
#[test]
fn stat_detail_is_answered_and_ended() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for group in ["detail on", "detail off"] {
        let answers = client.exchange(&Request::new(op::STAT).key(group).bytes());
        if server.kind == Kind::Memcached {
            assert_eq!(answers.len(), 1, "{answers:?}");
            assert_eq!(answers[0].raw.len(), 24);
        } else {
            // Statistics by prefix are not kept; the answer is that of an unknown group or an empty one, never a hang.
            assert_eq!(answers.len(), 1, "{answers:?}");
            assert!(matches!(
                answers[0].status(),
                status::SUCCESS | status::NOT_FOUND
            ));
        }
    }
    client.expect_alive();
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

#[test]
fn values_with_nul_and_carriage_return_come_back_unchanged() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for value in [
        &b"mooo\0"[..],
        b"mumble\0\0\0\0\r\rblarg",
        b"\0",
        b"\r",
        b"\r\n",
        b"\0\0\0\0",
        b"\r\r\n\n\0",
    ] {
        set(&mut client, "foo", value, 0, 0);
        check(&mut client, "foo", 0, value);
    }
}

/// What counts where, for one run of commands with known results.
#[test]
fn statistics_count_what_memcached_counts() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let cas = set(&mut client, "k", b"1", 0, 0);
    for opcode in [op::GET, op::GETK, op::GETQ, op::GETKQ] {
        client.exchange(&Request::new(opcode).key("k").bytes());
        client.exchange(&Request::new(opcode).key("missing").bytes());
    }
    for opcode in [op::TOUCH, op::GAT, op::GATQ, op::GATK, op::GATKQ] {
        client.exchange(&Request::touch(opcode, "k", 0).bytes());
        client.exchange(&Request::touch(opcode, "missing", 0).bytes());
    }
    client.call(Request::counter(op::INCREMENT, "k", 1, 0, 0));
    client.call(Request::counter(op::INCREMENT, "missing", 1, 0, u32::MAX));
    client.call(Request::counter(op::DECREMENT, "k", 1, 0, 0));
    client.call(Request::counter(op::DECREMENT, "missing", 1, 0, u32::MAX));
    client.call(Request::new(op::DELETE).key("missing"));
    client.call(Request::set("k", "2").cas(cas));
    client.call(Request::set("missing", "2").cas(cas));
    let cas = check(&mut client, "k", 0, b"1");
    client.call(Request::set("k", "2").cas(cas));
    client.call(Request::new(op::DELETE).key("k"));
    let expected = [
        ("cmd_get", 9),
        ("get_hits", 5),
        ("get_misses", 4),
        ("cmd_touch", 10),
        ("touch_hits", 5),
        ("touch_misses", 5),
        ("cmd_set", 4),
        ("incr_hits", 1),
        ("incr_misses", 1),
        ("decr_hits", 1),
        ("decr_misses", 1),
        ("delete_misses", 1),
        ("delete_hits", 1),
        ("cas_badval", 1),
        ("cas_misses", 1),
        ("cas_hits", 1),
        ("curr_items", 0),
    ];
    for (name, count) in expected {
        assert_eq!(client.figure(name), count, "{name}");
    }
    assert!(client.stat("reset").is_empty());
    for name in [
        "cmd_get",
        "get_hits",
        "get_misses",
        "cmd_set",
        "cmd_touch",
        "delete_misses",
        "cas_badval",
    ] {
        assert_eq!(client.figure(name), 0, "{name} after a reset");
    }
}

/// The general statistics that a small server should offer, by memcached's names.
#[test]
fn general_statistics_have_memcacheds_names() {
    let server = Server::start(&["-t", "2", "-m", "100"]);
    let mut client = server.connect();
    let names = "pid uptime time version pointer_size rusage_user rusage_system curr_items total_items bytes curr_connections \
                 total_connections connection_structures cmd_get cmd_set cmd_flush cmd_touch get_hits get_misses delete_misses \
                 delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits \
                 touch_misses auth_cmds auth_errors evictions bytes_read bytes_written limit_maxbytes threads";
    let pairs = client.stat("");
    let figure = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name);
        found
            .unwrap_or_else(|| panic!("no statistic {name}"))
            .1
            .clone()
    };
    for name in names.split_whitespace() {
        assert!(!figure(name).is_empty());
    }
    assert_eq!(figure("pid"), server.pid().to_string());
    assert_eq!(figure("pointer_size"), usize::BITS.to_string());
    assert_eq!(figure("threads"), "2");
    assert_eq!(figure("limit_maxbytes"), (100 << 20).to_string());
    let version = client.call(Request::new(op::VERSION));
    assert_eq!(figure("version").as_bytes(), version.value());
    let (seconds, micros) = figure("rusage_user")
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert!(seconds.parse::<u64>().is_ok() && micros.len() == 6);
}

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
