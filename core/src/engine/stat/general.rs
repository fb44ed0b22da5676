//! The group without a name.

use super::writer::{Figure, Writer};
use crate::engine::{Credentials, Engine, Host};
use crate::store::Shards;

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// What memcached's general group has and this cache knows, in memcached's order.
    pub(super) fn write_general(&mut self, writer: &mut Writer<'_, '_>, now: u32) {
        let store = self.store_statistics();
        let totals = self.host.totals(&self.statistics);
        let host = self.host.figures();
        let settings = self.host.settings();
        writer.put_all(&[
            ("pid", host.pid),
            ("uptime", now.saturating_sub(self.host.started()).into()),
            ("time", now.into()),
        ]);
        writer.put("version", Figure::Text(self.settings.version));
        writer.put("pointer_size", Figure::Number(u64::from(usize::BITS)));
        writer.put("rusage_user", Figure::Seconds(host.rusage_user_us));
        writer.put("rusage_system", Figure::Seconds(host.rusage_system_us));
        writer.put_all(&[
            ("max_connections", settings.maxconns),
            ("curr_connections", host.curr_connections),
            ("total_connections", host.total_connections),
            ("rejected_connections", host.rejected_connections),
            ("connection_structures", host.connection_structures),
            ("cmd_get", totals.cmd_get()),
            ("cmd_set", totals.cmd_set),
            ("cmd_flush", totals.cmd_flush),
            ("cmd_touch", totals.cmd_touch()),
            ("cmd_meta", 0),
            ("get_hits", totals.get_hits),
            ("get_misses", totals.get_misses),
            ("delete_misses", totals.delete_misses),
            ("delete_hits", totals.delete_hits),
            ("incr_misses", totals.incr_misses),
            ("incr_hits", totals.incr_hits),
            ("decr_misses", totals.decr_misses),
            ("decr_hits", totals.decr_hits),
            ("cas_misses", totals.cas_misses),
            ("cas_hits", totals.cas_hits),
            ("cas_badval", totals.cas_badval),
            ("touch_hits", totals.touch_hits),
            ("touch_misses", totals.touch_misses),
            ("store_too_large", totals.store_too_large),
            ("store_no_memory", totals.store_no_memory),
            ("auth_cmds", totals.auth_cmds),
            ("auth_errors", totals.auth_errors),
            ("bytes_read", totals.bytes_read),
            ("bytes_written", totals.bytes_written),
            ("limit_maxbytes", store.memory_bytes),
            ("accepting_conns", host.accepting_conns.into()),
            ("listen_disabled_num", host.listen_disabled_num),
            (
                "time_in_listen_disabled_us",
                host.time_in_listen_disabled_us,
            ),
            ("threads", settings.num_threads),
            ("conn_yields", host.conn_yields),
            ("hash_bytes", store.index_bytes),
            ("bytes", store.bytes),
            ("curr_items", store.curr_items),
            ("total_items", store.total_items),
            ("expired_unfetched", store.expired_unfetched),
            ("evicted_unfetched", store.evicted_unfetched),
            ("evictions", store.evictions),
            ("reclaimed", store.reclaimed),
        ]);
    }
}
