//! `memlet-server`: a cache server for clients of memcached's binary protocol.

mod arguments;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use arguments::Arguments;
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
    let cache = Cache::new(cache_options).map_err(|error| arguments.explain(&error))?;
    let server = Server::bind(server_options).map_err(|error| error.to_string())?;
    server
        .drain_on_signals()
        .map_err(|error| error.to_string())?;
    let replica = match arguments.replica()? {
        None => None,
        Some(options) => Some(replicate(&cache, options).map_err(|error| error.to_string())?),
    };
    greet(&server);
    let served = server.run(&cache).map_err(|error| error.to_string());
    drop(replica);
    served
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
    // Nobody has to be there to read it.
    let mut out = io::stdout().lock();
    let _ = writeln!(
        out,
        "memlet-server listens on {}; try: {how}",
        addresses.join(", ")
    );
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
