//! The group `settings`.

use super::writer::Writer;
use crate::engine::{Credentials, Engine, Host};
use crate::store::Shards;

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// What memcached's group has and means something here, in memcached's order.
    #[inline(never)]
    pub(super) fn write_settings(&mut self, writer: &mut Writer<'_, '_>) {
        let memory_bytes = self.store_statistics().memory_bytes;
        let host = self.host.settings();
        writer.number("maxbytes", memory_bytes);
        writer.number("maxconns", host.maxconns);
        writer.number("tcpport", host.tcpport.into());
        writer.number("udpport", 0);
        writer.text("inter", host.inter.unwrap_or("NULL"));
        writer.number("verbosity", host.verbosity.into());
        writer.number("oldest", 0);
        writer.text("evictions", "on");
        writer.text("domain_socket", host.domain_socket.unwrap_or("NULL"));
        writer.number("num_threads", host.num_threads);
        writer.text("stat_key_prefix", ":");
        writer.yes_no("detail_enabled", false);
        writer.yes_no("cas_enabled", true);
        writer.number("tcp_backlog", host.tcp_backlog);
        writer.text("binding_protocol", "binary");
        writer.yes_no("auth_enabled_sasl", self.credentials.required());
        writer.yes_no("auth_enabled_ascii", false);
        writer.number("item_size_max", self.settings.item_size_max.into());
        writer.yes_no("maxconns_fast", host.maxconns_fast);
        writer.yes_no("flush_enabled", self.settings.flush_enabled);
        writer.yes_no("dump_enabled", true);
        writer.text("hash_algorithm", "siphash13");
        writer.number("idle_timeout", host.idle_timeout);
        writer.yes_no("track_sizes", false);
        writer.yes_no("inline_ascii_response", false);
    }
}
