//! What a handler that is counted tells its tally.

use crate::support::{PlainEngine, Wire, answers, bytes, engine, noop, storing, with_key};
use memlet_core::connection::ConnectionOptions;
use memlet_core::counters::{Count, Counters};
use memlet_core::handler::Counted;
use memlet_core::wire::{Opcode, Request, Status};

type CountedEngine = Counted<PlainEngine, Counters>;

fn counted() -> CountedEngine {
    Counted::new(engine(), Counters::new())
}

fn count(bytes: usize, operations: u64, errors: u64) -> Count {
    Count {
        bytes: bytes as u64,
        operations,
        errors,
    }
}

#[test]
fn every_byte_of_requests_and_responses_is_counted_however_they_are_cut() {
    let long = vec![7; 3000];
    let mut input = Vec::new();
    input.extend(storing(Opcode::SET, b"short", b"value", 0, 0, 0));
    input.extend(storing(Opcode::SETQ, b"long", &long, 0, 0, 0));
    input.extend(bytes(&with_key(Opcode::GET, b"long")));
    input.extend(bytes(&with_key(Opcode::GETQ, b"missing")));
    input.extend(bytes(&with_key(Opcode::GET, b"missing")));
    input.extend(bytes(&Request::new(Opcode::STAT)));
    input.extend(bytes(&Request::new(Opcode(0xee))));
    input.extend(noop(1));
    for piece in [1, 24, 100, 512] {
        let mut handler = counted();
        let mut wire = Wire::new(ConnectionOptions::for_buffers(512, 4096), 4096);
        let mut output = Vec::new();
        for part in input.chunks(piece) {
            output.extend(wire.send(&mut handler, part));
        }
        let (received, sent) = (&handler.tally().received, &handler.tally().sent);
        assert_eq!(received.total(), count(input.len(), 8, 0), "piece {piece}");
        let responses = answers(&output).len() as u64;
        assert_eq!(sent.total(), count(output.len(), responses, 0));
        assert_eq!(received.get(Opcode::SETQ), count(24 + 8 + 4 + 3000, 1, 0));
        assert_eq!(sent.get(Opcode::SETQ), Count::default());
        assert!(sent.get(Opcode::STAT).operations > 30);
        assert_eq!(sent.get(Opcode(0xee)).operations, 1);
    }
}

#[test]
fn what_the_connection_refuses_itself_is_counted_as_an_error() {
    // A value longer than the buffer for a command that wants it whole.
    let mut handler = counted();
    let mut wire = Wire::new(ConnectionOptions::for_buffers(512, 4096), 4096);
    let mut append = with_key(Opcode::APPEND, b"key");
    let value = vec![7; 5000];
    append.value = &value;
    let mut output = Vec::new();
    for part in bytes(&append).chunks(400) {
        output.extend(wire.send(&mut handler, part));
    }
    assert_eq!(answers(&output)[0].status, Status::ENOMEM);
    let received = handler.tally().received.get(Opcode::APPEND);
    assert_eq!((received.operations, received.errors), (0, 1));
    assert_eq!(
        handler.tally().sent.get(Opcode::APPEND),
        count(output.len(), 1, 0)
    );

    // A header that ends the connection.
    let mut handler = counted();
    let mut wire = Wire::new(ConnectionOptions::for_buffers(512, 4096), 4096);
    let mut get = bytes(&with_key(Opcode::GET, b"key"));
    get[3] = 0xff;
    let output = wire.send(&mut handler, &get);
    assert!(!output.is_empty());
    let received = handler.tally().received.get(Opcode::GET);
    assert_eq!((received.operations, received.errors), (0, 1));
    assert_eq!(handler.tally().sent.total().bytes, output.len() as u64);
}
