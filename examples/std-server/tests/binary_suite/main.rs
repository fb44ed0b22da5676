//! What memcached's own tests of the binary protocol check, as named tests (memcached binary protocol: what the binary tests
//! check). The wording and the code are our own; the numbers are those of the checks.

#[path = "../common/mod.rs"]
mod common;

mod counters;
mod sasl;
mod session;
mod statistics;
mod storage;

use crate::common::{Client, Request, op, status};

#[track_caller]
fn set(client: &mut Client, key: &str, value: &[u8], flags: u32, expiration: u32) -> u64 {
    let answer = client.call(Request::store(op::SET, key, value, flags, expiration));
    assert_eq!((answer.status(), answer.raw.len()), (0, 24));
    assert_ne!(answer.cas(), 0);
    answer.cas()
}

#[track_caller]
fn check(client: &mut Client, key: &str, flags: u32, value: &[u8]) -> u64 {
    let answer = client.call(Request::get(key));
    assert_eq!((answer.status(), answer.flags()), (0, flags), "key {key}");
    assert!(answer.value() == value, "key {key}: {answer:?}");
    assert!(answer.key().is_empty());
    answer.cas()
}

#[track_caller]
fn check_missing(client: &mut Client, key: &str) {
    let answer = client.call(Request::get(key));
    assert_eq!(
        (answer.status(), answer.value(), answer.cas()),
        (status::NOT_FOUND, &b"Not found"[..], 0),
        "key {key}"
    );
}
