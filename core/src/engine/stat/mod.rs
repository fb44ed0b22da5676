//! STAT (memcached binary protocol: STAT): one packet per value, then an empty one.

mod figures;
mod general;
mod groups;
mod other;
mod settings;

pub use figures::Figures;
pub use groups::StatGroups;

use super::{Credentials, Engine, Host};
use crate::handler::{Outcome, Reply};
use crate::store::{Shards, StoreStatistics};
use crate::wire::{Request, Status};
use figures::send;

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// Answers with a group of values. `reset`, `settings` and `detail` are known by the start of the key, as at
    /// memcached.
    ///
    /// When the output is full the answer goes on in the next one, at the value where it stopped.
    #[inline(never)]
    pub(super) fn stat(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let key = request.key;
        let has = |group| H::STAT_GROUPS.contains(group);
        let mut figures = Figures::new(reply);
        if key.is_empty() {
            self.write_general(&mut figures, now);
        } else if has(StatGroups::ITEMS) && is_group(key, b"items") {
            other::write_items(&mut figures, &self.store_statistics());
        } else if has(StatGroups::SLABS) && is_group(key, b"slabs") {
            other::write_slabs(&mut figures, &self.store_statistics());
        } else if has(StatGroups::SIZES) && is_group(key, b"sizes") {
            send! { figures, "sizes_status": text("disabled"), }
        } else if has(StatGroups::DETAIL) && is_group(key, b"detail dump") {
            send! { figures, "detailed": text("END\r\n"), }
        } else if has(StatGroups::RESET) && starts_with(key, b"reset") {
            self.reset_statistics();
        } else if has(StatGroups::SETTINGS) && starts_with(key, b"settings") {
            self.write_settings(&mut figures);
        } else if !has(StatGroups::DETAIL)
            || !is_group(key, b"detail on") && !is_group(key, b"detail off")
        {
            return reply.error(Status::KEY_ENOENT).into();
        }
        figures.finish()
    }

    fn reset_statistics(&mut self) {
        self.host.reset(&mut self.statistics);
        self.shards.for_each(crate::store::Store::reset_statistics);
    }

    fn store_statistics(&mut self) -> StoreStatistics {
        // Without a zero to begin with nothing is added up where there is one store.
        let mut sum: Option<StoreStatistics> = None;
        self.shards.for_each(|store| match &mut sum {
            Some(sum) => sum.add(&store.statistics()),
            None => sum = Some(store.statistics()),
        });
        sum.unwrap_or_default()
    }
}

fn is_group(key: &[u8], name: &[u8]) -> bool {
    key.len() == name.len() && starts_with(key, name)
}

#[inline(never)]
fn starts_with(key: &[u8], name: &[u8]) -> bool {
    // Byte by byte: a device has no other use for a routine that compares.
    let pairs = name.iter().zip(key);
    pairs.take_while(|(byte, other)| byte == other).count() == name.len()
}
