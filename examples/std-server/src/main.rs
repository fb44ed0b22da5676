//! `memlet-server`: a cache server for clients of memcached's binary protocol.

mod arguments;

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use arguments::Arguments;
use memlet::metrics::{
    CacheCollector, CountedService, CountersCollector, MetricsError, MetricsRegistry,
    MetricsServer, SharedCounters,
};
use memlet::std::{Cache, Listen, Replica, ReplicaOptions, Server};
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let arguments = Arguments::take();
    log_from(arguments.verbose);
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("memlet-server: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let cache_options = arguments.cache()?;
    let server_options = arguments.server(&cache_options)?;
    let cache = Arc::new(Cache::new(cache_options).map_err(|error| arguments.explain(&error))?);
    let server = Server::bind(server_options).map_err(|error| error.to_string())?;
    server
        .drain_on_signals()
        .map_err(|error| error.to_string())?;
    let replica = match arguments.replica()? {
        None => None,
        Some(options) => Some(replicate(&cache, options).map_err(|error| error.to_string())?),
    };
    let served = match arguments.metrics {
        None => {
            greet(&server);
            server.run(&cache)
        }
        Some(address) => {
            let counters = SharedCounters::new();
            cache.count_feeds(counters.clone());
            let metrics = serve_metrics(address, &cache, &server, &counters)
                .map_err(|error| format!("--metrics: {error}"))?;
            greet(&server);
            say(format_args!(
                "metrics: http://{}/metrics",
                metrics.address()
            ));
            server.run(&CountedService::new(cache, counters))
        }
    };
    drop(replica);
    served.map_err(|error| error.to_string())
}

/// Tells Prometheus, or whoever asks at this address, what the server does.
fn serve_metrics(
    address: SocketAddr,
    cache: &Arc<Cache>,
    server: &Server,
    counters: &SharedCounters,
) -> Result<MetricsServer, MetricsError> {
    let mut registry = MetricsRegistry::default();
    let collector = CacheCollector::new(Arc::clone(cache), server.figures());
    registry.register_collector(Box::new(collector));
    registry.register_collector(Box::new(CountersCollector::new(counters.clone())));
    MetricsServer::start(address, registry, counters.clone())
}

/// Follows another server until SIGUSR1 says that clients may write.
fn replicate(cache: &Cache, options: ReplicaOptions) -> io::Result<Arc<Replica>> {
    let replica = Arc::new(Replica::start(cache, options)?);
    replica.promote_on_signal()?;
    Ok(replica)
}

/// Says where the server listens and how to try it.
fn greet(server: &Server) {
    let addresses: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
    let how = match server.addresses().first() {
        Some(Listen::Unix { path, .. }) => {
            format!("memcstat --binary --servers={}", path.display())
        }
        _ => format!(
            "memcstat --binary --servers={}",
            addresses.first().map_or("", |address| address)
        ),
    };
    say(format_args!(
        "memlet-server listens on {}; try: {how}",
        addresses.join(", ")
    ));
}

/// Writes a line to standard output; nobody has to be there to read it.
fn say(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Sends logs to standard error; memcached's -v, -vv and -vvv say how many.
fn log_from(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false)
        // Whoever read the log may have gone. To complain about that on the same stream would end the server.
        .log_internal_errors(false)
        .init();
}
