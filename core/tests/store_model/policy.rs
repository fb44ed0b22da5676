//! Replays of key sequences and of size mixes, used by the tests and printed by the benchmark `policy`.

use std::collections::{HashMap, VecDeque};

use memlet_core::store::{Attributes, Seed, SetMode, Store, StoreOptions, StoreStatistics};

use super::Random;

/// Independent draws from a Zipf distribution: key 0 is the most wanted.
pub fn zipf(keys: usize, alpha: f64, requests: usize, seed: u64) -> Vec<u32> {
    let mut sum = 0.0;
    let cumulative: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-alpha);
            sum
        })
        .collect();
    let mut random = Random(seed);
    (0..requests)
        .map(|_| {
            let wanted = random.unit() * sum;
            cumulative.partition_point(|end| *end < wanted) as u32
        })
        .collect()
}

/// The miss ratio of LRU with room for `capacity` items.
pub fn lru_miss_ratio(trace: &[u32], capacity: usize) -> f64 {
    let mut last_use: HashMap<u32, usize> = HashMap::new();
    let mut uses: VecDeque<(u32, usize)> = VecDeque::new();
    let mut misses = 0u64;
    for (time, key) in trace.iter().enumerate() {
        uses.push_back((*key, time));
        if last_use.insert(*key, time).is_some() {
            continue;
        }
        misses += 1;
        while last_use.len() > capacity {
            let Some((oldest, time)) = uses.pop_front() else {
                break;
            };
            if last_use.get(&oldest) == Some(&time) {
                last_use.remove(&oldest);
            }
        }
    }
    misses as f64 / trace.len() as f64
}

/// What a replay found.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    pub miss_ratio: f64,
    /// The mean number of items held once evictions had begun.
    pub items: f64,
    pub statistics: StoreStatistics,
}

/// Gets each key of the trace, and stores it when it is missing.
pub fn replay(trace: &[u32], memory_len: usize, value_len: usize) -> Replay {
    let options = StoreOptions {
        seed: Seed([3, 4]),
        ..StoreOptions::default()
    };
    let mut store = Store::new(vec![0; memory_len], options).expect("a possible size");
    let value = vec![7; value_len];
    let (mut misses, mut held, mut counted) = (0u64, 0u64, 0u64);
    for number in trace {
        let bytes = u64::from(*number).to_le_bytes();
        let key = store.key(&bytes);
        if store.get(key, 1).is_none() {
            misses += 1;
            store
                .set(SetMode::Set, key, &value, Attributes::default(), 0, 1)
                .expect("it fits");
            let statistics = store.statistics();
            if statistics.evictions > 0 {
                held += statistics.curr_items;
                counted += 1;
            }
        }
    }
    Replay {
        miss_ratio: misses as f64 / trace.len() as f64,
        items: held as f64 / counted.max(1) as f64,
        statistics: store.statistics(),
    }
}

/// A replay in as much memory as makes the store hold `capacity` items on average, not more.
pub fn replay_with_capacity(trace: &[u32], capacity: usize) -> Replay {
    const VALUE_LEN: usize = 100;
    let mut memory_len = capacity * 125;
    loop {
        let found = replay(trace, memory_len, VALUE_LEN);
        if found.items <= capacity as f64 {
            return found;
        }
        memory_len -= ((found.items - capacity as f64) * 60.0).ceil() as usize + 8;
    }
}

/// A row of the published table: alpha, capacity, requests, and the miss ratios of LRU, SIEVE and S3-FIFO.
pub const PUBLISHED: [(f64, usize, usize, [f64; 3]); 4] = [
    (0.8, 100, 1_000_000, [0.8438, 0.7222, 0.7240]),
    (1.0, 100, 200_000, [0.6103, 0.4892, 0.4954]),
    (1.0, 1000, 200_000, [0.3260, 0.2673, 0.2665]),
    (1.2, 100, 200_000, [0.3438, 0.2639, 0.2680]),
];

/// A Zipf sequence into which scans over keys that never come again are mixed, each as long as twice the cache.
pub fn scan_mix(requests: usize, capacity: usize) -> (Vec<u32>, Vec<u32>) {
    let wanted = zipf(10_000, 1.0, requests, 11);
    let mut mixed = Vec::new();
    let mut fresh = 1_000_000;
    for part in wanted.chunks(capacity * 10) {
        mixed.extend_from_slice(part);
        mixed.extend(fresh..fresh + 2 * capacity as u32);
        fresh += 2 * capacity as u32;
    }
    (wanted, mixed)
}

/// How long values are in a mix of sizes.
#[derive(Clone, Copy, Debug)]
pub enum Sizes {
    /// All the same.
    Fixed(u64),
    /// Evenly from one to the other.
    Even(u64, u64),
    /// Each power of two from one to the other as often.
    Log(u64, u64),
    /// Mostly the first, one in fifty the second.
    Rarely(u64, u64),
}

impl Sizes {
    pub fn draw(self, random: &mut Random) -> u64 {
        match self {
            Sizes::Fixed(len) => len,
            Sizes::Even(from, to) => from + random.below(to - from + 1),
            Sizes::Log(from, to) => {
                let span = (to as f64 / from as f64).ln();
                (from as f64 * (random.unit() * span).exp()) as u64
            }
            Sizes::Rarely(often, rare) => [often, rare][usize::from(random.below(50) == 0)],
        }
    }
}

/// What is done to a full store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// New keys only.
    Insert,
    /// Keys are stored again and again, with another size each time.
    Overwrite,
    /// Three overwrites to one deletion.
    OverwriteAndDelete,
    /// Values grow by a fifth with each overwrite and start over at the least size.
    Grow,
    /// Append to random keys, which start over when they are long.
    Append,
}

/// The part of the memory that is index, headers, keys and values of live items.
pub fn utilisation(statistics: &StoreStatistics) -> f64 {
    (statistics.bytes + statistics.index_bytes) as f64 / statistics.memory_bytes as f64
}

/// The least and the mean utilisation after the operations that evicted something.
pub fn measure_utilisation(
    memory_len: usize,
    sizes: Sizes,
    load: Load,
    seed: u64,
) -> (f64, f64, u32, StoreStatistics) {
    let options = StoreOptions {
        seed: Seed([seed, 5]),
        ..StoreOptions::default()
    };
    let mut store = Store::new(vec![0; memory_len], options).expect("a possible size");
    let mut random = Random(seed);
    let mean = (0..1000).map(|_| sizes.draw(&mut random)).sum::<u64>() / 1000 + 8 + 16;
    let fits = memory_len as u64 / mean;
    // A little more keys than fit, so that there are overwrites and evictions.
    let keys = (fits * 5 / 4).max(4);
    let mut lens: HashMap<u64, u64> = HashMap::new();
    let (mut least, mut sum, mut samples) = (1.0f64, 0.0, 0u32);
    let mut evictions_before = 0;
    let (mut fresh, total) = (0, fits * 12 + 200);
    for i in 0..total {
        let number = match load {
            Load::Insert => {
                fresh += 1;
                fresh
            }
            _ if i < keys => i,
            _ => random.below(keys),
        };
        let drawn = sizes.draw(&mut random);
        let bytes = number.to_le_bytes();
        let key = store.key(&bytes);
        let old = lens.get(&number).copied().unwrap_or(0);
        let (mode, len) = match load {
            Load::Grow if old != 0 && old < drawn * 4 => (SetMode::Set, old + old / 5 + 1),
            Load::Append if old != 0 && old < drawn * 4 => (SetMode::Append, drawn / 4 + 1),
            _ => (SetMode::Set, drawn),
        };
        if load == Load::OverwriteAndDelete && i % 4 == 3 {
            let _missing_is_fine = store.delete(key, 0, 1);
            continue;
        }
        let value = vec![1; len as usize];
        if store
            .set(mode, key, &value, Attributes::default(), 0, 1)
            .is_ok()
        {
            lens.insert(
                number,
                if mode == SetMode::Append {
                    old + len
                } else {
                    len
                },
            );
        } else {
            lens.remove(&number);
        }
        let statistics = store.statistics();
        let evictions = core::mem::replace(&mut evictions_before, statistics.evictions);
        if statistics.evictions > evictions {
            let now = utilisation(&statistics);
            least = least.min(now);
            sum += now;
            samples += 1;
        }
    }
    (
        least,
        sum / f64::from(samples.max(1)),
        samples,
        store.statistics(),
    )
}

/// Bytes beside key and value for each item of a store filled with one kind of items, after evictions have begun.
pub fn metadata_per_item(memory_len: usize, value_len: u64, attributes: Attributes) -> (f64, f64) {
    let options = StoreOptions {
        seed: Seed([8, 9]),
        ..StoreOptions::default()
    };
    let mut store = Store::new(vec![0; memory_len], options).expect("a possible size");
    let value = vec![1; value_len as usize];
    let total = memory_len as u64 * 3 / (value_len + 30) + 100;
    let (mut most, mut last) = (0.0f64, 0.0);
    for number in 0..total {
        let bytes = number.to_le_bytes();
        let key = store.key(&bytes);
        store
            .set(SetMode::Set, key, &value, attributes, 0, 1)
            .expect("it fits");
        let statistics = store.statistics();
        if statistics.curr_items >= 1000 {
            let payload = statistics.curr_items * (value_len + 8);
            last = (statistics.bytes + statistics.index_bytes - payload) as f64
                / statistics.curr_items as f64;
            most = most.max(last);
        }
    }
    (most, last)
}
