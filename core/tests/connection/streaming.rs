//! Values longer than the buffer.

use crate::support::{
    PlainEngine, Wire, answers, bytes, engine, joining, noop, small_engine, store, storing,
    with_key,
};
use memlet_core::connection::{CloseReason, ConnectionOptions, Next};
use memlet_core::engine::{Engine, EngineSettings};
use memlet_core::store::{RESERVATIONS_MAX, Shards};
use memlet_core::wire::{Opcode, Request, Status};

const BUFFER: usize = 512;

fn small() -> Wire<PlainEngine> {
    Wire::new(ConnectionOptions::for_buffers(BUFFER, 4096), 4096)
}

fn value(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 % 251) as u8).collect()
}

/// Hands over the input as a caller with a buffer of `BUFFER` bytes does.
fn feed(
    wire: &mut Wire<PlainEngine>,
    engine: &mut PlainEngine,
    input: &[u8],
    piece: usize,
) -> Vec<u8> {
    let mut rest = input;
    let mut output = Vec::new();
    while !rest.is_empty() {
        let len = piece.min(BUFFER - wire.kept.len()).min(rest.len());
        assert!(len > 0, "the buffer is full and nothing is consumed");
        output.extend(wire.send(engine, &rest[..len]));
        rest = &rest[len..];
    }
    output
}

fn reservations(engine: &mut PlainEngine) -> u64 {
    let mut sum = 0;
    engine
        .shards_mut()
        .for_each(|store| sum += store.statistics().reservations);
    sum
}

#[test]
fn values_of_all_sizes_around_the_buffers() {
    for len in (BUFFER - 60..BUFFER + 60).chain([1000, 1024, 3000]) {
        for (opcode, piece) in [(Opcode::SET, 512), (Opcode::ADD, 100), (Opcode::SETQ, 1)] {
            let (mut engine, mut wire) = (engine(), small());
            let mut input = storing(opcode, b"key", &value(len), 0xabcd, 0, 0);
            input.extend(bytes(&with_key(Opcode::GET, b"key")));
            input.extend(noop(1));
            let output = feed(&mut wire, &mut engine, &input, piece);
            let answers = answers(&output);
            let [.., get, noop] = answers.as_slice() else {
                panic!("{answers:?}")
            };
            assert_eq!(answers.len(), if opcode == Opcode::SETQ { 2 } else { 3 });
            assert!(get.value == value(len), "{len}");
            assert_eq!(
                (get.extras.as_slice(), noop.opaque),
                (&[0, 0, 0xab, 0xcd][..], 1)
            );
            assert_eq!(reservations(&mut engine), 0);
        }
    }
}

#[test]
fn the_condition_holds_when_the_value_is_complete() {
    let (mut engine, mut wire) = (engine(), small());
    let long = value(2000);
    let get_cas = |wire: &mut Wire<PlainEngine>, engine: &mut PlainEngine| {
        wire.ask_one(engine, &bytes(&with_key(Opcode::GET, b"k")))
            .cas
    };
    for (request, status) in [
        (
            storing(Opcode::REPLACE, b"k", &long, 0, 0, 0),
            Status::KEY_ENOENT,
        ),
        (
            storing(Opcode::SET, b"k", &long, 0, 0, 5),
            Status::KEY_ENOENT,
        ),
        (storing(Opcode::ADD, b"k", &long, 0, 0, 0), Status::SUCCESS),
        (
            storing(Opcode::ADDQ, b"k", &long, 0, 0, 0),
            Status::KEY_EEXISTS,
        ),
        (
            storing(Opcode::SETQ, b"k", &long, 0, 0, u64::MAX),
            Status::KEY_EEXISTS,
        ),
    ] {
        let output = feed(&mut wire, &mut engine, &request, 300);
        assert_eq!(answers(&output)[0].status, status);
    }
    let cas = get_cas(&mut wire, &mut engine);
    let output = feed(
        &mut wire,
        &mut engine,
        &storing(Opcode::REPLACE, b"k", &value(1500), 0, 0, cas),
        300,
    );
    assert_eq!(answers(&output)[0].cas, get_cas(&mut wire, &mut engine));
    assert_eq!(engine.statistics().cas_hits, 1);

    // Somebody else stores while the value is arriving.
    let input = storing(Opcode::ADD, b"other", &long, 0, 0, 0);
    assert_eq!(feed(&mut wire, &mut engine, &input[..1000], 300), []);
    let mut second = Wire::server();
    second.ask_one(
        &mut engine,
        &storing(Opcode::ADD, b"other", b"first", 0, 0, 0),
    );
    let output = feed(&mut wire, &mut engine, &input[1000..], 300);
    assert_eq!(answers(&output)[0].status, Status::KEY_EEXISTS);
    assert_eq!(
        second
            .ask_one(&mut engine, &bytes(&with_key(Opcode::GET, b"other")))
            .value,
        b"first"
    );
    assert_eq!(reservations(&mut engine), 0);
}

#[test]
fn the_old_value_is_there_until_the_new_one_is_complete() {
    let (mut engine, mut wire, mut other) = (engine(), small(), Wire::server());
    wire.ask_one(&mut engine, &storing(Opcode::SET, b"k", b"old", 0, 0, 0));
    let input = storing(Opcode::SET, b"k", &value(2000), 0, 0, 0);
    for byte in &input[..input.len() - 1] {
        wire.send(&mut engine, &[*byte]);
    }
    let get = bytes(&with_key(Opcode::GET, b"k"));
    assert_eq!(other.ask_one(&mut engine, &get).value, b"old");
    wire.send(&mut engine, &input[input.len() - 1..]);
    assert_eq!(other.ask_one(&mut engine, &get).value, value(2000));
}

#[test]
fn a_client_that_vanishes_in_mid_value_leaves_nothing_behind() {
    let input = storing(Opcode::SET, b"k", &value(2000), 0, 0, 0);
    for cut in 0..input.len() {
        let (mut engine, mut wire) = (small_engine(), small());
        feed(&mut wire, &mut engine, &input[..cut], 512);
        let reason = wire
            .connection
            .handle_end_of_input(&mut engine, wire.kept.len());
        assert_eq!(
            reason,
            if cut == 0 {
                CloseReason::EndOfInput
            } else {
                CloseReason::Truncated
            }
        );
        assert_eq!(reservations(&mut engine), 0, "{cut}");
        let mut other = Wire::server();
        assert_eq!(
            other
                .ask_one(&mut engine, &bytes(&with_key(Opcode::GET, b"k")))
                .status,
            Status::KEY_ENOENT
        );
    }
}

#[test]
fn a_connection_given_up_in_mid_value_leaves_nothing_behind() {
    let (mut engine, mut wire) = (engine(), small());
    feed(
        &mut wire,
        &mut engine,
        &storing(Opcode::SET, b"k", &value(2000), 0, 0, 0)[..1000],
        512,
    );
    assert_eq!(reservations(&mut engine), 1);
    assert_eq!(wire.connection.abandon(&mut engine), CloseReason::Abandoned);
    assert_eq!(reservations(&mut engine), 0);
}

#[test]
fn values_beyond_the_item_limit_are_answered_and_skipped() {
    let settings = EngineSettings {
        item_size_max: 1024,
        ..EngineSettings::default()
    };
    let mut engine = Engine::new(store(1 << 20), settings);
    let mut wire = small();
    wire.ask_one(&mut engine, &storing(Opcode::SET, b"k", b"old", 0, 0, 0));
    for (request, survives) in [
        (storing(Opcode::ADDQ, b"k", &value(5000), 0, 0, 0), true),
        (joining(Opcode::APPEND, b"k", &value(5000), 0), true),
        (storing(Opcode::SET, b"k", &value(5000), 0, 0, 0), false),
    ] {
        let mut input = request;
        input.extend(noop(1));
        let output = feed(&mut wire, &mut engine, &input, 512);
        let answers = answers(&output);
        assert_eq!((answers[0].status, answers[1].opaque), (Status::E2BIG, 1));
        let found = wire
            .ask_one(&mut engine, &bytes(&with_key(Opcode::GET, b"k")))
            .status;
        assert_eq!(found == Status::SUCCESS, survives);
    }
    assert_eq!(engine.statistics().store_too_large, 3);
}

#[test]
fn values_that_the_store_cannot_hold_are_answered_and_skipped() {
    // A quarter of the memory at most.
    let mut engine = Engine::new(store(4096), EngineSettings::default());
    let mut wire = small();
    for opcode in [Opcode::SET, Opcode::ADD, Opcode::REPLACE] {
        let mut input = storing(opcode, b"k", &value(3000), 0, 0, 0);
        input.extend(noop(1));
        let output = feed(&mut wire, &mut engine, &input, 512);
        assert_eq!(answers(&output)[0].status, Status::E2BIG);
        assert_eq!(answers(&output)[1].opaque, 1);
    }
}

#[test]
fn what_joins_must_fit_the_buffer() {
    let (mut engine, mut wire) = (engine(), small());
    wire.ask_one(&mut engine, &storing(Opcode::SET, b"k", b"-", 0, 0, 0));
    let longest = BUFFER - 24 - 1;
    let output = feed(
        &mut wire,
        &mut engine,
        &joining(Opcode::APPEND, b"k", &value(longest), 0),
        100,
    );
    assert_eq!(answers(&output)[0].status, Status::SUCCESS);
    let mut input = joining(Opcode::APPEND, b"k", &value(longest + 1), 0);
    input.extend(noop(1));
    let output = feed(&mut wire, &mut engine, &input, 100);
    assert_eq!(
        (answers(&output)[0].status, answers(&output)[1].opaque),
        (Status::ENOMEM, 1)
    );
    assert_eq!(
        wire.ask_one(&mut engine, &bytes(&with_key(Opcode::GET, b"k")))
            .value
            .len(),
        longest + 1
    );
}

#[test]
fn a_key_that_cannot_be_presented_is_refused_and_skipped() {
    let options = ConnectionOptions::for_buffers(100, 4096);
    let (mut engine, mut wire) = (engine(), Wire::new(options, 4096));
    let mut input = bytes(&with_key(Opcode::GET, &[b'k'; 100]));
    input.extend(storing(Opcode::SET, &[b'k'; 100], &value(500), 0, 0, 0));
    input.extend(noop(1));
    let statuses: Vec<Status> = wire
        .ask(&mut engine, &input)
        .iter()
        .map(|answer| answer.status)
        .collect();
    assert_eq!(statuses, [Status::E2BIG, Status::E2BIG, Status::SUCCESS]);
}

#[test]
fn long_gets_of_other_commands_still_come_whole() {
    // Packets from 64 bytes on are long here, and keys make requests long that have no value.
    let options = ConnectionOptions {
        stream_from: 64,
        ..ConnectionOptions::for_buffers(512, 4096)
    };
    let (mut engine, mut wire) = (engine(), Wire::new(options, 4096));
    let key = [b'k'; 200];
    assert_eq!(
        wire.ask_one(&mut engine, &storing(Opcode::SET, &key, b"v", 0, 0, 0))
            .status,
        Status::SUCCESS
    );
    assert_eq!(
        wire.ask_one(&mut engine, &bytes(&with_key(Opcode::GET, &key)))
            .value,
        b"v"
    );
    assert_eq!(
        wire.ask_one(&mut engine, &joining(Opcode::APPEND, &key, b"w", 0))
            .status,
        Status::SUCCESS
    );
    assert_eq!(
        wire.ask_one(&mut engine, &bytes(&with_key(Opcode::DELETE, &key)))
            .status,
        Status::SUCCESS
    );
    let unknown = bytes(&Request {
        value: &key,
        ..with_key(Opcode(0x77), &key)
    });
    assert_eq!(
        wire.ask_one(&mut engine, &unknown).status,
        Status::UNKNOWN_COMMAND
    );
}

#[test]
fn a_value_in_pieces_is_taken_from_an_input_of_any_length() {
    // The caller hands over more than the capacity at once.
    let (mut engine, mut wire) = (engine(), small());
    let mut input = storing(Opcode::SETQ, b"a", &value(3000), 0, 0, 0);
    input.extend(storing(Opcode::SETQ, b"b", &value(2999), 0, 0, 0));
    input.extend(bytes(&with_key(Opcode::GET, b"b")));
    assert_eq!(wire.ask_one(&mut engine, &input).value, value(2999));
    assert_eq!(engine.statistics().cmd_set, 2);
}

#[test]
fn more_values_than_the_store_can_follow_are_waited_for_whole() {
    let options = ConnectionOptions {
        stream_from: 100,
        ..ConnectionOptions::default()
    };
    let mut engine = engine();
    let input = |number: u8| storing(Opcode::SET, &[number], &value(1000), 0, 0, 0);
    let mut wires: Vec<Wire<PlainEngine>> = (0..100).map(|_| Wire::new(options, 4096)).collect();
    for (number, wire) in wires.iter_mut().enumerate() {
        assert_eq!(wire.send(&mut engine, &input(number as u8)[..500]), []);
    }
    for (number, wire) in wires.iter_mut().enumerate() {
        assert_eq!(
            wire.ask_one(&mut engine, &input(number as u8)[500..])
                .status,
            Status::SUCCESS
        );
    }
    let mut other = Wire::server();
    for number in 0..100 {
        let answer = other.ask_one(&mut engine, &bytes(&with_key(Opcode::GET, &[number])));
        assert!(answer.value == value(1000), "{number} {answer:?}");
    }
}

/// Connections whose values are under way, as many as the store can follow.
fn occupy(engine: &mut PlainEngine, now: u32) -> Vec<Wire<PlainEngine>> {
    (0..RESERVATIONS_MAX as u8)
        .map(|number| {
            let mut wire = small();
            wire.now = now;
            let input = storing(Opcode::SET, &[b'r', number], &value(1000), 0, 0, 0);
            assert_eq!(wire.send(engine, &input[..500]), []);
            wire
        })
        .collect()
}

#[test]
fn a_value_that_is_refused_for_memory_is_as_if_it_had_come_whole() {
    for (opcode, old_stays) in [
        (Opcode::SET, false),
        (Opcode::SETQ, false),
        (Opcode::ADD, true),
        (Opcode::REPLACEQ, true),
    ] {
        let (mut engine, mut wire) = (engine(), small());
        wire.ask_one(&mut engine, &storing(Opcode::SET, b"k", b"old", 0, 0, 0));
        let _others = occupy(&mut engine, wire.now);
        let mut input = storing(opcode, b"k", &value(1000), 0, 0, 0);
        input.extend(bytes(&with_key(Opcode::GET, b"k")));
        let output = feed(&mut wire, &mut engine, &input, 100);
        let answers = answers(&output);
        assert_eq!(
            (answers[0].status, answers[0].opcode),
            (Status::ENOMEM, opcode)
        );
        assert_eq!(answers[0].text(), "Out of memory allocating item");
        let status = if old_stays {
            Status::SUCCESS
        } else {
            Status::KEY_ENOENT
        };
        assert_eq!(answers[1].status, status, "{opcode:?}");
        let statistics = engine.statistics();
        assert_eq!((statistics.cmd_set, statistics.store_no_memory), (1, 1));
    }
}

#[test]
fn a_value_whose_room_was_given_up_is_refused() {
    let (mut engine, mut wire) = (engine(), small());
    let input = storing(Opcode::SET, b"k", &value(1000), 0, 0, 0);
    assert_eq!(wire.send(&mut engine, &input[..500]), []);
    // A minute later others need the place in the table.
    let _others = occupy(&mut engine, wire.now + 100);
    wire.now += 100;
    let answer = wire.ask_one(&mut engine, &input[500..]);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (Status::ENOMEM, "Out of memory allocating item")
    );
    let statistics = engine.statistics();
    assert_eq!((statistics.cmd_set, statistics.store_no_memory), (0, 1));
    assert_eq!(wire.ask_one(&mut engine, &noop(9)).opaque, 9);
}

#[test]
fn with_less_input_than_before_what_was_waited_for_is_refused_and_the_connection_lives() {
    let (mut engine, mut wire) = (engine(), Wire::server());
    wire.ask_one(&mut engine, &storing(Opcode::SET, b"k", b"-", 0, 0, 0));
    let long = value(100_000);
    let input = joining(Opcode::APPEND, b"k", &long, 0);
    assert_eq!(wire.send(&mut engine, &input[..40_000]), []);
    wire.connection.set_input_capacity(0);
    let answer = wire.ask_one(&mut engine, &input[40_000..40_001]);
    assert_eq!(answer.status, Status::ENOMEM);
    assert!(wire.kept.is_empty());
    let mut rest = input[40_001..].to_vec();
    rest.extend(noop(1));
    assert_eq!(wire.ask_one(&mut engine, &rest).opaque, 1);
    // What is short, or comes in pieces, is taken as before.
    let short = joining(Opcode::APPEND, b"k", &long[..16_000], 0);
    let set = storing(Opcode::SET, b"streamed", &long, 0, 0, 0);
    for request in [short, set] {
        assert_eq!(wire.ask_one(&mut engine, &request).status, Status::SUCCESS);
    }
    wire.connection
        .set_input_capacity(ConnectionOptions::default().input_capacity);
    assert_eq!(wire.ask_one(&mut engine, &input).status, Status::SUCCESS);
    let all = bytes(&with_key(Opcode::GET, b"k"));
    assert_eq!(wire.ask_one(&mut engine, &all).value.len(), 116_001);
}

#[test]
fn a_response_that_never_fits_is_an_error_and_the_connection_lives() {
    let options = ConnectionOptions::for_buffers(4096, 512);
    let (mut engine, mut wire) = (engine(), Wire::new(options, 512));
    wire.ask_one(
        &mut engine,
        &storing(Opcode::SET, b"k", &value(485), 0, 0, 0),
    );
    wire.ask_one(
        &mut engine,
        &storing(Opcode::SET, b"fits", &value(484), 0, 0, 0),
    );
    let mut input = bytes(&with_key(Opcode::GET, b"k"));
    input.extend(bytes(&with_key(Opcode::GETQ, b"k")));
    input.extend(bytes(&with_key(Opcode::GET, b"fits")));
    let answers = wire.ask(&mut engine, &input);
    assert_eq!(
        (answers[0].status, answers[1].status),
        (Status::ENOMEM, Status::ENOMEM)
    );
    assert!(answers[0].text().contains("too large"));
    assert_eq!(answers[2].value, value(484));
}

#[test]
fn the_caller_is_asked_for_no_more_than_its_usual_buffer() {
    let (mut engine, mut wire) = (engine(), small());
    let input = storing(Opcode::SET, b"k", &value(10_000), 0, 0, 0);
    let progress = wire
        .connection
        .handle_input(&mut engine, &input[..100], &mut [0; 512], 0);
    assert_eq!(
        (progress.consumed, progress.next),
        (100, Next::Read { missing: 512 })
    );
    let progress = wire
        .connection
        .handle_input(&mut engine, &input[100..10_000], &mut [0; 512], 0);
    assert_eq!(
        (progress.consumed, progress.next),
        (9900, Next::Read { missing: 33 })
    );
}
