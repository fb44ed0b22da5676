//! STAT (memcached binary protocol: STAT): one packet per value, then an empty one.

mod general;
mod other;
mod settings;
mod writer;

use super::{Credentials, Engine, Host};
use crate::handler::{Outcome, Reply};
use crate::store::{Shards, StoreStatistics};
use crate::wire::{Request, Status};
use writer::{Writer, send};

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
        let mut writer = Writer::new(reply);
        match request.key {
            b"" => self.write_general(&mut writer, now),
            b"items" => other::write_items(&mut writer, &self.store_statistics()),
            b"slabs" => other::write_slabs(&mut writer, &self.store_statistics()),
            b"sizes" => {
                send! { writer, "sizes_status": text("disabled"), }
            }
            b"detail dump" => {
                send! { writer, "detailed": text("END\r\n"), }
            }
            b"detail on" | b"detail off" => {}
            group if group.starts_with(b"reset") => self.reset_statistics(),
            group if group.starts_with(b"settings") => self.write_settings(&mut writer),
            _ => return reply.error(Status::KEY_ENOENT).into(),
        }
        writer.finish()
    }

    fn reset_statistics(&mut self) {
        self.host.reset(&mut self.statistics);
        self.shards.for_each(crate::store::Store::reset_statistics);
    }

    fn store_statistics(&mut self) -> StoreStatistics {
        let mut sum = StoreStatistics::default();
        self.shards.for_each(|store| sum.add(&store.statistics()));
        sum
    }
}
