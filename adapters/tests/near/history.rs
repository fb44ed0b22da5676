//! Many clients at once: everybody finds what was stored last, and nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use memlet_core::wire::{Opcode, Request, Status};

use super::Pair;
use super::model::Random;
use super::node::{Node, Options, Peer, get, packet, set};
use super::upstream::Upstream;

const CLIENTS: usize = 4;

/// What each client has begun to store under its key, and what it was told is stored.
#[derive(Default)]
struct History {
    begun: [AtomicU32; CLIENTS],
    done: [AtomicU32; CLIENTS],
}

/// Stores rising numbers under a key of its own, and reads those of all.
fn client(node: &Node, own: usize, rounds: u32, history: &History, advance: impl Fn()) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 + own as u64);
    let mut peer = node.connect();
    let mut read = [0; CLIENTS];
    for _ in 0..rounds {
        match random.below(4) {
            0 => {
                let number = history.begun[own].fetch_add(1, Ordering::SeqCst) + 1;
                if store(&mut peer, own, number, random.below(2) == 0) {
                    history.done[own].store(number, Ordering::SeqCst);
                }
            }
            1 if random.below(20) == 0 => advance(),
            _ => {
                let other = random.below(CLIENTS as u64) as usize;
                let least = history.done[other].load(Ordering::SeqCst).max(read[other]);
                let answer = peer.get(&[b'0' + other as u8]);
                let number = match answer.status {
                    Status::SUCCESS => u32::from_be_bytes(answer.value[..4].try_into().unwrap()),
                    Status::KEY_ENOENT => 0,
                    // Upstream is away.
                    _ => continue,
                };
                let most = history.begun[other].load(Ordering::SeqCst);
                assert!(
                    (least..=most).contains(&number),
                    "client {own} read {number} of {other}, where {least} to {most} may be"
                );
                read[other] = number;
            }
        }
    }
}

/// Whether a number is stored for certain.
fn store(peer: &mut Peer, own: usize, number: u32, quietly: bool) -> bool {
    let (key, value) = ([b'0' + own as u8], [number.to_be_bytes(); 20].concat());
    let request = set(&key, &value);
    if !quietly {
        return peer.ask(&request).status.is_success();
    }
    let quiet = packet(&Request {
        opcode: Opcode::SETQ,
        ..request
    });
    peer.ask_all(&quiet).is_empty()
}

#[test]
fn nobody_finds_what_is_older_than_what_was_stored() {
    // The second store holds little, so that items are evicted and fetched again.
    for store_len in [1 << 20, 4096] {
        let Pair {
            node,
            control,
            upstream: _upstream,
        } = Pair::with(Options {
            ttl: 2,
            store_len,
            ..Options::default()
        });
        let history = History::default();
        thread::scope(|scope| {
            for own in 0..CLIENTS {
                let (node, history, control) = (&node, &history, &control);
                scope.spawn(move || client(node, own, 2000, history, || control.advance(1)));
            }
        });
        assert!(node.figure("get_hits") > 100);
        assert!(control.count(Opcode::GET) > 20);
        assert_eq!(node.figure("waiting"), 0);
    }
}

#[test]
fn nobody_does_so_either_when_upstream_is_restarted_now_and_then() {
    let Pair {
        node,
        control,
        mut upstream,
    } = Pair::with(Options {
        ttl: 2,
        ..Options::default()
    });
    let port = upstream.address.port();
    let history = History::default();
    let is_over = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|own| {
                let (node, history, control) = (&node, &history, &control);
                scope.spawn(move || client(node, own, 3000, history, || control.advance(1)))
            })
            .collect();
        let (restarting, control) = (Arc::clone(&is_over), &control);
        scope.spawn(move || {
            while !restarting.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
                drop(upstream);
                upstream = Upstream::start(control, port);
            }
        });
        let results: Vec<_> = clients
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        is_over.store(true, Ordering::SeqCst);
        results.into_iter().for_each(|result| result.unwrap());
    });
    assert!(
        history
            .done
            .iter()
            .all(|done| done.load(Ordering::SeqCst) > 0)
    );
}

#[test]
fn compare_and_swap_of_many_loses_nothing() {
    const ADDED: u64 = 150;
    let Pair {
        node,
        upstream: _upstream,
        ..
    } = Pair::start();
    node.connect().set(b"sum", b"0");
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut peer = node.connect();
                let mut added = 0;
                while added < ADDED {
                    let item = peer.get(b"sum");
                    let sum: u64 = String::from_utf8(item.value).unwrap().parse().unwrap();
                    let swapped = peer.ask(&Request {
                        cas: item.cas,
                        ..set(b"sum", (sum + 1).to_string().as_bytes())
                    });
                    match swapped.status {
                        Status::SUCCESS => added += 1,
                        status => assert_eq!(status, Status::KEY_EEXISTS),
                    }
                    peer.ask(&Request {
                        extras: &[1_u64.to_be_bytes(), [0; 8]]
                            .concat()
                            .into_iter()
                            .chain([0; 4])
                            .collect::<Vec<u8>>(),
                        opcode: Opcode::INCREMENT,
                        ..get(b"count")
                    });
                }
            });
        }
    });
    let sum = node.connect().get(b"sum").value;
    assert_eq!(sum, (CLIENTS as u64 * ADDED).to_string().as_bytes());
}
