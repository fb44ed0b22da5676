//! INCREMENT and DECREMENT.

use crate::support::{Cache, counting, storing};
use memlet_core::wire::{Opcode, Status};

const UP: Opcode = Opcode::INCREMENT;
const DOWN: Opcode = Opcode::DECREMENT;

#[track_caller]
fn counts(cache: &mut Cache, opcode: Opcode, key: &[u8], delta: u64, expected: u64) -> u64 {
    let answer = cache.one(&counting(opcode, key, delta, 0, u32::MAX, 0));
    assert_eq!(answer.status, Status::SUCCESS, "{}", answer.text());
    assert_eq!(answer.number(), expected);
    assert_eq!((answer.extras.len(), answer.key.len()), (0, 0));
    assert_ne!(answer.cas, 0);
    answer.cas
}

#[test]
fn a_missing_counter_is_created_with_its_initial_value() {
    let mut cache = Cache::new();
    let answer = cache.one(&counting(UP, b"n", 5, 12, 100, 0));
    assert_eq!((answer.status, answer.number()), (Status::SUCCESS, 12));
    let item = cache.item(b"n");
    assert_eq!(
        (item.value.as_slice(), item.cas, item.extras.as_slice()),
        (&b"12"[..], answer.cas, &[0; 4][..])
    );
    cache.wire.now += 99;
    assert!(cache.get(b"n").is_some());
    cache.wire.now += 1;
    assert!(cache.get(b"n").is_none());
    // Also when the request carries a CAS.
    assert_eq!(cache.one(&counting(DOWN, b"n", 5, 7, 0, 99)).number(), 7);
}

#[test]
fn a_missing_counter_is_not_created_when_the_expiration_is_all_ones() {
    let mut cache = Cache::new();
    let answer = cache.one(&counting(UP, b"n", 1, 1, u32::MAX, 0));
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (Status::KEY_ENOENT, "Not found")
    );
    assert_eq!(cache.get(b"n"), None);
}

#[test]
fn an_existing_counter_keeps_flags_and_expiration() {
    let mut cache = Cache::new();
    cache.one(&storing(Opcode::SET, b"n", b"5", 0xabcd, 50, 0));
    let answer = cache.one(&counting(UP, b"n", 10, 99, 1000, 0));
    assert_eq!(answer.number(), 15);
    let item = cache.item(b"n");
    assert_eq!(
        (item.value.as_slice(), item.extras.as_slice()),
        (&b"15"[..], &[0, 0, 0xab, 0xcd][..])
    );
    cache.wire.now += 50;
    assert_eq!(cache.get(b"n"), None);
}

#[test]
fn increment_wraps_and_decrement_stops_at_zero() {
    let mut cache = Cache::new();
    cache.set(b"n", b"18446744073709551615");
    counts(&mut cache, UP, b"n", 1, 0);
    assert_eq!(cache.get(b"n").unwrap(), b"0                   ");
    cache.set(b"n", b"9223372036854775807");
    counts(&mut cache, UP, b"n", 1, 1 << 63);
    counts(&mut cache, UP, b"n", 1, (1 << 63) + 1);
    counts(&mut cache, DOWN, b"n", 1, 1 << 63);
    cache.set(b"n", b"5");
    counts(&mut cache, DOWN, b"n", 1, 4);
    counts(&mut cache, DOWN, b"n", 211, 0);
    counts(&mut cache, UP, b"n", 211, 211);
    counts(&mut cache, UP, b"n", 1 << 33, 8_589_934_803);
}

#[test]
fn shorter_numbers_are_padded_in_place_and_longer_ones_are_exact() {
    let mut cache = Cache::new();
    for (old, opcode, delta, new) in [
        ("100", DOWN, 1, "99 "),
        ("10", DOWN, 10, "0 "),
        ("99", UP, 1, "100"),
        ("9", UP, 1, "10"),
        ("0005", UP, 1, "6   "),
        ("12 ", UP, 1, "13 "),
        (" \t7", UP, 1, "8  "),
    ] {
        cache.set(b"n", old.as_bytes());
        assert_eq!(
            cache.status(&counting(opcode, b"n", delta, 0, 0, 0)),
            Status::SUCCESS
        );
        assert_eq!(
            String::from_utf8(cache.get(b"n").unwrap()).unwrap(),
            new,
            "{old}"
        );
    }
}

#[test]
fn padding_reaches_any_length() {
    let mut cache = Cache::new();
    for len in [20, 21, 63, 64, 65, 127, 128, 129, 200, 5000] {
        let mut text = vec![b' '; len];
        text[0] = b'7';
        cache.set(b"n", &text);
        counts(&mut cache, UP, b"n", 1, 8);
        text[0] = b'8';
        assert_eq!(cache.get(b"n").unwrap(), text, "{len}");
    }
}

#[test]
fn numbers_are_read_as_memcached_reads_them() {
    let mut cache = Cache::new();
    for (text, number) in [
        ("0", 0),
        ("12 ", 12),
        ("007", 7),
        ("5\r\nx", 5),
        ("+5", 5),
        ("  +5", 5),
        ("\t7", 7),
        ("\x0b7", 7),
        ("12\0", 12),
        ("12\0x", 12),
        ("12 -", 12),
        ("-0", 0),
        ("-18446744073709551615", 1),
        ("0000000000000000000000000000009", 9),
        ("18446744073709551614", u64::MAX - 1),
    ] {
        cache.set(b"n", text.as_bytes());
        counts(&mut cache, UP, b"n", 1, number + 1);
    }
}

#[test]
fn what_is_no_number_is_refused_and_stays() {
    let mut cache = Cache::new();
    for text in [
        "",
        " ",
        "  x",
        "text",
        "-1",
        "0x10",
        "12abc",
        "7\u{a0}",
        "18446744073709551616",
        "99999999999999999999999",
        "18446744073709551610 -",
        "+ 5",
        "++5",
        "+",
        "-",
    ] {
        let cas = cache.set(b"n", text.as_bytes());
        for opcode in [UP, DOWN] {
            let answer = cache.one(&counting(opcode, b"n", 1, 0, 0, 0));
            assert_eq!(answer.status, Status::DELTA_BADVAL, "{text:?}");
            assert_eq!(
                answer.text(),
                "Non-numeric server-side value for incr or decr"
            );
        }
        let item = cache.item(b"n");
        assert_eq!((item.text().as_str(), item.cas), (text, cas));
    }
}

#[test]
fn tests_come_in_the_order_size_cas_number() {
    let mut cache = Cache::new();
    let cas = cache.set(b"n", b"text");
    assert_eq!(
        cache.status(&counting(UP, b"n", 1, 0, 0, cas + 1)),
        Status::KEY_EEXISTS
    );
    assert_eq!(
        cache.status(&counting(UP, b"n", 1, 0, 0, cas)),
        Status::DELTA_BADVAL
    );
    let cas = cache.set(b"n", b"");
    assert_eq!(
        cache.status(&counting(UP, b"n", 1, 0, 0, cas + 1)),
        Status::DELTA_BADVAL
    );
    let cas = cache.set(b"n", &[b'1'; 600_000]);
    assert_eq!(
        cache.status(&counting(UP, b"n", 1, 0, 0, cas + 1)),
        Status::DELTA_BADVAL
    );
    let cas = cache.set(b"n", b"1");
    let answer = cache.one(&counting(UP, b"n", 1, 0, 0, cas));
    assert_eq!(answer.number(), 2);
    assert_ne!(answer.cas, cas);
    assert_eq!(cache.item(b"n").cas, answer.cas);
}

#[test]
fn quiet_counters_say_nothing_even_when_they_create() {
    let mut cache = Cache::new();
    cache.silent(&counting(Opcode::INCREMENTQ, b"n", 1, 41, 0, 0));
    cache.silent(&counting(Opcode::INCREMENTQ, b"n", 1, 0, 0, 0));
    cache.silent(&counting(Opcode::DECREMENTQ, b"m", 1, 3, 0, 0));
    assert_eq!(cache.get(b"n").unwrap(), b"42");
    assert_eq!(cache.get(b"m").unwrap(), b"3");
}
