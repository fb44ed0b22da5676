//! Many requests in one segment, one request in many.

use crate::common::{Answer, Random, Request, Server, op, status};
use std::thread;
use std::time::Duration;

#[test]
fn a_thousand_pipelined_requests_in_one_segment() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut bytes = Vec::new();
    for number in 0..1000_u32 {
        let key = format!("k{}", number / 2);
        let request = if number % 2 == 0 {
            Request::set(key, number.to_string())
        } else {
            Request::get(key)
        };
        bytes.extend(request.opaque(number).bytes());
    }
    client.send_bytes(&bytes);
    for number in 0..1000_u32 {
        let answer = client.receive();
        assert_eq!((answer.opaque(), answer.status()), (number, 0));
        if number % 2 == 1 {
            assert_eq!(answer.value(), (number - 1).to_string().as_bytes());
        }
    }
    client.expect_alive();
    server.probe();
}

#[test]
fn one_request_in_a_thousand_segments() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let value = Random(3).bytes(1000 - 24 - 8 - 3);
    let bytes = Request::set("key", &value).opaque(77).bytes();
    assert_eq!(bytes.len(), 1000);
    for byte in bytes {
        client.send_bytes(&[byte]);
    }
    let answer = client.receive();
    assert_eq!((answer.opaque(), answer.status()), (77, 0));
    assert_eq!(client.call(Request::get("key")).value(), value);
    client.expect_alive();
    server.probe();
}

/// Two requests, the second sent when the first has been read but not finished: nothing of it may be lost.
#[test]
fn a_pipeline_cut_at_every_byte() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut bytes = Request::store(op::SETQ, "cut", "some value of thirty bytes....", 7, 0)
        .opaque(1)
        .bytes();
    bytes.extend(Request::get("cut").opaque(2).bytes());
    bytes.extend(Request::new(op::DELETEQ).key("cut").opaque(3).bytes());
    bytes.extend(Request::new(op::GETK).key("cut").opaque(4).bytes());
    for at in 1..bytes.len() {
        client.send_bytes(&bytes[..at]);
        thread::sleep(Duration::from_micros(200));
        client.send_bytes(&bytes[at..]);
        let hit = client.receive();
        assert_eq!(
            (hit.opaque(), hit.flags(), hit.value()),
            (2, 7, &b"some value of thirty bytes...."[..]),
            "cut at {at}"
        );
        let miss = client.receive();
        assert_eq!(
            (miss.opaque(), miss.status(), miss.key()),
            (4, status::NOT_FOUND, &b"cut"[..]),
            "cut at {at}"
        );
    }
    client.expect_alive();
}

#[test]
fn requests_behind_a_quit_are_not_executed() {
    let server = Server::start(&[]);
    for (opcode, answers) in [(op::QUIT, 1), (op::QUITQ, 0)] {
        let mut client = server.connect();
        let mut bytes = Request::new(opcode).opaque(9).bytes();
        bytes.extend(Request::set("late", "v").bytes());
        client.send_bytes(&bytes);
        assert_eq!(client.answers_to_close().len(), answers);
        assert_eq!(
            server.connect().call(Request::get("late")).status(),
            status::NOT_FOUND
        );
    }
    server.probe();
}

/// `stat` over the binary protocol hangs in clients that don't see its end: the empty packet.
#[test]
fn stat_ends_with_an_empty_packet() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for group in ["", "settings", "items"] {
        assert_eq!(client.call(Request::set("k", "v")).status(), 0);
        let pairs = client.stat(group);
        assert!(!pairs.is_empty(), "group {group:?}");
        client.expect_alive();
    }
    assert!(client.stat("reset").is_empty());
    let answer = client.call(Request::new(op::STAT).key("no such group"));
    assert_eq!(
        (answer.status(), answer.value()),
        (status::NOT_FOUND, &b"Not found"[..])
    );
    client.expect_alive();
    // Many in one segment: every run of packets complete and in order.
    let bytes: Vec<u8> = (0..50)
        .flat_map(|n| Request::new(op::STAT).opaque(n).bytes())
        .collect();
    let answers = client.exchange(&bytes);
    let ends: Vec<u32> = answers
        .iter()
        .filter(|answer| answer.raw.len() == 24)
        .map(Answer::opaque)
        .collect();
    assert_eq!(ends, (0..50).collect::<Vec<_>>());
    assert!(answers.is_sorted_by_key(Answer::opaque));
}

/// Small writes of a quiet get and its NOOP would cost a delayed acknowledgement: the answers leave in one write.
#[test]
fn a_batch_is_answered_in_one_piece() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.call(Request::set("k", "v")).status(), 0);
    let mut batch: Vec<u8> = (0..10)
        .flat_map(|n| Request::new(op::GETQ).key("k").opaque(n).bytes())
        .collect();
    batch.extend(Request::new(op::NOOP).bytes());
    let whole = 10 * (24 + 4 + 1) + 24;
    let mut reads = 0;
    for _ in 0..50 {
        client.send_bytes(&batch);
        let mut got = 0;
        let mut chunk = [0; 4096];
        while got < whole {
            got += std::io::Read::read(&mut client.socket, &mut chunk).unwrap();
            reads += 1;
        }
    }
    assert!(reads <= 60, "50 batches came in {reads} pieces");
}
