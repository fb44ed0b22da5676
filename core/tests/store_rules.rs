//! The rules of the store, one by one.

mod store_model;

use memlet_core::store::{
    Attributes, RESERVATIONS_MAX, ReserveError, Seed, SetMode, Store, StoreOptions,
};

fn store_with_seed(memory_len: usize, seed: u64) -> Store<Vec<u8>> {
    let options = StoreOptions {
        seed: Seed([seed, !seed]),
        ..StoreOptions::default()
    };
    Store::new(vec![0xff; memory_len], options).expect("a possible size")
}

fn set(store: &mut Store<Vec<u8>>, key: &[u8], value: &[u8]) -> u64 {
    let key = store.key(key);
    store
        .set(SetMode::Set, key, value, Attributes::default(), 0, 1)
        .expect("it fits")
}

#[test]
fn nothing_is_lost_while_there_is_room() {
    for seed in 0..300 {
        let memory_len = [4096, 20_000, 100_000][seed as usize % 3];
        let mut store = store_with_seed(memory_len, seed);
        let len = [0, 10, 60, 200][seed as usize / 3 % 4];
        for i in 0.. {
            let statistics = store.statistics();
            if statistics.free_bytes < 400 || i > 3000 {
                break;
            }
            set(&mut store, format!("k{i}").as_bytes(), &vec![0; len]);
            let statistics = store.statistics();
            assert_eq!(
                (statistics.evictions, statistics.curr_items),
                (0, i + 1),
                "seed {seed}: {statistics:?}"
            );
        }
    }
}

#[test]
fn after_a_flush_or_when_all_has_expired_the_whole_memory_takes_new_items() {
    for seed in 0..8 {
        let expiration = [0, 10][seed as usize / 2 % 2];
        let mut store = store_with_seed([20_000, 200_000][seed as usize % 2], seed);
        let attributes = Attributes {
            expiration,
            ..Attributes::default()
        };
        let mut number = 0;
        // A value that is arriving lies between them, or none.
        let len = if seed < 4 { 2_000 } else { 0 };
        let arriving = store.key(b"arriving");
        let arriving = store
            .reserve(arriving, len, Attributes::default(), 1)
            .expect("there is room");
        // Twice what there is room for, all of it read, so that both logs are full of items that are worth keeping.
        while store.statistics().evictions < 200 {
            let _any = store.write(&arriving, 0, &[1; 10][..len.min(10) as usize]);
            let name = format!("old {number}");
            let key = store.key(name.as_bytes());
            store
                .set(SetMode::Set, key, &[1; 100], attributes, 0, 1)
                .expect("it fits");
            for _ in 0..3 {
                store.get(key, 1);
            }
            number += 1;
        }
        if expiration == 0 {
            store.flush(0, 2);
        }
        let statistics = store.statistics();
        let (evictions, mut bytes) = (statistics.evictions, 0);
        let mut count = 0;
        while bytes < statistics.memory_bytes * 4 / 5 {
            let name = format!("new {count}");
            let key = store.key(name.as_bytes());
            store
                .set(SetMode::Set, key, &[2; 100], Attributes::default(), 0, 20)
                .expect("it fits");
            (count, bytes) = (count + 1, bytes + 130);
        }
        assert_eq!(store.statistics().evictions, evictions, "seed {seed}");
        for number in 0..count {
            let name = format!("new {number}");
            let key = store.key(name.as_bytes());
            assert!(
                store.get(key, 20).is_some(),
                "seed {seed}: {name} of {count}"
            );
        }
    }
}

#[test]
fn the_hash_is_siphash_1_3() {
    use std::hash::Hasher;
    // The standard library's hasher is SipHash-1-3 with a key of zeros.
    for len in 0..=260 {
        let bytes = store_model::value(len as u64, len);
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&bytes);
        assert_eq!(Seed([0, 0]).hash(&bytes), hasher.finish(), "{len} bytes");
    }
}

fn set_until_full(store: &mut Store<Vec<u8>>, len: usize) -> u64 {
    let mut number = 0;
    while store.statistics().evictions == 0 {
        set(store, format!("key {number}").as_bytes(), &vec![1; len]);
        number += 1;
    }
    number
}

#[test]
fn overwriting_by_what_fits_evicts_nobody() {
    let mut store = store_with_seed(64 << 10, 1);
    let keys = set_until_full(&mut store, 100);
    let before = store.statistics();
    for round in 0..5 {
        for number in 0..keys {
            let bytes = format!("key {number}");
            let key = store.key(bytes.as_bytes());
            if store.peek(key, 1).is_some() {
                set(&mut store, bytes.as_bytes(), &vec![2; 100 - round * 7]);
            }
        }
    }
    let after = store.statistics();
    assert_eq!(
        (after.evictions, after.curr_items),
        (before.evictions, before.curr_items)
    );
}

#[test]
fn a_value_is_whole_wherever_its_log_ends() {
    for shift in 0..200 {
        let mut store = store_with_seed(4096, 2);
        set(&mut store, b"shift", &vec![0; shift]);
        for i in 0..200u64 {
            let (key, value) = (
                i.to_le_bytes(),
                store_model::value(i, 37 + (i % 5) as usize),
            );
            set(&mut store, &key, &value);
            let item = store.get(store.key(&key), 1).expect("just stored");
            assert!(item.value == *value.as_slice(), "shift {shift}, item {i}");
            let mut copied = [0; 64];
            assert_eq!(item.value.copy_to(&mut copied), value.len());
            assert_eq!(&copied[..value.len()], value);
        }
    }
}

#[test]
fn an_item_is_gone_in_the_second_of_its_expiration() {
    let mut store = store_with_seed(4096, 3);
    let key = store.key(b"key");
    let attributes = Attributes {
        flags: 3,
        expiration: 100,
    };
    store
        .set(SetMode::Set, key, b"value", attributes, 0, 50)
        .expect("it fits");
    assert_eq!(store.get(key, 99).map(|item| item.expiration), Some(100));
    assert!(store.touch(key, 120, 99).is_some());
    assert!(store.get(key, 119).is_some());
    assert!(store.get(key, 120).is_none());
    let statistics = store.statistics();
    assert_eq!(
        (
            statistics.reclaimed,
            statistics.expired_unfetched,
            statistics.curr_items
        ),
        (1, 0, 0)
    );
}

#[test]
fn a_silent_reservation_makes_way_and_a_busy_one_moves() {
    let mut store = store_with_seed(32 << 10, 4);
    let (busy_key, silent_key) = (store.key(b"busy"), store.key(b"silent"));
    let busy = store
        .reserve(busy_key, 400, Attributes::default(), 1)
        .expect("there is room");
    let silent = store
        .reserve(silent_key, 400, Attributes::default(), 1)
        .expect("there is room");
    let value = store_model::value(9, 400);
    for i in 0..4000u32 {
        set(&mut store, &i.to_le_bytes(), &[0; 50]);
        if i % 10 == 0 {
            let at = (i / 10) as usize;
            store
                .write(&busy, at as u32, &value[at..=at])
                .expect("it is held");
        }
    }
    store.commit(busy, SetMode::Set, 0, 1).expect("it is held");
    let item = store.get(busy_key, 1).expect("just stored");
    assert!(item.value == *value.as_slice(), "it moved with the log");
    assert!(store.commit(silent, SetMode::Set, 0, 1).is_err());
    assert_eq!(store.statistics().reservations, 0);
}

#[test]
fn values_that_do_not_arrive_within_a_minute_make_room_for_others() {
    let mut store = store_with_seed(16 << 10, 5);
    // As many as may hold the room; each still gets a byte now and then.
    let mut held = Vec::new();
    for number in 0..RESERVATIONS_MAX {
        let name = [b'h', number as u8];
        let key = store.key(&name);
        match store.reserve(key, 1500, Attributes::default(), 100) {
            Ok(reservation) => held.push(reservation),
            Err(error) => {
                assert_eq!(error, ReserveError::Full);
                break;
            }
        }
    }
    assert!(
        (2..RESERVATIONS_MAX).contains(&held.len()),
        "the room ran out first"
    );
    for (offset, now) in (100..160).enumerate() {
        for reservation in &held {
            store
                .write(reservation, offset as u32, b"x")
                .expect("it is held");
        }
        let key = store.key(b"later");
        let refused = store.reserve(key, 1500, Attributes::default(), now);
        assert_eq!(refused.err(), Some(ReserveError::Full), "second {now}");
    }
    let key = store.key(b"later");
    let later = store
        .reserve(key, 1500, Attributes::default(), 160)
        .expect("one was given up");
    store.write(&later, 0, &[7; 1500]).expect("it is held");
    store
        .commit(later, SetMode::Set, 0, 160)
        .expect("it is held");
    assert!(
        store
            .get(key, 160)
            .is_some_and(|item| item.value == *[7; 1500].as_slice())
    );
    let given_up = held
        .drain(..)
        .filter(|held| store.write(held, 100, b"x").is_err())
        .count();
    assert_eq!(given_up, 1, "no more than was needed");
}

#[test]
fn values_that_arrive_at_the_same_time_do_not_push_each_other_out() {
    let mut store = store_with_seed(256 << 10, 6);
    let len = 6000;
    let mut stored = 0;
    for round in 0..50u8 {
        let mut held = Vec::new();
        for number in 0..RESERVATIONS_MAX as u8 {
            let name = [round, number];
            let key = store.key(&name);
            held.extend(store.reserve(key, len, Attributes::default(), 1));
        }
        assert_eq!(
            held.len(),
            RESERVATIONS_MAX,
            "they are less than half of the main log"
        );
        for offset in (0..len).step_by(100) {
            for reservation in &held {
                store
                    .write(reservation, offset, &[round; 100])
                    .expect("nobody else wants the room");
            }
        }
        for reservation in held {
            store
                .commit(reservation, SetMode::Set, 0, 1)
                .expect("it is held");
            stored += 1;
        }
    }
    assert_eq!(stored, 50 * RESERVATIONS_MAX);
}

#[test]
fn keys_that_collide_under_one_seed_do_not_under_another() {
    let seed = Seed([1, 2]);
    // Keys whose hashes agree in the bits that an index of 32 buckets uses for the first bucket.
    let part = |hash: u64| hash & 31;
    let numbers = (0u32..).map(|i| i.to_string());
    let keys: Vec<_> = numbers
        .filter(|key| part(seed.hash(key.as_bytes())) == 0)
        .take(300)
        .collect();
    for (store_seed, least) in [(seed, 0), (Seed([3, 4]), 300)] {
        let options = StoreOptions {
            seed: store_seed,
            ..StoreOptions::default()
        };
        let mut store = Store::new(vec![0; 64 << 10], options).expect("a possible size");
        for key in &keys {
            set(&mut store, key.as_bytes(), b"value");
        }
        let statistics = store.statistics();
        // Under the known seed some may be lost for the lack of buckets, but nothing slower or worse happens.
        assert!(
            statistics.curr_items >= least && statistics.curr_items >= 100,
            "{statistics:?}"
        );
        assert_eq!(statistics.evictions, statistics.evicted_index);
    }
}

/// Memory that somebody else writes to between the operations.
struct Hostile {
    bytes: Vec<u8>,
    random: std::cell::RefCell<store_model::Random>,
}

impl AsRef<[u8]> for Hostile {
    fn as_ref(&self) -> &[u8] {
        let cut = self.random.borrow_mut().below(64);
        let len = if cut == 0 {
            self.bytes.len() / 2
        } else {
            self.bytes.len()
        };
        &self.bytes[..len]
    }
}

impl AsMut<[u8]> for Hostile {
    fn as_mut(&mut self) -> &mut [u8] {
        let random = self.random.get_mut();
        for _ in 0..random.below(4) {
            let at = random.below(self.bytes.len() as u64) as usize;
            self.bytes[at] = random.next() as u8;
        }
        &mut self.bytes
    }
}

#[test]
fn memory_that_others_write_to_neither_panics_nor_hangs() {
    for seed in 0..40 {
        let len = [1024, 3000, 20_000][seed as usize % 3];
        let random = std::cell::RefCell::new(store_model::Random(seed));
        let mut store = Store::new(
            Hostile {
                bytes: vec![0; len],
                random,
            },
            StoreOptions::default(),
        )
        .expect("fits");
        let mut random = store_model::Random(seed + 1000);
        for _ in 0..5000 {
            let bytes = store_model::key_bytes(random.below(100));
            let key = store.key(&bytes);
            let value = vec![0; random.below(len as u64 / 5) as usize];
            let attributes = Attributes {
                flags: 1,
                expiration: 0,
            };
            match random.below(8) {
                0..4 => _ = store.set(SetMode::Set, key, &value, attributes, 0, 5),
                4 => _ = store.set(SetMode::Append, key, &value, attributes, 0, 5),
                5 => _ = store.touch(key, 10, 5).map(|item| item.value.len()),
                6 => _ = store.delete(key, 0, 5),
                _ => {
                    if let Ok(held) = store.reserve(key, value.len() as u32, attributes, 5) {
                        let _any = store.write(&held, 0, &value);
                        let _any = store.commit(held, SetMode::Set, 0, 5);
                    }
                }
            }
            let mut steps = 0;
            let _cursor = store.walk(memlet_core::store::Cursor::START, 100, 5, |_, _| steps += 1);
            assert!(steps <= 100);
        }
    }
}
