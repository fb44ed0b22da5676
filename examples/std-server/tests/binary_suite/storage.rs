//! Commands that store, join, delete, flush, touch, and read back.

use super::{check, check_missing, set};
use crate::common::{Client, Random, Request, Server, op, status, wait_until};

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
