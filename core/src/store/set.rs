//! Storing, joining, touching, deleting.

use super::KEY_LEN_MAX;
use super::error::{DeleteError, SetError};
use super::hash::Key;
use super::item::{Attributes, SetMode};
use super::log::copy;
use super::operation::{Found, Operation, Place};
use super::record::{Header, Visits};

impl Operation<'_> {
    pub(super) fn set(
        &mut self,
        mode: SetMode,
        key: Key<'_>,
        value: &[u8],
        attributes: Attributes,
        cas: u64,
    ) -> Result<u64, SetError> {
        let key_len = check_key(key)?;
        let old = self.find(key);
        check_condition(mode, cas, old.as_ref())?;
        let value_len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        let new_cas = self.state.cas.wrapping_add(1);
        if let (Some(old), true) = (old, mode.is_join()) {
            return self.join(
                key,
                Joined {
                    mode,
                    len: value_len,
                    source: Source::Bytes(value),
                },
                &old,
            );
        }
        let mut header = Header::new(key_len, value_len, new_cas, attributes);
        self.check_len(&header)?;
        self.state.cas = new_cas;
        let slot;
        let place = match old {
            Some(old) => {
                header.set_visits(old.header.visits());
                if header.record_len() <= old.header.record_len() {
                    self.overwrite(&old, &header, key, value);
                    return Ok(new_cas);
                }
                self.remove(&old);
                slot = old.slot;
                self.choose_again(self.state.place(old.at), &mut header)
            }
            None => {
                self.tend_index();
                slot = self.free_slot(key.hash());
                self.choose(key, header.record_len())
            }
        };
        let len = header.record_len();
        let at = self.allocate(place, len)?;
        let log = *self.log(place);
        log.put_header(self.memory, at, &header);
        log.put(self.memory, log.after(at, header.len()), key.bytes());
        log.put(self.memory, log.after(at, header.value_at()), value);
        self.link(slot, key.hash(), at, len);
        Ok(new_cas)
    }

    /// Writes a new record into the bytes of the old one.
    fn overwrite(&mut self, old: &Found, header: &Header, key: Key<'_>, value: &[u8]) {
        let (len, old_len) = (header.record_len(), old.header.record_len());
        let log = *self.state.log_of(old.at);
        log.put_header(self.memory, old.at, header);
        log.put(self.memory, log.after(old.at, header.len()), key.bytes());
        log.put(self.memory, log.after(old.at, header.value_at()), value);
        if len < old_len {
            self.bury(log.after(old.at, len), old_len - len);
        }
        let counters = &mut self.state.counters;
        counters.bytes = counters.bytes.saturating_sub(u64::from(old_len - len));
        counters.total_items = counters.total_items.wrapping_add(1);
    }

    /// Stores an item whose value is the old one's with another piece before or behind it.
    pub(super) fn join(
        &mut self,
        key: Key<'_>,
        joined: Joined<'_>,
        old: &Found,
    ) -> Result<u64, SetError> {
        let new_cas = self.state.cas.wrapping_add(1);
        let value_len = old.header.value_len.saturating_add(joined.len);
        let mut header = Header::new(
            old.header.key_len,
            value_len,
            new_cas,
            old.header.attributes(),
        );
        header.set_visits(old.header.visits());
        self.check_len(&header)?;
        self.state.cas = new_cas;
        let place = self.choose_again(self.state.place(old.at), &mut header);
        self.pinned = Some(old.at);
        let allocated = self.allocate(place, header.record_len());
        self.pinned = None;
        let at = allocated?;
        // Both the old record and an arriving value may have been moved.
        let Some(old) = self.locate(key) else {
            // Room that is taken must hold something that can be read.
            self.bury(at, header.record_len());
            return Err(SetError::Full);
        };
        let log = *self.log(place);
        log.put_header(self.memory, at, &header);
        log.put(self.memory, log.after(at, header.len()), key.bytes());
        let value_at = log.after(at, header.value_at());
        let (old_at, piece_at) = match joined.mode {
            SetMode::Prepend => (log.after(value_at, joined.len), value_at),
            _ => (value_at, log.after(value_at, old.header.value_len)),
        };
        let old_log = *self.state.log_of(old.at);
        let from = old_log.after(old.at, old.header.value_at());
        copy(
            self.memory,
            &old_log,
            from,
            &log,
            old_at,
            old.header.value_len,
        );
        match joined.source {
            Source::Bytes(bytes) => log.put(self.memory, piece_at, bytes),
            Source::Reservation(id) => self.copy_arrived(id, &log, piece_at, joined.len),
        }
        self.replace(&old, key.hash(), at, header.record_len());
        Ok(new_cas)
    }

    /// Lets the slot of an old record point to the new one.
    fn replace(&mut self, old: &Found, hash: u64, at: u32, len: u32) {
        self.remove(old);
        let index = &mut self.state.index;
        super::bytes::store_u32(self.memory, old.slot, index.slot(hash, at));
        index.items = index.items.wrapping_add(1);
        let counters = &mut self.state.counters;
        counters.bytes = counters.bytes.wrapping_add(u64::from(len));
        counters.total_items = counters.total_items.wrapping_add(1);
    }

    /// Gives an item another expiration; its CAS stays. An item that cannot be moved to where it has room for that is
    /// evicted.
    pub(super) fn touch(&mut self, key: Key<'_>, expiration: u32) -> Option<()> {
        let mut old = self.find(key)?;
        old.header.set_visits(old.header.visits().more());
        self.put_control(old.at, &old.header);
        if old.header.has_expiration() || expiration == 0 {
            if old.header.has_expiration() {
                old.header.expiration = expiration;
                self.state
                    .log_of(old.at)
                    .put_header(self.memory, old.at, &old.header);
            }
            return Some(());
        }
        let attributes = Attributes {
            flags: old.header.flags,
            expiration,
        };
        let mut header = old.header.with_attributes(attributes);
        let place = self.choose_again(self.state.place(old.at), &mut header);
        self.pinned = Some(old.at);
        let allocated = self.allocate(place, header.record_len());
        self.pinned = None;
        let (old, at) = match (self.locate(key), allocated) {
            (Some(old), Ok(at)) => (old, at),
            (old, allocated) => {
                // Room that is taken must hold something that can be read.
                if let Ok(at) = allocated {
                    self.bury(at, header.record_len());
                }
                if let Some(old) = old {
                    self.count_eviction(&old.header);
                    self.remove(&old);
                }
                return None;
            }
        };
        let (log, old_log) = (*self.log(place), *self.state.log_of(old.at));
        log.put_header(self.memory, at, &header);
        let from = old_log.after(old.at, old.header.len());
        let rest = u32::from(header.key_len).saturating_add(header.value_len);
        copy(
            self.memory,
            &old_log,
            from,
            &log,
            log.after(at, header.len()),
            rest,
        );
        let total = self.state.counters.total_items;
        self.replace(&old, key.hash(), at, header.record_len());
        self.state.counters.total_items = total;
        Some(())
    }

    pub(super) fn delete(&mut self, key: Key<'_>, cas: u64) -> Result<(), DeleteError> {
        let found = self.find(key).ok_or(DeleteError::NotFound)?;
        if cas != 0 && cas != found.header.cas {
            return Err(DeleteError::Exists);
        }
        self.remove(&found);
        Ok(())
    }

    /// Whether a record of this length is possible at all.
    pub(super) fn check_len(&self, header: &Header) -> Result<(), SetError> {
        let needed = u64::from(header.value_len) + u64::from(header.value_at());
        let available = u64::from(
            self.state
                .options
                .item_len_max
                .min(self.state.memory_len / 4),
        );
        if needed > available {
            Err(SetError::TooLarge { needed, available })
        } else {
            Ok(())
        }
    }

    /// Where a record for a key that is not there goes.
    pub(super) fn choose(&mut self, key: Key<'_>, len: u32) -> Place {
        let index = self.state.index;
        let was_evicted_lately = index.take_ghost(self.memory, key.hash());
        let small = self.state.small;
        let is_too_large = len > small.capacity() / 2 && small.free() < len;
        if (was_evicted_lately && !self.has_room_in_small(len)) || is_too_large {
            Place::Main
        } else {
            Place::Small
        }
    }

    /// Where the longer record of a key goes that was in `place`.
    fn choose_again(&self, place: Place, header: &mut Header) -> Place {
        let len = header.record_len();
        let small = self.state.small;
        if place == Place::Main && self.state.main.free() < len && self.has_room_in_small(len) {
            // It will come back to the main log.
            header.set_visits(Visits::OFTEN);
            return Place::Small;
        }
        if len > small.capacity() / 2 && small.free() < len {
            Place::Main
        } else {
            place
        }
    }

    /// Whether the main log is full and the small one has room, which would otherwise be left unused.
    fn has_room_in_small(&self, len: u32) -> bool {
        let small = self.state.small;
        self.state.main.free() < len
            && (small.free() >= len || (small.is_littered() && len <= small.capacity() / 4))
    }
}

/// A piece to be joined to a value.
pub(super) struct Joined<'a> {
    pub(super) mode: SetMode,
    /// The length of the piece.
    pub(super) len: u32,
    pub(super) source: Source<'a>,
}

/// Where a piece comes from.
pub(super) enum Source<'a> {
    Bytes(&'a [u8]),
    /// The value that arrived in the reservation with this id.
    Reservation(u32),
}

pub(super) fn check_key(key: Key<'_>) -> Result<u8, SetError> {
    let len = key.bytes().len();
    match u8::try_from(len) {
        Ok(key_len) if key_len != 0 && len <= KEY_LEN_MAX => Ok(key_len),
        _ => Err(SetError::KeyLength { len }),
    }
}

/// Whether the mode and the CAS allow to store, given the item that is there.
pub(super) fn check_condition(
    mode: SetMode,
    cas: u64,
    old: Option<&Found>,
) -> Result<(), SetError> {
    match (old, mode) {
        (None, SetMode::Append | SetMode::Prepend) => Err(SetError::NotStored),
        (None, SetMode::Replace) => Err(SetError::NotFound),
        (None, SetMode::Add | SetMode::Set) if cas != 0 => Err(SetError::NotFound),
        (Some(_), SetMode::Add) if cas == 0 => Err(SetError::Exists),
        (Some(old), _) if cas != 0 && cas != old.header.cas => Err(SetError::Exists),
        _ => Ok(()),
    }
}
