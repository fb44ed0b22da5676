//! What is too much: requests that wait, values that are long, upstreams that are slow.

use std::time::Duration;

use memlet_core::wire::{Opcode, Request, Status};

use super::node::{Options, REQUESTS, SLOT_LEN, WAITING, get, packet, set};
use super::{Pair, node};

#[test]
fn gets_of_one_key_share_a_fetch() {
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::start();
    node.connect().set(b"k", b"v");
    control.advance(100);
    control.hold();
    let mut peers: Vec<_> = (0..WAITING).map(|_| node.connect()).collect();
    for peer in &mut peers {
        peer.send(&packet(&get(b"k")));
    }
    node.until("waiting", WAITING as u64);
    control.go_on();
    for peer in &mut peers {
        assert_eq!(peer.answer().value, b"v");
    }
    assert_eq!(control.count(Opcode::GET), 1);
    assert_eq!(node.figure("coalesced"), WAITING as u64 - 1);
    assert_eq!(node.figure("waiting_max"), WAITING as u64);
    assert_eq!(node.figure("waiting"), 0);
}

#[test]
fn what_comes_beyond_the_bound_is_refused_at_once() {
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::start();
    node.connect().set(b"hit", b"v");
    control.hold();
    // As many connections as may wait, for one key.
    let mut waiting: Vec<_> = (0..WAITING).map(|_| node.connect()).collect();
    for peer in &mut waiting {
        peer.send(&packet(&get(b"a")));
    }
    node.until("waiting", WAITING as u64);
    let mut peer = node.connect();
    assert_eq!(peer.get(b"a").status, Status::EBUSY);
    assert_eq!(peer.set(b"b", b"v").status, Status::EBUSY);
    assert_eq!(peer.get(b"hit").value, b"v", "a hit needs nobody");
    assert_eq!(peer.figure("refused"), 2);
    control.go_on();
    for peer in &mut waiting {
        assert_eq!(peer.answer().status, Status::KEY_ENOENT);
    }
    assert_eq!(peer.set(b"b", b"v").status, Status::SUCCESS);
    // As many different requests as there is memory for.
    control.hold();
    for (peer, number) in waiting.iter_mut().zip(0..REQUESTS as u8) {
        peer.send(&packet(&get(&[b'k', number])));
    }
    node.until("waiting", REQUESTS as u64);
    assert_eq!(peer.get(b"another").status, Status::EBUSY);
    control.go_on();
    for peer in waiting.iter_mut().take(REQUESTS) {
        assert_eq!(peer.answer().status, Status::KEY_ENOENT);
    }
}

#[test]
fn values_of_all_lengths_are_answered_and_the_connection_lives() {
    for input_len in [320, 1024, 6000] {
        let Pair { node, upstream, .. } = Pair::with(Options {
            input_len,
            ..Options::default()
        });
        let mut direct = node::Peer {
            stream: std::net::TcpStream::connect(upstream.address).unwrap(),
        };
        let mut peer = node.connect();
        // Key, CAS, extras.
        let longest = SLOT_LEN - 1 - 8 - 8;
        for len in [
            0,
            1,
            200,
            300,
            1000,
            2900,
            longest,
            longest + 1,
            5900,
            100_000,
        ] {
            let value: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let stored = peer.set(b"k", &value);
            let is_stored = len <= longest;
            assert_eq!(
                stored.status,
                if is_stored {
                    Status::SUCCESS
                } else {
                    Status::ENOMEM
                },
                "{len} with {input_len}"
            );
            let mut kept = direct.get(b"k");
            if is_stored {
                assert_eq!((kept.cas, &kept.value), (stored.cas, &value));
                let answer = peer.get(b"k");
                assert_eq!(
                    (answer.status, &answer.value),
                    (Status::SUCCESS, &value),
                    "{len}"
                );
            } else {
                assert_eq!(kept.value.len(), longest, "the old item stays");
            }
            // Long values that others have stored: the client's input holds 3072 bytes.
            direct.set(b"other", &value);
            let answer = peer.get(b"other");
            kept = direct.get(b"other");
            if len <= 2900 {
                assert_eq!(
                    (answer.status, &answer.value),
                    (Status::SUCCESS, &kept.value),
                    "{len}"
                );
            } else {
                assert_eq!(answer.status, Status::ENOMEM, "{len}");
            }
            peer.ask(&Request {
                opcode: Opcode::DELETE,
                ..get(b"other")
            });
        }
        assert_eq!(node.figure("upstream_connects"), 1);
        assert_eq!(node.figure("waiting"), 0);
    }
}

#[test]
fn a_value_that_pauses_holds_nobody_up() {
    let Pair {
        node,
        upstream: _upstream,
        ..
    } = Pair::with(Options {
        input_len: 320,
        ..Options::default()
    });
    let value = vec![7; 2000];
    let request = packet(&set(b"k", &value));
    let mut paused: Vec<_> = (0..REQUESTS).map(|_| node.connect()).collect();
    for peer in &mut paused {
        peer.send(&request[..1000]);
    }
    node.until("arriving", REQUESTS as u64);
    // A place is taken from one of them.
    let mut peer = node.connect();
    for _ in 0..10 {
        assert_eq!(peer.set(b"other", &value).status, Status::SUCCESS);
    }
    let mut statuses: Vec<_> = paused
        .iter_mut()
        .map(|peer| {
            peer.send(&request[1000..]);
            peer.answer().status
        })
        .collect();
    statuses.sort_unstable_by_key(|status| status.0);
    assert!(
        statuses
            .iter()
            .all(|status| [Status::SUCCESS, Status::EBUSY].contains(status))
    );
    assert!(
        statuses.contains(&Status::EBUSY),
        "somebody had to give way: {statuses:?}"
    );
    // One that vanishes leaves nothing behind.
    for mut peer in (0..20).map(|_| node.connect()) {
        peer.send(&request[..1500]);
    }
    node.until("arriving", 0);
    assert_eq!(peer.set(b"other", &value).status, Status::SUCCESS);
}

#[test]
fn an_upstream_that_is_too_slow_is_given_up() {
    let mut options = Options::default();
    options.upstream.timeout = Duration::from_millis(100);
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::with(options);
    let mut peer = node.connect();
    peer.set(b"hit", b"v");
    control.hold();
    let mut other = node.connect();
    other.send(&packet(&set(b"k", b"late")));
    node.until("waiting", 1);
    assert_eq!(peer.get(b"k").status, Status::TMPFAIL);
    assert_eq!(other.answer().status, Status::TMPFAIL);
    assert_eq!(peer.get(b"hit").value, b"v");
    control.go_on();
    // What was given up may have been done meanwhile; what is stored now is what is found.
    while peer.set(b"k", b"new").status != Status::SUCCESS {}
    assert_eq!(peer.get(b"k").value, b"new");
    assert!(node.figure("upstream_errors") > 0);
    assert_eq!(node.figure("waiting"), 0);
}

#[test]
fn clients_that_vanish_while_they_wait_leave_nothing_behind() {
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::start();
    for round in 0..5_u8 {
        control.hold();
        for number in 0..REQUESTS as u8 {
            let mut peer = node.connect();
            match number % 2 {
                0 => peer.send(&packet(&get(&[round, number]))),
                _ => peer.send(&packet(&set(&[round, number], b"v"))),
            }
        }
        node.until("waiting", REQUESTS as u64);
        control.go_on();
        node.until("waiting", 0);
        // What they have changed is changed.
        assert_eq!(node.connect().get(&[round, 1]).value, b"v");
    }
    let mut peers: Vec<_> = (0..WAITING).map(|_| node.connect()).collect();
    control.hold();
    for peer in &mut peers {
        peer.send(&packet(&get(b"a")));
    }
    node.until("waiting", WAITING as u64);
    control.go_on();
}
