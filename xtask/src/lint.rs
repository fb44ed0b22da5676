//! Formatting, lints and documentation of all crates, with warnings as errors.

use anyhow::Result;
use clap::Args;

use crate::shell::{cargo, run};

/// Folders with a workspace of their own, which cargo's `--workspace` does not reach.
const OTHER_WORKSPACES: [&str; 2] = ["core/fuzz", "xtask/probe"];

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
    // The default features are what most people build; code behind a feature must not be what makes them pass.
    run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--exclude",
        "xtask",
        "--",
        "-D",
        "warnings",
    ]))?;
    run(&mut cargo(&[
        "clippy",
        "-p",
        "memlet-core",
        "--no-default-features",
        "--",
        "-D",
        "warnings",
    ]))
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
