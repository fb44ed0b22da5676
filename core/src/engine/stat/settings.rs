//! The group `settings`.

use super::writer::{Figure, Writer};
use crate::engine::{Credentials, Engine, Host};
use crate::store::Shards;

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    /// What memcached's group has and means something here, in memcached's order.
    pub(super) fn write_settings(&mut self, writer: &mut Writer<'_, '_>) {
        use Figure::{Number, Octal, Text, YesNo};
        let memory_bytes = self.store_statistics().memory_bytes;
        let host = self.host.settings();
        let figures = [
            ("maxbytes", Number(memory_bytes)),
            ("maxconns", Number(host.maxconns)),
            ("tcpport", Number(host.tcpport.into())),
            ("udpport", Number(0)),
            ("inter", Text(host.inter.unwrap_or("NULL"))),
            ("verbosity", Number(host.verbosity.into())),
            ("oldest", Number(0)),
            ("evictions", Text("on")),
            ("domain_socket", Text(host.domain_socket.unwrap_or("NULL"))),
            ("umask", Octal(host.umask)),
            ("num_threads", Number(host.num_threads)),
            ("stat_key_prefix", Text(":")),
            ("detail_enabled", YesNo(false)),
            ("cas_enabled", YesNo(true)),
            ("tcp_backlog", Number(host.tcp_backlog)),
            ("binding_protocol", Text("binary")),
            ("auth_enabled_sasl", YesNo(self.credentials.required())),
            ("auth_enabled_ascii", YesNo(false)),
            ("item_size_max", Number(self.settings.item_size_max.into())),
            ("maxconns_fast", YesNo(host.maxconns_fast)),
            ("flush_enabled", YesNo(self.settings.flush_enabled)),
            ("dump_enabled", YesNo(true)),
            ("hash_algorithm", Text("siphash13")),
            ("idle_timeout", Number(host.idle_timeout)),
            ("track_sizes", YesNo(false)),
            ("inline_ascii_response", YesNo(false)),
        ];
        for (name, figure) in figures {
            writer.put(name, figure);
        }
    }
}
