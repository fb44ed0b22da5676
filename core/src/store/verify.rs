//! Reads every byte of both logs and the whole index after each of many random operations.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::bytes::load_u32;
use super::index::SLOTS;
use super::operation::{Place, State};
use super::{Attributes, Key, Reservation, Seed, SetMode, Store, StoreOptions};

impl<O> State<O> {
    /// Panics unless logs, index, reservations and counters agree.
    fn verify(&self, memory: &[u8]) {
        let mut items = 0;
        let mut item_bytes = 0;
        for place in [Place::Small, Place::Main] {
            let log = self.log(place);
            let (mut at, mut used, mut dead) = (log.tail, 0, 0);
            while used < log.used {
                let entry = log.entry(memory, at).expect("an entry");
                let len = entry.record_len();
                if entry.is_filler() {
                    dead += len;
                } else if entry.cas == 0 {
                    assert!(self.reservations.holds(at, len), "an orphan at {at}");
                } else {
                    let key = log.key(memory, at, &entry);
                    let hash = self.options.seed.hash_pieces(key);
                    let found = self
                        .locate(memory, &Key::with_hash(&copied(key), hash))
                        .expect("each record is indexed");
                    assert_eq!(found.at, at, "each record is indexed once");
                    items += 1;
                    item_bytes += u64::from(len);
                }
                used += len;
                at = log.after(at, len);
            }
            assert_eq!(
                (used, at, dead),
                (log.used, log.head(), log.dead),
                "{place:?}"
            );
        }
        let slots =
            (0..self.index.buckets).flat_map(|bucket| (0..SLOTS).map(move |slot| (bucket, slot)));
        let taken = slots
            .filter(|(bucket, slot)| load_u32(memory, self.index.slot_at(*bucket, *slot)) != 0);
        assert_eq!(taken.count(), items);
        assert_eq!(
            (self.index.items as usize, self.counters.bytes),
            (items, item_bytes)
        );
        assert_eq!(self.main.end, self.index.offset(self.index.buckets - 1));
    }
}

/// The bytes of a key, in one piece.
fn copied(key: super::Value<'_>) -> Vec<u8> {
    let mut bytes = vec![0; key.len()];
    key.copy_to(&mut bytes);
    bytes
}

fn random(state: &mut u64, limit: u64) -> u64 {
    *state = state
        .wrapping_mul(0x5851_f42d_4c95_7f2d)
        .wrapping_add(0x1405_7b7e_f767_814f);
    (*state >> 33) % limit
}

/// Random operations on few keys in little memory, so that everything meets everything.
fn soak(memory_len: usize, keys: u64, len_max: u64, seed: u64) {
    let options = StoreOptions {
        seed: Seed([seed, 7]),
        ..StoreOptions::default()
    };
    let mut store = Store::new(vec![0xa5; memory_len], options).expect("a possible size");
    let mut held: Vec<Reservation> = Vec::new();
    let mut state = seed;
    let mut now = 1000;
    for _ in 0..3000 {
        let key = random(&mut state, keys);
        let key_bytes = vec![key as u8; 1 + (key * 7 % 250) as usize];
        let key = Key::new(&key_bytes, &options.seed);
        let len = random(&mut state, len_max) as usize;
        let value = vec![len as u8; len];
        let attributes = Attributes {
            flags: random(&mut state, 2) as u32,
            expiration: [0, 0, 0, now + 3][random(&mut state, 4) as usize],
        };
        match random(&mut state, 20) {
            0..=6 => _ = store.set(SetMode::Set, key, &value, attributes, 0, now),
            7 => _ = store.set(SetMode::Append, key, &value, attributes, 0, now),
            8..=12 => _ = store.get(key, now),
            13 => _ = store.touch(key, now + 5, now),
            14 => _ = store.delete(key, 0, now),
            15 => held.extend(store.reserve(key, len as u32, attributes, now)),
            16 => held
                .iter()
                .for_each(|held| _ = store.write(held, 0, &value)),
            17 => held
                .pop()
                .into_iter()
                .for_each(|held| _ = store.commit(held, SetMode::Set, 0, now)),
            18 => held
                .pop()
                .into_iter()
                .for_each(|held| _ = store.commit(held, SetMode::Prepend, 0, now)),
            _ => {
                now += 1;
                if random(&mut state, 30) == 0 {
                    store.flush(0, now);
                }
            }
        }
        store.state.verify(&store.memory);
    }
    held.into_iter().for_each(|held| store.cancel(held));
    store.state.verify(&store.memory);
}

#[test]
fn logs_index_and_counters_always_agree() {
    for seed in 0..20 {
        for (memory_len, keys, len_max) in [
            (1024, 20, 60),
            (1500, 60, 250),
            (5000, 200, 30),
            (5000, 100, 900),
            (70_000, 250, 3000),
        ] {
            soak(memory_len, keys, len_max, seed);
        }
    }
}

#[test]
fn metadata_takes_16_bytes_when_ids_take_six() {
    for (value_len, flags, limit) in [(0, 0, 16.0), (1000, 0, 16.0), (1000, 1, 28.0)] {
        let options = StoreOptions {
            seed: Seed([8, 9]),
            ..StoreOptions::default()
        };
        let mut store = Store::new(vec![0; 1 << 20], options).expect("a possible size");
        store.state.cas = 1 << 47;
        let attributes = Attributes {
            flags,
            expiration: flags * 9,
        };
        for number in 0..200_000u32 / (value_len + 1).min(50) {
            let bytes = number.to_le_bytes();
            let key = store.key(&bytes);
            let value = vec![1; value_len as usize];
            store
                .set(SetMode::Set, key, &value, attributes, 0, 1)
                .expect("it fits");
            let statistics = store.statistics();
            let items = statistics.curr_items as f64;
            let payload = items * f64::from(value_len + 4);
            let metadata = ((statistics.bytes + statistics.index_bytes) as f64 - payload) / items;
            assert!(
                items < 900.0 || metadata <= limit,
                "{metadata} at {value_len}: {statistics:?}"
            );
        }
    }
}
