//! Storing, joining, touching, deleting.

use super::KEY_LEN_MAX;
use super::error::{DeleteError, SetError};
use super::hash::Key;
use super::item::{Attributes, SetMode, Value};
use super::log::{Log, copy};
use super::observer::{Change, Observer};
use super::operation::{Found, Operation, Place};
use super::record::{Header, Visits};

impl<O: Observer> Operation<'_, O> {
    pub(super) fn set(
        &mut self,
        mode: SetMode,
        key: Key<'_>,
        value: &[u8],
        attributes: Attributes,
        cas: u64,
    ) -> Result<u64, SetError> {
        check_key(key)?;
        let old = self.find(key);
        check_condition(mode, cas, old.as_ref())?;
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.store(
            key,
            attributes,
            old.as_ref(),
            &Piece {
                mode,
                len,
                source: Source::Bytes(value),
            },
        )
    }

    /// Stores an item under a new CAS, when everything allows it.
    pub(super) fn store(
        &mut self,
        key: Key<'_>,
        attributes: Attributes,
        old: Option<&Found>,
        piece: &Piece<'_>,
    ) -> Result<u64, SetError> {
        let key_len = key.bytes().len() as u8;
        let cas = self.state.cas.wrapping_add(1);
        self.state.cas = cas;
        let header = match old {
            Some(Found { header: old, .. }) if piece.mode.is_join() => Header::new(
                key_len,
                old.value_len.saturating_add(piece.len),
                cas,
                old.attributes(),
            ),
            _ => Header::new(key_len, piece.len, cas, attributes),
        };
        self.check_len(&header)?;
        // Before the evictions that make room for it: their numbers are higher.
        self.note_stored(key, cas, header.expiration);
        let written = self.write_item(key, header, old, piece);
        if written.is_err() {
            self.note_removed(key);
        }
        written.map(|()| cas)
    }

    /// Tells that an item is stored under this CAS.
    #[inline]
    pub(super) fn note_stored(&mut self, key: Key<'_>, cas: u64, expiration: u32) {
        let observer = &mut self.state.observer;
        if observer.is_active() {
            let key = Value::new(key.bytes(), &[]);
            observer.note(cas, Change::Stored { key, expiration });
        }
    }

    /// Tells that the item of a key has gone, or may have.
    #[inline]
    pub(super) fn note_removed(&mut self, key: Key<'_>) {
        let key = Value::new(key.bytes(), &[]);
        self.state.note(Change::Removed { key });
    }

    /// Writes the record of an item and lets the index point to it: in the old record's place if it fits there, else at
    /// the head of a log.
    #[inline(never)]
    fn write_item(
        &mut self,
        key: Key<'_>,
        mut header: Header,
        old: Option<&Found>,
        piece: &Piece<'_>,
    ) -> Result<(), SetError> {
        let len = header.record_len();
        let joins = piece.mode.is_join();
        let mut leftover = None;
        let (slot, place) = match old {
            Some(old) => {
                header.set_visits(old.header.visits());
                let (old_len, place) = (old.header.record_len(), self.state.place(old.at));
                if joins {
                    self.pinned = Some(old.at);
                } else {
                    self.remove(old);
                    leftover = old_len.checked_sub(len);
                }
                match leftover {
                    Some(_) => (old.slot, place),
                    None => (old.slot, self.choose_again(place, &mut header)),
                }
            }
            None => {
                self.tend_index();
                (self.free_slot(key.hash()), self.choose(key, len))
            }
        };
        let at = match (leftover, old) {
            (Some(_), Some(old)) => {
                let log = self.log_mut(place);
                log.dead = log.dead.saturating_sub(len);
                old.at
            }
            _ => {
                let allocated = self.allocate(place, len);
                self.pinned = None;
                allocated?
            }
        };
        let log = *self.log(place);
        self.put_head(&log, at, &header, key);
        let mut piece_at = log.after(at, header.value_at());
        if joins {
            // Both the old record and an arriving value may have been moved.
            let Some(old) = &self.locate(key) else {
                self.bury(at, len);
                return Err(SetError::Full);
            };
            let old_log = *self.state.log_of(old.at);
            let from = old_log.after(old.at, old.header.value_at());
            let mut old_at = piece_at;
            match piece.mode {
                SetMode::Prepend => old_at = log.after(piece_at, piece.len),
                _ => piece_at = log.after(piece_at, old.header.value_len),
            }
            copy(
                self.memory,
                &old_log,
                from,
                &log,
                old_at,
                old.header.value_len,
            );
            self.remove(old);
        }
        match piece.source {
            Source::Bytes(bytes) => log.put(self.memory, piece_at, bytes),
            Source::Reservation(id) => self.copy_arrived(id, &log, piece_at, piece.len),
        }
        if let Some(leftover @ 1..) = leftover {
            // The whole old record was counted as dead, so the rest of it already is.
            log.put_filler(self.memory, log.after(at, len), leftover);
        }
        self.link(slot, key.hash(), at, len);
        Ok(())
    }

    /// Writes the header and the key of a record.
    pub(super) fn put_head(&mut self, log: &Log, at: u32, header: &Header, key: Key<'_>) {
        log.put_header(self.memory, at, header);
        log.put(self.memory, log.after(at, header.len()), key.bytes());
    }

    /// Gives an item another expiration; its CAS stays. An item that cannot be moved to where it has room for that is
    /// evicted.
    pub(super) fn touch(&mut self, key: Key<'_>, expiration: u32) -> Option<()> {
        let Some(old) = &self.find(key) else {
            return None;
        };
        let mut header = old.header;
        header.set_visits(header.visits().more());
        self.put_control(old.at, &header);
        if header.has_expiration() {
            header.expiration = expiration;
            let log = self.state.log_of(old.at);
            log.put_header(self.memory, old.at, &header);
        } else if expiration != 0 {
            let header = header.with_expiration(expiration);
            let total_items = self.state.counters.total_items;
            let nothing = Piece {
                mode: SetMode::Append,
                len: 0,
                source: Source::Bytes(&[]),
            };
            let result = self.write_item(key, header, Some(old), &nothing);
            self.state.counters.total_items = total_items;
            if result.is_err() {
                if let Some(old) = &self.locate(key) {
                    self.count_eviction(old.at, &old.header);
                    self.remove(old);
                }
                return None;
            }
        }
        let key = Value::new(key.bytes(), &[]);
        self.state.note(Change::Touched { key });
        Some(())
    }

    pub(super) fn delete(&mut self, key: Key<'_>, cas: u64) -> Result<(), DeleteError> {
        let Some(found) = &self.find(key) else {
            return Err(DeleteError::NotFound);
        };
        if cas != 0 && cas != found.header.cas {
            return Err(DeleteError::Exists);
        }
        self.remove(found);
        self.note_removed(key);
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

/// What is stored: a whole value, or a piece to be joined to one.
pub(super) struct Piece<'a> {
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
