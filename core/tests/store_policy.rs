//! What the store promises about eviction, room and metadata.

mod store_model;

use memlet_core::store::Attributes;
use store_model::policy::{
    Load, PUBLISHED, Sizes, lru_miss_ratio, measure_utilisation, metadata_per_item,
    replay_with_capacity, scan_mix, zipf,
};

#[test]
fn miss_ratios_are_those_of_sieve_or_s3_fifo() {
    for (alpha, capacity, requests, [lru, sieve, s3]) in PUBLISHED {
        let trace = zipf(10_000, alpha, requests, 42);
        let lru_here = lru_miss_ratio(&trace, capacity);
        assert!(
            (lru_here - lru).abs() < 0.004,
            "the trace is like the published one: LRU {lru_here}, {lru}"
        );
        let found = replay_with_capacity(&trace, capacity);
        let limit = sieve.max(s3) + 0.01;
        assert!(
            found.miss_ratio <= limit,
            "alpha {alpha}, {capacity} items: {} > {limit}",
            found.miss_ratio
        );
        assert!(
            found.items > capacity as f64 * 0.97,
            "the memory is used: {} items",
            found.items
        );
    }
}

#[test]
fn a_scan_does_not_drive_out_what_is_wanted() {
    for capacity in [100, 1000] {
        let (wanted, mixed) = scan_mix(200_000, capacity);
        let alone = replay_with_capacity(&wanted, capacity).miss_ratio;
        let with_scans = replay_with_capacity(&mixed, capacity).miss_ratio;
        let scanned = (mixed.len() - wanted.len()) as f64;
        let wanted_misses = (with_scans * mixed.len() as f64 - scanned) / wanted.len() as f64;
        assert!(
            wanted_misses < alone + 0.02,
            "{wanted_misses} with scans, {alone} without"
        );
        let lru_misses =
            (lru_miss_ratio(&mixed, capacity) * mixed.len() as f64 - scanned) / wanted.len() as f64;
        assert!(wanted_misses < lru_misses - 0.05, "LRU {lru_misses}");
    }
}

#[test]
fn metadata_is_small_at_any_size() {
    let both = Attributes {
        flags: 1,
        expiration: 100,
    };
    for value_len in [0, 1, 10, 100, 255, 256, 1000] {
        // The ids of the first 2^32 items take two bytes less than those up to 2^48.
        let (most, _) = metadata_per_item(2 << 20, value_len, Attributes::default());
        assert!(most + 2.0 <= 16.0, "{most} at {value_len}");
        let (most, _) = metadata_per_item(2 << 20, value_len, both);
        assert!(
            most + 2.0 <= 28.0,
            "{most} at {value_len} with flags and expiration"
        );
    }
}

#[test]
fn a_full_store_uses_all_its_memory_for_any_mix_of_sizes() {
    let mixes = [
        Sizes::Fixed(10),
        Sizes::Fixed(100),
        Sizes::Fixed(1000),
        Sizes::Even(1, 400),
        Sizes::Log(8, 4096),
        Sizes::Rarely(50, 4000),
    ];
    for sizes in mixes {
        for load in [Load::Insert, Load::Overwrite, Load::Grow, Load::Append] {
            let (_, mean, evictions, _) = measure_utilisation(1 << 20, sizes, load, 3);
            assert!(
                evictions > 20,
                "{sizes:?} {load:?} is a load on a full store"
            );
            assert!(mean >= 0.95, "{sizes:?} {load:?}: {mean}");
        }
    }
}

#[test]
fn little_memory_is_used_well_by_items_of_a_hundredth_of_it() {
    for (memory_len, sizes, least) in [
        (4 << 10, Sizes::Fixed(10), 0.95),
        (4 << 10, Sizes::Fixed(40), 0.93),
        (16 << 10, Sizes::Fixed(100), 0.95),
        (16 << 10, Sizes::Even(1, 200), 0.95),
        (64 << 10, Sizes::Even(1, 400), 0.95),
        (64 << 10, Sizes::Fixed(600), 0.95),
    ] {
        for load in [Load::Insert, Load::Overwrite, Load::Grow] {
            let (_, mean, _, _) = measure_utilisation(memory_len, sizes, load, 3);
            assert!(mean >= least, "{memory_len} {sizes:?} {load:?}: {mean}");
        }
    }
}

#[test]
fn a_shift_of_sizes_lets_the_index_follow() {
    use memlet_core::store::{Seed, SetMode, Store, StoreOptions};
    let options = StoreOptions {
        seed: Seed([1, 9]),
        ..StoreOptions::default()
    };
    let mut store = Store::new(vec![0; 1 << 20], options).expect("a possible size");
    let mut number = 0u64;
    let mut fill = |store: &mut Store<Vec<u8>>, len: usize, mib: usize| {
        let mut least = 1.0f64;
        for i in 0..(mib << 20) / (len + 20) {
            number += 1;
            let bytes = number.to_le_bytes();
            let key = store.key(&bytes);
            store
                .set(
                    SetMode::Set,
                    key,
                    &vec![1; len],
                    Attributes::default(),
                    0,
                    1,
                )
                .expect("it fits");
            // What is read twice in the small log replaces what the main log holds.
            for _ in 0..2 {
                let _evicted_is_fine = store.get(key, 1);
            }
            let statistics = store.statistics();
            if statistics.evictions > 0 && i > 10 {
                least = least.min(store_model::policy::utilisation(&statistics));
            }
        }
        (least, store.statistics())
    };
    let (_, large) = fill(&mut store, 1000, 2);
    let (least, small) = fill(&mut store, 20, 3);
    assert!(least > 0.95, "{least} while small items replace large ones");
    assert!(small.curr_items > 25_000, "{small:?}");
    let (least, again) = fill(&mut store, 1000, 3);
    assert!(least > 0.93, "{least} while large items replace small ones");
    assert!(
        again.index_bytes < large.index_bytes * 5 / 4,
        "{again:?} {large:?}"
    );
    assert_eq!(again.evicted_index, 0);
}
