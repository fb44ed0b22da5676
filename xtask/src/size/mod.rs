//! What core costs on a microcontroller, and the proof that no packet makes it panic.
//!
//! The probe is linked for a Cortex-M4 in variants that use more and more of core. Its panic handler calls a function that
//! does not exist: a panic that the optimiser leaves reachable is a link error. When that happens the probe is linked once
//! more with the function present, and the call sites are read from the relocations and line tables.

mod footprint;
mod panics;
mod sources;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cross::{self, Toolchain};
use crate::shell;
pub(crate) use footprint::Footprint;

/// The target whose figures are printed.
const TARGET: &str = "thumbv7em-none-eabihf";
/// Targets without 64-bit atomics (the first without any that compare and swap) for which core and the adapters of
/// devices must build.
const BUILD_TARGETS: [&str; 4] = [
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    TARGET,
    "riscv32imac-unknown-none-elf",
];
/// The packages that must build for them, and their features.
const BUILDS: [(&str, &str); 3] = [
    ("memlet-core", ""),
    ("memlet", "blocking"),
    ("memlet", "blocking,asynch,embassy,near"),
];
/// The most bytes of flash that a variant may take.
const FLASH_MAX: u64 = 24 * 1024;
/// The most that the variant with a server's statistics may take, which no device needs.
const FLASH_MAX_EVERY_GROUP: u64 = 25 * 1024 + 128;
/// The feature of the probe for each variant, the smallest first.
const VARIANTS: [(&str, &str); 7] = [
    ("wire", "wire"),
    ("store", "wire + store"),
    ("engine", "wire + store + engine + connection + adapter"),
    ("login", "the same with SASL"),
    ("every-group", "with every group of statistics"),
    ("blocking", "the whole over a blocking stream"),
    ("client", "a blocking client instead"),
];

/// A variant's line in the table.
struct Row {
    title: &'static str,
    /// The most bytes of flash that it may take.
    flash_max: u64,
    footprint: Footprint,
    /// Bytes by source function, if asked for.
    sources: Vec<(String, u64)>,
    /// The panic paths, if there are any.
    panics: Option<String>,
}

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Measures only this variant
    #[arg(long, value_parser = VARIANTS.map(|(feature, _)| feature))]
    variant: Option<String>,
    /// Prints the largest functions of each variant, this many
    #[arg(long, default_value_t = 0)]
    functions: usize,
    /// Prints the source functions of each variant with the most code, inlined copies included, this many
    #[arg(long, default_value_t = 0)]
    sources: usize,
    /// Leaves out the builds of core and the adapters for other targets
    #[arg(long)]
    only_size: bool,
    /// Compiles arithmetic with overflow checks, to see where debug builds could panic; no limit applies
    #[arg(long)]
    overflow_checks: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if !options.only_size {
        for target in BUILD_TARGETS {
            // rustup may have one and lack another; what is measured is built by the same compiler in any case.
            build(&cross::toolchain(&[target])?, target)?;
        }
    }
    let toolchain = cross::toolchain(&[TARGET])?;
    let mut rows = Vec::new();
    for (feature, title) in VARIANTS {
        if options
            .variant
            .as_deref()
            .is_none_or(|wanted| wanted == feature)
        {
            println!("linking the probe: {title}");
            rows.push(measure(&toolchain, feature, title, options)?);
        }
    }
    print_table(&toolchain, &rows, options)?;
    judge(&rows, options)
}

fn build(toolchain: &Toolchain, target: &str) -> Result<()> {
    for (package, features) in BUILDS {
        let mut build = toolchain.cargo(&["build", "--quiet", "--release", "-p", package]);
        build.args(["--no-default-features", "--features", features]);
        build.args(["--target", target]);
        build.env("CARGO_TARGET_DIR", shell::target_dir().join("cross"));
        shell::run(&mut build)
            .with_context(|| format!("{package} [{features}] does not build for {target}"))?;
        println!("{package} [{features}] builds for {target}");
    }
    Ok(())
}

fn judge(rows: &[Row], options: &Options) -> Result<()> {
    let mut faults = Vec::new();
    for row in rows {
        if let Some(panics) = &row.panics {
            println!("{}: packet input can reach a panic:\n{panics}", row.title);
            faults.push(format!("{} can panic", row.title));
        }
        let flash = row.footprint.flash();
        if flash > row.flash_max && !options.overflow_checks {
            faults.push(format!(
                "{} takes {flash} bytes of flash, at most {} are allowed",
                row.title, row.flash_max
            ));
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        bail!("{}", faults.join("; "))
    }
}

/// Links a variant without a panic path, or else with them, and names them.
fn measure(
    toolchain: &Toolchain,
    feature: &str,
    title: &'static str,
    options: &Options,
) -> Result<Row> {
    let (file, panics) = match link(toolchain, feature, options) {
        Ok(file) => (file, None),
        Err(error) if error.to_string().contains("memlet_must_not_panic") => {
            let file = link(toolchain, &format!("{feature},panics-linked"), options)?;
            let panics = panics::describe(&file)?;
            (file, Some(panics))
        }
        Err(error) => return Err(error),
    };
    let sources = if options.sources > 0 {
        sources::by_function(&file)?
    } else {
        Vec::new()
    };
    Ok(Row {
        title,
        flash_max: match feature {
            "every-group" => FLASH_MAX_EVERY_GROUP,
            _ => FLASH_MAX,
        },
        footprint: Footprint::read(&file)?,
        sources,
        panics,
    })
}

fn link(toolchain: &Toolchain, features: &str, options: &Options) -> Result<PathBuf> {
    let target_dir = shell::target_dir().join("probe");
    let mut command: Command = toolchain.cargo(&[
        "rustc",
        "--quiet",
        "--release",
        "--target",
        TARGET,
        "--features",
        features,
    ]);
    // The linker starts from the one exported function and drops whatever it does not reach.
    command.args([
        "--",
        "-C",
        "link-arg=--entry=memlet_serve",
        "-C",
        "link-arg=--emit-relocs",
    ]);
    command
        .current_dir(shell::root().join("xtask/probe"))
        .env("CARGO_TARGET_DIR", &target_dir);
    if options.overflow_checks {
        command.env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true");
    }
    shell::output(&mut command)?;
    Ok(target_dir.join(TARGET).join("release/memlet-probe"))
}

fn print_table(toolchain: &Toolchain, rows: &[Row], options: &Options) -> Result<()> {
    let date = shell::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    println!(
        "\n{TARGET}, opt-level z, LTO; {}; {}",
        toolchain.version()?,
        date.trim()
    );
    println!(
        "{:<46}{:>8}{:>8}{:>8}{:>8}  panics",
        "bytes", "text", "rodata", "flash", "RAM"
    );
    for Row {
        title,
        footprint,
        panics,
        ..
    } in rows
    {
        let panics = if panics.is_some() {
            "REACHABLE"
        } else {
            "none"
        };
        let Footprint { text, rodata, .. } = footprint;
        println!(
            "{title:<46}{text:>8}{rodata:>8}{:>8}{:>8}  {panics}",
            footprint.flash(),
            footprint.ram()
        );
    }
    println!(
        "flash: text, rodata and initial values of variables; RAM: variables beyond the store's memory; no heap"
    );
    println!(
        "panics: none if the probe links with a panic handler that calls a function that does not exist\n"
    );
    for row in rows.iter().filter(|_| options.sources > 0) {
        println!("{}, by source function:", row.title);
        for (name, size) in row.sources.iter().take(options.sources) {
            println!("{size:>8} {name}");
        }
        println!();
    }
    for row in rows.iter().filter(|_| options.functions > 0) {
        println!("{}, functions by part, then the largest:", row.title);
        for (name, size) in row.footprint.parts() {
            println!("{size:>8} {name}");
        }
        println!();
        for (name, size) in row.footprint.functions.iter().take(options.functions) {
            println!("{size:>8} {name}");
        }
    }
    Ok(())
}
