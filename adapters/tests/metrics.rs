//! Metrics from outside: a counted cache, asked by a client and by HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{str, thread};

use memlet::blocking::TapFeed;
use memlet::metrics::{
    CacheCollector, CountedService, CountersCollector, MetricsServer, SharedCounters,
};
use memlet::std::{Cache, CacheOptions, ConnectOptions, Listen, Server, ServerOptions, Transport};
use memlet_core::connection::feed::TapOptions;
use memlet_core::tap::{Connect, ConnectFlags, Message};
use memlet_core::wire::Opcode;
use prometheus_client::registry::Registry;
use serde_json::Value;

/// A cache that is counted, its metrics, and how to stop it.
struct Running {
    address: SocketAddr,
    metrics: MetricsServer,
    handle: memlet::std::ServerHandle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    fn start() -> Running {
        let cache_options = CacheOptions::default();
        let mut options = ServerOptions::default();
        options.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
        options.threads = 2;
        options.connection = cache_options.connection();
        let cache = Arc::new(Cache::new(cache_options).unwrap());
        let server = Server::bind(options).unwrap();
        let Listen::Tcp(address) = server.addresses()[0] else {
            unreachable!()
        };
        let counters = SharedCounters::new();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(CountersCollector::new(counters.clone())));
        let collector = CacheCollector::new(Arc::clone(&cache), server.figures());
        registry.register_collector(Box::new(collector));
        let metrics =
            MetricsServer::start(([127, 0, 0, 1], 0).into(), registry, counters.clone()).unwrap();
        assert!(cache.count_feeds(counters.clone()));
        let handle = server.handle();
        let service = CountedService::new(cache, counters);
        let thread = thread::spawn(move || server.run(&service).unwrap());
        Running {
            address,
            metrics,
            handle,
            thread: Some(thread),
        }
    }

    /// The body of the answer to a GET.
    fn get(&self, path: &str) -> String {
        let answer = self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.into()
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.metrics.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.drain();
        let ended = self.thread.take().map(thread::JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// The number of a series.
fn series(metrics: &str, name: &str) -> u64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"))
        .parse()
        .unwrap()
}

#[test]
fn what_a_client_does_is_in_the_metrics_byte_for_byte() {
    let running = Running::start();
    let client_counters = SharedCounters::new();
    let options = ConnectOptions::default();
    let transport = Transport::tcp(running.address, &options).unwrap();
    let mut client = transport.client(&options, client_counters.writer());
    client.set(b"key", &[7; 5000]).unwrap();
    for key in [&b"key"[..], b"missing", b"key"] {
        client.get(key).unwrap();
    }
    assert!(client.delete(b"key").unwrap());
    client.stats_list(b"").unwrap();

    let metrics = running.get("/metrics");
    assert!(metrics.ends_with("# EOF\n"));
    let command = |command: &str, status: &str| {
        let name = format!("memcached_commands_total{{command=\"{command}\",status=\"{status}\"}}");
        series(&metrics, &name)
    };
    assert_eq!(
        (
            command("get", "hit"),
            command("get", "miss"),
            command("delete", "hit")
        ),
        (2, 1, 1)
    );
    assert_eq!(series(&metrics, "memcached_current_items"), 0);
    assert_eq!(series(&metrics, "memcached_items_total"), 1);
    assert_eq!(series(&metrics, "memcached_current_connections"), 1);
    assert_eq!(series(&metrics, "memcached_up"), 1);

    // Both ends have seen the same packets.
    let own = client_counters.sum();
    for (direction, table) in [("received", &own.sent), ("sent", &own.received)] {
        for (opcode, count) in table.iter() {
            let number = |family: &str| {
                let name = format!(
                    "memlet_{family}_total{{direction=\"{direction}\",opcode=\"{opcode}\"}}"
                );
                series(&metrics, &name)
            };
            assert_eq!(number("packets"), count.operations, "{direction} {opcode}");
            assert_eq!(number("packet_bytes"), count.bytes, "{direction} {opcode}");
        }
    }
    let vars: Value = serde_json::from_str(&running.get("/debug/vars")).unwrap();
    assert_eq!(vars["mc"]["recv"]["ops"]["GET"], 3);
    assert_eq!(
        vars["mc"]["xmit"]["bytes"]["total"],
        own.received.total().bytes
    );
}

#[test]
fn feeds_are_counted_and_shown_while_they_are_open() {
    let running = Running::start();
    let options = ConnectOptions::default();
    let mut client = memlet::std::connect(running.address, &options).unwrap();
    for number in 0..500 {
        client
            .set(format!("key {number}").as_bytes(), b"value")
            .unwrap();
    }
    let fed = SharedCounters::new();
    let transport = Transport::tcp(running.address, &options).unwrap();
    let mut feed = TapFeed::with(
        transport,
        &TapOptions::default(),
        Vec::new(),
        Vec::new(),
        fed.writer(),
    );
    feed.connect(&Connect {
        backfill: Some(Connect::EVERYTHING),
        flags: Some(ConnectFlags::SUPPORT_ACK),
        ..Connect::new(b"counted")
    })
    .unwrap();
    let mut mutations = 0;
    while mutations < 500 {
        let message = feed.next_message().unwrap().unwrap();
        mutations += u32::from(matches!(message, Message::Mutation(_)));
    }
    let sent = "memlet_packets_total{direction=\"sent\",opcode=\"TAP_MUTATION\"}";
    let metrics = running.get("/metrics");
    assert_eq!(series(&metrics, sent), 500);
    assert_eq!(series(&metrics, "memlet_feeds"), 1);
    let vars: Value = serde_json::from_str(&running.get("/debug/vars")).unwrap();
    assert_eq!(
        vars["mc"]["xmit"]["bytes"]["TAP_MUTATION"],
        fed.sum().fed.get(Opcode::TAP_MUTATION).bytes
    );
    drop(feed);
    let begin = Instant::now();
    while series(&running.get("/metrics"), "memlet_feeds") > 0 {
        assert!(begin.elapsed() < Duration::from_secs(60), "the feed stays");
    }
    assert_eq!(series(&running.get("/metrics"), sent), 500);
}

#[test]
fn what_is_no_request_for_metrics_is_refused_and_harms_nobody() {
    let running = Running::start();
    let refused = [
        ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
        (
            "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "405",
        ),
        ("\u{80}\n\0\0\r\n\r\n", "400"),
    ];
    for (request, status) in refused {
        let answer = running.ask(request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    // Peers that say nothing take places but not all of them.
    let _silent: Vec<_> = (0..10)
        .map(|_| TcpStream::connect(running.metrics.address()).unwrap())
        .collect();
    assert!(running.get("/metrics").contains("memcached_up 1"));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let running = Running::start();
    let taken = running.metrics.address();
    let again = MetricsServer::start(taken, Registry::default(), SharedCounters::new());
    let text = again.unwrap_err().to_string();
    assert!(text.contains(&taken.to_string()), "{text}");
}

#[test]
fn dropping_the_server_of_metrics_frees_its_address() {
    let start = |address| MetricsServer::start(address, Registry::default(), SharedCounters::new());
    let first = start(([127, 0, 0, 1], 0).into()).unwrap();
    let address = first.address();
    let mut open = TcpStream::connect(address).unwrap();
    drop(first);
    assert_eq!(open.read(&mut [0; 1]).unwrap_or(0), 0);
    drop(open);
    drop(start(address).unwrap());
}
