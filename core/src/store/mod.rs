//! A byte-exact cache over memory that the caller owns.
//!
//! This first version keeps records one behind the other and evicts in the order of arrival; its interface is the one
//! that stays.

mod error;
mod hash;
mod item;
mod shards;
mod statistics;

pub use error::{DeleteError, ReserveError, SetError, StoreConfigError, WriteError};
pub use hash::{KEY_LEN_MAX, Key, Seed};
pub use item::{Attributes, Item, SetMode, Value};
pub use shards::Shards;
pub use statistics::StoreStatistics;

/// The smallest memory a store can work with, in bytes.
pub const MEMORY_LEN_MIN: usize = 1024;

/// How many values can be arriving at the same time in one store.
pub const RESERVATIONS_MAX: usize = 16;

/// What a store is told at its start.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// The seed of the hash; the same for all shards of a cache.
    pub seed: Seed,
    /// The most bytes that one item may take, header and key included. A quarter of the memory is the limit in any case.
    pub item_len_max: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            seed: Seed::default(),
            item_len_max: u32::MAX,
        }
    }
}

/// A store in an array of its own, for a `static` on a device.
pub type FixedStore<const BYTES: usize> = Store<[u8; BYTES]>;

/// Room for a value that arrives in pieces; see [`Store::reserve`].
///
/// It ends with [`Store::commit`] or [`Store::cancel`].
#[derive(Debug)]
#[must_use = "a reservation holds memory until it is committed or cancelled"]
pub struct Reservation {
    key_hash: u64,
    id: u32,
    value_len: u32,
}

impl Reservation {
    /// The hash of the key, which finds the shard again.
    #[must_use]
    pub fn key_hash(&self) -> u64 {
        self.key_hash
    }

    /// The length of the value in bytes.
    #[must_use]
    pub fn value_len(&self) -> u32 {
        self.value_len
    }
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    id: u32,
    attributes: Attributes,
}

/// A bounded cache over the bytes of `M`.
#[derive(Debug)]
pub struct Store<M> {
    memory: M,
    options: StoreOptions,
    used: usize,
    cas: u64,
    flush_cas: u64,
    flush_at: u32,
    next_id: u32,
    pending: heapless::Vec<Pending, RESERVATIONS_MAX>,
    statistics: StoreStatistics,
}

const HEAD: usize = 26;

#[derive(Clone, Copy)]
struct Record {
    at: usize,
    len: usize,
    key_len: usize,
    visited: bool,
    flags: u32,
    expiration: u32,
    cas: u64,
}

impl Record {
    fn value_at(&self) -> usize {
        self.at.saturating_add(HEAD).saturating_add(self.key_len)
    }
    fn end(&self) -> usize {
        self.at.saturating_add(self.len)
    }
}

impl<const BYTES: usize> Store<[u8; BYTES]> {
    /// A store in zeroed memory of its own, usable for a `static`.
    #[must_use]
    pub const fn fixed(options: StoreOptions) -> Self {
        const {
            assert!(
                BYTES >= MEMORY_LEN_MIN && BYTES as u64 <= u32::MAX as u64,
                "1 KiB to 4 GiB"
            );
        };
        Self::over([0; BYTES], options)
    }
}

impl<M> Store<M> {
    const fn over(memory: M, options: StoreOptions) -> Self {
        Store {
            memory,
            options,
            used: 0,
            cas: 1,
            flush_cas: 0,
            flush_at: 0,
            next_id: 0,
            pending: heapless::Vec::new(),
            statistics: StoreStatistics {
                curr_items: 0,
                total_items: 0,
                bytes: 0,
                evictions: 0,
                reclaimed: 0,
                expired_unfetched: 0,
                evicted_unfetched: 0,
                evicted_index: 0,
                moves: 0,
                memory_bytes: 0,
                index_bytes: 0,
                dead_bytes: 0,
                free_bytes: 0,
                reservations: 0,
            },
        }
    }

    /// Hashes a key for this store.
    #[must_use]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key::new(bytes, &self.options.seed)
    }

    /// The seed of the hash.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.options.seed
    }
}

impl<M: AsRef<[u8]> + AsMut<[u8]>> Store<M> {
    /// Makes `memory` an empty store; what the memory holds does not matter.
    ///
    /// # Errors
    /// If the memory is smaller than [`MEMORY_LEN_MIN`] or larger than 32-bit positions reach.
    pub fn new(memory: M, options: StoreOptions) -> Result<Self, StoreConfigError> {
        let len = memory.as_ref().len() as u64;
        if len < MEMORY_LEN_MIN as u64 {
            return Err(StoreConfigError::MemoryTooSmall {
                len,
                min: MEMORY_LEN_MIN as u64,
            });
        }
        if len > u64::from(u32::MAX) {
            return Err(StoreConfigError::MemoryTooLarge {
                len,
                max: u64::from(u32::MAX),
            });
        }
        Ok(Self::over(memory, options))
    }

    fn read(&self, at: usize) -> Option<Record> {
        let head = self
            .memory
            .as_ref()
            .get(..self.used)?
            .get(at..)?
            .first_chunk::<HEAD>()?;
        let (len, rest) = head.split_first_chunk::<4>()?;
        let (key_len, rest) = rest.split_first_chunk::<1>()?;
        let (visited, rest) = rest.split_first_chunk::<1>()?;
        let (flags, rest) = rest.split_first_chunk::<4>()?;
        let (expiration, rest) = rest.split_first_chunk::<4>()?;
        let cas = rest.first_chunk::<8>()?;
        let len = (u32::from_le_bytes(*len) as usize).max(HEAD);
        Some(Record {
            at,
            len,
            key_len: usize::from(key_len[0]),
            visited: visited[0] != 0,
            flags: u32::from_le_bytes(*flags),
            expiration: u32::from_le_bytes(*expiration),
            cas: u64::from_le_bytes(*cas),
        })
    }

    fn write_head(&mut self, record: &Record) {
        if let Some(head) = self
            .memory
            .as_mut()
            .get_mut(record.at..)
            .and_then(|m| m.first_chunk_mut::<HEAD>())
        {
            let mut new = [0; HEAD];
            let fields: [(usize, &[u8]); 6] = [
                (0, &(record.len as u32).to_le_bytes()),
                (4, &[record.key_len as u8]),
                (5, &[u8::from(record.visited)]),
                (6, &record.flags.to_le_bytes()),
                (10, &record.expiration.to_le_bytes()),
                (14, &record.cas.to_le_bytes()),
            ];
            for (at, bytes) in fields {
                for (to, from) in new.iter_mut().skip(at).zip(bytes) {
                    *to = *from;
                }
            }
            *head = new;
        }
    }

    fn locate(&self, key: &[u8]) -> Option<Record> {
        let mut at = 0;
        while let Some(record) = self.read(at) {
            let key_at = at.saturating_add(HEAD);
            if record.cas != 0 && self.memory.as_ref().get(key_at..record.value_at()) == Some(key) {
                return Some(record);
            }
            at = record.end();
        }
        None
    }

    fn remove(&mut self, record: &Record) {
        let (end, used) = (record.end(), self.used);
        if record.at <= end && end <= used && used <= self.memory.as_ref().len() {
            self.memory.as_mut().copy_within(end..used, record.at);
            self.used = used.saturating_sub(record.len);
        }
        if record.cas != 0 {
            self.statistics.curr_items = self.statistics.curr_items.saturating_sub(1);
            self.statistics.bytes = self.statistics.bytes.saturating_sub(record.len as u64);
        }
    }

    fn settle_flush(&mut self, now: u32) {
        if self.flush_at != 0 && now > self.flush_at {
            self.flush_cas = self.cas;
            self.flush_at = 0;
        }
    }

    /// The live item's record; an expired or flushed one is removed on the way.
    fn find(&mut self, key: Key<'_>, now: u32) -> Option<Record> {
        self.settle_flush(now);
        let record = self.locate(key.bytes())?;
        let expired = record.expiration != 0 && record.expiration <= now;
        if expired || record.cas <= self.flush_cas || (self.flush_at != 0 && now == self.flush_at) {
            self.statistics.reclaimed = self.statistics.reclaimed.wrapping_add(1);
            if !record.visited {
                self.statistics.expired_unfetched =
                    self.statistics.expired_unfetched.wrapping_add(1);
            }
            self.remove(&record);
            return None;
        }
        Some(record)
    }

    fn item(&self, record: &Record) -> Item<'_> {
        let value = self
            .memory
            .as_ref()
            .get(record.value_at()..record.end())
            .unwrap_or_default();
        let Record {
            cas,
            flags,
            expiration,
            ..
        } = *record;
        Item {
            cas,
            flags,
            expiration,
            value: Value::new(value, &[]),
        }
    }

    /// Finds the item of `key` and counts the visit.
    pub fn get(&mut self, key: Key<'_>, now: u32) -> Option<Item<'_>> {
        let mut record = self.find(key, now)?;
        record.visited = true;
        self.write_head(&record);
        Some(self.item(&record))
    }

    /// Finds the item of `key` without counting a visit.
    pub fn peek(&mut self, key: Key<'_>, now: u32) -> Option<Item<'_>> {
        let record = self.find(key, now)?;
        Some(self.item(&record))
    }

    /// Gives the item of `key` another expiration (absolute unix seconds, 0 = never), counts the visit, and returns
    /// the item; its CAS stays.
    pub fn touch(&mut self, key: Key<'_>, expiration: u32, now: u32) -> Option<Item<'_>> {
        let mut record = self.find(key, now)?;
        record.visited = true;
        record.expiration = expiration;
        self.write_head(&record);
        Some(self.item(&record))
    }

    fn len_needed(&self, key_len: usize, value_len: u64) -> Result<usize, SetError> {
        let needed = value_len
            .saturating_add(key_len as u64)
            .saturating_add(HEAD as u64);
        let available =
            u64::from(self.options.item_len_max).min(self.memory.as_ref().len() as u64 / 4);
        if needed > available {
            return Err(SetError::TooLarge { needed, available });
        }
        Ok(needed as usize)
    }

    fn allocate(&mut self, len: usize) -> Result<usize, SetError> {
        while self.memory.as_ref().len().saturating_sub(self.used) < len {
            let mut at = 0;
            loop {
                let Some(record) = self.read(at) else {
                    return Err(SetError::Full);
                };
                if record.cas != 0 {
                    self.statistics.evictions = self.statistics.evictions.wrapping_add(1);
                    self.remove(&record);
                    break;
                }
                at = record.end();
            }
        }
        let at = self.used;
        self.used = self.used.saturating_add(len);
        Ok(at)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self
            .memory
            .as_mut()
            .get_mut(at..)
            .and_then(|m| m.get_mut(..bytes.len()))
        {
            to.copy_from_slice(bytes);
        }
    }

    fn next_cas(&mut self) -> u64 {
        self.cas = self.cas.wrapping_add(1);
        self.cas
    }

    fn check(
        &mut self,
        mode: SetMode,
        key: Key<'_>,
        cas: u64,
        now: u32,
    ) -> Result<Option<Record>, SetError> {
        if key.bytes().is_empty() || key.bytes().len() > KEY_LEN_MAX {
            return Err(SetError::KeyLength {
                len: key.bytes().len(),
            });
        }
        let old = self.find(key, now);
        match (&old, mode) {
            (None, SetMode::Replace) => Err(SetError::NotFound),
            (None, SetMode::Append | SetMode::Prepend) => Err(SetError::NotStored),
            (None, _) if cas != 0 => Err(SetError::NotFound),
            (Some(_), SetMode::Add) if cas == 0 => Err(SetError::Exists),
            (Some(old), _) if cas != 0 && cas != old.cas => Err(SetError::Exists),
            _ => Ok(old),
        }
    }

    /// Stores `value` under `key` and returns the item's new CAS.
    ///
    /// `cas` = 0 stores whatever is there; another one only over the item that has it. Append and prepend keep the
    /// item's attributes.
    ///
    /// # Errors
    /// As [`SetError`] says; the old item stays as it was.
    pub fn set(
        &mut self,
        mode: SetMode,
        key: Key<'_>,
        value: &[u8],
        attributes: Attributes,
        cas: u64,
        now: u32,
    ) -> Result<u64, SetError> {
        let old = self.check(mode, key, cas, now)?;
        let joins = matches!(mode, SetMode::Append | SetMode::Prepend);
        let old_len = old
            .filter(|_| joins)
            .map_or(0, |old| old.end().saturating_sub(old.value_at()));
        let len = self.len_needed(
            key.bytes().len(),
            (value.len() as u64).saturating_add(old_len as u64),
        )?;
        let at = self.allocate(len)?;
        let cas = self.next_cas();
        let mut new = Record {
            at,
            len,
            key_len: key.bytes().len(),
            visited: false,
            flags: attributes.flags,
            expiration: attributes.expiration,
            cas: 0,
        };
        self.write_head(&new);
        self.put(at.saturating_add(HEAD), key.bytes());
        let old = self.locate(key.bytes());
        let mut value_at = new.value_at();
        if let (true, Some(old)) = (joins, old) {
            (new.flags, new.expiration) = (old.flags, old.expiration);
            let to = if mode == SetMode::Append {
                value_at
            } else {
                value_at.saturating_add(value.len())
            };
            if old.value_at() <= old.end()
                && old.end() <= at
                && to.saturating_add(old_len) <= new.end()
            {
                self.memory
                    .as_mut()
                    .copy_within(old.value_at()..old.end(), to);
            }
            if mode == SetMode::Append {
                value_at = value_at.saturating_add(old_len);
            }
        }
        self.put(value_at, value);
        if let Some(old) = old {
            self.remove(&old);
            new.at = new.at.saturating_sub(old.len);
        }
        new.cas = cas;
        self.write_head(&new);
        self.statistics.curr_items = self.statistics.curr_items.wrapping_add(1);
        self.statistics.total_items = self.statistics.total_items.wrapping_add(1);
        self.statistics.bytes = self.statistics.bytes.wrapping_add(len as u64);
        Ok(cas)
    }

    /// Deletes the item of `key`, if its CAS is `cas` or `cas` is 0.
    ///
    /// # Errors
    /// If there is none, or it has another CAS.
    pub fn delete(&mut self, key: Key<'_>, cas: u64, now: u32) -> Result<(), DeleteError> {
        let record = self.find(key, now).ok_or(DeleteError::NotFound)?;
        if cas != 0 && cas != record.cas {
            return Err(DeleteError::Exists);
        }
        self.remove(&record);
        Ok(())
    }

    /// Makes everything missing: at once if `when` is not later than `now`, else in the second `when`, including what
    /// is stored until the end of that second. A later flush replaces one that is still pending.
    pub fn flush(&mut self, when: u32, now: u32) {
        self.settle_flush(now);
        if when <= now || (self.flush_at != 0 && now == self.flush_at) {
            self.flush_cas = self.cas;
        }
        self.flush_at = if when <= now { 0 } else { when };
    }

    /// Reserves room for a value of `value_len` bytes that arrives in pieces.
    ///
    /// # Errors
    /// As [`ReserveError`] says.
    pub fn reserve(
        &mut self,
        key: Key<'_>,
        value_len: u32,
        attributes: Attributes,
        now: u32,
    ) -> Result<Reservation, ReserveError> {
        self.settle_flush(now);
        let key_len = key.bytes().len();
        if key_len == 0 || key_len > KEY_LEN_MAX {
            return Err(ReserveError::KeyLength { len: key_len });
        }
        if self.pending.is_full() {
            return Err(ReserveError::Busy);
        }
        let to_reserve = |error| match error {
            SetError::TooLarge { needed, available } => {
                ReserveError::TooLarge { needed, available }
            }
            _ => ReserveError::Full,
        };
        let len = self
            .len_needed(key_len, u64::from(value_len))
            .map_err(to_reserve)?;
        let at = self.allocate(len).map_err(to_reserve)?;
        self.next_id = self.next_id.wrapping_add(1);
        let id = self.next_id;
        self.write_head(&Record {
            at,
            len,
            key_len,
            visited: false,
            flags: id,
            expiration: 0,
            cas: 0,
        });
        self.put(at.saturating_add(HEAD), key.bytes());
        let _ = self.pending.push(Pending { id, attributes });
        Ok(Reservation {
            key_hash: key.hash(),
            id,
            value_len,
        })
    }

    fn pending_record(&self, reservation: &Reservation) -> Option<Record> {
        self.pending
            .iter()
            .find(|pending| pending.id == reservation.id)?;
        let mut at = 0;
        while let Some(record) = self.read(at) {
            if record.cas == 0 && record.flags == reservation.id {
                return Some(record);
            }
            at = record.end();
        }
        None
    }

    /// Writes `bytes` at `offset` of the reserved value.
    ///
    /// # Errors
    /// If the reservation is not held any more or the bytes reach beyond its end; nothing is written then.
    pub fn write(
        &mut self,
        reservation: &Reservation,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        let record = self
            .pending_record(reservation)
            .ok_or(WriteError::NotReserved)?;
        let at = record.value_at().saturating_add(offset as usize);
        if at.saturating_add(bytes.len()) > record.end() {
            return Err(WriteError::OutOfRange);
        }
        self.put(at, bytes);
        Ok(())
    }

    /// Stores the reserved value, as [`Store::set`] does; the reservation ends in any case.
    ///
    /// # Errors
    /// As [`SetError`] says; the old item stays as it was.
    pub fn commit(
        &mut self,
        reservation: Reservation,
        mode: SetMode,
        cas: u64,
        now: u32,
    ) -> Result<u64, SetError> {
        let result = self.commit_record(&reservation, mode, cas, now);
        self.cancel(reservation);
        result
    }

    fn commit_record(
        &mut self,
        reservation: &Reservation,
        mode: SetMode,
        cas: u64,
        now: u32,
    ) -> Result<u64, SetError> {
        let pending = *self
            .pending
            .iter()
            .find(|pending| pending.id == reservation.id)
            .ok_or(SetError::NotReserved)?;
        let record = self
            .pending_record(reservation)
            .ok_or(SetError::NotReserved)?;
        let mut bytes = [0; KEY_LEN_MAX];
        let from = record.at.saturating_add(HEAD);
        let key = self
            .memory
            .as_ref()
            .get(from..record.value_at())
            .and_then(|key| {
                let to = bytes.get_mut(..key.len())?;
                to.copy_from_slice(key);
                Some(&*to)
            });
        let key = self.key(key.ok_or(SetError::NotReserved)?);
        let old = self.check(mode, key, cas, now)?;
        if matches!(mode, SetMode::Append | SetMode::Prepend) {
            return Err(SetError::NotStored);
        }
        if let Some(old) = old {
            self.remove(&old);
        }
        let mut record = self
            .pending_record(reservation)
            .ok_or(SetError::NotReserved)?;
        record.cas = self.next_cas();
        record.flags = pending.attributes.flags;
        record.expiration = pending.attributes.expiration;
        self.write_head(&record);
        self.statistics.curr_items = self.statistics.curr_items.wrapping_add(1);
        self.statistics.total_items = self.statistics.total_items.wrapping_add(1);
        self.statistics.bytes = self.statistics.bytes.wrapping_add(record.len as u64);
        Ok(record.cas)
    }

    /// Gives the reserved room back.
    pub fn cancel(&mut self, reservation: Reservation) {
        if let Some(record) = self.pending_record(&reservation) {
            self.remove(&record);
        }
        self.pending.retain(|pending| pending.id != reservation.id);
    }

    /// The store's counters and sizes.
    #[must_use]
    pub fn statistics(&self) -> StoreStatistics {
        let memory_bytes = self.memory.as_ref().len() as u64;
        StoreStatistics {
            memory_bytes,
            free_bytes: memory_bytes.saturating_sub(self.used as u64),
            reservations: self.pending.len() as u64,
            ..self.statistics
        }
    }

    /// Sets the counters of events to zero; sizes and the number of current items stay.
    pub fn reset_statistics(&mut self) {
        let StoreStatistics {
            curr_items, bytes, ..
        } = self.statistics;
        self.statistics = StoreStatistics {
            curr_items,
            bytes,
            ..StoreStatistics::default()
        };
    }
}
