//! What the store's eviction and layout achieve: `cargo bench -p memlet-core --bench policy`.
//!
//! Not a measurement of time: everything printed here is the same on every machine.

#[path = "../tests/store_model/mod.rs"]
mod store_model;

use memlet_core::store::Attributes;
use store_model::policy::{
    Load, PUBLISHED, Sizes, lru_miss_ratio, measure_utilisation, metadata_per_item,
    replay_with_capacity, scan_mix, zipf,
};

fn main() {
    // `cargo test --benches` runs this once, without the argument.
    let is_full = std::env::args().any(|argument| argument == "--bench");
    miss_ratios(is_full);
    scans();
    metadata();
    utilisations(is_full);
}

fn miss_ratios(is_full: bool) {
    println!("miss ratios, independent Zipf over 10,000 keys (published: libCacheSim)");
    println!(
        "alpha  items  requests |    LRU (published) | SIEVE  S3-FIFO |  memlet   held  moves/set"
    );
    for (alpha, capacity, requests, [lru, sieve, s3]) in PUBLISHED {
        if requests > 200_000 && !is_full {
            continue;
        }
        let trace = zipf(10_000, alpha, requests, 42);
        let found = replay_with_capacity(&trace, capacity);
        println!(
            "{alpha:5.1}  {capacity:5}  {requests:8} | {:.4}    ({lru:.4}) | {sieve:.4}  {s3:.4} |  {:.4} {:6.1}     {:.3}",
            lru_miss_ratio(&trace, capacity),
            found.miss_ratio,
            found.items,
            found.statistics.moves as f64 / found.statistics.total_items as f64,
        );
    }
    println!();
}

fn scans() {
    println!(
        "scans of fresh keys, each twice the cache, after every 10 capacities of requests (Zipf 1.0; all requests)"
    );
    println!("items | without scans: LRU  memlet | with scans: LRU  memlet  unavoidable");
    for capacity in [100, 1000] {
        let (wanted, mixed) = scan_mix(200_000, capacity);
        // Every request of a scan misses.
        let scanned = (mixed.len() - wanted.len()) as f64 / mixed.len() as f64;
        println!(
            "{capacity:5} |          {:.4}  {:.4} |       {:.4}  {:.4}  {scanned:.4}",
            lru_miss_ratio(&wanted, capacity),
            replay_with_capacity(&wanted, capacity).miss_ratio,
            lru_miss_ratio(&mixed, capacity),
            replay_with_capacity(&mixed, capacity).miss_ratio,
        );
    }
    println!();
}

fn metadata() {
    println!("bytes of metadata per item, index included (limit 16; with flags and expiration 28)");
    println!("value length |  plain: most   full | with both: most   full");
    for value_len in [0, 10, 100, 255, 1000, 10_000] {
        let both = Attributes {
            flags: 1,
            expiration: 100,
        };
        let memory_len = if value_len > 1000 { 32 << 20 } else { 4 << 20 };
        let (most, last) = metadata_per_item(memory_len, value_len, Attributes::default());
        let (both_most, both_last) = metadata_per_item(memory_len, value_len, both);
        println!(
            "{value_len:12} |        {most:5.2}  {last:5.2} |          {both_most:6.2}  {both_last:5.2}"
        );
    }
    println!();
}

fn utilisations(is_full: bool) {
    let mixes = [
        Sizes::Fixed(10),
        Sizes::Fixed(100),
        Sizes::Even(1, 400),
        Sizes::Log(8, 4096),
        Sizes::Rarely(50, 4000),
    ];
    let loads = [
        Load::Insert,
        Load::Overwrite,
        Load::OverwriteAndDelete,
        Load::Grow,
        Load::Append,
    ];
    println!(
        "utilisation after operations that evicted: least / mean; moved records per store operation"
    );
    for memory_len in [4 << 10, 16 << 10, 64 << 10, 1 << 20, 8 << 20] {
        if memory_len > 1 << 20 && !is_full {
            continue;
        }
        for sizes in mixes {
            print!("{memory_len:8} {:18} |", format!("{sizes:?}"));
            for load in loads {
                let (least, mean, samples, statistics) =
                    measure_utilisation(memory_len, sizes, load, 1);
                let moves = statistics.moves as f64 / statistics.total_items as f64;
                match samples {
                    0 => print!(" {load:?} nothing evicted, moves {moves:.1} |"),
                    _ => print!(" {load:?} {least:.3} / {mean:.3}, moves {moves:.1} |"),
                }
            }
            println!();
        }
    }
}
