//! `memlet bench`: loads a server and prints what came of it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::time::Duration;

use memlet::load::{self, LoadError, LoadOptions, LoadReport, Stop, Target, Writes};
use serde_json::Value;

use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// Load a server over the binary protocol, check every answer, and tell throughput and latencies
///
/// Every connection sends a batch of requests, waits for all the answers and sends the next one: the latencies are those at
/// full load, not at a given rate. The keys it stores start with "key".
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The server: host:port, or the path of a unix socket with a slash in it
    #[arg(default_value = "127.0.0.1:11211")]
    server: String,

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
    #[arg(long)]
    seconds: Option<f64>,

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
}

const EXAMPLES: &str = "\
Examples:
  memlet bench --preload --requests 100000
  memlet bench cache1:11211 --depth 32 --zipf 0.99 --seconds 10 --json";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let options = options(arguments)?;
    let report = if arguments.only_preload {
        preload(arguments, &options)?
    } else {
        if arguments.preload {
            preload(arguments, &options)?;
        }
        let total = match options.stop {
            Stop::Requests(total) => Some(total),
            Stop::After(_) => None,
        };
        watched(
            format!("loading {}", arguments.server),
            total,
            &options,
            load::run,
        )?
    };
    let mut out = io::stdout().lock();
    if arguments.json {
        let statistics = load::server_statistics(&options.target)?;
        output::json_line(&mut out, &as_json(&report, &statistics))
    } else {
        Ok(print(&report, &mut out)?)
    }
}

fn preload(arguments: &Arguments, options: &LoadOptions) -> Result<LoadReport, Failure> {
    let what = format!("storing keys on {}", arguments.server);
    watched(what, Some(arguments.keys.into()), options, load::preload)
}

/// Does something of the load generator, and shows how far it has come.
fn watched(
    what: String,
    total: Option<u64>,
    options: &LoadOptions,
    work: impl FnOnce(&LoadOptions) -> Result<LoadReport, LoadError>,
) -> Result<LoadReport, Failure> {
    let progress = Progress::counting(what, total);
    let options = LoadOptions {
        progress: progress.counter(),
        ..options.clone()
    };
    Ok(work(&options)?)
}

fn options(arguments: &Arguments) -> Result<LoadOptions, Failure> {
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
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .map(Stop::After)
                .map_err(|error| Failure::Usage(format!("--seconds {seconds}: {error}")))?,
            None => Stop::Requests(arguments.requests),
        },
        seed: arguments.seed,
        ..LoadOptions::new(target(&arguments.server)?)
    })
}

fn target(server: &str) -> Result<Target, Failure> {
    if server.contains('/') {
        return Ok(Target::Unix(PathBuf::from(server)));
    }
    let mut addresses = server
        .to_socket_addrs()
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => Failure::Usage(format!(
                "{server}: a server is host:port, or a path with a slash in it"
            )),
            _ => Failure::Connection(format!("{server}: {error}")),
        })?;
    let address = addresses.next();
    address
        .map(Target::Tcp)
        .ok_or_else(|| Failure::Connection(format!("{server}: there is no such address")))
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
