//! What is answered, and by whom.

use memlet_core::wire::{Opcode, Request, Status};

use super::node::{Node, Options, get, packet, set};
use super::upstream::{Control, Upstream};
use super::{Pair, node};

#[test]
fn a_hit_is_what_upstream_said_and_asks_nobody() {
    let Pair {
        node,
        control,
        upstream,
    } = Pair::start();
    let mut direct = node::Peer {
        stream: std::net::TcpStream::connect(upstream.address).unwrap(),
    };
    let stored = direct.ask(&Request {
        extras: &[0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0],
        ..set(b"k", b"value")
    });
    let mut peer = node.connect();
    for round in 0..5 {
        let answer = peer.get(b"k");
        assert_eq!(
            (
                answer.status,
                answer.cas,
                &answer.extras[..],
                &answer.value[..]
            ),
            (
                Status::SUCCESS,
                stored.cas,
                &[0xde, 0xad, 0xbe, 0xef][..],
                &b"value"[..]
            ),
            "{round}"
        );
    }
    let with_key = peer.ask(&Request {
        opcode: Opcode::GETK,
        opaque: 77,
        ..get(b"k")
    });
    assert_eq!((with_key.key.as_slice(), with_key.opaque), (&b"k"[..], 77));
    assert_eq!(control.count(Opcode::GET), 1);
    let figures = ["get_hits", "get_misses", "fetches", "curr_items", "waiting"];
    assert_eq!(figures.map(|name| peer.figure(name)), [5, 1, 1, 1, 0]);
}

#[test]
fn a_miss_is_not_remembered() {
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::start();
    let mut peer = node.connect();
    for count in 1..=3 {
        let answer = peer.get(b"nothing");
        assert_eq!(
            (answer.status, &answer.value[..]),
            (Status::KEY_ENOENT, &b"Not found"[..])
        );
        assert_eq!(control.count(Opcode::GET), count);
    }
    let with_key = peer.ask(&Request {
        opcode: Opcode::GETK,
        ..get(b"nothing")
    });
    assert_eq!(
        (with_key.status, &with_key.key[..]),
        (Status::KEY_ENOENT, &b"nothing"[..])
    );
    assert_eq!(with_key.value, b"");
}

#[test]
fn what_is_stored_through_the_node_is_a_hit_with_upstreams_cas() {
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::start();
    let mut peer = node.connect();
    let stored = peer.set(b"k", b"one");
    let answer = node.connect().get(b"k");
    assert_eq!((answer.cas, &answer.value[..]), (stored.cas, &b"one"[..]));
    assert_eq!(control.count(Opcode::GET), 0);
}

#[test]
fn compare_and_swap_works_over_a_hit() {
    let Pair { node, upstream, .. } = Pair::start();
    let mut peer = node.connect();
    peer.set(b"k", b"one");
    let old = peer.get(b"k").cas;
    let swap = |cas| Request {
        cas,
        ..set(b"k", b"two")
    };
    let swapped = peer.ask(&swap(old));
    assert_eq!(swapped.status, Status::SUCCESS);
    assert_eq!(peer.ask(&swap(old)).status, Status::KEY_EEXISTS);
    assert_eq!(peer.get(b"k").cas, swapped.cas);
    // Somebody else is faster: the swap fails, and the next get sees why.
    let mut direct = node::Peer {
        stream: std::net::TcpStream::connect(upstream.address).unwrap(),
    };
    let other = direct.set(b"k", b"other");
    assert_eq!(peer.get(b"k").value, b"two", "within its time");
    assert_eq!(peer.ask(&swap(swapped.cas)).status, Status::KEY_EEXISTS);
    let answer = peer.get(b"k");
    assert_eq!((answer.cas, &answer.value[..]), (other.cas, &b"other"[..]));
}

#[test]
fn what_others_change_is_seen_after_the_time_to_live_and_not_before() {
    let Pair {
        node,
        control,
        upstream,
    } = Pair::with(Options {
        ttl: 10,
        ..Options::default()
    });
    let mut direct = node::Peer {
        stream: std::net::TcpStream::connect(upstream.address).unwrap(),
    };
    let mut peer = node.connect();
    direct.set(b"k", b"one");
    assert_eq!(peer.get(b"k").value, b"one");
    direct.set(b"k", b"two");
    control.advance(9);
    assert_eq!(peer.get(b"k").value, b"one");
    control.advance(1);
    assert_eq!(peer.get(b"k").value, b"two");
    // With no time to live nothing is kept.
    let node = Node::start(
        upstream.address,
        &control.clock,
        Options {
            ttl: 0,
            ..Options::default()
        },
    );
    let mut peer = node.connect();
    assert_eq!(peer.get(b"k").value, b"two");
    direct.set(b"k", b"three");
    assert_eq!(peer.get(b"k").value, b"three");
    peer.set(b"k", b"four");
    direct.set(b"k", b"five");
    assert_eq!(peer.get(b"k").value, b"five");
}

#[test]
fn a_copy_ends_with_its_original_if_that_is_known() {
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::start();
    let mut peer = node.connect();
    let until = (control.now() + 5).to_be_bytes();
    for (key, expiration) in [(b"a", 5_u32.to_be_bytes()), (b"b", until)] {
        let extras = [[0; 4], expiration].concat();
        peer.ask(&Request {
            extras: &extras,
            ..set(key, b"v")
        });
    }
    control.advance(4);
    assert_eq!(peer.get(b"a").status, Status::SUCCESS);
    control.advance(1);
    assert_eq!(peer.get(b"a").status, Status::KEY_ENOENT);
    assert_eq!(peer.get(b"b").status, Status::KEY_ENOENT);
}

#[test]
fn quiet_commands_keep_silent_and_in_order() {
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::start();
    let mut peer = node.connect();
    let quiet = |opcode, opaque, request: Request<'static>| {
        packet(&Request {
            opcode,
            opaque,
            ..request
        })
    };
    let requests = [
        quiet(Opcode::SETQ, 1, set(b"a", b"1")),
        quiet(Opcode::GETQ, 2, get(b"missing")),
        quiet(Opcode::GETKQ, 3, get(b"a")),
        quiet(Opcode::ADDQ, 4, set(b"a", b"2")),
        quiet(Opcode::DELETEQ, 5, get(b"missing")),
        quiet(Opcode::DELETEQ, 6, get(b"a")),
        quiet(Opcode::GETKQ, 7, get(b"a")),
        quiet(Opcode::FLUSHQ, 8, Request::new(Opcode::FLUSHQ)),
        quiet(
            Opcode::GATKQ,
            9,
            Request {
                extras: &[0; 4],
                ..get(b"a")
            },
        ),
    ];
    let answers = peer.ask_all(&requests.concat());
    let summary: Vec<_> = answers
        .iter()
        .map(|answer| {
            (
                answer.opcode,
                answer.opaque,
                answer.status,
                answer.value.as_slice(),
            )
        })
        .collect();
    let text = |status: Status| status.text().as_bytes();
    assert_eq!(
        summary,
        [
            (Opcode::GETKQ, 3, Status::SUCCESS, &b"1"[..]),
            (
                Opcode::ADDQ,
                4,
                Status::KEY_EEXISTS,
                text(Status::KEY_EEXISTS)
            ),
            (
                Opcode::DELETEQ,
                5,
                Status::KEY_ENOENT,
                text(Status::KEY_ENOENT)
            ),
        ]
    );
    // Upstream has seen them loud.
    assert_eq!(control.count(Opcode::SETQ), 0);
    assert_eq!(control.count(Opcode::SET), 1);
}

#[test]
fn the_node_answers_what_is_about_itself() {
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::start();
    let mut peer = node.connect();
    assert_eq!(
        peer.ask(&Request::new(Opcode::NOOP)).status,
        Status::SUCCESS
    );
    assert_eq!(
        peer.ask(&Request::new(Opcode::VERSION)).value,
        b"1.6.18-memlet"
    );
    for opcode in [
        Opcode::SASL_LIST_MECHS,
        Opcode(0x77),
        Opcode(0x99),
        Opcode::TAP_CONNECT,
    ] {
        assert_eq!(
            peer.ask(&Request::new(opcode)).status,
            Status::UNKNOWN_COMMAND,
            "{opcode}"
        );
    }
    let group = peer.ask(&Request {
        key: b"slabs",
        ..Request::new(Opcode::STAT)
    });
    assert_eq!(group.status, Status::KEY_ENOENT);
    peer.get(b"k");
    assert_eq!(peer.figure("get_misses"), 1);
    peer.ask(&Request {
        key: b"reset",
        ..Request::new(Opcode::STAT)
    });
    assert_eq!(peer.figure("get_misses"), 0);
    // Malformed by its lengths: told and closed, as at memcached; upstream hears nothing of it.
    let malformed = Request {
        key: b"",
        ..Request::new(Opcode::GET)
    };
    assert_eq!(peer.ask(&malformed).status, Status::EINVAL);
    assert_eq!(std::io::Read::read(&mut peer.stream, &mut [0]).unwrap(), 0);
    assert_eq!(
        node.connect().ask(&Request::new(Opcode::QUIT)).status,
        Status::SUCCESS
    );
    assert_eq!(control.count(Opcode::NOOP), 0);
    assert_eq!(control.count(Opcode::STAT), 0);
}

#[test]
fn the_node_logs_in_to_its_upstream() {
    let control = Control::new(true);
    let upstream = Upstream::start(&control, 0);
    let mut options = Options::default();
    options.upstream.login = Some(node::LOGIN);
    let node = Node::start(upstream.address, &control.clock, options);
    assert_eq!(node.connect().set(b"k", b"v").status, Status::SUCCESS);
    // With a wrong password it is as if upstream were away.
    options.upstream.login = Some(memlet::near::Login {
        password: b"wrong",
        ..node::LOGIN
    });
    let node = Node::start_away(upstream.address, &control.clock, options);
    while node.figure("upstream_errors") == 0 {
        std::thread::yield_now();
    }
    assert_eq!(node.figure("upstream_connects"), 0);
    while node.connect().get(b"k").status != Status::TMPFAIL {
        std::thread::yield_now();
    }
}
