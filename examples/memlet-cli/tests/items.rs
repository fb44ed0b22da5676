//! The commands about items as scripts see them, against a server in this process.

mod common;

use std::fs;

use common::{Ran, Running, memlet, memlet_reading};
use serde_json::Value;

/// Commands to one server.
struct Cache(Running);

impl Cache {
    fn start() -> Self {
        Self(Running::start())
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.reading(arguments, b"")
    }

    fn reading(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let server = self.0.address.to_string();
        memlet_reading(&[arguments, &["--server", &server]].concat(), input)
    }

    /// The item of a key as `get --json` tells it.
    fn item(&self, key: &str) -> Value {
        serde_json::from_str(self.run(&["get", "--json", key]).text()).unwrap()
    }
}

#[test]
fn a_value_comes_back_as_it_went_whatever_its_bytes() {
    let cache = Cache::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("value");
    let value: Vec<u8> = (0..100_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    fs::write(&path, &value).unwrap();
    assert_eq!(cache.run(&["set", "argument", "hello world"]).ok(), "");
    assert_eq!(
        cache
            .run(&["set", "file", "--file", path.to_str().unwrap()])
            .ok(),
        ""
    );
    assert_eq!(cache.reading(&["set", "read"], &value).ok(), "");
    assert_eq!(cache.reading(&["set", "dash", "-"], b"\n").ok(), "");
    assert_eq!(cache.reading(&["set", "empty"], b"").ok(), "");
    for (key, expected) in [
        ("argument", &b"hello world"[..]),
        ("file", &value),
        ("read", &value),
        ("dash", b"\n"),
        ("empty", b""),
    ] {
        let ran = cache.run(&["get", key]);
        assert_eq!((ran.code, ran.out == expected), (Some(0), true), "{key}");
    }
}

#[test]
fn several_values_come_a_line_each_and_misses_are_named() {
    let cache = Cache::start();
    cache.run(&["set", "a", "1"]).ok();
    cache.run(&["set", "c", "3"]).ok();
    assert_eq!(cache.run(&["get", "c", "a"]).ok(), "3\n1\n");
    let ran = cache.run(&["get", "a", "b", "c"]);
    assert_eq!(ran.failed(1), "memlet: b: not found\n");
    assert_eq!(ran.text(), "1\n3\n");
    assert_eq!(cache.run(&["get", "b"]).failed(1), "memlet: b: not found\n");
    assert_eq!(cache.reading(&["get", "-"], b"a\nc\n").ok(), "1\n3\n");
    let ran = cache.run(&["get", "--json", "a", "b"]);
    assert_eq!(ran.failed(1), "");
    let found: Vec<Value> = ran
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&found[0]["found"], &found[0]["value"]),
        (&true.into(), &"1".into())
    );
    assert_eq!(
        (&found[1]["found"], &found[1]["key"]),
        (&false.into(), &"b".into())
    );
}

#[test]
fn ten_thousand_keys_come_from_standard_input() {
    let cache = Cache::start();
    for key in ["key0", "key5000", "key9999"] {
        cache.run(&["set", key, key]).ok();
    }
    let keys: String = (0..10_000).map(|number| format!("key{number}\n")).collect();
    let ran = cache.reading(&["get", "-"], keys.as_bytes());
    assert_eq!(ran.text(), "key0\nkey5000\nkey9999\n");
    assert_eq!(ran.failed(1).lines().count(), 9997);
    let ran = cache.reading(&["delete", "-"], keys.as_bytes());
    assert_eq!(ran.failed(1).lines().count(), 9997);
    assert_eq!(cache.run(&["get", "key0"]).code, Some(1));
}

#[test]
fn lines_that_cannot_be_keys_are_named_and_the_others_done() {
    let cache = Cache::start();
    for key in ["k", "zz"] {
        cache.run(&["set", key, key]).ok();
    }
    let ran = cache.reading(&["get", "-"], b"k\n\nzz\n");
    assert_eq!(ran.text(), "k\nzz\n");
    let complaint = ran.failed(2);
    assert!(complaint.contains("line 2: an empty key;"), "{complaint}");
    let long = [&b"k\n"[..], &[b'x'; 251], b"\nzz\n\n"].concat();
    let ran = cache.reading(&["delete", "-"], &long);
    let complaint = ran.failed(2);
    assert!(
        complaint.contains("line 2: a key of 251 bytes"),
        "{complaint}"
    );
    assert!(complaint.contains("and 1 more"), "{complaint}");
    assert_eq!(cache.run(&["get", "k"]).code, Some(1));
    assert_eq!(cache.run(&["get", "zz"]).code, Some(1));
    // On the command line nothing is done before it is clear that all can be.
    cache.run(&["set", "k", "k"]).ok();
    let ran = cache.run(&["delete", "k", ""]);
    assert_eq!(ran.failed(2), "memlet: an empty key\n");
    assert_eq!(cache.run(&["get", "k"]).ok(), "k");
}

#[test]
fn items_are_stored_on_condition() {
    let cache = Cache::start();
    assert!(
        cache
            .run(&["replace", "key", "x"])
            .failed(1)
            .contains("KEY_ENOENT")
    );
    cache
        .run(&["add", "key", "one", "--flags", "0xff", "--expire", "1000"])
        .ok();
    assert!(
        cache
            .run(&["add", "key", "x"])
            .failed(1)
            .contains("KEY_EEXISTS")
    );
    assert_eq!(cache.item("key")["flags"], 255);
    cache.run(&["replace", "key", "two"]).ok();
    cache.run(&["append", "key", ">"]).ok();
    cache.run(&["prepend", "key", "<"]).ok();
    assert_eq!(cache.run(&["get", "key"]).ok(), "<two>");
    assert!(
        cache
            .run(&["append", "no", "x"])
            .failed(1)
            .contains("NOT_STORED")
    );
    assert_eq!(cache.run(&["prepend", "no", "x"]).code, Some(1));
}

#[test]
fn the_cas_of_an_item_is_told_and_compared() {
    let cache = Cache::start();
    let ran = cache.run(&["set", "key", "1", "--json"]);
    let stored: Value = serde_json::from_str(ran.ok()).unwrap();
    let cas = stored["cas"].to_string();
    assert_eq!(cache.item("key")["cas"], stored["cas"]);
    for stale in [
        &["set", "key", "x"][..],
        &["append", "key", "x"],
        &["delete", "key"],
        &["incr", "key"],
    ] {
        let ran = cache.run(&[stale, &["--cas", "987654321"]].concat());
        assert_eq!(ran.code, Some(1), "{ran:?}");
    }
    cache.run(&["set", "key", "2", "--cas", &cas]).ok();
    assert_eq!(cache.run(&["set", "key", "3", "--cas", &cas]).code, Some(1));
    let cas = cache.item("key")["cas"].to_string();
    cache.run(&["delete", "key", "--cas", &cas]).ok();
    assert_eq!(cache.run(&["get", "key"]).code, Some(1));
}

#[test]
fn counters_count() {
    let cache = Cache::start();
    assert_eq!(
        cache.run(&["incr", "visits"]).failed(1),
        "memlet: visits: not found\n"
    );
    assert_eq!(
        cache.run(&["incr", "visits", "5", "--initial", "7"]).ok(),
        "7\n"
    );
    assert_eq!(cache.run(&["incr", "visits", "5"]).ok(), "12\n");
    assert_eq!(cache.run(&["incr", "visits"]).ok(), "13\n");
    assert_eq!(cache.run(&["decr", "visits", "3"]).ok(), "10\n");
    assert_eq!(cache.run(&["decr", "visits", "100"]).ok(), "0\n");
    let ran = cache.run(&["incr", "visits", "18446744073709551615", "--json"]);
    let counted: Value = serde_json::from_str(ran.ok()).unwrap();
    assert_eq!(counted["counter"], u64::MAX);
    cache.run(&["set", "text", "no number"]).ok();
    assert!(
        cache
            .run(&["incr", "text"])
            .failed(4)
            .contains("DELTA_BADVAL")
    );
}

#[test]
fn items_are_touched() {
    let cache = Cache::start();
    cache.run(&["set", "key", "value"]).ok();
    assert_eq!(cache.run(&["touch", "key", "--expire", "1000"]).ok(), "");
    assert_eq!(cache.run(&["gat", "key", "--expire", "1000"]).ok(), "value");
    let ran = cache.run(&["touch", "no", "key", "--expire", "2592001"]);
    assert_eq!(ran.failed(1), "memlet: no: not found\n");
    // A second of 1970 is long past.
    assert_eq!(cache.run(&["get", "key"]).code, Some(1));
    assert_eq!(
        cache.run(&["gat", "key", "--expire", "0"]).failed(1),
        "memlet: key: not found\n"
    );
    assert_eq!(cache.run(&["touch", "key"]).code, Some(2));
}

#[test]
fn a_value_or_key_that_cannot_be_is_refused() {
    let cache = Cache::start();
    let long = "k".repeat(251);
    assert!(
        cache
            .run(&["set", &long, "x"])
            .failed(2)
            .contains("at most 250")
    );
    assert!(cache.run(&["get", &long]).failed(2).contains("at most 250"));
    let large = vec![b'x'; 2 << 20];
    assert!(
        cache
            .reading(&["set", "large", "-"], &large)
            .failed(4)
            .contains("E2BIG")
    );
    assert_eq!(
        cache.run(&["set", "key", "x", "--flags", "-1"]).code,
        Some(2)
    );
    assert!(
        cache
            .run(&["set", "key", "--file", "/nowhere/x"])
            .failed(2)
            .contains("/nowhere/x")
    );
}

#[test]
fn keys_are_bytes_of_any_kind() {
    let cache = Cache::start();
    cache.run(&["set", "ключ с пробелом", "v"]).ok();
    assert_eq!(cache.item("ключ с пробелом")["key"], "ключ с пробелом");
    assert_eq!(
        cache
            .reading(&["get", "-"], "ключ с пробелом\n".as_bytes())
            .ok(),
        "v\n"
    );
    assert_eq!(memlet(&["get"]).code, Some(2));
}
