//! `memlet-server` against Debian's memcached under the same load, in turns in one run.
//!
//! Both servers run with one thread on the first core, the load generator on the second. What is fixed is the number of
//! requests, the same for all: so the CPU time that a server took for it (from `/proc`) does not depend on who was the
//! bottleneck. Servers take turns round by round, so that a noisy neighbour hits all alike; medians of the rounds count.

mod fill;
pub(crate) mod peer;
mod table;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::shell;
use peer::{Kind, Peer};
use table::{Measurement, Scenario};

#[derive(Args)]
pub(crate) struct Options {
    /// Requests under way on one connection, one scenario for each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    depth: Vec<usize>,
    /// Connections
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Length of a value in bytes
    #[arg(long, default_value_t = 100)]
    value: u32,
    /// Length of a key in bytes
    #[arg(long, default_value_t = 18)]
    key: u32,
    /// Different keys, all stored before
    #[arg(long, default_value_t = 100_000)]
    keys: u32,
    /// GETs for every SET
    #[arg(long, default_value_t = 10)]
    gets: u32,
    /// Exponent of the Zipf distribution of keys; 0 for all alike
    #[arg(long, default_value_t = 0.0)]
    zipf: f64,
    /// Memory of each server in MiB
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// About how much CPU time memcached takes in a round; all get the number of requests that it answers in that time
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The number of requests in a round, instead of the time
    #[arg(long)]
    requests: Option<u64>,
    /// How often each server has its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Adds a bare event loop with canned answers: the least CPU time that any server can take
    #[arg(long)]
    floor: bool,
    /// Also writes the requests of a depth one by one, as a scenario of its own
    #[arg(long)]
    write_each: bool,
    /// Measures memory instead: both servers are filled with items beyond their limit
    #[arg(long)]
    fill: bool,
    /// Prints the medians as JSON, in the last line
    #[arg(long)]
    json: bool,
    /// Fails when a figure misses its goal
    #[arg(long)]
    check: bool,
    /// Figures are not judged
    #[arg(skip)]
    is_smoke: bool,
}

impl Options {
    /// Only to see that everything works: no figure means anything.
    pub(crate) fn smoke() -> Self {
        Self {
            depth: vec![1, 32],
            connections: 20,
            value: 100,
            key: 18,
            keys: 10_000,
            gets: 10,
            zipf: 0.0,
            memory: 64,
            seconds: 1.0,
            requests: Some(20_000),
            rounds: 1,
            floor: true,
            write_each: false,
            fill: false,
            json: false,
            check: false,
            is_smoke: true,
        }
    }
}

/// The programs that take part, built or installed.
struct Programs {
    memlet: PathBuf,
    memcached: PathBuf,
    floor: PathBuf,
    load: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let programs = prepare()?;
    if options.fill {
        return fill::run(options, &programs);
    }
    let mut kinds = vec![Kind::Memcached, Kind::Memlet];
    if options.floor {
        kinds.push(Kind::Floor);
    }
    let mut scenarios = Vec::new();
    for depth in &options.depth {
        scenarios.push(measure(options, &programs, &kinds, *depth, false)?);
        if options.write_each && *depth > 1 {
            scenarios.push(measure(options, &programs, &kinds, *depth, true)?);
        }
    }
    for scenario in &scenarios {
        scenario.print(options);
    }
    if options.json {
        println!(
            "{}",
            Value::from(scenarios.iter().map(Scenario::to_json).collect::<Vec<_>>())
        );
    }
    let missed: Vec<String> = scenarios.iter().filter_map(Scenario::missed_goal).collect();
    if options.check && !missed.is_empty() {
        bail!("{}", missed.join("; "));
    }
    Ok(())
}

fn prepare() -> Result<Programs> {
    shell::ensure_programs(&[
        ("memcached", "memcached"),
        ("taskset", "util-linux"),
        ("setpriv", "util-linux"),
    ])?;
    shell::run(&mut shell::cargo(&[
        "build",
        "--release",
        "-p",
        "memlet-server",
        "-p",
        "memlet-cli",
    ]))?;
    let examples = [
        "build",
        "--release",
        "-p",
        "memlet",
        "--features",
        "load",
        "--example",
        "floor",
    ];
    shell::run(&mut shell::cargo(&examples))?;
    let release = shell::target_dir().join("release");
    Ok(Programs {
        memlet: release.join("memlet-server"),
        memcached: shell::find_program("memcached")
            .context("memcached has been installed but is not on the path")?,
        floor: release.join("examples/floor"),
        load: release.join("memlet"),
    })
}

/// One scenario, over all rounds.
fn measure(
    options: &Options,
    programs: &Programs,
    kinds: &[Kind],
    depth: usize,
    each: bool,
) -> Result<Scenario> {
    let mut peers = Vec::new();
    for kind in kinds {
        let peer = Peer::start(*kind, programs, options)?;
        load(options, programs, &peer, &["--only-preload"])?;
        peers.push(peer);
    }
    let depth_text = depth.to_string();
    let mut shape = vec!["--depth", &depth_text];
    if each {
        shape.push("--write-each");
    }
    let requests = match options.requests {
        Some(requests) => requests,
        None => calibrate(options, programs, &peers, &shape)?,
    };
    let requests_text = requests.to_string();
    shape.extend(["--requests", &requests_text]);

    let mut scenario = Scenario::new(depth, each, requests, kinds);
    for round in 0..options.rounds {
        for turn in 0..peers.len() {
            // Who comes first in a round changes, as what ran before may matter.
            let index = (round + turn) % peers.len();
            let peer = &peers[index];
            let before = peer.cpu()?;
            let report = load(options, programs, peer, &shape)?;
            let cpu = peer.cpu()?.since(before);
            let measurement = Measurement::new(&report, cpu, requests)?;
            eprintln!(
                "depth {depth}, round {}: {:<14}{measurement}",
                round + 1,
                peer.name()
            );
            scenario.note(index, measurement);
        }
    }
    Ok(scenario)
}

/// How many requests memcached answers in the CPU time that a round should take it, however busy the machine is with
/// other things; warms all peers up.
fn calibrate(
    options: &Options,
    programs: &Programs,
    peers: &[Peer],
    shape: &[&str],
) -> Result<u64> {
    let mut requests = 0.0;
    for peer in peers {
        let mut arguments = shape.to_vec();
        arguments.extend(["--seconds", "0.5"]);
        let before = peer.cpu()?;
        let report = load(options, programs, peer, &arguments)?;
        if peer.kind() == Kind::Memcached {
            // At least a tick of the clock that CPU time is counted by.
            let cpu = peer.cpu()?.since(before).total().max(0.01);
            requests = number(&report, "requests")? / cpu * options.seconds;
        }
    }
    Ok((requests as u64).max(1000))
}

/// The load generator, on the second core, without its arguments.
fn loader(programs: &Programs) -> Command {
    let mut command = peer::pinned(&programs.load, 1);
    // A busy machine lets a server wait longer than people would.
    command.args(["bench", "--timeout", "60"]);
    command
}

/// Loads a peer from the second core, and returns what the load generator reports.
fn load(options: &Options, programs: &Programs, peer: &Peer, arguments: &[&str]) -> Result<Value> {
    let mut command = loader(programs);
    command.arg(peer.address()).arg("--json").args(arguments);
    let numbers = [
        ("--connections", options.connections.to_string()),
        ("--value", options.value.to_string()),
        ("--key", options.key.to_string()),
        ("--keys", options.keys.to_string()),
        ("--gets", options.gets.to_string()),
        ("--zipf", options.zipf.to_string()),
    ];
    for (name, value) in numbers {
        command.args([name, &value]);
    }
    report(&mut command).with_context(|| format!("loading {}", peer.name()))
}

/// Runs the load generator and reads its report.
fn report(command: &mut Command) -> Result<Value> {
    let report: Value = serde_json::from_str(&shell::output(command)?)?;
    let errors = number(&report, "errors")?;
    if errors > 0.0 {
        bail!("{errors} answers with an error status");
    }
    Ok(report)
}

fn number(report: &Value, name: &str) -> Result<f64> {
    report
        .get(name)
        .and_then(Value::as_f64)
        .with_context(|| format!("the load generator reports no {name}"))
}
