//! Long values: from the connection into the store, piece by piece.

use super::expiration::absolute;
use super::session::Session;
use super::storage::is_hopeless;
use super::{Credentials, Engine, Host};
use crate::handler::{Outcome, Reply, ValueStart};
use crate::store::{Attributes, Reservation, SetError, SetMode, Shards};
use crate::wire::{Dialect, Opcode, Request, Status, extras::StoreExtras};

/// A value on its way into the store.
#[derive(Debug)]
pub(super) struct Upload {
    reservation: Reservation,
    mode: SetMode,
    cas: u64,
}

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// Decides what becomes of a long value, by command: SET, ADD and REPLACE take it in pieces; what joins it to an
    /// item, or reads it, wants it whole; what cannot succeed is answered at once.
    pub(super) fn begin(
        &mut self,
        session: &mut Session,
        head: &Request<'_>,
        value_len: u32,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> ValueStart {
        type O = Opcode;
        let mode = match head.opcode {
            O::SET | O::SETQ => Ok(SetMode::Set),
            O::ADD | O::ADDQ => Ok(SetMode::Add),
            O::REPLACE | O::REPLACEQ => Ok(SetMode::Replace),
            // Which of the two does not matter here.
            O::APPEND | O::APPENDQ | O::PREPEND | O::PREPENDQ => Ok(SetMode::Append),
            O::SASL_AUTH | O::SASL_STEP => Err(self.check_login(head, value_len)),
            opcode if opcode.shape(Dialect::Memcached).is_some() => Err(Ok(())),
            _ => Err(Err(Status::UNKNOWN_COMMAND)),
        };
        let answered = match mode {
            Ok(mode) => match self.begin_store(mode, session, head, value_len, now) {
                Some(start) => return start,
                None => self.refuse_item(Status::E2BIG, mode, head.key, reply, now),
            },
            Err(Ok(())) => return ValueStart::Whole(Status::ENOMEM),
            Err(Err(status)) => reply.error(status).into(),
        };
        // What is answered already only has to be skipped.
        match answered {
            Outcome::NeedOutput(room) => ValueStart::NeedOutput(room),
            Outcome::Close => ValueStart::Close,
            Outcome::Done | Outcome::Again(_) | Outcome::Wait => ValueStart::Skip,
        }
    }

    /// Reserves room for a value, unless it is to be joined to one; `None` if the item is too large.
    fn begin_store(
        &mut self,
        mode: SetMode,
        session: &mut Session,
        head: &Request<'_>,
        value_len: u32,
        now: u32,
    ) -> Option<ValueStart> {
        // Admission has seen to their length; those that are joined have none.
        let StoreExtras { flags, expiration } = StoreExtras::parse(head.extras).unwrap_or_default();
        if self.is_too_large(head.key.len(), flags, value_len) {
            return None;
        }
        if mode == SetMode::Append {
            return Some(ValueStart::Whole(Status::ENOMEM));
        }
        let attributes = Attributes {
            flags,
            expiration: absolute(expiration, now),
        };
        let reserved = self.shards.with(head.key, |store, key| {
            store.reserve(key, value_len, attributes, now)
        });
        match reserved {
            Ok(reservation) => {
                self.cancel(session);
                session.upload = Some(Upload {
                    reservation,
                    mode,
                    cas: head.cas,
                });
                Some(ValueStart::Stream)
            }
            Err(error) if is_hopeless(error) => None,
            // Many values are arriving at once. By the time this one is complete there may be room.
            Err(_) => Some(ValueStart::Whole(Status::ENOMEM)),
        }
    }

    /// Answers a request that was to come whole and for which there is no room. A SET then deletes the old item, as one
    /// that arrived whole would.
    pub(super) fn refuse_whole(
        &mut self,
        head: &Request<'_>,
        status: Status,
        reply: &mut Reply<'_>,
        now: u32,
    ) {
        let mode = match head.opcode {
            Opcode::SET | Opcode::SETQ => SetMode::Set,
            _ => SetMode::Add,
        };
        // There is room for an error.
        let _ = self.refuse_item(status, mode, head.key, reply, now);
    }

    /// Writes a piece. That the store has given the reservation up shows at the end, when it is committed.
    pub(super) fn write(&mut self, session: &mut Session, offset: u32, bytes: &[u8]) {
        if let Some(upload) = &session.upload {
            let reservation = &upload.reservation;
            let _ = self.shards.with_hash(reservation.key_hash(), |store| {
                store.write(reservation, offset, bytes)
            });
        }
    }

    /// Puts the complete value under its key, if the command's condition holds now, and answers.
    pub(super) fn commit(
        &mut self,
        session: &mut Session,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let (cas, stored) = match session.upload.take() {
            Some(Upload {
                reservation,
                mode,
                cas,
            }) => {
                let key_hash = reservation.key_hash();
                let commit = self
                    .shards
                    .with_hash(key_hash, |store| store.commit(reservation, mode, cas, now));
                (cas, commit)
            }
            None => (0, Err(SetError::NotReserved)),
        };
        match stored {
            // Its key is gone with the room, so the old item stays.
            Err(SetError::NotReserved) => {
                self.refuse_item(Status::ENOMEM, SetMode::Add, &[], reply, now)
            }
            stored => self.answer_stored(cas, stored, reply),
        }
    }

    /// Gives back the room of a value that will not be complete.
    pub(super) fn cancel(&mut self, session: &mut Session) {
        if let Some(Upload { reservation, .. }) = session.upload.take() {
            self.shards
                .with_hash(reservation.key_hash(), |store| store.cancel(reservation));
        }
    }
}
