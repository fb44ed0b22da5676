//! Everything that continuous integration runs, one step after the other.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use crate::shell::{cargo, run as run_command};
use crate::{
    arrows, bench, bench_client, bench_server, cycles, defmt, firmware, fuzz, lint, peers, size,
};

/// A step: its name, what it does, and the doing.
struct Step {
    name: &'static str,
    does: &'static str,
    run: fn() -> Result<()>,
}

/// What is quick and fails often comes first.
const STEPS: [Step; 16] = [
    Step {
        name: "fmt",
        does: "formatting",
        run: || lint::fmt(&lint::FmtOptions::default()),
    },
    Step {
        name: "arrows",
        does: "which module and crate uses which",
        run: arrows::run,
    },
    Step {
        name: "clippy",
        does: "lints",
        run: lint::clippy,
    },
    Step {
        name: "unit",
        does: "tests and documentation examples of all crates but the programs",
        run: unit,
    },
    Step {
        name: "defmt",
        does: "what types print in the logs of devices, and the log of an emulated one",
        run: defmt::test,
    },
    Step {
        name: "peers",
        does: "the programs' tests, with real clients and memcached beside them",
        run: || peers::run(&peers::Options::default()),
    },
    Step {
        name: "feeds",
        does: "feeds and replicas, optimised and at full size",
        run: feeds,
    },
    Step {
        name: "size",
        does: "flash and RAM on a microcontroller, no reachable panic",
        run: || size::run(&size::Options::default()),
    },
    Step {
        name: "cycles",
        does: "instructions of a request on a microcontroller",
        run: || cycles::run(&cycles::Options::default()),
    },
    Step {
        name: "firmware",
        does: "the cache node in QEMU, with real clients",
        run: || firmware::run(&firmware::Options::default()),
    },
    Step {
        name: "boards",
        does: "the cache node builds for boards that QEMU does not emulate",
        run: firmware::build_real_boards,
    },
    Step {
        name: "doc",
        does: "documentation builds without warnings",
        run: lint::doc,
    },
    Step {
        name: "fuzz",
        does: "every fuzz target for some seconds",
        run: || fuzz::run(&fuzz::Options::for_seconds(FUZZ_SECONDS)),
    },
    Step {
        name: "bench",
        does: "every benchmark once",
        run: || bench::run(&bench::Options::check()),
    },
    Step {
        name: "bench-server",
        does: "the comparison with memcached runs",
        run: || bench_server::run(&bench_server::Options::smoke()),
    },
    Step {
        name: "bench-client",
        does: "the comparison with other clients runs",
        run: || bench_client::run(&bench_client::Options::smoke()),
    },
];
/// A million mutations, which a debug build would be long about.
fn feeds() -> Result<()> {
    let feeds = ["test", "--release", "-p", "memlet", "--test", "feed"];
    run_command(&mut cargo(&feeds))
}

/// How long each fuzz target runs here.
const FUZZ_SECONDS: u32 = 10;

#[derive(Args)]
pub(crate) struct Options {
    /// Prints the steps and runs none
    #[arg(long)]
    list: bool,
    /// Runs only this step; may be given several times
    #[arg(long, value_name = "STEP", value_parser = STEPS.map(|step| step.name))]
    only: Vec<String>,
    /// Stops at the first step that fails instead of running the others too
    #[arg(long)]
    fail_fast: bool,
}

/// False when a step has failed; which one has been printed.
pub(crate) fn run(options: &Options) -> bool {
    if options.list {
        for step in &STEPS {
            println!("{:<14}{}", step.name, step.does);
        }
        return true;
    }
    let is_wanted =
        |step: &&Step| options.only.is_empty() || options.only.iter().any(|name| name == step.name);
    let steps: Vec<&Step> = STEPS.iter().filter(is_wanted).collect();
    let mut outcomes = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!(
            "\n==== {} ({} of {}): {}",
            step.name,
            index + 1,
            steps.len(),
            step.does
        );
        let start = Instant::now();
        let outcome = (step.run)();
        let took = start.elapsed();
        if let Err(error) = &outcome {
            println!("error: {error:#}");
        }
        println!(
            "==== {} {} in {}",
            step.name,
            verdict(outcome.is_ok()),
            seconds(took)
        );
        let failed = outcome.is_err();
        outcomes.push((step.name, !failed, took));
        if failed && options.fail_fast {
            break;
        }
    }
    summarise(&outcomes)
}

fn summarise(outcomes: &[(&str, bool, Duration)]) -> bool {
    println!("\n==== summary");
    for (name, passed, took) in outcomes {
        println!("{name:<14}{:<8}{:>10}", verdict(*passed), seconds(*took));
    }
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|(_, passed, _)| !passed)
        .map(|(name, _, _)| *name)
        .collect();
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    // Whoever reads the output by machine finds this line, alone and last.
    println!(
        "{} passed, {} failed",
        outcomes.len() - failed.len(),
        failed.len()
    );
    failed.is_empty()
}

fn verdict(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn unit() -> Result<()> {
    run_command(&mut cargo(&[
        "test",
        "--no-fail-fast",
        "--workspace",
        "--exclude",
        "memlet-server",
        "--exclude",
        "memlet-cli",
        "--all-features",
    ]))
}
