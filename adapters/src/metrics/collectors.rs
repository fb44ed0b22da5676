//! What Prometheus is told.

use std::fmt::Error;
use std::sync::Arc;

use memlet_core::counters::{Count, Table};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::SharedCounters;
use crate::std::{Cache, Figures, ReplicaLink};

/// One of the numbers of a count.
type Number = fn(&Count) -> u64;

/// Labels of one series.
type Labels<'a> = [(&'static str, &'a str)];

/// Packets, bytes and errors by direction and opcode.
#[derive(Clone, Debug)]
pub struct CountersCollector(SharedCounters);

impl CountersCollector {
    /// Collects these counters.
    #[must_use]
    pub fn new(counters: SharedCounters) -> CountersCollector {
        CountersCollector(counters)
    }
}

impl Collector for CountersCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let counters = self.0.sum();
        let tables = [
            ("sent", &counters.sent),
            ("received", &counters.received),
            ("fed", &counters.fed),
        ];
        let families: [(&str, &str, Number); 3] = [
            (
                "memlet_packets",
                "Packets that came through, whatever their status",
                |count| count.operations,
            ),
            (
                "memlet_packet_bytes",
                "Bytes of packets, headers included",
                |count| count.bytes,
            ),
            (
                "memlet_packet_errors",
                "Packets that were refused or broke off",
                |count| count.errors,
            ),
        ];
        for (name, help, number) in families {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (direction, table) in tables {
                encode_table(&mut family, direction, table, number)?;
            }
        }
        Ok(())
    }
}

fn encode_table(
    family: &mut MetricEncoder<'_>,
    direction: &str,
    table: &Table,
    number: Number,
) -> Result<(), Error> {
    let unknown = (String::from("unknown"), table.unknown());
    let named = table
        .iter()
        .map(|(opcode, count)| (opcode.to_string(), count));
    for (opcode, count) in named.chain([unknown]) {
        if !count.is_zero() {
            let labels: &Labels<'_> = &[("direction", direction), ("opcode", &opcode)];
            counter(family, labels, number(&count))?;
        }
    }
    Ok(())
}

/// A cache and its server: commands by outcome, items, memory, connections.
#[derive(Clone, Debug)]
pub struct CacheCollector {
    cache: Arc<Cache>,
    figures: Arc<Figures>,
}

impl CacheCollector {
    /// Collects from this cache, and the figures of the server that serves it.
    #[must_use]
    pub fn new(cache: Arc<Cache>, figures: Arc<Figures>) -> CacheCollector {
        CacheCollector { cache, figures }
    }

    fn encode_commands(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let s = self.cache.statistics();
        let help = "Commands by outcome; a set with a CAS counts for cas too";
        let mut family =
            encoder.encode_descriptor("memcached_commands", help, None, MetricType::Counter)?;
        let commands = [
            ("get", "hit", s.get_hits),
            ("get", "miss", s.get_misses),
            ("set", "hit", s.cmd_set),
            ("delete", "hit", s.delete_hits),
            ("delete", "miss", s.delete_misses),
            ("incr", "hit", s.incr_hits),
            ("incr", "miss", s.incr_misses),
            ("decr", "hit", s.decr_hits),
            ("decr", "miss", s.decr_misses),
            ("touch", "hit", s.touch_hits),
            ("touch", "miss", s.touch_misses),
            ("cas", "hit", s.cas_hits),
            ("cas", "miss", s.cas_misses),
            ("cas", "badval", s.cas_badval),
            ("flush", "hit", s.cmd_flush),
        ];
        for (command, status, number) in commands {
            counter(
                &mut family,
                &[("command", command), ("status", status)],
                number,
            )?;
        }
        let counters = [
            ("memcached_read_bytes", "Bytes of requests", s.bytes_read),
            (
                "memcached_written_bytes",
                "Bytes of responses",
                s.bytes_written,
            ),
            (
                "memlet_logins",
                "SASL logins that came to an end",
                s.auth_cmds,
            ),
            (
                "memlet_login_errors",
                "SASL logins that failed",
                s.auth_errors,
            ),
            (
                "memlet_stores_too_large",
                "Stores refused because the item is beyond the limit",
                s.store_too_large,
            ),
            (
                "memlet_stores_no_memory",
                "Stores refused because there was no room at the time",
                s.store_no_memory,
            ),
        ];
        encode_all(encoder, MetricType::Counter, &counters)
    }

    fn encode_store(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let s = self.cache.store_statistics();
        let limit = self.cache.store().memory_len() as u64;
        let gauges = [
            ("memcached_current_items", "Items held", s.curr_items),
            (
                "memcached_current_bytes",
                "Bytes of the items held, keys and headers included",
                s.bytes,
            ),
            (
                "memcached_limit_bytes",
                "Bytes for items, headers and the index",
                limit,
            ),
            (
                "memlet_store_index_bytes",
                "Bytes of the index",
                s.index_bytes,
            ),
            (
                "memlet_store_dead_bytes",
                "Bytes of removed items that wait to be used again",
                s.dead_bytes,
            ),
            (
                "memlet_store_free_bytes",
                "Bytes never used or free again",
                s.free_bytes,
            ),
            (
                "memlet_store_arriving_values",
                "Values that are arriving now",
                s.reservations,
            ),
        ];
        encode_all(encoder, MetricType::Gauge, &gauges)?;
        let counters = [
            (
                "memcached_items",
                "Items stored since the start",
                s.total_items,
            ),
            (
                "memcached_items_evicted",
                "Live items removed to make room",
                s.evictions,
            ),
            (
                "memcached_items_reclaimed",
                "Items removed because they were expired or flushed",
                s.reclaimed,
            ),
            (
                "memlet_items_evicted_unfetched",
                "Evicted items that were never read",
                s.evicted_unfetched,
            ),
            (
                "memlet_store_moves",
                "Items moved within memory in order to keep them",
                s.moves,
            ),
        ];
        encode_all(encoder, MetricType::Counter, &counters)
    }

    fn encode_feeds(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let feeds = self.cache.feeds();
        let behind = feeds.iter().map(|feed| feed.behind).max();
        let gauges = [
            ("memlet_feeds", "Feeds that are open", feeds.len() as u64),
            (
                "memlet_feed_behind",
                "Changes that are yet to be sent to the slowest of the feeds",
                behind.unwrap_or(0),
            ),
        ];
        encode_all(encoder, MetricType::Gauge, &gauges)?;
        let Some(replica) = self.cache.replica() else {
            return Ok(());
        };
        let is_following = replica.link == ReplicaLink::Following;
        let gauges = [
            (
                "memlet_replica_following",
                "Whether the replica holds a whole copy and follows its primary",
                is_following.into(),
            ),
            (
                "memlet_replica_behind",
                "Changes of the primary that are not applied",
                replica.seqnos_behind,
            ),
        ];
        encode_all(encoder, MetricType::Gauge, &gauges)?;
        let counters = [
            (
                "memlet_replica_changes",
                "Changes of the primary that were applied",
                replica.changes,
            ),
            (
                "memlet_replica_refused",
                "Items of the primary that found no room",
                replica.refused,
            ),
            (
                "memlet_replica_evicted",
                "Items of the primary that were evicted here",
                replica.evicted,
            ),
            (
                "memlet_replica_copies",
                "How often everything was copied",
                replica.copies,
            ),
        ];
        encode_all(encoder, MetricType::Counter, &counters)
    }

    fn encode_server(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let figures = &self.figures;
        let options = figures.options();
        let gauges = [
            ("memcached_up", "Whether the server answers", 1),
            (
                "memcached_uptime_seconds",
                "Seconds since the start",
                figures.uptime().into(),
            ),
            (
                "memcached_current_connections",
                "Connections that are open",
                figures.connections() as u64,
            ),
            (
                "memcached_max_connections",
                "Connections at the same time at most",
                options.connections_max as u64,
            ),
            (
                "memlet_threads",
                "Threads that serve connections",
                options.threads as u64,
            ),
        ];
        encode_all(encoder, MetricType::Gauge, &gauges)?;
        let counters = [
            (
                "memcached_connections",
                "Connections accepted since the start",
                figures.connections_total(),
            ),
            (
                "memcached_connections_rejected",
                "Connections hung up on because there were too many",
                figures.connections_rejected(),
            ),
        ];
        encode_all(encoder, MetricType::Counter, &counters)?;
        let version = self.cache.settings().version;
        let help = "The version that clients are told";
        let mut family =
            encoder.encode_descriptor("memcached_version", help, None, MetricType::Gauge)?;
        let labels: &Labels<'_> = &[("version", version)];
        ConstGauge::new(1_u64).encode(family.encode_family(&labels)?)
    }
}

impl Collector for CacheCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.encode_server(&mut encoder)?;
        self.encode_commands(&mut encoder)?;
        self.encode_store(&mut encoder)?;
        self.encode_feeds(&mut encoder)
    }
}

/// One series of a family of counters.
fn counter(family: &mut MetricEncoder<'_>, labels: &Labels<'_>, number: u64) -> Result<(), Error> {
    ConstCounter::new(number).encode(family.encode_family(&labels)?)
}

/// Metrics without labels: name, help, number.
fn encode_all(
    encoder: &mut DescriptorEncoder<'_>,
    kind: MetricType,
    metrics: &[(&str, &str, u64)],
) -> Result<(), Error> {
    for &(name, help, number) in metrics {
        let metric = encoder.encode_descriptor(name, help, None, kind)?;
        match kind {
            MetricType::Counter => ConstCounter::new(number).encode(metric)?,
            _ => ConstGauge::new(number).encode(metric)?,
        }
    }
    Ok(())
}
