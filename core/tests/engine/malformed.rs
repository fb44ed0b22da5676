//! Requests whose parts do not fit the command. What is wrong with a packet as such is tested at the connection.

use crate::support::{Cache, bytes, noop, with_key};
use memlet_core::connection::CloseReason;
use memlet_core::wire::{Dialect, Opcode, Presence, Request, Status};

fn commands() -> impl Iterator<Item = Opcode> {
    (0..=255)
        .map(Opcode)
        .filter(|opcode| opcode.shape(Dialect::Memcached).is_some())
}

fn closes(request: &Request<'_>) {
    let mut cache = Cache::new();
    let mut batch = bytes(&Request {
        opaque: 0x1234,
        ..*request
    });
    batch.extend(noop(1));
    let answers = cache.ask(&batch);
    assert_eq!(answers.len(), 1, "{request:?}");
    let answer = &answers[0];
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (Status::EINVAL, "Invalid arguments"),
        "{request:?}"
    );
    assert_eq!((answer.opcode, answer.opaque), (request.opcode, 0x1234));
    assert_eq!(cache.wire.closed, Some(CloseReason::Rejected));
}

/// A request of the right shape, from which the tests depart.
fn fitting(opcode: Opcode) -> Request<'static> {
    let shape = opcode
        .shape(Dialect::Memcached)
        .expect("a command of memcached");
    let extras_len = shape.extras_lens().next().expect("a length of extras");
    let key: &[u8] = if shape.key == Presence::Required {
        b"key"
    } else {
        b""
    };
    Request {
        extras: &[0; 20][..usize::from(extras_len)],
        key,
        ..Request::new(opcode)
    }
}

#[test]
fn extras_of_another_length_than_the_commands() {
    const EXTRAS: [u8; 255] = [0; 255];
    for opcode in commands() {
        let shape = opcode
            .shape(Dialect::Memcached)
            .expect("a command of memcached");
        for len in (0..=24).chain([254, 255]) {
            if !shape.allows_extras_len(len) {
                closes(&Request {
                    extras: &EXTRAS[..usize::from(len)],
                    ..fitting(opcode)
                });
            }
        }
    }
}

#[test]
fn a_key_where_none_belongs_and_none_where_one_belongs() {
    for opcode in commands() {
        match opcode
            .shape(Dialect::Memcached)
            .expect("a command of memcached")
            .key
        {
            Presence::Forbidden => closes(&Request {
                key: b"key",
                ..fitting(opcode)
            }),
            Presence::Required => closes(&Request {
                key: b"",
                ..fitting(opcode)
            }),
            Presence::Optional => {}
        }
    }
}

#[test]
fn a_value_where_none_belongs() {
    let mut tested = 0;
    for opcode in commands() {
        if opcode
            .shape(Dialect::Memcached)
            .expect("a command of memcached")
            .value
            == Presence::Forbidden
        {
            closes(&Request {
                value: b"value",
                ..fitting(opcode)
            });
            tested += 1;
        }
    }
    // GET*4, DELETE*2, counters*4, TOUCH and GAT*5, FLUSH*2, NOOP, VERSION, QUIT*2, LIST, STAT.
    assert_eq!(tested, 23);
}

#[test]
fn verbosity_has_a_shape_too() {
    closes(&Request::new(Opcode::VERBOSITY));
    closes(&Request {
        extras: &[0; 4],
        ..with_key(Opcode::VERBOSITY, b"k")
    });
}

#[test]
fn an_unknown_opcode_skips_exactly_its_body() {
    let unknown = (0..=255).map(Opcode).filter(|&opcode| {
        opcode.shape(Dialect::Memcached).is_none() && opcode != Opcode::VERBOSITY
    });
    let mut cache = Cache::new();
    let mut tested = 0;
    for opcode in unknown {
        let value = noop(0xbad);
        let mut batch = bytes(&Request {
            extras: b"extras",
            value: &value,
            ..with_key(opcode, b"key")
        });
        batch.extend(bytes(&Request::new(opcode)));
        batch.extend(noop(3));
        let answers = cache.ask(&batch);
        assert_eq!(answers.len(), 3, "{opcode:?}");
        for answer in &answers[..2] {
            assert_eq!(
                (answer.opcode, answer.status),
                (opcode, Status::UNKNOWN_COMMAND)
            );
            assert_eq!(answer.text(), "Unknown command");
        }
        assert_eq!(answers[2].opaque, 3);
        tested += 1;
    }
    assert!(tested > 200);
}

#[test]
fn an_unknown_opcode_with_a_long_value_is_skipped_too() {
    let mut cache = Cache::new();
    let value = vec![0x80; 3 << 20];
    let mut batch = bytes(&Request {
        value: &value,
        ..Request::new(Opcode(0x77))
    });
    batch.extend(noop(3));
    let answers = cache.ask(&batch);
    assert_eq!(answers[0].status, Status::UNKNOWN_COMMAND);
    assert_eq!(answers[1].opaque, 3);
}

#[test]
fn sasl_without_credentials_is_unknown_and_the_value_skipped() {
    let mut cache = Cache::new();
    let mut batch = bytes(&Request::new(Opcode::SASL_LIST_MECHS));
    for opcode in [Opcode::SASL_AUTH, Opcode::SASL_STEP] {
        batch.extend(bytes(&Request {
            value: b"\0u\0p",
            ..with_key(opcode, b"PLAIN")
        }));
        batch.extend(bytes(&Request {
            value: &[b'x'; 100_000],
            ..with_key(opcode, b"PLAIN")
        }));
    }
    batch.extend(noop(9));
    let answers = cache.ask(&batch);
    assert_eq!(answers.len(), 6);
    assert!(
        answers[..5]
            .iter()
            .all(|answer| answer.status == Status::UNKNOWN_COMMAND)
    );
    assert_eq!(answers[5].opaque, 9);
}
