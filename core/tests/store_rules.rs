//! The rules of the store, one by one.

mod store_model;

use memlet_core::store::{Attributes, Seed, SetMode, Store, StoreOptions};

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
