//! The store against a model that knows all rules: a map and a clock.

mod store_model;

use memlet_core::store::{Attributes, SetMode, Store, StoreOptions};
use store_model::{Bytes, Pair, Random, run, value};

/// Random operations, with a full comparison now and then.
fn soak(memory_len: usize, keys: u64, len_max: u64, operations: u64, seed: u64) {
    let mut pair = Pair::new(memory_len, StoreOptions::default());
    let mut random = Random(seed);
    for i in 0..operations {
        let data = value(random.next(), 8);
        pair.step(&mut Bytes(&data), keys, len_max);
        if i % 997 == 0 {
            pair.check();
        }
    }
    pair.check();
}

#[test]
fn random_operations_agree_with_the_model_in_little_memory() {
    for seed in 0..60 {
        for (memory_len, keys, len_max) in [
            (1024, 30, 100),
            (1500, 100, 20),
            (4096, 50, 300),
            (4099, 300, 40),
            (16_384, 300, 400),
        ] {
            soak(
                memory_len,
                keys,
                len_max,
                4000,
                seed * 5 + memory_len as u64,
            );
        }
    }
}

#[test]
fn random_operations_agree_with_the_model_in_more_memory() {
    for seed in 0..8 {
        for (memory_len, keys, len_max) in [
            (65_536, 5000, 30),
            (65_536, 400, 2000),
            (300_000, 20_000, 60),
            (1_000_000, 3000, 65_000),
        ] {
            soak(
                memory_len,
                keys,
                len_max,
                30_000,
                seed * 5 + memory_len as u64,
            );
        }
    }
}

#[test]
fn nothing_is_known_about_memory_before() {
    run(&[]);
    run(&[1, 2, 3]);
}

#[test]
fn a_stored_value_is_found() {
    let mut store = Store::new(vec![0u8; 4096], StoreOptions::default()).expect("4 KiB is enough");
    let key = store.key(b"key");
    let attributes = Attributes {
        flags: 7,
        expiration: 0,
    };
    let cas = store
        .set(SetMode::Set, key, b"value", attributes, 0, 1)
        .expect("fits");
    let item = store.get(key, 1).expect("stored");
    assert_eq!(
        (item.cas, item.flags, item.value == *b"value".as_slice()),
        (cas, 7, true)
    );
    store.delete(key, 0, 1).expect("there");
    assert!(store.get(key, 1).is_none());
}
