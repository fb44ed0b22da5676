//! The group without a name.

use super::writer::Writer;
use crate::engine::{Credentials, Engine, Host};
use crate::store::Shards;

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// What memcached's general group has and this cache knows, in memcached's order.
    #[inline(never)]
    pub(super) fn write_general(&mut self, writer: &mut Writer<'_, '_>, now: u32) {
        let store = self.store_statistics();
        let totals = self.host.totals(&self.statistics);
        let host = self.host.figures();
        let settings = self.host.settings();
        writer.number("pid", host.pid);
        writer.number("uptime", now.saturating_sub(self.host.started()).into());
        writer.number("time", now.into());
        writer.text("version", self.settings.version);
        writer.number("pointer_size", u64::from(usize::BITS));
        writer.seconds("rusage_user", host.rusage_user_us);
        writer.seconds("rusage_system", host.rusage_system_us);
        writer.number("max_connections", settings.maxconns);
        writer.number("curr_connections", host.curr_connections);
        writer.number("total_connections", host.total_connections);
        writer.number("rejected_connections", host.rejected_connections);
        writer.number("connection_structures", host.connection_structures);
        writer.number("cmd_get", totals.cmd_get());
        writer.number("cmd_set", totals.cmd_set);
        writer.number("cmd_flush", totals.cmd_flush);
        writer.number("cmd_touch", totals.cmd_touch());
        writer.number("cmd_meta", 0);
        writer.number("get_hits", totals.get_hits);
        writer.number("get_misses", totals.get_misses);
        writer.number("delete_misses", totals.delete_misses);
        writer.number("delete_hits", totals.delete_hits);
        writer.number("incr_misses", totals.incr_misses);
        writer.number("incr_hits", totals.incr_hits);
        writer.number("decr_misses", totals.decr_misses);
        writer.number("decr_hits", totals.decr_hits);
        writer.number("cas_misses", totals.cas_misses);
        writer.number("cas_hits", totals.cas_hits);
        writer.number("cas_badval", totals.cas_badval);
        writer.number("touch_hits", totals.touch_hits);
        writer.number("touch_misses", totals.touch_misses);
        writer.number("store_too_large", totals.store_too_large);
        writer.number("store_no_memory", totals.store_no_memory);
        writer.number("auth_cmds", totals.auth_cmds);
        writer.number("auth_errors", totals.auth_errors);
        writer.number("bytes_read", totals.bytes_read);
        writer.number("bytes_written", totals.bytes_written);
        writer.number("limit_maxbytes", store.memory_bytes);
        writer.number("accepting_conns", host.accepting_conns.into());
        writer.number("listen_disabled_num", host.listen_disabled_num);
        writer.number(
            "time_in_listen_disabled_us",
            host.time_in_listen_disabled_us,
        );
        writer.number("threads", settings.num_threads);
        writer.number("conn_yields", host.conn_yields);
        writer.number("hash_bytes", store.index_bytes);
        writer.number("bytes", store.bytes);
        writer.number("curr_items", store.curr_items);
        writer.number("total_items", store.total_items);
        writer.number("expired_unfetched", store.expired_unfetched);
        writer.number("evicted_unfetched", store.evicted_unfetched);
        writer.number("evictions", store.evictions);
        writer.number("reclaimed", store.reclaimed);
    }
}
