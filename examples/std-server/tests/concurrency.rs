//! Many connections at once, on several worker threads: every compound operation is atomic, and no value is ever torn.

mod common;

use common::{Random, Request, Server, op, status};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn counters_lose_no_step() {
    let server = Server::start(&["-t", "4"]);
    // It is there before they start: of two that create a counter at once memcached refuses one.
    assert_eq!(
        server.connect().call(Request::set("counter", "0")).status(),
        0
    );
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = server.connect();
                for _ in 0..100 {
                    let bytes: Vec<u8> = (0..50)
                        .flat_map(|_| Request::counter(op::INCREMENTQ, "counter", 1, 1, 0).bytes())
                        .collect();
                    assert_eq!(client.exchange(&bytes), []);
                }
            });
        }
    });
    let last = server.connect().call(Request::get("counter"));
    assert_eq!(last.value(), b"40000");
}

#[test]
fn a_cas_is_won_once() {
    let server = Server::start(&["-t", "4"]);
    assert_eq!(server.connect().call(Request::set("cas", "0")).status(), 0);
    let won = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = server.connect();
                for _ in 0..500 {
                    let item = client.call(Request::get("cas"));
                    let number: u64 = String::from_utf8(item.value().to_vec())
                        .unwrap()
                        .parse()
                        .unwrap();
                    let answer =
                        client.call(Request::set("cas", (number + 1).to_string()).cas(item.cas()));
                    match answer.status() {
                        status::SUCCESS => {
                            won.fetch_add(1, Ordering::Relaxed);
                        }
                        other => assert_eq!(other, status::EXISTS),
                    }
                }
            });
        }
    });
    let last = server.connect().call(Request::get("cas"));
    assert_eq!(last.value(), won.into_inner().to_string().as_bytes());
}

#[test]
fn an_add_is_won_once() {
    let server = Server::start(&["-t", "4"]);
    for round in 0..100 {
        let won = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let answer = server.connect().call(Request::store(
                        op::ADD,
                        format!("add {round}"),
                        "v",
                        0,
                        0,
                    ));
                    won.fetch_add(u64::from(answer.status() == 0), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(won.into_inner(), 1);
    }
}

#[test]
fn appends_are_joined_in_one_piece_each() {
    let server = Server::start(&["-t", "4"]);
    assert_eq!(server.connect().call(Request::set("log", "")).status(), 0);
    thread::scope(|scope| {
        for name in ["<aaaa>", "<bbbb>", "<cccc>", "<dddd>"] {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                for _ in 0..500 {
                    assert_eq!(
                        client
                            .call(Request::new(op::APPEND).key("log").value(name))
                            .status(),
                        0
                    );
                }
            });
        }
    });
    let log = server.connect().call(Request::get("log"));
    assert_eq!(log.value().len(), 4 * 500 * 6);
    for entry in log.value().chunks(6) {
        assert!(
            entry[0] == b'<'
                && entry[5] == b'>'
                && entry[1..5].iter().all(|byte| *byte == entry[1])
        );
    }
}

/// Writers store values of one repeated byte, of lengths from a few bytes to most of a mebibyte, in a store that is too small
/// for all of them; readers must find each value whole.
#[test]
fn values_are_never_torn() {
    let server = Server::start(&["-t", "4", "-m", "16"]);
    let done = AtomicBool::new(false);
    let hits = AtomicU64::new(0);
    thread::scope(|scope| {
        for writer in 0..3_u64 {
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                let mut random = Random(writer);
                let mut client = server.connect();
                let began = Instant::now();
                while began.elapsed() < Duration::from_secs(3) {
                    let key = format!("key {}", random.below(40));
                    let len = match random.below(10) {
                        0 => random.below(900_000),
                        1..=3 => random.below(70_000),
                        _ => random.below(2000),
                    };
                    let value = vec![random.next().to_le_bytes()[0]; len];
                    let status = client
                        .call(Request::store(
                            op::SET,
                            key,
                            value,
                            u32::try_from(len).unwrap(),
                            0,
                        ))
                        .status();
                    assert!(matches!(status, 0 | status::OUT_OF_MEMORY), "{status}");
                }
                done.store(true, Ordering::Release);
            });
        }
        for reader in 0..3_u64 {
            let (server, done, hits) = (&server, &done, &hits);
            scope.spawn(move || {
                let mut random = Random(1000 + reader);
                let mut client = server.connect();
                while !done.load(Ordering::Acquire) {
                    let answer = client
                        .call(Request::new(op::GETK).key(format!("key {}", random.below(40))));
                    if answer.status() == 0 {
                        hits.fetch_add(1, Ordering::Relaxed);
                        let value = answer.value();
                        assert_eq!(value.len(), usize::try_from(answer.flags()).unwrap());
                        assert!(
                            value.windows(2).all(|pair| pair[0] == pair[1]),
                            "a torn value of {}",
                            value.len()
                        );
                    }
                }
            });
        }
    });
    assert!(hits.into_inner() > 100);
    server.probe();
}
