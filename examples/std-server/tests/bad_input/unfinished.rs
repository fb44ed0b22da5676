//! Requests and answers that stop in the middle.

use crate::common::{Kind, Request, Server, op, status, wait_until};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn half_a_header_and_silence_is_ended_by_the_idle_timeout() {
    let server = Server::start(&["-o", "idle_timeout=1"]);
    let mut halves = Vec::new();
    for len in [0, 1, 4, 12, 23] {
        let mut client = server.connect();
        client.send_bytes(&Request::new(op::NOOP).bytes()[..len]);
        halves.push((len, client));
    }
    if server.kind == Kind::Memlet {
        // memcached never ends a connection that owes it a value.
        let mut body = server.connect();
        body.send_bytes(&Request::set("key", "a longer value").bytes()[..40]);
        halves.push((40, body));
    }
    for (len, client) in &mut halves {
        assert_eq!(client.read_to_close(), b"", "{len} bytes");
    }
    server.probe();
}

#[test]
fn a_connection_in_use_outlives_the_idle_timeout() {
    let server = Server::start(&["-o", "idle_timeout=2"]);
    let mut client = server.connect();
    let mut last = Instant::now();
    for _ in 0..10 {
        // It may be this test that had to stand still.
        if last.elapsed() > Duration::from_secs(1) {
            return;
        }
        last = Instant::now();
        client.expect_alive();
        thread::sleep(Duration::from_millis(400));
    }
}

#[test]
fn half_a_header_is_completed_later() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let bytes = Request::new(op::NOOP).opaque(0x1122_3344).bytes();
    client.send_bytes(&bytes[..11]);
    client.expect_silence(Duration::from_millis(300));
    client.send_bytes(&bytes[11..]);
    assert_eq!(client.receive().opaque(), 0x1122_3344);
    client.expect_alive();
    server.probe();
}

#[test]
fn half_a_header_and_close() {
    let server = Server::start(&[]);
    for len in 0..24 {
        let mut client = server.connect();
        client.send_bytes(&Request::new(op::NOOP).bytes()[..len]);
        client.end_of_input();
        assert_eq!(client.read_to_close(), b"", "{len} bytes");
    }
    server.probe();
}

#[test]
fn half_a_body_and_close_stores_nothing() {
    let server = Server::start(&[]);
    for (len, share) in [
        (10, 2),
        (10_000, 2),
        (200_000, 3),
        (1_000_000, 2),
        (1_000_000, 1),
    ] {
        let mut client = server.connect();
        let bytes = Request::set("half", vec![b'h'; len]).bytes();
        client.send_bytes(&bytes[..bytes.len() / share - usize::from(share == 1)]);
        client.end_of_input();
        assert_eq!(client.read_to_close(), b"");
        assert_eq!(
            server.connect().call(Request::get("half")).status(),
            status::NOT_FOUND,
            "value of {len}"
        );
    }
    server.probe();
}

#[test]
fn half_a_body_leaves_the_old_value_alone() {
    let server = Server::start(&[]);
    let mut reader = server.connect();
    assert_eq!(reader.call(Request::set("half", "old")).status(), 0);
    let alone = reader.figure("curr_connections");
    for len in [100, 100_000] {
        let mut client = server.connect();
        let mut bytes = Request::new(op::NOOP).bytes();
        bytes.extend(Request::set("half", vec![b'n'; len]).bytes());
        client.send_bytes(&bytes[..bytes.len() - 1]);
        assert_eq!(client.receive().opcode(), op::NOOP);
        assert_eq!(reader.call(Request::get("half")).value(), b"old");
        drop(client);
        wait_until("the connection is given back", || {
            reader.figure("curr_connections") == alone
        });
        assert_eq!(reader.call(Request::get("half")).value(), b"old");
    }
    server.probe();
}

#[test]
fn a_reader_that_goes_away_in_the_middle_of_a_reply() {
    let server = Server::start(&["-m", "256"]);
    assert_eq!(
        server
            .connect()
            .call(Request::set("large", vec![7; 1_000_000]))
            .status(),
        0
    );
    for _ in 0..20 {
        let mut client = server.connect();
        let bytes: Vec<u8> = (0..50)
            .flat_map(|_| Request::get("large").bytes())
            .collect();
        client.send_bytes(&bytes);
        let mut some = [0; 1000];
        std::io::Read::read_exact(&mut client.socket, &mut some).unwrap();
    }
    server.probe();
}
