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

/// What a STAT command can ask for.
#[derive(Clone, Copy)]
enum Group {
    General,
    Items,
    Slabs,
    Sizes,
    DetailDump,
    DetailSwitch,
    Reset,
    Settings,
}

/// The keys of the groups, and whether the start of a key is enough.
const GROUPS: [(&[u8], bool, Group); 9] = [
    (b"", false, Group::General),
    (b"items", false, Group::Items),
    (b"slabs", false, Group::Slabs),
    (b"sizes", false, Group::Sizes),
    (b"detail dump", false, Group::DetailDump),
    (b"detail on", false, Group::DetailSwitch),
    (b"detail off", false, Group::DetailSwitch),
    (b"reset", true, Group::Reset),
    (b"settings", true, Group::Settings),
];

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
        let is_group = |(name, by_start, _): &&(&[u8], bool, Group)| {
            // Byte by byte: a device has no other use for a routine that compares.
            let pairs = name.iter().zip(request.key);
            let common = pairs.take_while(|(byte, other)| byte == other).count();
            common == name.len() && (*by_start || common == request.key.len())
        };
        let Some((_, _, group)) = GROUPS.iter().find(is_group) else {
            return reply.error(Status::KEY_ENOENT).into();
        };
        let mut writer = Writer::new(reply);
        match group {
            Group::General => self.write_general(&mut writer, now),
            Group::Items => other::write_items(&mut writer, &self.store_statistics()),
            Group::Slabs => other::write_slabs(&mut writer, &self.store_statistics()),
            Group::Sizes => {
                send! { writer, "sizes_status": text("disabled"), }
            }
            Group::DetailDump => {
                send! { writer, "detailed": text("END\r\n"), }
            }
            Group::DetailSwitch => {}
            Group::Reset => self.reset_statistics(),
            Group::Settings => self.write_settings(&mut writer),
        }
        writer.finish()
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
