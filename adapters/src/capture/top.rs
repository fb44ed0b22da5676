//! The keys that come most often, in bounded memory.

use std::collections::{BTreeSet, HashMap};

/// Longer keys are counted by their front of this many bytes.
const KEY_LEN_MAX: usize = 256;

/// How often a key was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The key.
    pub key: Vec<u8>,
    /// Times that it was seen, at most: it may have been seen `overestimate` times less.
    pub count: u64,
    /// How much of `count` may belong to keys that were counted in its place before.
    pub overestimate: u64,
}

/// Counts the most frequent of any number of keys with a fixed number of counters (Metwally et al., Efficient computation of
/// frequent and top-k elements in data streams, 2005): a key without a counter takes over the smallest one.
#[derive(Clone, Debug)]
pub struct TopKeys {
    counters_max: usize,
    counters: Vec<Counted>,
    places: HashMap<Vec<u8>, usize>,
    /// Counts and places, so that the smallest is at hand.
    order: BTreeSet<(u64, usize)>,
}

impl TopKeys {
    /// With so many counters, at least one.
    #[must_use]
    pub fn new(counters_max: usize) -> Self {
        TopKeys {
            counters_max: counters_max.max(1),
            counters: Vec::new(),
            places: HashMap::new(),
            order: BTreeSet::new(),
        }
    }

    /// A key was seen.
    pub fn note(&mut self, key: &[u8]) {
        let key = key.get(..KEY_LEN_MAX).unwrap_or(key);
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => self.place_for(key),
        };
        if let Some(counted) = self.counters.get_mut(place) {
            self.order.remove(&(counted.count, place));
            counted.count += 1;
            self.order.insert((counted.count, place));
        }
    }

    /// A counter for a key that has none.
    fn place_for(&mut self, key: &[u8]) -> usize {
        let smallest = self.order.first().map(|(_, place)| *place);
        let place = match smallest {
            Some(place) if self.counters.len() == self.counters_max => {
                let counted = &mut self.counters[place];
                self.places.remove(&counted.key);
                counted.key = key.to_vec();
                counted.overestimate = counted.count;
                place
            }
            _ => {
                self.counters.push(Counted {
                    key: key.to_vec(),
                    count: 0,
                    overestimate: 0,
                });
                self.counters.len() - 1
            }
        };
        self.places.insert(key.to_vec(), place);
        place
    }

    /// The keys that were seen most often, the first most of all.
    pub fn most(&self, keys_max: usize) -> impl Iterator<Item = &Counted> {
        self.order
            .iter()
            .rev()
            .take(keys_max)
            .filter_map(|(_, place)| self.counters.get(*place))
    }
}
