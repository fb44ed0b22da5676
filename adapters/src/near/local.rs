//! The copies of upstream's items in the store: with upstream's CAS in front of the value.

use memlet_core::handler::{Outcome, Reply};
use memlet_core::store::{Attributes, SetMode, Shards, Value};
use memlet_core::wire::{Opcode, Response, Status, extras};

use super::cache::NearCache;
use super::slot::CAS_LEN;
use super::statistics::raise;

/// The longest expiration that counts from now, in seconds: 30 days (memcached binary protocol: expiration).
const RELATIVE_MAX: u32 = 60 * 60 * 24 * 30;

impl<S: Shards> NearCache<'_, S> {
    /// Answers with the copy of an item, if there is one.
    pub(super) fn send_kept(
        &mut self,
        key: &[u8],
        echo: &[u8],
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Option<Outcome> {
        self.shards.with(key, |store, key| {
            let item = store.get(key, now)?;
            let (cas, value) = split(item.value)?;
            let flags = item.flags.to_be_bytes();
            let sent =
                reply.send_filled(Status::SUCCESS, &flags, echo, cas, value.len(), |space| {
                    value.copy_to(space);
                });
            Some(sent.into())
        })
    }

    /// Takes upstream's answer to the request in a slot: does to the store what it says, then lets those know who wait.
    ///
    /// To be called in the order in which upstream answers. What a get has brought is kept, what somebody stores as well;
    /// whatever else has to do with a key removes the copy. As requests and answers keep their order, a get that was sent
    /// before a change is answered before it too, and its older value is gone when the change is known to be made.
    pub(super) fn complete(&mut self, index: usize, response: &Response<'_>, now: u32) {
        let Some((slot, bytes)) = self.slot(index) else {
            return;
        };
        let is_fetch = slot.is_fetch();
        let mut fits = true;
        if is_fetch {
            fits = slot.put_response(response, bytes);
        }
        if response.status.is_success() && slot.opcode == Opcode::FLUSH {
            let extras = extras::FlushExtras::parse(slot.extras(bytes)).unwrap_or_default();
            let sent_at = slot.sent_at;
            self.flush(extras.expiration.unwrap_or(0), sent_at, now);
        } else {
            let attributes = self.kept_as(index, response, now).filter(|_| fits);
            self.keep_or_remove(index, attributes, now);
        }
        if let Some((slot, bytes)) = self.slot(index)
            && !is_fetch
        {
            fits = slot.put_response(response, bytes);
        }
        match fits {
            true => self.finish(index),
            false => self.complete_too_long(index, now),
        }
    }

    /// Takes an answer that is longer than a buffer.
    pub(super) fn complete_too_long(&mut self, index: usize, now: u32) {
        raise(&mut self.statistics.too_long);
        self.forget(index, now);
        self.end(index, Status::ENOMEM);
    }

    /// With which attributes the item in a slot is kept; none if it is not.
    fn kept_as(&mut self, index: usize, response: &Response<'_>, now: u32) -> Option<Attributes> {
        if !response.status.is_success() {
            return None;
        }
        let ttl = self.settings.ttl;
        let (slot, bytes) = self.slot(index)?;
        let (flags, expiration) = match slot.opcode {
            Opcode::GET => (u32::from_be_bytes(response.extras.try_into().ok()?), 0),
            Opcode::SET | Opcode::ADD | Opcode::REPLACE => {
                let extras = extras::StoreExtras::parse(slot.extras(bytes)).ok()?;
                slot.put_cas(response.cas, bytes);
                (extras.flags, extras.expiration)
            }
            _ => return None,
        };
        let expiration = end(slot.sent_at, ttl, expiration)?;
        (expiration > now).then_some(Attributes { flags, expiration })
    }

    /// Sees to it that nothing is kept that a request may have changed of whose fate nothing is known.
    pub(super) fn forget(&mut self, index: usize, now: u32) {
        match self.slot(index) {
            Some((slot, _)) if slot.opcode == Opcode::FLUSH => self.flush(0, now, now),
            Some((slot, _)) if slot.is_fetch() => {}
            _ => self.keep_or_remove(index, None, now),
        }
    }

    /// Keeps what stands in a slot, or else removes the copy of its item.
    fn keep_or_remove(&mut self, index: usize, attributes: Option<Attributes>, now: u32) {
        let start = index.saturating_mul(self.slot_len);
        let (Some(slot), Some(bytes)) = (self.slots.get(index), self.bytes.get(start..)) else {
            return;
        };
        self.shards.with(slot.key(bytes), |store, key| {
            let kept = attributes.is_some_and(|attributes| {
                let value = slot.kept(bytes);
                store
                    .set(SetMode::Set, key, value, attributes, 0, now)
                    .is_ok()
            });
            if !kept {
                // There may be none.
                let _ = store.delete(key, 0, now);
            }
        });
    }

    /// Removes all copies: now, and also those that are fetched until upstream does the same.
    fn flush(&mut self, expiration: u32, sent_at: u32, now: u32) {
        let when = match expiration {
            0 => 0,
            1..=RELATIVE_MAX => sent_at.saturating_add(expiration),
            absolute => absolute,
        };
        self.shards.for_each(|store| store.flush(when, now));
    }
}

/// The CAS of upstream and the value, of what the store has kept.
fn split(kept: Value<'_>) -> Option<(u64, Value<'_>)> {
    let mut cas = [0; CAS_LEN];
    if kept.copy_to(&mut cas) < CAS_LEN {
        return None;
    }
    let (first, second) = kept.pieces();
    let value = match first.get(CAS_LEN..) {
        Some(first) => Value::new(first, second),
        None => Value::new(&[], second.get(CAS_LEN.saturating_sub(first.len())..)?),
    };
    Some((u64::from_be_bytes(cas), value))
}

/// The second from which on a copy is not served any more: its time here is over, or upstream's may be. None when the
/// latter is not known.
fn end(sent_at: u32, ttl: u32, expiration: u32) -> Option<u32> {
    match expiration {
        0 => Some(sent_at.saturating_add(ttl)),
        1..=RELATIVE_MAX => Some(sent_at.saturating_add(ttl.min(expiration))),
        // A second of upstream's clock, which a device may not know, or one that is over.
        _ => None,
    }
}
