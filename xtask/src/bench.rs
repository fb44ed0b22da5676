//! The micro-benchmarks of all crates.

use anyhow::Result;
use clap::Args;

use crate::shell::{cargo, run as run_command};

#[derive(Args)]
pub(crate) struct Options {
    /// Runs every benchmark once to see that it works, and measures nothing
    #[arg(long)]
    check: bool,
    /// Runs only benchmarks whose name contains this
    filter: Option<String>,
}

impl Options {
    /// Every benchmark once.
    pub(crate) fn check() -> Self {
        Self {
            check: true,
            filter: None,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    // In the test profile criterion runs each benchmark a single time.
    let subcommand = if options.check { "test" } else { "bench" };
    let mut command = cargo(&[subcommand, "--workspace", "--all-features", "--benches"]);
    // The programs have no benchmarks, and their built-in harness does not know criterion's options.
    for program in ["xtask", "memlet-server", "memlet-cli"] {
        command.args(["--exclude", program]);
    }
    if let Some(filter) = &options.filter {
        command.arg("--").arg(filter);
    }
    run_command(&mut command)
}
