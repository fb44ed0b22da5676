//! Values that arrive in pieces: room is taken in a log first, and becomes an item when everything is there.
//!
//! The record lies in a log like any other, with a CAS of 0 and unknown to the index. When the tail of the log arrives
//! there it is moved, if anything was written to it since the last time, else given up: a client that fell silent must not
//! hold memory for ever.

use super::RESERVATIONS_MAX;
use super::error::{ReserveError, SetError, WriteError};
use super::hash::Key;
use super::item::{Attributes, KeyBytes, SetMode};
use super::log::{Log, copy};
use super::observer::Observer;
use super::operation::{Operation, Place};
use super::record::Header;
use super::set::{Piece, Source, check_condition, check_key};

/// After this many seconds without an end a reservation is given up, if another one is wanted and there is no place in the
/// table or no room for it.
const PATIENCE_S: u32 = 60;

/// Room for a value that arrives in pieces; see [`Store::reserve`].
///
/// It ends with [`Store::commit`] or [`Store::cancel`]. One that is merely dropped costs its memory until the end of
/// the log has passed by.
///
/// [`Store::reserve`]: super::Store::reserve
/// [`Store::commit`]: super::Store::commit
/// [`Store::cancel`]: super::Store::cancel
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

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// The length of the value in bytes.
    #[must_use]
    pub fn value_len(&self) -> u32 {
        self.value_len
    }
}

/// Where the record of a reservation lies now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// 0 = this place of the table is free.
    id: u32,
    pub(super) at: u32,
    len: u32,
    /// When it was reserved; 0 only if the place is free.
    since: u32,
    /// Whether anything was written since the tail last came by.
    is_active: bool,
}

/// The reservations that are held.
#[derive(Debug)]
pub(super) struct Reservations {
    // What ends leaves a free place behind: to take it out, a device would need the routine for moves within a vector,
    // which nothing else uses.
    table: heapless::Vec<Pending, RESERVATIONS_MAX>,
    last_id: u32,
    /// The bytes of all their records.
    len: u32,
}

impl Reservations {
    pub(super) const fn new() -> Reservations {
        Reservations {
            table: heapless::Vec::new(),
            last_id: 0,
            len: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn holds(&self, at: u32, len: u32) -> bool {
        self.table
            .iter()
            .any(|pending| pending.id != 0 && pending.at == at && pending.len == len)
    }

    pub(super) fn count(&self) -> usize {
        self.table.iter().filter(|pending| pending.id != 0).count()
    }

    fn find(&mut self, id: u32) -> Option<&mut Pending> {
        self.table.iter_mut().find(|pending| pending.id == id)
    }

    /// Positions are never 0, where the table of starts lies, so no free place is found.
    pub(super) fn find_at(&mut self, at: u32) -> Option<&mut Pending> {
        self.table.iter_mut().find(|pending| pending.at == at)
    }

    /// Ends a reservation; returns where its record lies, and its length.
    fn take(&mut self, id: u32) -> Option<(u32, u32)> {
        let place = self.find(id)?;
        let (at, len) = (place.at, place.len);
        (place.id, place.at, place.since) = (0, 0, 0);
        self.len = self.len.saturating_sub(len);
        Some((at, len))
    }
}

impl<O: Observer> Operation<'_, O> {
    pub(super) fn reserve(
        &mut self,
        key: Key<'_>,
        value_len: u32,
        attributes: Attributes,
    ) -> Result<Reservation, ReserveError> {
        let key_len = check_key(key)?;
        // The width must do for the CAS that the item will get: six bytes, or all from half of what they hold.
        let cas = self.state.cas.saturating_mul(2) | 1 << 47;
        let mut header = Header::new(key_len, value_len, cas, attributes);
        header.cas = 0;
        self.check_len(&header)?;
        let len = header.record_len();
        self.admit_reservation(len)?;
        // Where values that arrive fill the small log, its tail comes by so soon that they push each other out.
        let place = match self.state.reservations.len > self.state.small.capacity() / 2 {
            true => Place::Main,
            false => self.choose(key, len),
        };
        let at = self.allocate(place, len)?;
        let log = *self.log(place);
        self.put_head(&log, at, &header, key);
        let held = &mut self.state.reservations;
        let id = held.last_id.wrapping_add(1).max(1);
        held.last_id = id;
        let pending = Pending {
            id,
            at,
            len,
            since: self.now.max(1),
            is_active: true,
        };
        if let Some(place) = held.find(0) {
            *place = pending;
        } else if held.table.push(pending).is_err() {
            self.bury(at, len);
            return Err(ReserveError::Busy);
        }
        held.len = held.len.saturating_add(len);
        Ok(Reservation {
            key_hash: key.hash(),
            id,
            value_len,
        })
    }

    /// Sees to a place in the table, and to it that arriving values hold no more than half of the main log: the other half
    /// is for the largest record that is stored in one piece. What has been held for too long goes for that.
    fn admit_reservation(&mut self, len: u32) -> Result<(), ReserveError> {
        loop {
            let held = &self.state.reservations;
            let is_small = held.len.saturating_add(len) <= self.state.main.capacity() / 2;
            if is_small && held.count() < RESERVATIONS_MAX {
                return Ok(());
            }
            let pending = held.table.iter().filter(|pending| pending.id != 0);
            match pending.min_by_key(|pending| pending.since) {
                Some(oldest) if self.now.saturating_sub(oldest.since) >= PATIENCE_S => {
                    self.give_up(oldest.id);
                }
                _ if is_small => return Err(ReserveError::Busy),
                _ => return Err(ReserveError::Full),
            }
        }
    }

    pub(super) fn write(
        &mut self,
        reservation: &Reservation,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        let pending = self
            .state
            .reservations
            .find(reservation.id)
            .ok_or(WriteError::NotReserved)?;
        pending.is_active = true;
        let at = pending.at;
        let log = *self.state.log_of(at);
        let header = log.header(self.memory, at).ok_or(WriteError::NotReserved)?;
        let end = u64::from(offset).saturating_add(bytes.len() as u64);
        if end > u64::from(header.value_len) {
            return Err(WriteError::OutOfRange);
        }
        log.put(
            self.memory,
            log.after(at, header.value_at().saturating_add(offset)),
            bytes,
        );
        Ok(())
    }

    pub(super) fn commit(
        &mut self,
        reservation: &Reservation,
        mode: SetMode,
        cas: u64,
    ) -> Result<u64, SetError> {
        self.committing = Some(reservation.id);
        self.tend_index();
        let at = self.arrived(reservation.id)?;
        let log = self.state.log_of(at);
        let Some(mut header) = log.header(self.memory, at) else {
            return Err(SetError::NotReserved);
        };
        // The key must not be borrowed from the memory that is written to.
        let stored = log.key(self.memory, at, &header);
        let mut key_bytes = KeyBytes::new();
        stored.copy_key_to(&mut key_bytes);
        let key = Key::with_hash(&key_bytes, reservation.key_hash);
        let old = &self.find(key);
        let old = old.as_ref();
        check_condition(mode, cas, old)?;
        if mode.is_join() {
            let piece = Piece {
                mode,
                len: header.value_len,
                source: Source::Reservation(reservation.id),
            };
            return self.store(key, Attributes::default(), old, &piece);
        }
        let new_cas = self.state.cas.wrapping_add(1);
        self.state.cas = new_cas;
        self.note_stored(key, new_cas, header.expiration);
        let slot = match old {
            Some(old) => {
                header.set_visits(old.header.visits());
                self.remove(old);
                old.slot
            }
            None => self.free_slot(reservation.key_hash),
        };
        // A growing index may have moved the record.
        let arrived = self.arrived(reservation.id);
        if arrived.is_err() {
            self.note_removed(key);
        }
        let at = arrived?;
        header.cas = new_cas;
        self.state.log_of(at).put_header(self.memory, at, &header);
        self.state.reservations.take(reservation.id);
        self.link(slot, reservation.key_hash, at, header.record_len());
        Ok(new_cas)
    }

    /// Where the record of a reservation lies.
    fn arrived(&mut self, id: u32) -> Result<u32, SetError> {
        match self.state.reservations.find(id) {
            Some(pending) => Ok(pending.at),
            None => Err(SetError::NotReserved),
        }
    }

    /// Copies the value that arrived in a reservation.
    pub(super) fn copy_arrived(&mut self, id: u32, to_log: &Log, to: u32, len: u32) {
        let Ok(at) = self.arrived(id) else { return };
        let log = *self.state.log_of(at);
        if let Some(header) = log.header(self.memory, at) {
            copy(
                self.memory,
                &log,
                log.after(at, header.value_at()),
                to_log,
                to,
                len.min(header.value_len),
            );
        }
    }

    /// Ends a reservation, if it is still held, and gives its room back.
    pub(super) fn give_up(&mut self, id: u32) {
        if let Some((at, len)) = self.state.reservations.take(id) {
            self.bury(at, len);
        }
    }

    /// Decides about the record of a reservation at the tail of a log; true if it was kept.
    pub(super) fn advance_over_reservation(&mut self, place: Place, header: &Header) -> bool {
        let at = self.log(place).tail;
        let pinned = self.pinned == Some(at);
        let committing = self.committing;
        match self.state.reservations.find_at(at) {
            Some(pending) if pending.is_active || pinned || committing == Some(pending.id) => {
                pending.is_active = false;
                let id = pending.id;
                let to = self.requeue(place, header);
                if let Some(pending) = self.state.reservations.find(id) {
                    pending.at = to;
                }
                if pinned {
                    self.pinned = Some(to);
                }
                true
            }
            found => {
                if let Some(id) = found.map(|pending| pending.id) {
                    self.state.reservations.take(id);
                }
                self.log_mut(place).pop(header.record_len());
                false
            }
        }
    }
}

impl From<SetError> for ReserveError {
    fn from(error: SetError) -> ReserveError {
        match error {
            SetError::KeyLength { len } => ReserveError::KeyLength { len },
            SetError::TooLarge { needed, available } => {
                ReserveError::TooLarge { needed, available }
            }
            _ => ReserveError::Full,
        }
    }
}
