//! Packets that are wrong as such, in memcached's order: magic, length sums, body limit, key length.

use crate::support::{Wire, answers, bytes, noop, small_engine, storing, with_key};
use memlet_core::connection::CloseReason;
use memlet_core::wire::{Opcode, Request, Status};

/// What comes of these bytes on a new connection, whole and byte by byte.
fn outcome(input: &[u8]) -> (Vec<u8>, Option<CloseReason>) {
    let (mut one, mut wire) = (small_engine(), Wire::server());
    let output = wire.send(&mut one, input);
    let (mut other, mut slow) = (small_engine(), Wire::server());
    let mut pieces = Vec::new();
    for byte in input {
        pieces.extend(slow.send(&mut other, &[*byte]));
    }
    assert_eq!((&pieces, slow.closed), (&output, wire.closed));
    (output, wire.closed)
}

fn closed_with(input: &[u8], status: Status) {
    let (output, closed) = outcome(input);
    let answers = answers(&output);
    assert_eq!(answers.len(), 1);
    assert_eq!(
        (answers[0].status, answers[0].text().as_str()),
        (status, status.text())
    );
    assert_eq!(closed, Some(CloseReason::Lengths));
}

#[test]
fn a_text_client_is_told_in_text() {
    for input in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"get key\r\n",
        b"version\r\n",
        b"\r\n",
        b"\0",
        b"\x81",
        b"\xff\xff\xff",
    ] {
        let (output, closed) = outcome(input);
        let line = String::from_utf8(output).unwrap();
        assert!(
            line.starts_with("ERROR ") && line.ends_with("\r\n") && line.contains("binary"),
            "{line}"
        );
        assert_eq!(line.matches("\r\n").count(), 1);
        assert_eq!(closed, Some(CloseReason::Text));
    }
}

#[test]
fn a_later_wrong_magic_closes_silently() {
    for magic in (0..=255).filter(|&magic| magic != 0x80) {
        let mut input = noop(1);
        input.push(magic);
        input.extend([0; 23]);
        input.extend(noop(2));
        let (output, closed) = outcome(&input);
        assert_eq!(answers(&output).len(), 1, "what came before is answered");
        assert_eq!(closed, Some(CloseReason::Magic));
    }
}

/// Peers' users keep running into it: `body length - key length` wraps below zero.
#[test]
fn a_key_longer_than_the_body_is_an_unknown_command_and_closes() {
    for opcode in [Opcode::GET, Opcode::SET, Opcode::NOOP, Opcode(0x77)] {
        for (key_len, body_len) in [(1, 0), (10, 9), (300, 1), (0xffff, 0), (0xffff, 0xfffe)] {
            let mut request = bytes(&Request::new(opcode));
            request[2..4].copy_from_slice(&u16::to_be_bytes(key_len));
            request[8..12].copy_from_slice(&u32::to_be_bytes(body_len));
            request.extend(noop(1));
            closed_with(&request, Status::UNKNOWN_COMMAND);
        }
    }
}

#[test]
fn key_and_extras_longer_than_the_body_are_an_unknown_command_and_close() {
    for (key_len, extras_len, body_len) in [
        (0, 1, 0),
        (5, 8, 12),
        (0, 255, 254),
        (250, 255, 504),
        (0xffff, 0xff, 0x100fd),
    ] {
        let mut request = bytes(&Request::new(Opcode::SET));
        request[2..4].copy_from_slice(&u16::to_be_bytes(key_len));
        request[4] = extras_len;
        request[8..12].copy_from_slice(&u32::to_be_bytes(body_len));
        closed_with(&request, Status::UNKNOWN_COMMAND);
    }
}

#[test]
fn a_body_of_all_ones_closes_without_waiting_for_it() {
    for body_len in [1 << 30, 0x7fff_ffff, u32::MAX] {
        let mut request = storing(Opcode::SET, b"k", b"v", 0, 0, 0);
        request[8..12].copy_from_slice(&u32::to_be_bytes(body_len));
        closed_with(&request, Status::EINVAL);
    }
}

#[test]
fn a_key_over_the_limit_closes_before_it_arrives() {
    for opcode in [Opcode::GET, Opcode(0x77), Opcode::SASL_AUTH] {
        let request = bytes(&with_key(opcode, &[b'k'; 251]));
        let (output, closed) = outcome(&request[..24]);
        assert_eq!(answers(&output)[0].status, Status::EINVAL);
        assert!(closed.is_some());
    }
}

/// Peers' users keep running into it: extras of the wrong length are read out of bounds, or eat the next request.
#[test]
fn extras_of_the_wrong_length_close_before_anything_else_is_read() {
    let mut request = bytes(&Request {
        extras: &[0; 4],
        value: &[0; 4],
        ..with_key(Opcode::SET, b"k")
    });
    request.extend(noop(1));
    let (output, closed) = outcome(&request);
    let answers = answers(&output);
    assert_eq!((answers.len(), answers[0].status), (1, Status::EINVAL));
    assert_eq!(closed, Some(CloseReason::Rejected));
}

/// Peers' users keep running into it: HTTP or random bytes bring the server down.
#[test]
fn random_bytes_are_answered_or_closed() {
    let mut state = 0x1234_5678_9abc_def1_u64;
    for round in 0..500 {
        let mut input = vec![0x80];
        for _ in 0..round {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Small numbers make lengths that add up now and then.
            input.push(if state & 0x300 == 0 {
                0x80
            } else if state & 0x400 == 0 {
                (state & 3) as u8
            } else {
                state as u8
            });
        }
        outcome(&input);
    }
}
