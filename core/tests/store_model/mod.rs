//! A store beside a model of it: whatever the store returns must be what the model knows.
//!
//! Used by the tests of the store and by its fuzz target; operations are decoded from bytes.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each user needs another part"
)]

pub mod policy;

use std::collections::HashMap;

use memlet_core::store::{
    Attributes, Cursor, DeleteError, KEY_LEN_MAX, Reservation, ReserveError, SetError, SetMode,
    Store, StoreOptions, StoreStatistics,
};

/// A small generator of pseudo-random numbers that is the same everywhere (splitmix64).
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// From 0 up to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A value that tells which store operation wrote it.
pub fn value(serial: u64, len: usize) -> Vec<u8> {
    let mut random = Random(serial);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[derive(Clone, Debug)]
struct Entry {
    value: Vec<u8>,
    attributes: Attributes,
    cas: u64,
}

struct Arriving {
    reservation: Reservation,
    key: Vec<u8>,
    value: Vec<u8>,
    written: usize,
    attributes: Attributes,
}

/// The store under test and what it may answer.
pub struct Pair {
    pub store: Store<Vec<u8>>,
    entries: HashMap<Vec<u8>, Entry>,
    arriving: Vec<Arriving>,
    pub now: u32,
    serial: u64,
    cas: u64,
    flush_cas: u64,
    flush_at: u32,
    /// Live items of the model that the store no longer had.
    pub vanished: u64,
    overhead: Option<u64>,
    item_len_max: u64,
}

pub const MODES: [SetMode; 5] = [
    SetMode::Set,
    SetMode::Add,
    SetMode::Replace,
    SetMode::Append,
    SetMode::Prepend,
];

impl Pair {
    pub fn new(memory_len: usize, options: StoreOptions) -> Pair {
        // What the memory holds must not matter.
        let memory = value(memory_len as u64, memory_len);
        let store = Store::new(memory, options).expect("the tests use possible sizes");
        Pair {
            store,
            entries: HashMap::new(),
            arriving: Vec::new(),
            now: 1_000_000,
            serial: 0,
            cas: 1,
            flush_cas: 0,
            flush_at: 0,
            vanished: 0,
            overhead: None,
            item_len_max: u64::from(options.item_len_max.min(memory_len as u32 / 4)),
        }
    }

    fn settle(&mut self) {
        if self.flush_at != 0 && self.now > self.flush_at {
            self.flush_cas = self.cas;
            self.flush_at = 0;
        }
    }

    /// What the model has, if it lives; what is past its time is forgotten.
    fn live(&mut self, key: &[u8]) -> Option<Entry> {
        self.settle();
        let entry = self.entries.get(key)?;
        let expiration = entry.attributes.expiration;
        let is_gone = (expiration != 0 && expiration <= self.now)
            || entry.cas <= self.flush_cas
            || (self.flush_at != 0 && self.now >= self.flush_at);
        if is_gone {
            self.entries.remove(key);
            return None;
        }
        Some(entry.clone())
    }

    fn vanish(&mut self, key: &[u8]) {
        if self.entries.remove(key).is_some() {
            self.vanished += 1;
        }
    }

    pub fn get(&mut self, key: &[u8], counts: bool) -> bool {
        let live = self.live(key);
        let hashed = self.store.key(key);
        let item = if counts {
            self.store.get(hashed, self.now)
        } else {
            self.store.peek(hashed, self.now)
        };
        match (item, live) {
            (Some(item), Some(entry)) => {
                assert_eq!(item.cas, entry.cas, "CAS of {key:?}");
                assert_eq!(item.flags, entry.attributes.flags, "flags of {key:?}");
                assert_eq!(
                    item.expiration, entry.attributes.expiration,
                    "expiration of {key:?}"
                );
                assert!(item.value == *entry.value.as_slice(), "value of {key:?}");
                assert_eq!(item.value.len(), entry.value.len());
                true
            }
            (None, Some(_)) => {
                self.vanish(key);
                false
            }
            (Some(_), None) => panic!("{key:?} is found but should be gone at {}", self.now),
            (None, None) => false,
        }
    }

    pub fn touch(&mut self, key: &[u8], expiration: u32) {
        let live = self.live(key);
        let hashed = self.store.key(key);
        match (self.store.touch(hashed, expiration, self.now), live) {
            (Some(item), Some(mut entry)) => {
                assert!(item.value == *entry.value.as_slice(), "value of {key:?}");
                assert_eq!((item.cas, item.flags), (entry.cas, entry.attributes.flags));
                assert_eq!(item.expiration, expiration);
                entry.attributes.expiration = expiration;
                self.entries.insert(key.to_vec(), entry);
            }
            (None, Some(_)) => self.vanish(key),
            (Some(_), None) => panic!("{key:?} is touched but should be gone"),
            (None, None) => {}
        }
    }

    fn expect(mode: SetMode, cas: u64, old: Option<&Entry>) -> Result<(), SetError> {
        match (mode, old) {
            (SetMode::Append | SetMode::Prepend, None) => Err(SetError::NotStored),
            (SetMode::Replace, None) => Err(SetError::NotFound),
            (_, None) if cas != 0 => Err(SetError::NotFound),
            (SetMode::Add, Some(_)) if cas == 0 => Err(SetError::Exists),
            (_, Some(old)) if cas != 0 && cas != old.cas => Err(SetError::Exists),
            _ => Ok(()),
        }
    }

    /// Compares the answer to a storing operation and takes over its effect.
    fn store_answer(
        &mut self,
        key: &[u8],
        mode: SetMode,
        cas: u64,
        new: (Vec<u8>, Attributes),
        answer: Result<u64, SetError>,
    ) {
        let mut old = self.live(key);
        let mut expected = Self::expect(mode, cas, old.as_ref());
        let as_missing = Self::expect(mode, cas, None);
        let agrees = |expected: &Result<(), SetError>| match (&answer, expected) {
            (Err(SetError::TooLarge { .. }), Ok(())) => true,
            (Err(answer), Err(expected)) => answer == expected,
            (Ok(_), Ok(())) => true,
            _ => false,
        };
        if !agrees(&expected) && old.is_some() && agrees(&as_missing) {
            self.vanish(key);
            old = None;
            expected = as_missing;
        }
        assert!(
            agrees(&expected),
            "{mode:?} of {key:?} with CAS {cas}: {answer:?}, expected {expected:?}"
        );
        let (new, attributes) = new;
        match answer {
            Ok(new_cas) => {
                assert!(new_cas > self.cas, "CAS ids rise");
                self.cas = new_cas;
                let entry = match (mode, old) {
                    (SetMode::Append, Some(old)) => Entry {
                        value: [old.value, new].concat(),
                        cas: new_cas,
                        ..old
                    },
                    (SetMode::Prepend, Some(old)) => Entry {
                        value: [new, old.value].concat(),
                        cas: new_cas,
                        ..old
                    },
                    _ => Entry {
                        value: new,
                        attributes,
                        cas: new_cas,
                    },
                };
                self.entries.insert(key.to_vec(), entry);
            }
            Err(SetError::TooLarge { needed, available }) => {
                assert!(needed > available);
                assert_eq!(available, self.item_len_max);
            }
            Err(_) => {}
        }
    }

    pub fn set(&mut self, mode: SetMode, key: &[u8], len: usize, attributes: Attributes, cas: u64) {
        self.serial += 1;
        let new = value(self.serial, len);
        let hashed = self.store.key(key);
        self.settle();
        let answer = self
            .store
            .set(mode, hashed, &new, attributes, cas, self.now);
        if key.is_empty() || key.len() > KEY_LEN_MAX {
            assert_eq!(answer, Err(SetError::KeyLength { len: key.len() }));
            return;
        }
        self.store_answer(key, mode, cas, (new, attributes), answer);
    }

    pub fn delete(&mut self, key: &[u8], cas: u64) {
        let live = self.live(key);
        let hashed = self.store.key(key);
        let answer = self.store.delete(hashed, cas, self.now);
        match (answer, live) {
            (Ok(()), Some(entry)) => {
                assert!(
                    cas == 0 || cas == entry.cas,
                    "deleted in spite of another CAS"
                );
                self.entries.remove(key);
            }
            (Err(DeleteError::Exists), Some(entry)) => assert!(cas != 0 && cas != entry.cas),
            (Err(DeleteError::NotFound), Some(_)) => self.vanish(key),
            (Err(DeleteError::NotFound), None) => {}
            (answer, live) => panic!("delete of {key:?}: {answer:?}, model {live:?}"),
        }
    }

    pub fn flush(&mut self, when: u32) {
        self.settle();
        self.store.flush(when, self.now);
        let is_in_effect = self.flush_at != 0 && self.now >= self.flush_at;
        if when <= self.now || is_in_effect {
            self.flush_cas = self.cas;
        }
        self.flush_at = if when <= self.now { 0 } else { when };
    }

    pub fn reserve(&mut self, key: &[u8], len: usize, attributes: Attributes) {
        self.serial += 1;
        let value = value(self.serial, len);
        let hashed = self.store.key(key);
        match self.store.reserve(hashed, len as u32, attributes, self.now) {
            Ok(reservation) => {
                let key = key.to_vec();
                self.arriving.push(Arriving {
                    reservation,
                    key,
                    value,
                    written: 0,
                    attributes,
                });
            }
            Err(ReserveError::TooLarge { needed, available }) => assert!(needed > available),
            Err(ReserveError::KeyLength { len }) => assert!(len == 0 || len > KEY_LEN_MAX),
            Err(_) => {}
        }
    }

    pub fn write(&mut self, which: usize, len: usize) {
        let count = self.arriving.len();
        let Some(arriving) = self.arriving.get_mut(which % count.max(1)) else {
            return;
        };
        let end = (arriving.written + len).min(arriving.value.len());
        let offset = arriving.written as u32;
        let bytes = &arriving.value[arriving.written..end];
        if self
            .store
            .write(&arriving.reservation, offset, bytes)
            .is_ok()
        {
            arriving.written = end;
        }
    }

    pub fn end_reservation(&mut self, which: usize, mode: Option<SetMode>, cas: u64) {
        if self.arriving.is_empty() {
            return;
        }
        let Arriving {
            reservation,
            key,
            value,
            written,
            attributes,
        } = self.arriving.swap_remove(which % self.arriving.len());
        let Some(mode) = mode else {
            self.store.cancel(reservation);
            return;
        };
        if let Err(_given_up) = self
            .store
            .write(&reservation, written as u32, &value[written..])
        {
            let answer = self.store.commit(reservation, mode, cas, self.now);
            assert_eq!(answer, Err(SetError::NotReserved));
            return;
        }
        self.settle();
        let answer = self.store.commit(reservation, mode, cas, self.now);
        if answer == Err(SetError::Full) || answer == Err(SetError::NotReserved) {
            // Joining needs room for both; then the old item is still there or was evicted.
            return;
        }
        self.store_answer(&key, mode, cas, (value, attributes), answer);
    }

    pub fn cas_of(&self, key: &[u8]) -> u64 {
        self.entries.get(key).map_or(9, |entry| entry.cas)
    }

    /// Looks at everything: all items of the model, the walk, and the sums.
    pub fn check(&mut self) -> StoreStatistics {
        let keys: Vec<_> = self.entries.keys().cloned().collect();
        let found = keys.iter().filter(|key| self.get(key, false)).count();
        let statistics = self.store.statistics();
        assert!(
            self.vanished <= statistics.evictions,
            "{} vanished of {statistics:?}",
            self.vanished
        );
        assert!(statistics.curr_items >= found as u64);
        let mut seen = 0;
        let mut cursor = Some(Cursor::START);
        while let Some(from) = cursor {
            cursor = self.store.walk(from, 7, self.now, |key, item| {
                let mut bytes = vec![0; key.len()];
                key.copy_to(&mut bytes);
                let entry = self.entries.get(&bytes).expect("a key of the model");
                assert!(item.value == *entry.value.as_slice() && item.cas == entry.cas);
                seen += 1;
            });
        }
        assert_eq!(seen, found, "each item is shown once when nothing changes");
        if statistics.reservations == 0 {
            let sum = statistics.bytes
                + statistics.index_bytes
                + statistics.dead_bytes
                + statistics.free_bytes;
            let overhead = statistics.memory_bytes - sum;
            assert_eq!(
                *self.overhead.get_or_insert(overhead),
                overhead,
                "every byte is accounted for: {statistics:?}"
            );
        }
        statistics
    }

    /// Carries out one operation, taken from the bytes.
    pub fn step(&mut self, bytes: &mut Bytes<'_>, keys: u64, len_max: u64) {
        let operation = bytes.byte();
        let key_number = bytes.number() % keys;
        let key = key_bytes(key_number);
        let len = (bytes.number() % (len_max + 1)) as usize;
        let shape = bytes.byte();
        let attributes = Attributes {
            flags: if shape & 1 == 0 {
                0
            } else {
                u32::from(shape) << 7
            },
            expiration: match shape >> 1 & 7 {
                0 => self.now + u32::from(shape >> 4),
                1 => self.now + 1000,
                2 => self.now.saturating_sub(1),
                _ => 0,
            },
        };
        let cas = match shape >> 4 {
            0 => self.cas_of(&key),
            1 => self.cas_of(&key) + 1,
            _ => 0,
        };
        match operation % 32 {
            0..=6 => _ = self.get(&key, true),
            7..=8 => _ = self.get(&key, false),
            9..=15 => self.set(SetMode::Set, &key, len, attributes, cas),
            16..=17 => self.set(SetMode::Add, &key, len, attributes, cas),
            18..=19 => self.set(SetMode::Replace, &key, len, attributes, cas),
            20 => self.set(SetMode::Append, &key, len / 4, attributes, cas),
            21 => self.set(SetMode::Prepend, &key, len / 4, attributes, cas),
            22..=23 => self.delete(&key, cas),
            24 => self.touch(&key, attributes.expiration),
            25..=26 => self.reserve(&key, len, attributes),
            27 => self.write(key_number as usize, len),
            28..=29 => {
                let mode = MODES.get(usize::from(shape >> 4)).copied();
                self.end_reservation(key_number as usize, mode, cas);
            }
            30 => self.now += u32::from(shape % 4),
            _ => match shape {
                0..8 => self.flush(0),
                8..16 => self.flush(self.now + 2),
                _ => {}
            },
        }
    }
}

/// Keys of all lengths; the number decides.
pub fn key_bytes(number: u64) -> Vec<u8> {
    let len = match number % 16 {
        0 => 250,
        1 => 1 + (number / 16 % 200) as usize,
        n => n as usize + 2,
    };
    let mut key = value(number, len);
    for (to, from) in key.iter_mut().zip(number.to_le_bytes()) {
        *to = from;
    }
    key
}

/// Takes numbers from bytes; zeros when they have run out.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *byte
    }

    pub fn number(&mut self) -> u64 {
        u64::from(self.byte()) | u64::from(self.byte()) << 8
    }
}

/// The body of the fuzz target: the first bytes choose the memory, the others are operations.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let memory_len = 1024 + bytes.number() as usize % 16_384;
    let keys = 1 + u64::from(bytes.byte());
    let len_max = (memory_len / (2 + usize::from(bytes.byte() % 64))) as u64;
    let mut pair = Pair::new(memory_len, StoreOptions::default());
    while !bytes.is_empty() {
        pair.step(&mut bytes, keys, len_max);
    }
    pair.check();
}
