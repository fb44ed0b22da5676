//! The group without a name.

use super::figures::{Figures, send};
use crate::engine::{Credentials, Engine, Host, StatGroups, Statistics};
use crate::store::Shards;

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// What memcached's general group has and this cache knows, in memcached's order.
    #[inline(never)]
    pub(super) fn write_general(&mut self, figures: &mut Figures<'_, '_>, now: u32) {
        let store = self.store_statistics();
        let totals = self.host.totals(&self.statistics);
        let totals = totals.as_ref().unwrap_or(&self.statistics);
        let host = self.host.figures();
        let settings = self.host.settings();
        let is_process = H::STAT_GROUPS.contains(StatGroups::PROCESS);
        if is_process {
            send! { figures, "pid": number(host.pid), }
        }
        send! {
            figures,
            "uptime": number(now.saturating_sub(self.host.started()).into()),
            "time": number(now.into()),
            "version": text(self.settings.version),
        }
        if is_process {
            send! {
                figures,
                "pointer_size": number(u64::from(usize::BITS)),
                "rusage_user": seconds(host.rusage_user_us),
                "rusage_system": seconds(host.rusage_system_us),
            }
        }
        send! {
            figures,
            "max_connections": number(settings.maxconns),
            "curr_connections": number(host.curr_connections),
            "total_connections": number(host.total_connections),
            "rejected_connections": number(host.rejected_connections),
        }
        if is_process {
            send! { figures, "connection_structures": number(host.connection_structures), }
        }
        write_commands(figures, totals, is_process);
        send! { figures, "limit_maxbytes": number(store.memory_bytes), }
        if is_process {
            send! {
                figures,
                "accepting_conns": number(host.accepting_conns.into()),
                "listen_disabled_num": number(host.listen_disabled_num),
                "time_in_listen_disabled_us": number(host.time_in_listen_disabled_us),
                "threads": number(settings.num_threads),
                "conn_yields": number(host.conn_yields),
            }
        }
        send! {
            figures,
            "hash_bytes": number(store.index_bytes),
            "bytes": number(store.bytes),
            "curr_items": number(store.curr_items),
            "total_items": number(store.total_items),
            "expired_unfetched": number(store.expired_unfetched),
            "evicted_unfetched": number(store.evicted_unfetched),
            "evictions": number(store.evictions),
            "reclaimed": number(store.reclaimed),
        }
        self.host.own_figures(figures);
    }
}

/// What all engines have counted.
#[inline]
fn write_commands(figures: &mut Figures<'_, '_>, totals: &Statistics, is_process: bool) {
    send! {
        figures,
        "cmd_get": number(totals.cmd_get()),
        "cmd_set": number(totals.cmd_set),
        "cmd_flush": number(totals.cmd_flush),
        "cmd_touch": number(totals.cmd_touch()),
    }
    if is_process {
        send! { figures, "cmd_meta": number(0), }
    }
    send! {
        figures,
        "get_hits": number(totals.get_hits),
        "get_misses": number(totals.get_misses),
        "delete_misses": number(totals.delete_misses),
        "delete_hits": number(totals.delete_hits),
        "incr_misses": number(totals.incr_misses),
        "incr_hits": number(totals.incr_hits),
        "decr_misses": number(totals.decr_misses),
        "decr_hits": number(totals.decr_hits),
        "cas_misses": number(totals.cas_misses),
        "cas_hits": number(totals.cas_hits),
        "cas_badval": number(totals.cas_badval),
        "touch_hits": number(totals.touch_hits),
        "touch_misses": number(totals.touch_misses),
        "store_too_large": number(totals.store_too_large),
        "store_no_memory": number(totals.store_no_memory),
        "auth_cmds": number(totals.auth_cmds),
        "auth_errors": number(totals.auth_errors),
        "bytes_read": number(totals.bytes_read),
        "bytes_written": number(totals.bytes_written),
    }
}
