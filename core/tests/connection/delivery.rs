//! One long session, delivered in every way: the answers are always the same bytes.

use crate::support::{
    PlainEngine, Wire, answers, bytes, counting, joining, noop, small_engine, storing, touching,
    with_key,
};
use memlet_core::connection::{ConnectionOptions, Next, ServerConnection};
use memlet_core::wire::{Opcode, Request};

/// Every command, hits and misses, errors, quiet ones, long and short values.
fn session() -> Vec<u8> {
    let mut all = Vec::new();
    let mut opaque = 0_u32;
    let mut push = |mut request: Vec<u8>| {
        opaque += 1;
        request[12..16].copy_from_slice(&opaque.to_be_bytes());
        all.extend(request);
    };
    let long = [b'l'; 700];
    push(bytes(&Request::new(Opcode::VERSION)));
    push(bytes(&with_key(Opcode::GET, b"a")));
    push(storing(Opcode::SET, b"a", b"alpha", 1, 0, 0));
    push(storing(Opcode::SETQ, b"b", b"", 2, 100, 0));
    push(storing(Opcode::ADDQ, b"b", b"again", 0, 0, 0));
    push(storing(Opcode::SETQ, b"long", &long, 3, 0, 0));
    push(bytes(&with_key(Opcode::GETQ, b"none")));
    push(bytes(&with_key(Opcode::GETKQ, b"long")));
    push(bytes(&with_key(Opcode::GETK, &[b'm'; 250])));
    push(joining(Opcode::APPEND, b"a", b"bet", 0));
    push(joining(Opcode::PREPENDQ, b"none", b"x", 0));
    push(storing(Opcode::REPLACE, b"long", b"short", 0, 0, 99));
    push(counting(Opcode::INCREMENT, b"n", 1, 10, 0, 0));
    push(counting(Opcode::DECREMENTQ, b"n", 1, 10, 0, 0));
    push(counting(Opcode::INCREMENT, b"a", 1, 10, 0, 0));
    push(bytes(&with_key(Opcode(0x77), b"unknown")));
    push(bytes(&Request {
        extras: b"ex",
        value: &long,
        ..with_key(Opcode(0x78), b"unknown")
    }));
    push(touching(Opcode::TOUCH, b"a", 50));
    push(touching(Opcode::GATK, b"long", 50));
    push(touching(Opcode::GATQ, b"none", 50));
    push(bytes(&with_key(Opcode::DELETE, b"b")));
    push(bytes(&with_key(Opcode::DELETEQ, b"b")));
    push(bytes(&with_key(Opcode::STAT, b"settings")));
    push(bytes(&with_key(Opcode::STAT, b"nonsense")));
    push(bytes(&Request {
        extras: &[0, 0, 0, 1],
        ..Request::new(Opcode::VERBOSITY)
    }));
    push(bytes(&with_key(Opcode::GET, b"long")));
    push(bytes(&Request::new(Opcode::FLUSHQ)));
    push(bytes(&with_key(Opcode::GET, b"long")));
    push(noop(0));
    push(bytes(&Request::new(Opcode::QUIT)));
    push(noop(0));
    all
}

/// Values of 700 bytes come whole.
fn whole() -> ConnectionOptions {
    ConnectionOptions::for_buffers(1024, 1024)
}

/// Values of 700 bytes come in pieces.
fn pieces() -> ConnectionOptions {
    ConnectionOptions::for_buffers(512, 1024)
}

fn expected() -> Vec<u8> {
    let output = Wire::new(whole(), 1 << 16).send(&mut small_engine(), &session());
    assert!(answers(&output).len() > 40);
    output
}

#[test]
fn every_cut_into_two_pieces() {
    let (session, expected) = (session(), expected());
    for options in [whole(), pieces()] {
        for cut in 0..=session.len() {
            let (mut engine, mut wire) = (small_engine(), Wire::new(options, 1 << 16));
            let mut output = wire.send(&mut engine, &session[..cut]);
            output.extend(wire.send(&mut engine, &session[cut..]));
            assert!(output == expected, "cut at {cut}");
        }
    }
}

#[test]
fn pieces_of_every_size() {
    let (session, expected) = (session(), expected());
    for options in [whole(), pieces()] {
        for size in (1..40).chain([100, 511, 512, 513, 1000]) {
            let (mut engine, mut wire) = (small_engine(), Wire::new(options, 1 << 16));
            let output: Vec<u8> = session
                .chunks(size)
                .flat_map(|piece| wire.send(&mut engine, piece))
                .collect();
            assert!(output == expected, "pieces of {size}");
        }
    }
}

#[test]
fn outputs_of_every_size() {
    let (session, expected) = (session(), expected());
    for options in [whole(), pieces()] {
        for output_len in 96..1000 {
            let (mut engine, mut wire) = (small_engine(), Wire::new(options, output_len));
            let output = wire.send(&mut engine, &session);
            assert!(output == expected, "output of {output_len}");
        }
    }
}

#[test]
fn small_pieces_and_small_outputs_together() {
    let (session, expected) = (session(), expected());
    for (size, output_len) in [
        (1, 96),
        (2, 97),
        (7, 100),
        (24, 128),
        (100, 274),
        (333, 500),
    ] {
        let (mut engine, mut wire) = (small_engine(), Wire::new(pieces(), output_len));
        let output: Vec<u8> = session
            .chunks(size)
            .flat_map(|piece| wire.send(&mut engine, piece))
            .collect();
        assert!(
            output == expected,
            "pieces of {size}, output of {output_len}"
        );
    }
}

#[test]
fn an_output_that_grows_byte_by_byte_does_nothing_before_it_is_large_enough() {
    let mut engine = small_engine();
    let mut connection = ServerConnection::new(&whole());
    let input = storing(Opcode::SET, b"k", b"v", 0, 0, 0);
    for len in 0..96 {
        let progress = connection.handle_input(&mut engine, &input, &mut vec![0; len], 0);
        assert_eq!(
            (progress.consumed, progress.written, progress.next),
            (0, 0, Next::Write { room: 96 })
        );
    }
    let progress = connection.handle_input(&mut engine, &input, &mut [0; 96], 0);
    assert_eq!((progress.consumed, progress.written), (input.len(), 24));
}

#[test]
fn what_is_missing_is_exact() {
    let request = storing(Opcode::SET, b"key", b"value", 0, 0, 0);
    for len in 0..request.len() {
        let mut connection: ServerConnection<PlainEngine> = ServerConnection::new(&whole());
        let progress =
            connection.handle_input(&mut small_engine(), &request[..len], &mut [0; 256], 0);
        let end = if len < 24 { 24 } else { request.len() };
        assert_eq!(
            progress.next,
            Next::Read {
                missing: (end - len) as u64
            }
        );
        assert_eq!((progress.consumed, progress.written), (0, 0));
    }
}

/// Peers' users keep running into it: a batch answered in several small writes waits for acknowledgements.
#[test]
fn a_batch_is_answered_in_one_run() {
    let mut batch = Vec::new();
    for opaque in 0..1000 {
        batch.extend(noop(opaque));
    }
    let mut connection = ServerConnection::new(&ConnectionOptions::default());
    let mut output = vec![0; 24_000 + 72];
    let progress = connection.handle_input(&mut small_engine(), &batch, &mut output, 0);
    assert_eq!((progress.consumed, progress.written), (24_000, 24_000));
    output.truncate(progress.written);
    let opaques: Vec<u32> = answers(&output)
        .iter()
        .map(|answer| answer.opaque)
        .collect();
    assert_eq!(opaques, (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_peer_that_does_not_read_stops_the_execution() {
    let mut engine = small_engine();
    let mut connection = ServerConnection::new(&ConnectionOptions::default());
    let mut batch = storing(Opcode::SETQ, b"n", b"0", 0, 0, 0);
    for _ in 0..100 {
        batch.extend(counting(Opcode::INCREMENT, b"n", 1, 0, 0, 0));
    }
    let mut output = [0; 200];
    let progress = connection.handle_input(&mut engine, &batch, &mut output, 0);
    // Four answers of 32 bytes; a fifth would leave less than the least room.
    assert_eq!(
        (progress.written, progress.next),
        (128, Next::Write { room: 96 })
    );
    let again = connection.handle_input(&mut engine, &batch[progress.consumed..], &mut [0; 50], 0);
    assert_eq!((again.consumed, again.written), (0, 0));
    assert_eq!(engine.statistics().incr_hits, 4);
}

#[test]
fn nothing_is_left_of_the_output_beyond_what_is_written() {
    let mut engine = small_engine();
    let mut connection = ServerConnection::new(&ConnectionOptions::default());
    let mut output = [0xee; 200];
    let progress = connection.handle_input(&mut engine, &noop(1), &mut output, 0);
    assert!(output[progress.written..].iter().all(|&byte| byte == 0xee));
}

#[test]
fn a_connection_is_small() {
    assert!(
        size_of::<ServerConnection<PlainEngine>>() <= 112,
        "{}",
        size_of::<ServerConnection<PlainEngine>>()
    );
}
