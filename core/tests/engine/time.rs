//! Expiration and flush.

use crate::support::{Cache, NOW, bytes, storing, touching};
use memlet_core::engine::{Alone, Engine, EngineSettings, NoCredentials};
use memlet_core::wire::{Opcode, Request, Status};

fn set(cache: &mut Cache, key: &[u8], expiration: u32) {
    assert_eq!(
        cache.status(&storing(Opcode::SET, key, b"v", 0, expiration, 0)),
        Status::SUCCESS
    );
}

fn flush(delay: Option<u32>) -> Vec<u8> {
    let extras = delay.map(u32::to_be_bytes);
    let extras = extras.as_ref().map_or(&[][..], |extras| extras);
    bytes(&Request {
        extras,
        ..Request::new(Opcode::FLUSH)
    })
}

#[test]
fn relative_expirations_count_from_now() {
    let mut cache = Cache::new();
    for lifetime in [1, 2, 3600, 2_592_000] {
        cache.wire.now = NOW;
        set(&mut cache, b"k", lifetime);
        cache.wire.now = NOW + lifetime - 1;
        assert!(cache.get(b"k").is_some(), "{lifetime}");
        cache.wire.now = NOW + lifetime;
        assert!(cache.get(b"k").is_none(), "{lifetime}");
    }
}

#[test]
fn zero_is_never() {
    let mut cache = Cache::new();
    set(&mut cache, b"k", 0);
    cache.wire.now = u32::MAX - 1;
    assert!(cache.get(b"k").is_some());
}

#[test]
fn beyond_thirty_days_it_is_unix_time() {
    let mut cache = Cache::new();
    set(&mut cache, b"k", NOW + 10);
    cache.wire.now = NOW + 9;
    assert!(cache.get(b"k").is_some());
    cache.wire.now = NOW + 10;
    assert!(cache.get(b"k").is_none());
}

#[test]
fn a_time_in_the_past_is_stored_and_missing_at_once() {
    let mut cache = Cache::new();
    set(&mut cache, b"k", 0);
    for past in [2_592_001, NOW - 1, NOW] {
        set(&mut cache, b"k", past);
        assert!(cache.get(b"k").is_none(), "{past}");
    }
}

#[test]
fn all_ones_is_an_ordinary_time_for_set() {
    let mut cache = Cache::new();
    set(&mut cache, b"k", u32::MAX);
    assert!(cache.get(b"k").is_some());
}

#[test]
fn touch_and_gat_follow_the_same_rule() {
    let mut cache = Cache::new();
    for opcode in [Opcode::TOUCH, Opcode::GAT] {
        cache.wire.now = NOW;
        set(&mut cache, b"k", 1);
        assert_eq!(cache.status(&touching(opcode, b"k", 10)), Status::SUCCESS);
        cache.wire.now = NOW + 9;
        assert!(cache.get(b"k").is_some());
        assert_eq!(cache.status(&touching(opcode, b"k", 0)), Status::SUCCESS);
        cache.wire.now = NOW + 1_000_000;
        assert!(cache.get(b"k").is_some(), "0 removes the expiration");
        let answer = cache.one(&touching(opcode, b"k", 2_592_001));
        assert_eq!(
            answer.status,
            Status::SUCCESS,
            "a time in the past still answers"
        );
        assert!(cache.get(b"k").is_none());
    }
}

/// The room for a long value comes before the touch, or an item that expires at once would be gone when asked again.
#[test]
fn a_past_gat_of_a_long_value_answers_even_when_the_output_is_full() {
    let mut cache = Cache::new();
    cache.set(b"k", &[7; 1000]);
    cache.wire.output_len = 96;
    let mut batch = bytes(&Request::new(Opcode::NOOP));
    batch.extend(touching(Opcode::GAT, b"k", 2_592_001));
    let answers = cache.ask(&batch);
    assert_eq!(answers[1].value, [7; 1000]);
    assert!(cache.get(b"k").is_none());
}

#[test]
fn an_immediate_flush_spares_what_comes_after_it() {
    let mut cache = Cache::new();
    for extras in [None, Some(0)] {
        set(&mut cache, b"a", 0);
        set(&mut cache, b"b", 0);
        let answer = cache.one(&flush(extras));
        assert_eq!(
            (answer.status, answer.cas, answer.value.len()),
            (Status::SUCCESS, 0, 0)
        );
        assert!(cache.get(b"a").is_none());
        set(&mut cache, b"b", 0);
        assert!(cache.get(b"b").is_some(), "in the same second");
    }
}

#[test]
fn a_delayed_flush_takes_what_is_stored_before_its_moment() {
    let mut cache = Cache::new();
    set(&mut cache, b"before", 0);
    assert_eq!(cache.status(&flush(Some(10))), Status::SUCCESS);
    cache.wire.now = NOW + 8;
    set(&mut cache, b"between", 0);
    assert!(cache.get(b"before").is_some());
    cache.wire.now = NOW + 9;
    assert!(cache.get(b"before").is_none());
    assert!(cache.get(b"between").is_none());
    cache.wire.now = NOW + 10;
    set(&mut cache, b"after", 0);
    assert!(cache.get(b"after").is_some());
    assert!(cache.get(b"before").is_none(), "gone is gone");
}

#[test]
fn a_flush_at_a_unix_time() {
    let mut cache = Cache::new();
    set(&mut cache, b"k", 0);
    assert_eq!(cache.status(&flush(Some(NOW + 100))), Status::SUCCESS);
    cache.wire.now = NOW + 98;
    assert!(cache.get(b"k").is_some());
    cache.wire.now = NOW + 99;
    assert!(cache.get(b"k").is_none());
}

#[test]
fn a_flush_before_the_start_of_the_process_has_no_effect() {
    let engine = Engine::with(
        crate::support::store(1 << 20),
        EngineSettings::default(),
        Alone::since(NOW - 100),
        NoCredentials,
    );
    let mut cache = Cache::of(engine);
    set(&mut cache, b"k", 0);
    assert_eq!(cache.status(&flush(Some(NOW - 200))), Status::SUCCESS);
    assert!(cache.get(b"k").is_some());
}

#[test]
fn a_later_flush_replaces_one_that_is_still_to_come() {
    let mut cache = Cache::new();
    cache.one(&flush(Some(10)));
    cache.one(&flush(None));
    set(&mut cache, b"k", 0);
    cache.wire.now = NOW + 20;
    assert!(cache.get(b"k").is_some());
}

#[test]
fn a_flush_that_is_not_allowed_says_so_and_the_connection_lives() {
    let settings = EngineSettings {
        flush_enabled: false,
        ..EngineSettings::default()
    };
    let mut cache = Cache::of(Engine::new(crate::support::store(1 << 20), settings));
    set(&mut cache, b"k", 0);
    let answer = cache.one(&flush(None));
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (Status::AUTH_ERROR, "Auth failure.")
    );
    assert_eq!(
        cache.status(&bytes(&Request::new(Opcode::FLUSHQ))),
        Status::AUTH_ERROR
    );
    assert!(cache.get(b"k").is_some());
}
