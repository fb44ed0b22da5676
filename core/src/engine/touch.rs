//! TOUCH, GAT, GATK and the quiet ones among them (memcached binary protocol: what each command does).

use super::expiration::absolute;
use super::get::{miss, send_item};
use super::{Credentials, Engine, Host, Statistics, invalid};
use crate::handler::{Outcome, Reply};
use crate::store::{Shards, Value};
use crate::wire::{HEADER_LEN, Opcode, Request, extras::TouchExtras};

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// Sets the expiration. TOUCH answers with the flags alone, the others like the gets; all count as touches.
    #[inline(never)]
    pub(super) fn touch(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let Ok(extras) = TouchExtras::parse(request.extras) else {
            return invalid(reply);
        };
        let expiration = absolute(extras.expiration, now);
        let with_key = matches!(request.opcode, Opcode::GATK | Opcode::GATKQ);
        let with_value = request.opcode != Opcode::TOUCH;
        let echo = if with_key { request.key } else { &[] };
        let found = self.shards.with(request.key, |store, key| {
            // An expiration in the past would make the item missing when called again: the room comes first.
            let item = store.peek(key, now)?;
            let value_len = if with_value { item.value.len() } else { 0 };
            let body_len = TouchExtras::LEN
                .saturating_add(echo.len())
                .saturating_add(value_len);
            let needed = HEADER_LEN.saturating_add(body_len);
            if needed > reply.room() {
                return Some(Outcome::NeedOutput(needed));
            }
            let item = &store.touch(key, expiration, now);
            item.as_ref().map(|item| {
                let value = if with_value {
                    item.value
                } else {
                    Value::default()
                };
                send_item(item, value, echo, reply)
            })
        });
        let (counter, outcome) = match found {
            Some(outcome) => (&mut self.statistics.touch_hits, outcome),
            None => (
                &mut self.statistics.touch_misses,
                miss(request, with_key, reply),
            ),
        };
        if outcome == Outcome::Done {
            Statistics::raise(counter);
        }
        outcome
    }
}
