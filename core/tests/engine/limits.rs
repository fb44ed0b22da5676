//! Sizes at and beyond the limits.

use crate::support::{Cache, bytes, joining, noop, storing, with_key};
use memlet_core::connection::CloseReason;
use memlet_core::wire::{Opcode, Request, Status};

#[test]
fn the_largest_values_are_those_of_memcached() {
    let mut cache = Cache::new();
    let long_key = [b'k'; 250];
    for (key, flags, len) in [
        (&b"key"[..], 0, 1_048_514),
        (b"key", 1, 1_048_510),
        (&long_key, 1, 1_048_263),
    ] {
        let value = vec![b'v'; len + 1];
        assert_eq!(
            cache.status(&storing(Opcode::SET, key, &value[1..], flags, 0, 0)),
            Status::SUCCESS
        );
        assert_eq!(cache.get(key).unwrap().len(), len);
        let answer = cache.one(&storing(Opcode::ADD, key, &value, flags, 0, 0));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (Status::E2BIG, "Too large.")
        );
    }
}

#[test]
fn a_set_that_is_too_large_deletes_the_old_item_and_the_connection_lives() {
    let value = vec![b'v'; 1 << 20];
    for opcode in [Opcode::SET, Opcode::SETQ] {
        let mut cache = Cache::new();
        cache.set(b"k", b"old");
        let mut batch = storing(opcode, b"k", &value, 0, 0, 12345);
        batch.extend(noop(7));
        let answers = cache.ask(&batch);
        assert_eq!(
            (answers[0].status, answers[0].opcode),
            (Status::E2BIG, opcode)
        );
        assert_eq!(answers[1].opaque, 7);
        assert_eq!(cache.get(b"k"), None);
        assert_eq!(cache.wire.closed, None);
    }
}

#[test]
fn other_commands_that_are_too_large_leave_the_old_item() {
    let mut cache = Cache::new();
    cache.set(b"k", b"old");
    let value = vec![b'v'; 1 << 20];
    for opcode in [Opcode::ADD, Opcode::ADDQ, Opcode::REPLACE, Opcode::REPLACEQ] {
        assert_eq!(
            cache.status(&storing(opcode, b"k", &value, 0, 0, 0)),
            Status::E2BIG
        );
    }
    for opcode in [
        Opcode::APPEND,
        Opcode::APPENDQ,
        Opcode::PREPEND,
        Opcode::PREPENDQ,
    ] {
        assert_eq!(
            cache.status(&joining(opcode, b"k", &value, 0)),
            Status::E2BIG
        );
    }
    assert_eq!(cache.get(b"k").unwrap(), b"old");
}

#[test]
fn a_joined_value_that_would_be_too_large_is_not_stored() {
    let mut cache = Cache::new();
    cache.set(b"k", &[b'v'; 1000]);
    let value = vec![b'v'; 1_048_000];
    for opcode in [Opcode::APPEND, Opcode::PREPEND] {
        let answer = cache.one(&joining(opcode, b"k", &value, 0));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (Status::NOT_STORED, "Not stored.")
        );
    }
    assert_eq!(cache.get(b"k").unwrap().len(), 1000);
    // To the byte: 62 bytes of the limit are memcached's own under a key of three.
    cache.set(b"key", b"");
    let value = vec![b'v'; 1_048_514];
    assert_eq!(
        cache.status(&joining(Opcode::APPEND, b"key", &value, 0)),
        Status::SUCCESS
    );
    assert_eq!(
        cache.status(&joining(Opcode::APPEND, b"key", b"v", 0)),
        Status::NOT_STORED
    );
}

#[test]
fn a_key_over_250_bytes_closes() {
    for opcode in [Opcode::GET, Opcode::STAT, Opcode::NOOP, Opcode(0x77)] {
        for len in [251, 255, 256, 16360, 65535] {
            let mut cache = Cache::new();
            let key = vec![b'k'; len];
            let answer = cache.one(&bytes(&with_key(opcode, &key)));
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (Status::EINVAL, "Invalid arguments")
            );
            assert!(cache.wire.closed.is_some());
        }
    }
}

#[test]
fn a_body_beyond_the_limit_closes_before_it_arrives() {
    for body_len in [1 << 30, (1 << 30) + 1, u32::MAX] {
        let mut cache = Cache::new();
        let mut request = bytes(&Request::new(Opcode::SET));
        request[8..12].copy_from_slice(&body_len.to_be_bytes());
        let answer = cache.one(&request);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (Status::EINVAL, "Invalid arguments")
        );
        assert_eq!(cache.wire.closed, Some(CloseReason::Lengths));
    }
}

#[test]
fn a_value_beyond_the_item_limit_is_answered_before_it_arrives() {
    let mut cache = Cache::new();
    let mut head = storing(Opcode::SET, b"k", b"", 0, 0, 0);
    let body_len = (1 << 30) - 1;
    head[8..12].copy_from_slice(&u32::to_be_bytes(body_len));
    assert_eq!(cache.status(&head), Status::E2BIG);
    // The rest is skipped, in pieces, and then the connection goes on.
    let piece = vec![0x80; 16 << 20];
    let mut remaining = body_len as usize - 9;
    while remaining > 0 {
        let len = remaining.min(piece.len());
        assert_eq!(cache.ask(&piece[..len]), []);
        remaining -= len;
    }
    assert_eq!(cache.one(&noop(5)).opaque, 5);
}
/// Peers' users keep running into it: updating a key in a full store must not cost other keys.
#[test]
fn overwriting_in_a_full_store_evicts_nobody() {
    let mut cache = Cache::of(memlet_core::engine::Engine::new(
        crate::support::store(64 << 10),
        memlet_core::engine::EngineSettings::default(),
    ));
    let mut number = 0_u32;
    while cache.figure("evictions") == 0 {
        cache.set(&number.to_be_bytes(), &[1; 100]);
        number += 1;
    }
    let last = (number - 1).to_be_bytes();
    let (evictions, items) = (cache.figure("evictions"), cache.figure("curr_items"));
    for round in 0..100 {
        cache.set(&last, &[round; 100]);
    }
    assert_eq!(
        (cache.figure("evictions"), cache.figure("curr_items")),
        (evictions, items)
    );
}
