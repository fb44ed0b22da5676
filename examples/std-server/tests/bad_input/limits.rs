//! What is beyond a limit: items, connections, the store.

use crate::common::{Kind, Random, Request, Server, op, status, store_extras, wait_until};
use std::thread;
use std::time::Duration;

#[test]
fn value_over_the_item_limit_is_answered_and_drained() {
    let server = Server::start(&[]);
    for len in [1 << 20, (1 << 20) + 1, 3 << 20] {
        let value = vec![b'v'; len];
        for opcode in [
            op::SET,
            op::ADD,
            op::REPLACE,
            op::SETQ,
            op::ADDQ,
            op::REPLACEQ,
            op::APPEND,
            op::PREPENDQ,
        ] {
            let mut client = server.connect();
            assert_eq!(client.call(Request::set("big", "small")).status(), 0);
            let mut request = Request::new(opcode).key("big").value(&value).opaque(7);
            if !matches!(opcode, op::APPEND | op::PREPENDQ) {
                request = request.extras(store_extras(0, 0));
            }
            let answers = client.exchange(&request.bytes());
            assert_eq!(answers.len(), 1, "opcode {opcode:#04x}: {answers:?}");
            assert_eq!(
                (
                    answers[0].status(),
                    answers[0].opcode(),
                    answers[0].opaque()
                ),
                (status::TOO_BIG, opcode, 7)
            );
            assert_eq!(answers[0].value(), b"Too large.");
            // A SET that can't be stored takes the old value with it, so that nobody reads stale data; the others don't.
            let left = client.call(Request::get("big"));
            if matches!(opcode, op::SET | op::SETQ) {
                assert_eq!(left.status(), status::NOT_FOUND, "opcode {opcode:#04x}");
            } else {
                assert_eq!(left.value(), b"small", "opcode {opcode:#04x}");
            }
            client.expect_alive();
        }
    }
    server.probe();
}

#[test]
fn value_over_the_item_limit_in_pieces_with_requests_before_and_behind() {
    let server = Server::start(&["-m", "128"]);
    let mut client = server.connect();
    let mut bytes = Request::set("a", "1").opaque(1).bytes();
    bytes.extend(Request::set("big", vec![b'v'; 1_100_000]).opaque(2).bytes());
    bytes.extend(Request::get("a").opaque(3).bytes());
    bytes.extend(Request::set("big", vec![b'w'; 2_500_000]).opaque(4).bytes());
    bytes.extend(Request::new(op::NOOP).opaque(5).bytes());
    for piece in bytes.chunks(70_001) {
        client.send_bytes(piece);
        thread::sleep(Duration::from_micros(300));
    }
    let answers: Vec<(u32, u16)> = (0..5)
        .map(|_| client.receive())
        .map(|answer| (answer.opaque(), answer.status()))
        .collect();
    assert_eq!(
        answers,
        [
            (1, 0),
            (2, status::TOO_BIG),
            (3, 0),
            (4, status::TOO_BIG),
            (5, 0)
        ]
    );
    client.expect_alive();
    server.probe();
}

#[test]
fn the_largest_values_are_stored_and_come_back_whole() {
    let server = Server::start(&["-m", "256"]);
    let mut client = server.connect();
    let mut random = Random(1);
    for len in [
        16_384, 65_535, 65_536, 65_537, 524_288, 1_000_000, 1_048_000,
    ] {
        let value = random.bytes(len);
        assert_eq!(
            client.call(Request::set("large", &value)).status(),
            0,
            "value of {len}"
        );
        assert!(
            client.call(Request::get("large")).value() == value,
            "value of {len} came back changed"
        );
    }
    client.expect_alive();
}

#[test]
fn beyond_the_connection_limit_there_is_one_error_line_and_a_close() {
    let server = Server::start(&["-c", "100"]);
    let mut clients = Vec::new();
    let mut refused = 0;
    for _ in 0..140 {
        let mut client = server.connect();
        client.send(&Request::new(op::NOOP));
        let mut first = [0; 24];
        std::io::Read::read_exact(&mut client.socket, &mut first).unwrap();
        if first[0] == 0x81 {
            clients.push(client);
        } else {
            let rest = client.read_to_close();
            assert_eq!(
                [&first[..], &rest].concat(),
                b"ERROR Too many open connections\r\n"
            );
            refused += 1;
        }
    }
    // memcached keeps some 25 descriptors of the limit for itself.
    assert!(
        (70..=100).contains(&clients.len()),
        "{} served at a limit of 100",
        clients.len()
    );
    assert_eq!(clients.len() + refused, 140);
    for client in &mut clients {
        client.expect_alive();
    }
    let mut last = clients.pop().expect("some are served");
    drop(clients);
    wait_until("closed connections are given back", || {
        last.figure("curr_connections") < 10
    });
    server.probe();
}

/// Replacing a value by one of the same length in a full store makes room by nobody's loss.
#[test]
fn updating_a_key_in_a_full_store_evicts_nothing() {
    let server = Server::start(&["-m", "8"]);
    if server.kind == Kind::Memcached {
        return;
    }
    let mut client = server.connect();
    let value = vec![b'v'; 400];
    for batch in 0..60 {
        let bytes: Vec<u8> = (0..1000)
            .flat_map(|n| {
                Request::store(op::SETQ, format!("key {batch} {n}"), &value, 0, 0).bytes()
            })
            .collect();
        assert_eq!(client.exchange(&bytes), []);
    }
    let evicted = client.figure("evictions");
    assert!(evicted > 0, "the store isn't full");
    let held: Vec<String> = (0..1000)
        .map(|n| format!("key 59 {n}"))
        .filter(|key| client.call(Request::get(key)).status() == 0)
        .collect();
    assert!(
        held.len() > 500,
        "only {} of the last thousand keys are held",
        held.len()
    );
    let items = client.figure("curr_items");
    for round in 0..5_u8 {
        for key in &held {
            assert_eq!(client.call(Request::set(key, vec![round; 400])).status(), 0);
        }
    }
    assert_eq!(
        client.figure("evictions"),
        evicted,
        "overwriting evicted others"
    );
    assert_eq!(client.figure("curr_items"), items);
    server.probe();
}
