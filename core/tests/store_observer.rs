//! Whoever is told of a store's changes can keep a copy of it that is always the same.

use std::collections::BTreeMap;

use memlet_core::store::{
    Attributes, Change, Cursor, Observer, Reservation, Seed, SetMode, Store, StoreOptions, Value,
};

fn bytes(value: Value<'_>) -> Vec<u8> {
    let (first, second) = value.pieces();
    [first, second].concat()
}

/// Keeps what it is told; a flush has no key.
#[derive(Debug)]
struct Notes {
    active: bool,
    changes: Vec<(u64, Option<Vec<u8>>)>,
}

impl Observer for Notes {
    fn is_active(&self) -> bool {
        self.active
    }

    fn note(&mut self, number: u64, change: Change<'_>) {
        let key = match change {
            Change::Stored { key, .. } | Change::Touched { key } | Change::Removed { key } => {
                Some(bytes(key))
            }
            _ => None,
        };
        self.changes.push((number, key));
    }
}

type Noted = Store<Vec<u8>, Notes>;

fn store(memory_len: usize, seed: u64, active: bool) -> Noted {
    let options = StoreOptions {
        seed: Seed([seed, 7]),
        ..StoreOptions::default()
    };
    let notes = Notes {
        active,
        changes: Vec::new(),
    };
    Store::with_observer(vec![0; memory_len], options, notes).unwrap()
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Copied {
    cas: u64,
    attributes: Attributes,
    value: Vec<u8>,
}

/// Every item of the store.
fn items(store: &Noted, now: u32) -> BTreeMap<Vec<u8>, Copied> {
    let mut items = BTreeMap::new();
    let mut cursor = Some(Cursor::START);
    while let Some(at) = cursor {
        cursor = store.walk(at, 64, now, |key, item| {
            let attributes = Attributes {
                flags: item.flags,
                expiration: item.expiration,
            };
            let copied = Copied {
                cas: item.cas,
                attributes,
                value: bytes(item.value),
            };
            items.insert(bytes(key), copied);
        });
    }
    items
}

/// A copy that follows the changes by looking up what they name.
#[derive(Default)]
struct Follower {
    items: BTreeMap<Vec<u8>, Copied>,
    last: u64,
}

impl Follower {
    fn follow(&mut self, store: &mut Noted, now: u32) {
        let all = items(store, now);
        for (number, key) in std::mem::take(&mut store.observer_mut().changes) {
            assert!(number > self.last, "{number} after {}", self.last);
            self.last = number;
            match key {
                None => self.items.clear(),
                Some(key) => {
                    self.items.remove(&key);
                    if let Some(item) = all.get(&key) {
                        self.items.insert(key, item.clone());
                    }
                }
            }
        }
        assert!(self.last <= store.last_change());
        self.items
            .retain(|_, item| item.attributes.expiration == 0 || item.attributes.expiration > now);
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

const MODES: [SetMode; 5] = [
    SetMode::Set,
    SetMode::Add,
    SetMode::Replace,
    SetMode::Append,
    SetMode::Prepend,
];

/// One random operation; whether a flush waits for its second.
fn step(store: &mut Noted, random: &mut Random, arriving: &mut Vec<Reservation>, now: u32) {
    let name = format!("key{}", random.below(60));
    let key = store.key(name.as_bytes());
    let expiration = if random.below(4) == 0 {
        now + random.below(5) as u32
    } else {
        0
    };
    let attributes = Attributes {
        flags: random.below(3) as u32,
        expiration,
    };
    let value = vec![b'v'; random.below(200) as usize];
    match random.below(100) {
        0..60 => {
            let mode = MODES[random.below(5) as usize];
            let _ = store.set(mode, key, &value, attributes, 0, now);
        }
        60..75 => {
            let _ = store.delete(key, 0, now);
        }
        75..85 => {
            store.touch(key, expiration, now);
        }
        85..90 => arriving.extend(store.reserve(key, 150, attributes, now)),
        90..95 if !arriving.is_empty() => {
            let _ = store.commit(arriving.remove(0), SetMode::Set, 0, now);
        }
        99 if random.below(10) == 0 => store.flush(0, now),
        98 if random.below(10) == 0 => store.flush(now + 2, now),
        _ => {
            store.get(key, now);
        }
    }
}

#[test]
fn a_follower_of_the_changes_holds_the_same_items() {
    for seed in 1..12 {
        for memory_len in [1024, 2000, 8192] {
            let mut store = store(memory_len, seed, true);
            let mut random = Random(seed);
            let mut follower = Follower::default();
            let mut arriving = Vec::new();
            let mut now = 1_000;
            for _ in 0..3000 {
                step(&mut store, &mut random, &mut arriving, now);
                now += u32::from(random.below(20) == 0);
                // The second in which a flush takes effect is over once an operation comes across its end.
                let key = store.key(b"nothing");
                store.peek(key, now);
                follower.follow(&mut store, now);
                let here = items(&store, now);
                if !here.is_empty() || follower.items.is_empty() {
                    assert_eq!(follower.items, here, "seed {seed}, {memory_len} bytes");
                }
            }
        }
    }
}

#[test]
fn a_store_whose_observer_sleeps_numbers_only_what_is_stored() {
    let mut store = store(4096, 1, false);
    let key = store.key(b"key");
    let first = store
        .set(SetMode::Set, key, b"", Attributes::default(), 0, 1)
        .unwrap();
    store.delete(key, 0, 1).unwrap();
    store.flush(0, 1);
    assert_eq!(store.last_change(), first);
    store.observer_mut().active = true;
    store
        .set(SetMode::Set, key, b"", Attributes::default(), 0, 1)
        .unwrap();
    store.delete(key, 0, 1).unwrap();
    assert_eq!(store.last_change(), first + 2);
    assert_eq!(store.observer().changes.len(), 2);
    store.skip_changes(1000);
    store.skip_changes(5);
    let cas = store.set(SetMode::Set, key, b"", Attributes::default(), 0, 1);
    assert_eq!(cas, Ok(1001));
}

#[test]
fn a_delayed_flush_is_told_when_its_second_is_over() {
    let mut store = store(4096, 1, true);
    let key = store.key(b"key");
    let set = |store: &mut Noted, now| {
        store
            .set(SetMode::Set, key, b"", Attributes::default(), 0, now)
            .unwrap();
        store.observer_mut().changes.clear();
    };
    set(&mut store, 10);
    store.flush(12, 10);
    store.peek(key, 12);
    assert!(store.observer().changes.is_empty(), "it is not over");
    set(&mut store, 12);
    assert!(store.peek(key, 13).is_none());
    assert_eq!(store.observer().changes, [(4, None)]);
}
