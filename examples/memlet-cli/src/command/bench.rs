//! `memlet bench`: loads a server and prints what came of it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use memlet::load::{self, LoadError, LoadOptions, LoadReport, Stop, Target, Writes};
use serde_json::Value;

use crate::connection::{Address, Connection};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::{input, output};

/// Load a server over the binary protocol, check every answer, and tell throughput and latencies
///
/// Every connection sends a batch of requests, waits for all the answers and sends the next one: the latencies are those at
/// full load, not at a given rate. The keys it stores start with "key".
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The server, as after --server; or the path of a unix socket with a slash in it
    #[arg(value_name = "HOST[:PORT]", conflicts_with_all = ["server", "unix"])]
    target: Option<String>,

    /// Connections
    #[arg(long, default_value_t = 50)]
    connections: usize,

    /// Requests under way on one connection
    #[arg(long, default_value_t = 1)]
    depth: usize,

    /// Write the requests of a batch one by one
    #[arg(long)]
    write_each: bool,

    /// Threads that share the connections
    #[arg(long, default_value_t = 1)]
    threads: usize,

    /// Different keys
    #[arg(long, default_value_t = 100_000)]
    keys: u32,

    /// Length of a key in bytes
    #[arg(long, default_value_t = 18)]
    key: usize,

    /// Length of a value in bytes; with --value-max the smallest
    #[arg(long, default_value_t = 100)]
    value: u32,

    /// Length of the longest value in bytes
    #[arg(long)]
    value_max: Option<u32>,

    /// GETs for every SET
    #[arg(long, default_value_t = 10)]
    gets: u32,

    /// Exponent of the Zipf distribution of keys; 0 for all alike
    #[arg(long, default_value_t = 0.0)]
    zipf: f64,

    /// Requests to send
    #[arg(long, default_value_t = 1_000_000, conflicts_with = "seconds")]
    requests: u64,

    /// Seconds to send requests for, instead of a number of them
    #[arg(long, value_parser = input::seconds)]
    seconds: Option<Duration>,

    /// Store every key once before
    #[arg(long)]
    preload: bool,

    /// Only store every key once
    #[arg(long, conflicts_with = "preload")]
    only_preload: bool,

    /// What the order of keys is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Print JSON, with the server's own statistics
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  memlet bench --preload --requests 100000
  memlet bench cache1 --depth 32 --zipf 0.99 --seconds 10 --json";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let server = match &arguments.target {
        Some(server) => Address::read("", server)?,
        None => arguments.connection.address()?,
    };
    let options = options(arguments, &server)?;
    let failed = |error: LoadError| Failure::of_load(&server, &error);
    let preload = || {
        let what = format!("storing keys on {server}");
        watched(what, Some(arguments.keys.into()), &options, load::preload).map_err(failed)
    };
    let report = if arguments.only_preload {
        preload()?
    } else {
        if arguments.preload {
            preload()?;
        }
        let total = match options.stop {
            Stop::Requests(total) => Some(total),
            Stop::After(_) => None,
        };
        let what = format!("loading {server}");
        watched(what, total, &options, load::run).map_err(failed)?
    };
    let mut out = io::stdout().lock();
    if arguments.json {
        let statistics = load::server_statistics(&options).map_err(failed)?;
        output::json_line(&mut out, &as_json(&report, &statistics))
    } else {
        Ok(print(&report, &mut out)?)
    }
}

/// Does something of the load generator, and shows how far it has come.
fn watched(
    what: String,
    total: Option<u64>,
    options: &LoadOptions,
    work: impl FnOnce(&LoadOptions) -> Result<LoadReport, LoadError>,
) -> Result<LoadReport, LoadError> {
    let progress = Progress::counting(what, total);
    let options = LoadOptions {
        progress: progress.counter(),
        ..options.clone()
    };
    work(&options)
}

fn options(arguments: &Arguments, server: &Address) -> Result<LoadOptions, Failure> {
    let patience = arguments.connection.timeout();
    Ok(LoadOptions {
        connections: arguments.connections,
        depth: arguments.depth,
        writes: if arguments.write_each {
            Writes::Each
        } else {
            Writes::Batch
        },
        threads: arguments.threads,
        keys: arguments.keys,
        key_len: arguments.key,
        value_len: (
            arguments.value,
            arguments.value_max.unwrap_or(arguments.value),
        ),
        gets_per_set: arguments.gets,
        zipf_alpha: arguments.zipf,
        stop: match arguments.seconds {
            Some(time) => Stop::After(time),
            None => Stop::Requests(arguments.requests),
        },
        seed: arguments.seed,
        patience,
        login: arguments.connection.login()?.map(|login| load::Login {
            user: login.user,
            password: login.password,
        }),
        ..LoadOptions::new(target(server, patience)?)
    })
}

/// The address to load: of several the first that answers, as other commands take it.
fn target(server: &Address, timeout: Duration) -> Result<Target, Failure> {
    let name = match server {
        Address::Unix(path) => return Ok(Target::Unix(path.clone())),
        Address::Tcp(name) => name,
    };
    let failed = |text: &str| Failure::Connection(format!("{server}: {text}"));
    let addresses: Vec<SocketAddr> = (name.host.as_str(), name.port)
        .to_socket_addrs()
        .map_err(|error| failed(&error.to_string()))?
        .collect();
    let found = match addresses.as_slice() {
        [first, _, ..] => addresses
            .iter()
            .find(|address| TcpStream::connect_timeout(address, timeout).is_ok())
            .or(Some(first)),
        few => few.first(),
    };
    found
        .map(|address| Target::Tcp(*address))
        .ok_or_else(|| failed("the name has no address"))
}

fn print(report: &LoadReport, out: &mut impl Write) -> io::Result<()> {
    let LoadReport {
        requests,
        hits,
        misses,
        stored,
        errors,
        ..
    } = report;
    let seconds = report.elapsed.as_secs_f64();
    let throughput = report.throughput();
    writeln!(
        out,
        "{requests} requests in {seconds:.3} s: {throughput:.0} a second"
    )?;
    writeln!(
        out,
        "{hits} hits, {misses} misses, {stored} stored, {errors} errors"
    )?;
    let read = report.bytes_read as f64 / seconds / 1e6;
    let written = report.bytes_written as f64 / seconds / 1e6;
    writeln!(out, "{read:.1} MB/s received, {written:.1} MB/s sent")?;
    for quantile in QUANTILES {
        let latency = latency_us(report, quantile);
        writeln!(out, "{:>6} % within {latency:>10.1} us", quantile * 100.0)?;
    }
    let longest = report.latency.max() as f64 / 1e3;
    writeln!(out, "   all within {longest:>10.1} us")
}

fn as_json(report: &LoadReport, server: &BTreeMap<String, String>) -> Value {
    let mut members = output::object([
        ("requests", report.requests.into()),
        ("hits", report.hits.into()),
        ("misses", report.misses.into()),
        ("stored", report.stored.into()),
        ("errors", report.errors.into()),
        ("bytes_read", report.bytes_read.into()),
        ("bytes_written", report.bytes_written.into()),
        ("seconds", report.elapsed.as_secs_f64().into()),
        ("throughput", report.throughput().into()),
    ]);
    for quantile in QUANTILES {
        let name = format!("p{}_us", quantile * 100.0);
        members.insert(name, latency_us(report, quantile).into());
    }
    // The figures of the server that are of interest are all numbers.
    let figures = server.iter().filter_map(|(name, value)| {
        let number: u64 = value.parse().ok()?;
        Some((name.clone(), Value::from(number)))
    });
    members.insert("server".into(), Value::Object(figures.collect()));
    members.into()
}

fn latency_us(report: &LoadReport, quantile: f64) -> f64 {
    report.latency.value_at_quantile(quantile) as f64 / 1e3
}

const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];
