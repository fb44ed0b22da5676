//! How connections end.

use crate::support::{Wire, bytes, engine, noop, storing};
use memlet_core::connection::{CloseReason, Next};
use memlet_core::wire::{Opcode, Request};

#[test]
fn the_peer_closes_between_two_requests_or_in_one() {
    for (input, reason) in [
        (Vec::new(), CloseReason::EndOfInput),
        (noop(1), CloseReason::EndOfInput),
        (noop(1)[..1].to_vec(), CloseReason::Truncated),
        (noop(1)[..23].to_vec(), CloseReason::Truncated),
        (
            storing(Opcode::SET, b"k", b"v", 0, 0, 0)[..33].to_vec(),
            CloseReason::Truncated,
        ),
        (
            storing(Opcode::SET, b"k", &[0; 2 << 20], 0, 0, 0)[..100].to_vec(),
            CloseReason::Truncated,
        ),
    ] {
        let (mut engine, mut wire) = (engine(), Wire::server());
        wire.send(&mut engine, &input);
        assert_eq!(
            wire.connection
                .handle_end_of_input(&mut engine, wire.kept.len()),
            reason
        );
    }
}

#[test]
fn the_first_reason_stays() {
    let (mut engine, mut wire) = (engine(), Wire::server());
    wire.send(&mut engine, &bytes(&Request::new(Opcode::QUITQ)));
    assert_eq!(
        wire.connection.handle_end_of_input(&mut engine, 5),
        CloseReason::Requested
    );
    assert_eq!(wire.connection.abandon(&mut engine), CloseReason::Requested);
    let progress = wire
        .connection
        .handle_input(&mut engine, &noop(1), &mut [0; 100], 0);
    assert_eq!((progress.consumed, progress.written), (0, 0));
    assert_eq!(progress.next, Next::Close(CloseReason::Requested));
    assert_eq!(engine.statistics().bytes_read, 24);
}

#[test]
fn half_a_header_waits() {
    let (mut engine, mut wire) = (engine(), Wire::server());
    assert_eq!(wire.send(&mut engine, &noop(1)[..12]), []);
    assert_eq!(wire.closed, None);
    assert_eq!(wire.kept.len(), 12);
}

#[test]
fn an_idle_connection_is_between_requests() {
    let (mut engine, mut wire) = (engine(), Wire::server());
    assert!(wire.connection.is_between_requests());
    wire.send(&mut engine, &noop(1));
    assert!(wire.connection.is_between_requests());
    let mut skipped = storing(Opcode::SET, b"k", &[0; 2 << 20], 0, 0, 0);
    let rest = skipped.split_off(100);
    wire.send(&mut engine, &skipped);
    assert!(!wire.connection.is_between_requests());
    wire.send(&mut engine, &rest);
    assert!(wire.connection.is_between_requests());
}
