//! Loads a server and prints what came of it: a table for people, or one JSON object.
//!
//! `cargo run --release -p memlet --features load --example load -- 127.0.0.1:11211 --depth 32`

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use memlet::load::{self, LoadOptions, LoadReport, Stop, Target, Writes};

/// Loads a memcached server over the binary protocol.
#[derive(Parser)]
struct Arguments {
    /// The server: host:port, or the path of a unix socket with a slash in it
    #[arg(default_value = "127.0.0.1:11211")]
    server: String,
    /// Connections
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Requests under way on one connection
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// Writes the requests of a batch one by one
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
    /// Stores every key once before
    #[arg(long)]
    preload: bool,
    /// Only stores every key once
    #[arg(long)]
    only_preload: bool,
    /// What the order of keys is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints JSON, with the server's own statistics
    #[arg(long)]
    json: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let options = options(&arguments)?;
    let report = if arguments.only_preload {
        load::preload(&options)?
    } else {
        if arguments.preload {
            load::preload(&options)?;
        }
        load::run(&options)?
    };
    if arguments.json {
        print_json(&report, &load::server_statistics(&options.target)?);
    } else {
        print_text(&report);
    }
    Ok(())
}

fn options(arguments: &Arguments) -> Result<LoadOptions, Box<dyn Error>> {
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
            Some(seconds) => Stop::After(Duration::try_from_secs_f64(seconds)?),
            None => Stop::Requests(arguments.requests),
        },
        seed: arguments.seed,
        ..LoadOptions::new(target(&arguments.server)?)
    })
}

fn target(server: &str) -> Result<Target, Box<dyn Error>> {
    if server.contains('/') {
        return Ok(Target::Unix(PathBuf::from(server)));
    }
    let address: Option<SocketAddr> = server.to_socket_addrs()?.next();
    Ok(Target::Tcp(
        address.ok_or("the server's name has no address")?,
    ))
}

fn print_text(report: &LoadReport) {
    let LoadReport {
        requests,
        hits,
        misses,
        stored,
        errors,
        ..
    } = report;
    println!(
        "{requests} requests in {:.3} s: {:.0} a second",
        report.elapsed.as_secs_f64(),
        report.throughput()
    );
    println!("{hits} hits, {misses} misses, {stored} stored, {errors} errors");
    let read = report.bytes_read as f64 / report.elapsed.as_secs_f64() / 1e6;
    let written = report.bytes_written as f64 / report.elapsed.as_secs_f64() / 1e6;
    println!("{read:.1} MB/s received, {written:.1} MB/s sent");
    for quantile in QUANTILES {
        println!(
            "{:>6} % within {:>10.1} us",
            quantile * 100.0,
            latency_us(report, quantile)
        );
    }
    println!(
        "   all within {:>10.1} us",
        report.latency.max() as f64 / 1e3
    );
}

fn print_json(report: &LoadReport, server: &BTreeMap<String, String>) {
    let LoadReport {
        requests,
        hits,
        misses,
        stored,
        errors,
        bytes_read,
        bytes_written,
        ..
    } = report;
    let mut json = format!(
        "{{\"requests\": {requests}, \"hits\": {hits}, \"misses\": {misses}, \"stored\": {stored}, \"errors\": {errors}, \
         \"bytes_read\": {bytes_read}, \"bytes_written\": {bytes_written}, \"seconds\": {:.6}, \"throughput\": {:.1}",
        report.elapsed.as_secs_f64(),
        report.throughput()
    );
    for quantile in QUANTILES {
        json += &format!(
            ", \"p{}_us\": {:.1}",
            quantile * 100.0,
            latency_us(report, quantile)
        );
    }
    // The figures of the server that are of interest are all numbers.
    let figures = server
        .iter()
        .filter(|(_, value)| value.parse::<u64>().is_ok());
    let figures: Vec<String> = figures
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    println!("{json}, \"server\": {{{}}}}}", figures.join(", "));
}

fn latency_us(report: &LoadReport, quantile: f64) -> f64 {
    report.latency.value_at_quantile(quantile) as f64 / 1e3
}

const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];
