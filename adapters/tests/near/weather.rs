//! Upstreams that come and go.

use memlet_core::wire::{Opcode, Request, Status};

use super::Pair;
use super::node::{Node, Options, get, packet, set};
use super::upstream::{Control, Upstream};

#[test]
fn hits_are_served_while_upstream_is_away_and_the_rest_is_refused_with_a_reason() {
    let Pair {
        node,
        control,
        upstream,
    } = Pair::start();
    let mut peer = node.connect();
    peer.set(b"k", b"v");
    let port = upstream.address.port();
    drop(upstream);
    node.until("upstream_up", 0);
    let refused = loop {
        // Requests wait while a connection is being made.
        let answer = peer.get(b"other");
        assert_eq!(answer.status, Status::TMPFAIL);
        if answer.value == b"Upstream is away" {
            break answer;
        }
    };
    assert_eq!(refused.status, Status::TMPFAIL);
    assert_eq!(peer.get(b"k").value, b"v");
    assert_eq!(peer.set(b"k", b"new").status, Status::TMPFAIL);
    assert_eq!(
        peer.get(b"k").value,
        b"v",
        "what was not sent changes nothing"
    );
    // Quiet ones are told as well.
    let quiet = packet(&Request {
        opcode: Opcode::SETQ,
        ..set(b"k", b"new")
    });
    assert_eq!(peer.ask_all(&quiet)[0].status, Status::TMPFAIL);
    control.advance(60);
    assert_eq!(peer.get(b"k").status, Status::TMPFAIL, "its time is over");
    let _upstream = Upstream::start(&control, port);
    node.until("upstream_up", 1);
    assert_eq!(peer.get(b"k").value, b"v");
    assert_eq!(peer.set(b"k", b"new").status, Status::SUCCESS);
    assert_eq!(peer.get(b"k").value, b"new");
}

#[test]
fn a_node_whose_upstream_was_never_there_says_so() {
    let control = Control::new(false);
    let upstream = Upstream::start(&control, 0);
    let address = upstream.address;
    drop(upstream);
    let node = Node::start_away(address, &control.clock, Options::default());
    let mut peer = node.connect();
    assert_eq!(peer.get(b"k").status, Status::TMPFAIL);
    let _upstream = Upstream::start(&control, address.port());
    node.until("upstream_up", 1);
    assert_eq!(peer.get(b"k").status, Status::KEY_ENOENT);
}

#[test]
fn a_connection_that_is_lost_on_the_way_costs_a_change_its_answer_and_no_get() {
    let Pair {
        node,
        control,
        mut upstream,
    } = Pair::start();
    let port = upstream.address.port();
    let (mut reader, mut writer) = (node.connect(), node.connect());
    for round in 0..5_u8 {
        writer.set(b"read", &[round]);
        control.advance(60);
        control.hold();
        reader.send(&packet(&get(b"read")));
        writer.send(&packet(&set(b"written", &[round])));
        control.until_held();
        node.until("waiting", 2);
        drop(upstream);
        control.go_on();
        upstream = Upstream::start(&control, port);
        let (read, written) = (reader.answer(), writer.answer());
        // The get is sent again, unless upstream was not back soon enough.
        match read.status {
            Status::SUCCESS => assert_eq!(read.value, [round]),
            status => assert_eq!(status, Status::TMPFAIL),
        }
        assert_eq!(written.status, Status::TMPFAIL);
        node.until("upstream_up", 1);
        // Whatever became of it: what is stored now is what is found.
        assert_eq!(
            writer.set(b"written", &[round, round]).status,
            Status::SUCCESS
        );
        assert_eq!(reader.get(b"written").value, [round, round]);
    }
    assert_eq!(node.figure("waiting"), 0);
}
