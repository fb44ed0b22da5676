//! SET, ADD, REPLACE, APPEND, PREPEND and their quiet twins (memcached binary protocol: what each command does).

use super::expiration::absolute;
use super::{Credentials, Engine, Host, Statistics, invalid, item_len};
use crate::handler::{Outcome, Reply};
use crate::store::{Attributes, Item, ReserveError, SetError, SetMode, Shards};
use crate::wire::{Request, Status, extras::StoreExtras};

const OUT_OF_MEMORY: &str = "Out of memory allocating item";

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// All five. What APPEND or PREPEND would make too large is not stored, and the old value stays.
    pub(super) fn store(
        &mut self,
        mode: SetMode,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let joins = matches!(mode, SetMode::Append | SetMode::Prepend);
        let mut extras = StoreExtras::default();
        if !joins {
            match StoreExtras::parse(request.extras) {
                Ok(found) => extras = found,
                Err(_) => return invalid(reply),
            }
        }
        let StoreExtras { flags, expiration } = extras;
        let value_len = len_u32(request.value.len());
        if self.is_too_large(request.key.len(), flags, value_len) {
            return self.refuse_item(Status::E2BIG, mode, request.key, reply, now);
        }
        let attributes = Attributes {
            flags,
            expiration: absolute(expiration, now),
        };
        let cas = request.cas;
        let item_size_max = self.settings.item_size_max;
        let stored = self.shards.with(request.key, |store, key| {
            let is_beyond = |old: Item<'_>| {
                let joined_len = value_len.saturating_add(len_u32(old.value.len()));
                (cas == 0 || cas == old.cas)
                    && item_len(request.key.len(), old.flags, joined_len) > item_size_max
            };
            if joins && store.peek(key, now).is_some_and(is_beyond) {
                return Err(SetError::NotStored);
            }
            store.set(mode, key, request.value, attributes, cas, now)
        });
        match stored {
            Err(SetError::TooLarge { .. }) if joins => {
                self.answer_stored(0, Err(SetError::NotStored), reply)
            }
            // The store's own limit is below the engine's.
            Err(SetError::TooLarge { .. }) => {
                self.refuse_item(Status::E2BIG, mode, request.key, reply, now)
            }
            Err(SetError::Full) => self.refuse_item(Status::ENOMEM, mode, request.key, reply, now),
            // memcached counts a CAS only for SET, ADD and REPLACE.
            stored => self.answer_stored(if joins { 0 } else { cas }, stored, reply),
        }
    }

    pub(super) fn is_too_large(&self, key_len: usize, flags: u32, value_len: u32) -> bool {
        item_len(key_len, flags, value_len) > self.settings.item_size_max
    }

    /// Answers a store that came to a decision; `cas` is the CAS asked for, if that counts.
    pub(super) fn answer_stored(
        &mut self,
        cas: u64,
        stored: Result<u64, SetError>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        Statistics::raise(&mut self.statistics.cmd_set);
        if cas != 0 {
            match stored {
                Ok(_) => Statistics::raise(&mut self.statistics.cas_hits),
                Err(SetError::Exists) => Statistics::raise(&mut self.statistics.cas_badval),
                Err(SetError::NotFound) => Statistics::raise(&mut self.statistics.cas_misses),
                Err(_) => {}
            }
        }
        let status = match stored {
            Ok(_) if reply.opcode().is_quiet() => return Outcome::Done,
            Ok(cas) => return reply.success(cas).into(),
            Err(SetError::Exists) => Status::KEY_EEXISTS,
            Err(SetError::NotFound) => Status::KEY_ENOENT,
            Err(SetError::NotStored) => Status::NOT_STORED,
            Err(SetError::TooLarge { .. }) => Status::E2BIG,
            Err(SetError::KeyLength { .. }) => Status::EINVAL,
            Err(_) => Status::ENOMEM,
        };
        reply.error(status).into()
    }

    /// Answers that an item is too large ([`Status::E2BIG`]), or that there is no room for it at this time. A SET then
    /// deletes the old item, lest the client go on reading it.
    #[cold]
    pub(super) fn refuse_item(
        &mut self,
        status: Status,
        mode: SetMode,
        key: &[u8],
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        self.delete_stale(mode, key, now);
        if status == Status::E2BIG {
            Statistics::raise(&mut self.statistics.store_too_large);
            reply.error(status).into()
        } else {
            Statistics::raise(&mut self.statistics.store_no_memory);
            reply.error_text(Status::ENOMEM, OUT_OF_MEMORY).into()
        }
    }

    fn delete_stale(&mut self, mode: SetMode, key: &[u8], now: u32) {
        if mode == SetMode::Set {
            // That there was nothing to delete is fine.
            let _ = self
                .shards
                .with(key, |store, key| store.delete(key, 0, now));
        }
    }
}

/// Whether a value that cannot be reserved for can never be stored.
pub(super) fn is_hopeless(error: ReserveError) -> bool {
    matches!(
        error,
        ReserveError::TooLarge { .. } | ReserveError::KeyLength { .. }
    )
}

/// A length that the wire says in 32 bits; one that does not fit is too large for every limit.
pub(super) fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
