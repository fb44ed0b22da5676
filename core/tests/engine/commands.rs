//! What each command does on success, miss and conflict.

use crate::support::{Cache, bytes, joining, noop, storing, touching, with_key};
use memlet_core::connection::CloseReason;
use memlet_core::wire::{Opcode, Request, Status};

const MISS: (Status, &str) = (Status::KEY_ENOENT, "Not found");
const EXISTS: (Status, &str) = (Status::KEY_EEXISTS, "Data exists for key.");
const NOT_STORED: (Status, &str) = (Status::NOT_STORED, "Not stored.");

/// The answer is this error, with nothing else in it.
#[track_caller]
fn refused(cache: &mut Cache, request: &[u8], (status, text): (Status, &str)) {
    let answer = cache.one(request);
    assert_eq!((answer.status, answer.text().as_str()), (status, text));
    assert_eq!(
        (answer.cas, answer.extras.len(), answer.key.len()),
        (0, 0, 0)
    );
    assert_eq!(answer.opcode, Opcode(request[1]));
}

/// The answer is an empty success with a CAS, which is returned.
#[track_caller]
fn stored(cache: &mut Cache, request: &[u8]) -> u64 {
    let answer = cache.one(request);
    assert_eq!(answer.status, Status::SUCCESS);
    assert_eq!(
        (answer.extras.len(), answer.key.len(), answer.value.len()),
        (0, 0, 0)
    );
    assert_ne!(answer.cas, 0);
    answer.cas
}

#[test]
fn get() {
    let mut cache = Cache::new();
    refused(&mut cache, &bytes(&with_key(Opcode::GET, b"k")), MISS);
    let cas = stored(
        &mut cache,
        &storing(Opcode::SET, b"k", b"value", 0xdead_beef, 0, 0),
    );
    let answer = cache.one(&bytes(&Request {
        cas: 12345,
        ..with_key(Opcode::GET, b"k")
    }));
    assert_eq!(answer.extras, 0xdead_beef_u32.to_be_bytes());
    assert_eq!(
        (answer.key.as_slice(), answer.value.as_slice(), answer.cas),
        (&b""[..], &b"value"[..], cas)
    );
}

#[test]
fn getk_answers_with_the_key_on_hit_and_miss() {
    let mut cache = Cache::new();
    let answer = cache.one(&bytes(&with_key(Opcode::GETK, b"k")));
    assert_eq!(
        (answer.status, answer.key.as_slice(), answer.text().as_str()),
        (Status::KEY_ENOENT, &b"k"[..], "")
    );
    cache.set(b"k", b"value");
    let answer = cache.one(&bytes(&with_key(Opcode::GETK, b"k")));
    assert_eq!(
        (answer.key.as_slice(), answer.value.as_slice()),
        (&b"k"[..], &b"value"[..])
    );
    assert_eq!(answer.extras, [0; 4]);
}

#[test]
fn quiet_gets_say_nothing_on_a_miss_and_answer_a_hit_at_once() {
    let mut cache = Cache::new();
    for opcode in [Opcode::GETQ, Opcode::GETKQ] {
        cache.silent(&bytes(&with_key(opcode, b"missing")));
        cache.set(b"k", b"value");
        let answer = cache.one(&bytes(&with_key(opcode, b"k")));
        assert_eq!(
            (answer.opcode, answer.value.as_slice()),
            (opcode, &b"value"[..])
        );
        assert_eq!(answer.key.is_empty(), opcode == Opcode::GETQ);
    }
}

#[test]
fn several_quiet_gets_are_told_apart_by_their_opaque() {
    let mut cache = Cache::new();
    cache.set(b"a", b"1");
    cache.set(b"c", b"3");
    let mut batch = Vec::new();
    for (opaque, key) in [(1, b"a"), (2, b"b"), (3, b"c")] {
        batch.extend(bytes(&Request {
            opaque,
            ..with_key(Opcode::GETQ, key)
        }));
    }
    batch.extend(noop(4));
    let answers = cache.ask(&batch);
    assert_eq!(
        answers
            .iter()
            .map(|answer| answer.opaque)
            .collect::<Vec<_>>(),
        [1, 3, 4]
    );
}

#[test]
fn set() {
    let mut cache = Cache::new();
    let first = stored(&mut cache, &storing(Opcode::SET, b"k", b"one", 1, 0, 0));
    let second = stored(&mut cache, &storing(Opcode::SET, b"k", b"two", 2, 0, first));
    assert_ne!(first, second);
    refused(
        &mut cache,
        &storing(Opcode::SET, b"k", b"three", 0, 0, first),
        EXISTS,
    );
    refused(
        &mut cache,
        &storing(Opcode::SET, b"other", b"", 0, 0, 7),
        MISS,
    );
    let item = cache.item(b"k");
    assert_eq!(
        (item.value.as_slice(), item.cas, item.extras.as_slice()),
        (&b"two"[..], second, &[0, 0, 0, 2][..])
    );
}

#[test]
fn add() {
    let mut cache = Cache::new();
    let cas = stored(&mut cache, &storing(Opcode::ADD, b"k", b"one", 5, 0, 0));
    refused(
        &mut cache,
        &storing(Opcode::ADD, b"k", b"two", 0, 0, 0),
        EXISTS,
    );
    refused(
        &mut cache,
        &storing(Opcode::ADD, b"k", b"two", 0, 0, cas + 1),
        EXISTS,
    );
    refused(
        &mut cache,
        &storing(Opcode::ADD, b"other", b"two", 0, 0, 9),
        MISS,
    );
    let item = cache.item(b"k");
    assert_eq!(
        (item.value.as_slice(), item.cas, item.extras.as_slice()),
        (&b"one"[..], cas, &[0, 0, 0, 5][..])
    );
    stored(&mut cache, &storing(Opcode::ADD, b"k", b"three", 0, 0, cas));
    assert_eq!(cache.get(b"k").unwrap(), b"three");
}

#[test]
fn replace() {
    let mut cache = Cache::new();
    refused(
        &mut cache,
        &storing(Opcode::REPLACE, b"k", b"x", 0, 0, 0),
        MISS,
    );
    refused(
        &mut cache,
        &storing(Opcode::REPLACE, b"k", b"x", 0, 0, 3),
        MISS,
    );
    assert_eq!(cache.get(b"k"), None);
    let cas = cache.set(b"k", b"one");
    refused(
        &mut cache,
        &storing(Opcode::REPLACE, b"k", b"x", 0, 0, cas + 1),
        EXISTS,
    );
    stored(
        &mut cache,
        &storing(Opcode::REPLACE, b"k", b"two", 7, 0, cas),
    );
    assert_eq!(cache.item(b"k").extras, [0, 0, 0, 7]);
    stored(
        &mut cache,
        &storing(Opcode::REPLACE, b"k", b"three", 0, 0, 0),
    );
    assert_eq!(cache.get(b"k").unwrap(), b"three");
}

#[test]
fn append_and_prepend() {
    let mut cache = Cache::new();
    for opcode in [Opcode::APPEND, Opcode::PREPEND] {
        refused(&mut cache, &joining(opcode, b"k", b"x", 0), NOT_STORED);
        refused(&mut cache, &joining(opcode, b"k", b"x", 3), NOT_STORED);
    }
    let first = stored(&mut cache, &storing(Opcode::SET, b"k", b"-", 77, 100, 0));
    refused(
        &mut cache,
        &joining(Opcode::APPEND, b"k", b"x", first + 1),
        EXISTS,
    );
    let second = stored(&mut cache, &joining(Opcode::APPEND, b"k", b"behind", first));
    let third = stored(&mut cache, &joining(Opcode::PREPEND, b"k", b"before", 0));
    let fourth = stored(&mut cache, &joining(Opcode::APPEND, b"k", b"", 0));
    assert!(first != second && second != third && third != fourth);
    let item = cache.item(b"k");
    assert_eq!(
        (item.value.as_slice(), item.cas),
        (&b"before-behind"[..], fourth)
    );
    assert_eq!(item.extras, [0, 0, 0, 77]);
    cache.wire.now += 100;
    assert_eq!(cache.get(b"k"), None, "the expiration stays the item's");
}

#[test]
fn delete() {
    let mut cache = Cache::new();
    refused(&mut cache, &bytes(&with_key(Opcode::DELETE, b"k")), MISS);
    refused(
        &mut cache,
        &bytes(&Request {
            cas: 5,
            ..with_key(Opcode::DELETE, b"k")
        }),
        MISS,
    );
    let cas = cache.set(b"k", b"v");
    refused(
        &mut cache,
        &bytes(&Request {
            cas: cas + 1,
            ..with_key(Opcode::DELETE, b"k")
        }),
        EXISTS,
    );
    let answer = cache.one(&bytes(&Request {
        cas,
        ..with_key(Opcode::DELETE, b"k")
    }));
    assert_eq!(
        (answer.status, answer.cas, answer.value.len()),
        (Status::SUCCESS, 0, 0)
    );
    assert_eq!(cache.get(b"k"), None);
}

#[test]
fn quiet_mutations_say_nothing_when_they_succeed() {
    let mut cache = Cache::new();
    cache.silent(&storing(Opcode::SETQ, b"k", b"1", 0, 0, 0));
    cache.silent(&storing(Opcode::ADDQ, b"l", b"2", 0, 0, 0));
    cache.silent(&storing(Opcode::REPLACEQ, b"l", b"3", 0, 0, 0));
    cache.silent(&joining(Opcode::APPENDQ, b"l", b"4", 0));
    cache.silent(&joining(Opcode::PREPENDQ, b"l", b"5", 0));
    assert_eq!(cache.get(b"l").unwrap(), b"534");
    cache.silent(&bytes(&with_key(Opcode::DELETEQ, b"l")));
    assert_eq!(cache.get(b"l"), None);
    assert_eq!(cache.get(b"k").unwrap(), b"1");
    cache.silent(&bytes(&Request::new(Opcode::FLUSHQ)));
    assert_eq!(cache.get(b"k"), None);
}

/// Peers' users keep running into it: quiet commands do answer when they fail, and a client that ignores that takes the
/// answer for that of another question.
#[test]
fn quiet_commands_that_fail_answer_with_their_own_opcode_and_opaque() {
    let mut cache = Cache::new();
    let cas = cache.set(b"k", b"text");
    let wrong = cas + 1;
    let cases: [(Vec<u8>, Status); 9] = [
        (
            storing(Opcode::SETQ, b"k", b"", 0, 0, wrong),
            Status::KEY_EEXISTS,
        ),
        (
            storing(Opcode::SETQ, b"none", b"", 0, 0, 1),
            Status::KEY_ENOENT,
        ),
        (
            storing(Opcode::ADDQ, b"k", b"", 0, 0, 0),
            Status::KEY_EEXISTS,
        ),
        (
            storing(Opcode::REPLACEQ, b"none", b"", 0, 0, 0),
            Status::KEY_ENOENT,
        ),
        (
            joining(Opcode::APPENDQ, b"none", b"", 0),
            Status::NOT_STORED,
        ),
        (
            joining(Opcode::PREPENDQ, b"k", b"", wrong),
            Status::KEY_EEXISTS,
        ),
        (
            bytes(&with_key(Opcode::DELETEQ, b"none")),
            Status::KEY_ENOENT,
        ),
        (
            crate::support::counting(Opcode::INCREMENTQ, b"k", 1, 0, 0, 0),
            Status::DELTA_BADVAL,
        ),
        (
            crate::support::counting(Opcode::DECREMENTQ, b"none", 1, 0, u32::MAX, 0),
            Status::KEY_ENOENT,
        ),
    ];
    let mut batch = Vec::new();
    for (opaque, (request, _)) in cases.iter().enumerate() {
        let mut request = request.clone();
        request[15] = opaque as u8;
        batch.extend(request);
    }
    batch.extend(noop(99));
    let answers = cache.ask(&batch);
    assert_eq!(answers.len(), cases.len() + 1);
    for (opaque, (answer, (request, status))) in answers.iter().zip(&cases).enumerate() {
        assert_eq!(
            (answer.opcode, answer.status),
            (Opcode(request[1]), *status)
        );
        assert_eq!(answer.opaque, opaque as u32);
    }
}

#[test]
fn touch_answers_with_flags_and_cas_but_no_value() {
    let mut cache = Cache::new();
    refused(&mut cache, &touching(Opcode::TOUCH, b"k", 10), MISS);
    let cas = stored(&mut cache, &storing(Opcode::SET, b"k", b"v", 9, 0, 0));
    let answer = cache.one(&touching(Opcode::TOUCH, b"k", 10));
    assert_eq!(
        (answer.status, answer.cas, answer.value.len()),
        (Status::SUCCESS, cas, 0)
    );
    assert_eq!(answer.extras, [0, 0, 0, 9]);
}

#[test]
fn gets_that_touch() {
    let mut cache = Cache::new();
    refused(&mut cache, &touching(Opcode::GAT, b"k", 10), MISS);
    cache.silent(&touching(Opcode::GATQ, b"k", 10));
    cache.silent(&touching(Opcode::GATKQ, b"k", 10));
    let miss = cache.one(&touching(Opcode::GATK, b"k", 10));
    assert_eq!(
        (miss.status, miss.key.as_slice(), miss.text().as_str()),
        (Status::KEY_ENOENT, &b"k"[..], "")
    );
    let cas = stored(&mut cache, &storing(Opcode::SET, b"k", b"v", 9, 0, 0));
    for opcode in [Opcode::GAT, Opcode::GATQ, Opcode::GATK, Opcode::GATKQ] {
        let answer = cache.one(&touching(opcode, b"k", 10));
        assert_eq!(
            (answer.opcode, answer.status, answer.cas),
            (opcode, Status::SUCCESS, cas)
        );
        assert_eq!(
            (answer.extras.as_slice(), answer.value.as_slice()),
            (&[0, 0, 0, 9][..], &b"v"[..])
        );
        let with_key = matches!(opcode, Opcode::GATK | Opcode::GATKQ);
        assert_eq!(answer.key.is_empty(), !with_key);
    }
}

#[test]
fn noop_version_verbosity() {
    let mut cache = Cache::new();
    let answer = cache.one(&noop(0x0102_0304));
    assert_eq!(
        (answer.opcode, answer.status, answer.opaque),
        (Opcode::NOOP, Status::SUCCESS, 0x0102_0304)
    );
    let level = bytes(&Request {
        extras: &[0, 0, 0, 2],
        ..Request::new(Opcode::VERBOSITY)
    });
    assert_eq!(cache.status(&level), Status::SUCCESS);
    assert!(
        cache
            .stat(b"settings")
            .contains(&("verbosity".into(), "2".into()))
    );
}

#[test]
fn quit_answers_and_closes_and_quitq_only_closes() {
    for (opcode, answers) in [(Opcode::QUIT, 1), (Opcode::QUITQ, 0)] {
        let mut cache = Cache::new();
        let mut batch = bytes(&Request::new(opcode));
        batch.extend(noop(1));
        assert_eq!(cache.ask(&batch).len(), answers);
        assert_eq!(cache.wire.closed, Some(CloseReason::Requested));
        assert_eq!(cache.ask(&noop(2)), [], "nothing is answered after a close");
    }
}

#[test]
fn datatype_and_vbucket_are_ignored_and_answered_with_zero() {
    let mut cache = Cache::new();
    let mut request = storing(Opcode::SET, b"k", b"v", 0, 0, 0);
    request[5] = 7;
    request[6] = 0xab;
    assert_eq!(cache.status(&request), Status::SUCCESS);
    let output = cache
        .wire
        .send(&mut cache.engine, &bytes(&with_key(Opcode::GET, b"k")));
    assert_eq!(output[5..8], [0, 0, 0]);
}

#[test]
fn keys_are_any_bytes() {
    let mut cache = Cache::new();
    let long = [0xff; 250];
    for key in [&b"\0"[..], b" ", b"a b\r\nc", b"\xff\xfe", &long] {
        cache.set(key, key);
        assert_eq!(cache.get(key).unwrap(), key);
    }
}

#[test]
fn requests_that_begin_before_another_is_refused_are_answered_first() {
    let mut cache = Cache::new();
    let mut batch = noop(1);
    batch.extend(bytes(&with_key(Opcode::NOOP, b"key")));
    batch.extend(noop(3));
    let answers = cache.ask(&batch);
    assert_eq!(answers.len(), 2);
    assert_eq!((answers[0].opaque, answers[1].status), (1, Status::EINVAL));
}
