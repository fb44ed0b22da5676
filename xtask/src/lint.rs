//! Formatting, lints and documentation of all crates, with warnings as errors.

use anyhow::Result;
use clap::Args;

use crate::shell::{cargo, run};

/// Folders with a workspace of their own, which cargo's `--workspace` does not reach.
const OTHER_WORKSPACES: [&str; 6] = [
    "core/fuzz",
    "examples/mcu-node",
    "xtask/clients",
    "xtask/cycles",
    "xtask/defmt",
    "xtask/probe",
];

/// Sets of features, by package, beside that of all.
const FEATURE_SETS: &[(&str, &str)] = &[
    ("memlet-core", ""),
    ("memlet-core", "md5"),
    ("memlet-core", "defmt"),
    ("memlet-core", "fields"),
    ("memlet", ""),
    ("memlet", "blocking"),
    ("memlet", "blocking,alloc"),
    ("memlet", "asynch"),
    ("memlet", "embassy"),
    ("memlet", "near"),
    ("memlet", "asynch,tracing"),
    ("memlet", "embassy,defmt"),
    ("memlet", "std"),
    ("memlet", "load"),
    ("memlet", "capture"),
    ("memlet-server", ""),
    ("memlet-cli", ""),
];

#[derive(Args, Default)]
pub(crate) struct FmtOptions {
    /// Formats the files instead of complaining about them
    #[arg(long)]
    fix: bool,
}

pub(crate) fn fmt(options: &FmtOptions) -> Result<()> {
    let mut arguments = vec!["fmt", "--all"];
    if !options.fix {
        arguments.push("--check");
    }
    run(&mut cargo(&arguments))?;
    for folder in OTHER_WORKSPACES {
        let folder = crate::shell::root().join(folder);
        if folder.join("Cargo.toml").is_file() {
            run(cargo(&arguments).current_dir(folder))?;
        }
    }
    Ok(())
}

pub(crate) fn clippy() -> Result<()> {
    run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))?;
    // What people build is not all features at once: each set must compile, without leftovers, by itself.
    for (package, features) in FEATURE_SETS {
        let mut command = cargo(&["clippy", "--quiet", "-p", package, "--no-default-features"]);
        run(command.args(["--features", features, "--", "-D", "warnings"]))?;
    }
    Ok(())
}

pub(crate) fn doc() -> Result<()> {
    let warnings = "-D warnings";
    run(cargo(&[
        "doc",
        "--workspace",
        "--all-features",
        "--no-deps",
        "--exclude",
        "xtask",
    ])
    .env("RUSTDOCFLAGS", warnings))?;
    run(cargo(&[
        "doc",
        "-p",
        "xtask",
        "--no-deps",
        "--document-private-items",
    ])
    .env("RUSTDOCFLAGS", warnings))
}
