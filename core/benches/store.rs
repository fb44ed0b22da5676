//! Times of single store operations: `cargo bench -p memlet-core --bench store`.
//!
//! `warm` asks for few items, which stay in the processor's caches; `spread` for random ones of a full store, so that
//! each operation waits for memory.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use memlet_core::store::{Attributes, Seed, SetMode, Store, StoreOptions};

const VALUE_LEN: usize = 100;

fn full_store(memory_len: usize) -> (Store<Vec<u8>>, Vec<Vec<u8>>) {
    let options = StoreOptions {
        seed: Seed([5, 6]),
        ..StoreOptions::default()
    };
    let mut store = Store::new(vec![0; memory_len], options).expect("a possible size");
    let total = memory_len / (VALUE_LEN + 28) + 10_000;
    let mut keys: Vec<_> = (0..total)
        .map(|i| format!("benchmark:{i:08}").into_bytes())
        .collect();
    for bytes in &keys {
        let key = store.key(bytes);
        store
            .set(
                SetMode::Set,
                key,
                &[7; VALUE_LEN],
                Attributes::default(),
                0,
                1,
            )
            .expect("fits");
    }
    keys.retain(|bytes| store.peek(store.key(bytes), 1).is_some());
    (store, keys)
}

/// Visits all numbers below `len` in an order that no prefetcher knows.
fn scattered(i: usize, len: usize) -> usize {
    i.wrapping_mul(0x9e37_79b9) % len
}

fn get(c: &mut Criterion) {
    for (name, memory_len) in [
        ("warm", 256 << 10),
        ("spread", 16 << 20),
        ("spread", 64 << 20),
    ] {
        let (mut store, keys) = full_store(memory_len);
        let mut i = 0;
        c.bench_function(
            &format!("store/get hit/{name} {} KiB", memory_len >> 10),
            |b| {
                b.iter(|| {
                    i += 1;
                    let key = store.key(&keys[scattered(i, keys.len())]);
                    let item = store.get(key, 1).expect("a hit");
                    black_box(item.value.pieces().0.first().copied())
                });
            },
        );
    }
    let (mut store, _) = full_store(16 << 20);
    let mut i = 0u64;
    c.bench_function("store/get miss/spread 16384 KiB", |b| {
        b.iter(|| {
            i += 1;
            let bytes = i.to_le_bytes();
            let key = store.key(&bytes);
            black_box(store.get(key, 1).is_none())
        });
    });
}

fn set(c: &mut Criterion) {
    for memory_len in [256 << 10, 16 << 20] {
        let (mut store, keys) = full_store(memory_len);
        let mut i = 0;
        c.bench_function(
            &format!("store/set in place/{} KiB", memory_len >> 10),
            |b| {
                b.iter(|| {
                    i += 1;
                    let key = store.key(&keys[scattered(i, keys.len())]);
                    store.set(
                        SetMode::Set,
                        key,
                        black_box(&[8; VALUE_LEN]),
                        Attributes::default(),
                        0,
                        1,
                    )
                });
            },
        );
        let mut number = 0u64;
        c.bench_function(
            &format!("store/set new with eviction/{} KiB", memory_len >> 10),
            |b| {
                b.iter_batched(
                    || {
                        number += 1;
                        format!("fresh:{number:012}")
                    },
                    |bytes| {
                        let key = store.key(bytes.as_bytes());
                        store.set(
                            SetMode::Set,
                            key,
                            black_box(&[9; VALUE_LEN]),
                            Attributes::default(),
                            0,
                            1,
                        )
                    },
                    BatchSize::LargeInput,
                );
            },
        );
    }
}

criterion_group!(benches, get, set);
criterion_main!(benches);
