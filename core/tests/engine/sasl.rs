//! Logging in.

use crate::support::{Answer, Cache, bytes, engine_with, noop, storing, with_key};
use memlet_core::connection::CloseReason;
use memlet_core::engine::{Alone, UserList, same_bytes};
use memlet_core::wire::{Dialect, Opcode, Request, Status};

type SaslCache = Cache<Alone, UserList<'static>>;

const GOOD: &[u8] = b"\0bob\0secret";

fn cache() -> SaslCache {
    Cache::of(engine_with(UserList(&[
        (b"alice", b"other"),
        (b"bob", b"secret"),
    ])))
}

fn auth(value: &[u8]) -> Vec<u8> {
    bytes(&Request {
        value,
        ..with_key(Opcode::SASL_AUTH, b"PLAIN")
    })
}

fn step(value: &[u8]) -> Vec<u8> {
    bytes(&Request {
        value,
        ..with_key(Opcode::SASL_STEP, b"PLAIN")
    })
}

fn list() -> Vec<u8> {
    bytes(&Request::new(Opcode::SASL_LIST_MECHS))
}

#[track_caller]
fn is(answer: &Answer, status: Status, text: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (status, text));
    assert_eq!(
        (answer.cas, answer.extras.len(), answer.key.len()),
        (0, 0, 0)
    );
}

#[track_caller]
fn authenticated(answer: &Answer) {
    is(answer, Status::SUCCESS, "Authenticated");
}

#[track_caller]
fn failed(answer: &Answer) {
    is(answer, Status::AUTH_ERROR, "Auth failure.");
}

#[test]
fn before_the_login_nothing_else_is_allowed_and_the_connection_closes() {
    for opcode in (0..=255).map(Opcode) {
        let allowed = matches!(
            opcode,
            Opcode::SASL_LIST_MECHS | Opcode::SASL_AUTH | Opcode::SASL_STEP | Opcode::VERSION
        );
        if allowed {
            continue;
        }
        let mut cache = cache();
        // Login is judged before the shape and before the length of the key.
        for request in [Request::new(opcode), with_key(opcode, &[b'k'; 300])] {
            cache.reconnect();
            let mut batch = bytes(&request);
            batch.extend(noop(1));
            let answers = cache.ask(&batch);
            assert_eq!(answers.len(), 1, "{opcode:?}");
            failed(&answers[0]);
            assert_eq!(answers[0].opcode, opcode);
            assert_eq!(cache.wire.closed, Some(CloseReason::Rejected));
        }
    }
}

#[test]
fn a_refused_command_changes_nothing() {
    let mut cache = cache();
    cache.ask(&storing(Opcode::SET, b"k", b"v", 0, 0, 0));
    cache.reconnect();
    authenticated(&cache.one(&auth(GOOD)));
    assert_eq!(cache.get(b"k"), None);
}

#[test]
fn version_and_the_list_work_before_the_login() {
    let mut cache = cache();
    assert_eq!(
        cache.status(&bytes(&Request::new(Opcode::VERSION))),
        Status::SUCCESS
    );
    is(&cache.one(&list()), Status::SUCCESS, "PLAIN");
    assert_eq!(cache.wire.closed, None);
}

#[test]
fn after_the_login_everything_works_on_this_connection_only() {
    let mut cache = cache();
    authenticated(&cache.one(&auth(GOOD)));
    cache.set(b"k", b"v");
    cache.reconnect();
    failed(&cache.one(&bytes(&with_key(Opcode::GET, b"k"))));
    assert!(cache.wire.closed.is_some());
}

#[test]
fn asking_for_the_mechanisms_keeps_the_login() {
    let mut cache = cache();
    authenticated(&cache.one(&auth(GOOD)));
    cache.one(&list());
    assert_eq!(cache.status(&noop(1)), Status::SUCCESS);
}

#[test]
fn without_an_initial_response_the_exchange_goes_on() {
    let mut cache = cache();
    is(&cache.one(&auth(b"")), Status::AUTH_CONTINUE, "");
    authenticated(&cache.one(&step(GOOD)));
    assert_eq!(cache.status(&noop(1)), Status::SUCCESS);

    cache.reconnect();
    is(&cache.one(&auth(b"")), Status::AUTH_CONTINUE, "");
    authenticated(&cache.one(&auth(GOOD)));

    cache.reconnect();
    is(&cache.one(&auth(b"")), Status::AUTH_CONTINUE, "");
    failed(&cache.one(&step(b"x")));
    failed(&cache.one(&step(b"")));
    authenticated(&cache.one(&step(GOOD)));
}

#[test]
fn a_step_before_auth_fails_and_the_connection_lives() {
    let mut cache = cache();
    failed(&cache.one(&step(GOOD)));
    failed(&cache.one(&auth(b"\0bob\0wrong")));
    failed(&cache.one(&step(GOOD)));
    authenticated(&cache.one(&auth(GOOD)));
}

#[test]
fn a_second_login_logs_out() {
    let mut cache = cache();
    authenticated(&cache.one(&auth(GOOD)));
    failed(&cache.one(&auth(GOOD)));
    authenticated(&cache.one(&auth(GOOD)));
    failed(&cache.one(&auth(GOOD)));
    failed(&cache.one(&noop(1)));
    assert!(cache.wire.closed.is_some());

    cache.reconnect();
    authenticated(&cache.one(&auth(GOOD)));
    failed(&cache.one(&step(GOOD)));
    failed(&cache.one(&noop(1)));
}

#[test]
fn wrong_credentials_fail_and_may_be_tried_again() {
    let mut cache = cache();
    let long = [&b"\0bob\0"[..], &[b's'; 2000]].concat();
    let longer = [&b"\0bob\0"[..], &[b's'; 100_000]].concat();
    for message in [
        &b"\0bob\0wrong"[..],
        b"\0bob\0secre",
        b"\0bob\0secrets",
        b"\0nobody\0secret",
        b"\0alice\0secret",
        b"bobsecret",
        b"bob\0secret",
        b"\0bob\0secret\0",
        b"\0\0secret",
        b"\0bob\0",
        b"\0\0",
        b"\0",
        b"eve\0bob\0secret",
        &long,
        &longer,
    ] {
        failed(&cache.one(&auth(message)));
        assert_eq!(cache.wire.closed, None);
    }
    authenticated(&cache.one(&auth(b"bob\0bob\0secret")));
}

#[test]
fn mechanisms() {
    let mut cache = cache();
    let named = |name: &[u8]| {
        bytes(&Request {
            value: GOOD,
            ..with_key(Opcode::SASL_AUTH, name)
        })
    };
    failed(&cache.one(&named(b"CRAM-MD5")));
    failed(&cache.one(&named(&[b'M'; 32])));
    for opcode in [Opcode::SASL_AUTH, Opcode::SASL_STEP] {
        let mut batch = bytes(&Request {
            value: GOOD,
            ..with_key(opcode, &[b'M'; 33])
        });
        batch.extend(list());
        let answers = cache.ask(&batch);
        is(&answers[0], Status::EINVAL, "Invalid arguments");
        assert_eq!(
            answers.len(),
            2,
            "the value is skipped, the connection lives"
        );
    }
    authenticated(&cache.one(&named(b"plain")));
    cache.reconnect();
    is(
        &cache.one(&named(&[b'M'; 251])),
        Status::EINVAL,
        "Invalid arguments",
    );
    assert!(cache.wire.closed.is_some());
}

#[test]
fn a_megabyte_of_credentials_is_refused_and_skipped() {
    let mut cache = cache();
    let message = vec![b'x'; 1 << 20];
    let mut batch = auth(&message);
    batch.extend(auth(GOOD));
    let answers = cache.ask(&batch);
    is(&answers[0], Status::ENOMEM, "Out of memory");
    authenticated(&answers[1]);
}

#[test]
fn the_shape_is_judged_for_what_is_allowed() {
    for opcode in [
        Opcode::SASL_AUTH,
        Opcode::SASL_STEP,
        Opcode::SASL_LIST_MECHS,
        Opcode::VERSION,
    ] {
        let mut cache = cache();
        is(
            &cache.one(&bytes(&Request {
                extras: &[0; 4],
                ..with_key(opcode, b"k")
            })),
            Status::EINVAL,
            "Invalid arguments",
        );
        assert!(cache.wire.closed.is_some());
        assert!(opcode.shape(Dialect::Memcached).is_some());
    }
}

#[test]
fn attempts_are_counted() {
    let mut cache = cache();
    failed(&cache.one(&step(GOOD)));
    is(&cache.one(&auth(b"")), Status::AUTH_CONTINUE, "");
    failed(&cache.one(&auth(b"\0bob\0wrong")));
    let unknown = bytes(&Request {
        value: GOOD,
        ..with_key(Opcode::SASL_AUTH, &[b'M'; 33])
    });
    is(&cache.one(&unknown), Status::EINVAL, "Invalid arguments");
    authenticated(&cache.one(&auth(GOOD)));
    assert_eq!(
        (cache.figure("auth_cmds"), cache.figure("auth_errors")),
        (3, 2)
    );
    assert!(
        cache
            .stat(b"settings")
            .contains(&("auth_enabled_sasl".into(), "yes".into()))
    );
}

/// What tells users from others by timing is a comparison that stops early; this one counts its steps.
#[test]
fn all_users_are_compared_whichever_it_is() {
    use std::cell::Cell;
    let steps = Cell::new(0);
    let users = [
        (&b"alice"[..], &b"one"[..]),
        (b"bob", b"two"),
        (b"carol", b"three"),
    ];
    for (user, password, expected) in [
        (&b"alice"[..], &b"one"[..], true),
        (b"carol", b"three", true),
        (b"nobody", b"three", false),
        (b"bob", b"one", false),
    ] {
        steps.set(0);
        let counted = users
            .iter()
            .copied()
            .inspect(|_| steps.set(steps.get() + 1));
        assert_eq!(
            memlet_core::engine::verify_among(counted, user, password),
            expected
        );
        assert_eq!(steps.get(), 3);
    }
    assert!(same_bytes(b"", b"") && same_bytes(b"abc", b"abc"));
    assert!(
        !same_bytes(b"abc", b"abd") && !same_bytes(b"ab", b"abc") && !same_bytes(b"abc", b"ab")
    );
    assert!(!same_bytes(b"", b"a") && !same_bytes(b"\0", b"") && !same_bytes(b"a\0", b"a"));
}
