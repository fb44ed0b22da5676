//! What servers and clients have counted, for people and monitoring: JSON in the shape of gomemcached's debug counters,
//! and the text that Prometheus reads, over HTTP.
//!
//! ```text
//!   a thread's handler ── CounterWriter ─┐
//!   a thread's handler ── CounterWriter ─┼─▶ SharedCounters ─┬─▶ to_json
//!   a client           ── CounterWriter ─┘                   └─▶ CountersCollector ─┐
//!   Cache, Figures ─────────────────────────────────────────────▶ CacheCollector ───┴▶ MetricsServer ─▶ GET /metrics
//! ```
//!
//! * [`SharedCounters`] holds tables by opcode that many threads write without waiting for each other. A
//!   [`CounterWriter`] is a [`Tally`](memlet_core::counters::Tally): give one to a client, or to
//!   [`CountedService`], which counts all that a [`Server`](crate::std::Server) is asked and answers.
//! * [`CountersCollector`] and [`CacheCollector`] are collectors of the crate `prometheus-client`: put them into a registry
//!   of your own, or let [`MetricsServer`] serve one.
//!
//! Nothing of this is on the path of requests unless a [`CounterWriter`] is; then each packet costs three additions to
//! memory that no other thread writes.
//!
//! # Names
//! Where the usual exporter for memcached has a metric its name is used (`memcached_commands_total{command="get",
//! status="hit"}`, `memcached_current_items`, …), so that existing dashboards work. What memcached has not starts with
//! `memlet_`: `memlet_packets_total{direction="received",opcode="GET"}`, `memlet_packet_bytes_total`,
//! `memlet_packet_errors_total`, and what the store knows of its memory.

mod collectors;
mod json;
mod server;
mod service;

pub use collectors::{CacheCollector, CountersCollector};
pub use json::to_json;
/// Where collectors are put together: the registry of the crate `prometheus-client`.
pub use prometheus_client::registry::Registry as MetricsRegistry;

pub use crate::std::{CounterWriter, SharedCounters};
pub use server::{MetricsError, MetricsServer};
pub use service::CountedService;
