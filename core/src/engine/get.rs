//! GET, GETK and their quiet twins (memcached binary protocol: what each command does).

use super::{Credentials, Engine, Host, Statistics};
use crate::handler::{Outcome, Reply};
use crate::store::{Item, Shards, Value};
use crate::wire::{Opcode, Request, Status};

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// A hit goes from the store's memory to the output in one copy; a quiet miss says nothing.
    #[inline]
    pub(super) fn get(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let with_key = matches!(request.opcode, Opcode::GETK | Opcode::GETKQ);
        let echo = if with_key { request.key } else { &[] };
        let statistics = &mut self.statistics;
        let found = self.shards.with(request.key, |store, key| {
            let item = &store.get(key, now);
            item.as_ref()
                .map(|item| send_item(item, item.value, echo, reply))
        });
        // What does not fit the output is asked for again, and counted then.
        match found {
            Some(Outcome::Done) => {
                Statistics::raise(&mut statistics.get_hits);
                Outcome::Done
            }
            Some(again) => again,
            None => {
                let outcome = miss(request, with_key, reply);
                if outcome == Outcome::Done {
                    Statistics::raise(&mut statistics.get_misses);
                }
                outcome
            }
        }
    }
}

/// Answers with an item: flags, perhaps the key, and its value or none.
#[inline]
pub(super) fn send_item(
    item: &Item<'_>,
    value: Value<'_>,
    echo: &[u8],
    reply: &mut Reply<'_>,
) -> Outcome {
    let flags = item.flags.to_be_bytes();
    let write_value = |space: &mut [u8]| {
        value.copy_to(space);
    };
    reply
        .send_filled(
            Status::SUCCESS,
            &flags,
            echo,
            item.cas,
            value.len(),
            write_value,
        )
        .into()
}

/// Answers that there is no such item: nothing if quiet, the key without a text if it was asked for.
pub(super) fn miss(request: &Request<'_>, with_key: bool, reply: &mut Reply<'_>) -> Outcome {
    if request.opcode.is_quiet() {
        Outcome::Done
    } else if with_key {
        reply
            .send_status(Status::KEY_ENOENT, &[], request.key, &[], 0)
            .into()
    } else {
        reply.error(Status::KEY_ENOENT).into()
    }
}
