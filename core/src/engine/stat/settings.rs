//! The group `settings`.

use super::figures::{Figures, send};
use crate::engine::{Credentials, Engine, Host};
use crate::store::Shards;

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// What memcached's group has and means something here, in memcached's order.
    #[inline(never)]
    pub(super) fn write_settings(&mut self, figures: &mut Figures<'_, '_>) {
        let memory_bytes = self.store_statistics().memory_bytes;
        let host = self.host.settings();
        send! {
            figures,
            "maxbytes": number(memory_bytes),
            "maxconns": number(host.maxconns),
            "tcpport": number(host.tcpport.into()),
            "udpport": number(0),
            "inter": text(host.inter.unwrap_or("NULL")),
            "verbosity": number(host.verbosity.into()),
            "oldest": number(0),
            "evictions": text("on"),
            "domain_socket": text(host.domain_socket.unwrap_or("NULL")),
            "num_threads": number(host.num_threads),
            "stat_key_prefix": text(":"),
            "detail_enabled": yes_no(false),
            "cas_enabled": yes_no(true),
            "tcp_backlog": number(host.tcp_backlog),
            "binding_protocol": text("binary"),
            "auth_enabled_sasl": yes_no(self.credentials.required()),
            "auth_enabled_ascii": yes_no(false),
            "item_size_max": number(self.settings.item_size_max.into()),
            "maxconns_fast": yes_no(host.maxconns_fast),
            "flush_enabled": yes_no(self.settings.flush_enabled),
            "dump_enabled": yes_no(true),
            "hash_algorithm": text("siphash13"),
            "idle_timeout": number(host.idle_timeout),
            "track_sizes": yes_no(false),
            "inline_ascii_response": yes_no(false),
        }
    }
}
