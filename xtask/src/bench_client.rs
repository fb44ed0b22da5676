//! The blocking client beside others that read the same items from the same memcached, in turns in one run.
//!
//! Every client is a program of its own that does nothing else (`xtask/clients`), so what it costs is the CPU time of the
//! process, as the system counts it for ended children. Each runs twice a round, with few and with many gets: the
//! difference leaves out what starting and connecting cost. The server runs on the first core, the client on the second.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::bench_server::peer::{Peer, pinned};
use crate::{peers, shell};

#[derive(Args)]
pub(crate) struct Options {
    /// Gets of a round
    #[arg(long, default_value_t = 50_000)]
    gets: u64,
    /// How often each client has its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Fails when a figure misses its goal
    #[arg(long)]
    check: bool,
}

impl Options {
    /// Only to see that everything works: no figure means anything.
    pub(crate) fn smoke() -> Self {
        Self {
            gets: 1000,
            rounds: 1,
            check: false,
        }
    }
}

/// A client that takes part.
struct Contestant {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    rounds: Vec<Cost>,
}

/// What one get costs, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    cpu_us: f64,
    time_us: f64,
}

/// CPU time that a get of the client may take, as part of the best peer's.
const CPU_RATIO_MAX: f64 = 0.8;
/// How many times more keys a second a bulk get has to read than single gets.
const BULK_RATIO_MIN: f64 = 2.0;
/// What a client runs for the least, to find out what starting costs; a whole number of bulk gets.
const FEW: u64 = 500;

pub(crate) fn run(options: &Options) -> Result<()> {
    shell::ensure_programs(&[
        ("memcached", "memcached"),
        ("taskset", "util-linux"),
        ("setpriv", "util-linux"),
        ("cc", "gcc"),
    ])?;
    let memcached = shell::find_program("memcached").context("memcached is not on the path")?;
    let server = Peer::memcached(&memcached)?;
    let mut contestants = prepare(&server.address())?;
    for round in 0..options.rounds {
        for turn in 0..contestants.len() {
            // Who comes first in a round changes, as what ran before may matter.
            let index = (round + turn) % contestants.len();
            let cost = contestants[index].measure(options.gets.max(FEW))?;
            let name = contestants[index].name;
            eprintln!(
                "round {}: {name:<32}{:>8.2} µs CPU{:>8.2} µs",
                round + 1,
                cost.cpu_us,
                cost.time_us
            );
            contestants[index].rounds.push(cost);
        }
    }
    judge(&contestants, options.check)
}

/// Builds every client, and stores what they read.
fn prepare(address: &str) -> Result<Vec<Contestant>> {
    let folder = shell::root().join("xtask/clients");
    let output = shell::target_dir().join("clients");
    let mut build = shell::cargo(&["build", "--release", "--quiet"]);
    shell::run(build.current_dir(&folder).env("CARGO_TARGET_DIR", &output))?;
    let ours = output.join("release/memlet-clients");
    shell::run(Command::new(&ours).args([address, "fill", "0"]))?;

    shell::ensure_debian_packages(&["libmemcached-dev"])?;
    let libmemcached = output.join("libmemcached");
    let mut compile = Command::new("cc");
    compile
        .args(["-O2", "-o"])
        .arg(&libmemcached)
        .arg(folder.join("libmemcached.c"))
        .arg("-lmemcached");
    shell::run(&mut compile)?;

    let python = shell::target_dir().join("peers");
    fs::create_dir_all(&python)?;
    peers::ensure_python_clients(&python)?;

    let (host, port) = address.rsplit_once(':').context("an address has a port")?;
    let script = folder.join("pylibmc_gets.py").display().to_string();
    let contestant = |name, program: &PathBuf, arguments: &[&str]| Contestant {
        name,
        program: program.clone(),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        rounds: Vec::new(),
    };
    Ok(vec![
        contestant(OURS, &ours, &[address, "memlet"]),
        contestant(OURS_BULK, &ours, &[address, "memlet-bulk"]),
        contestant(
            "libmemcached, binary",
            &libmemcached,
            &[host, port, "binary"],
        ),
        contestant("libmemcached, text", &libmemcached, &[host, port, "ascii"]),
        contestant(
            "pylibmc, binary",
            &python.join("venv/bin/python"),
            &[&script, address],
        ),
        contestant(
            "crate memcache, binary",
            &ours,
            &[address, "memcache-binary"],
        ),
        contestant("crate memcache, text", &ours, &[address, "memcache-ascii"]),
    ])
}

const OURS: &str = "memlet";
const OURS_BULK: &str = "memlet, 100 keys at a time";

impl Contestant {
    fn measure(&self, gets: u64) -> Result<Cost> {
        let few = self.run(FEW)?;
        let many = self.run(FEW + gets / FEW * FEW)?;
        let more = (gets / FEW * FEW) as f64;
        Ok(Cost {
            cpu_us: (many.cpu_us - few.cpu_us) / more,
            time_us: (many.time_us - few.time_us) / more,
        })
    }

    /// What so many gets cost together.
    fn run(&self, gets: u64) -> Result<Cost> {
        let mut command = pinned(&self.program, 1);
        command.args(&self.arguments).arg(gets.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let (cpu, start) = (children_cpu_us()?, Instant::now());
        let status = command
            .status()
            .with_context(|| format!("can't start {}", self.name))?;
        let time_us = start.elapsed().as_secs_f64() * 1e6;
        if !status.success() {
            bail!("{} failed: {status}", self.name);
        }
        let cpu_us = children_cpu_us()? - cpu;
        Ok(Cost { cpu_us, time_us })
    }

    fn median(&self) -> Cost {
        let of = |figure: fn(&Cost) -> f64| median(self.rounds.iter().map(figure).collect());
        Cost {
            cpu_us: of(|cost| cost.cpu_us),
            time_us: of(|cost| cost.time_us),
        }
    }
}

/// Prints the medians beside ours, and says whether the goals are met.
fn judge(contestants: &[Contestant], check: bool) -> Result<()> {
    let cost = |name: &str| {
        let found = contestants
            .iter()
            .find(|contestant| contestant.name == name);
        found.map(Contestant::median).unwrap_or_default()
    };
    let ours = cost(OURS);
    println!("\none get of 100 bytes, medians of the rounds; how much of it ours takes");
    println!(
        "{:<32}{:>10}{:>8}{:>10}{:>8}",
        "", "CPU, µs", "", "time, µs", ""
    );
    for contestant in contestants {
        let Cost { cpu_us, time_us } = contestant.median();
        println!(
            "{:<32}{cpu_us:>10.2}{:>8.2}{time_us:>10.2}{:>8.2}",
            contestant.name,
            ours.cpu_us / cpu_us,
            ours.time_us / time_us
        );
    }
    let peers = contestants
        .iter()
        .filter(|contestant| !contestant.name.starts_with(OURS));
    let best = peers
        .map(|peer| peer.median().cpu_us)
        .fold(f64::INFINITY, f64::min);
    let cpu_ratio = ours.cpu_us / best;
    let bulk_ratio = ours.time_us / cost(OURS_BULK).time_us;
    println!(
        "\nCPU time of a get beside the best peer: {cpu_ratio:.2}, goal at most {CPU_RATIO_MAX}\n\
         keys a second of bulk gets beside single ones: {bulk_ratio:.1}, goal at least {BULK_RATIO_MIN}"
    );
    if check && (cpu_ratio > CPU_RATIO_MAX || bulk_ratio < BULK_RATIO_MIN) {
        bail!("a goal is missed");
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of all children that have ended, user and system.
fn children_cpu_us() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in parentheses, may hold blanks; fields are counted from behind it.
    let (_, fields) = stat
        .rsplit_once(") ")
        .context("/proc/self/stat has another form")?;
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() * TICK_US)
}

/// The unit of CPU time in `/proc`, the same on every Linux that programs see: 10 ms.
const TICK_US: f64 = 10_000.0;
