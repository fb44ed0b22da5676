//! Short runs of the fuzz targets, on stable Rust: the compiler's coverage instrumentation is asked for by its own options,
//! so neither nightly nor cargo-fuzz is needed.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use toml::{Table, Value};

use crate::shell;

/// Where the targets are, as a workspace of their own.
const FOLDER: &str = "core/fuzz";
/// What libFuzzer needs in the code under test.
const INSTRUMENTATION: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1";
/// What libFuzzer calls a hang, in seconds for one input.
const INPUT_SECONDS_MAX: u32 = 10;
/// What libFuzzer calls a leak, in MiB.
const MEMORY_MIB_MAX: u32 = 2048;

#[derive(Args)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Runs only this target
    #[arg(long)]
    target: Option<String>,
}

impl Options {
    /// Every target for so many seconds.
    pub(crate) fn for_seconds(seconds: u32) -> Self {
        Self {
            seconds,
            target: None,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = shell::root().join(FOLDER);
    let targets = targets(&folder.join("Cargo.toml"))?;
    let wanted: Vec<&String> = targets
        .iter()
        .filter(|name| options.target.as_ref().is_none_or(|wanted| wanted == *name))
        .collect();
    if wanted.is_empty() {
        bail!("no such target; there are: {}", targets.join(", "));
    }
    // libFuzzer itself is C++.
    shell::ensure_programs(&[("c++", "g++")])?;
    let output = shell::target_dir().join("fuzz");
    let host = host()?;
    let mut build = shell::cargo(&["build", "--release", "--bins", "--quiet", "--target", &host]);
    build
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", &output)
        .env("RUSTFLAGS", INSTRUMENTATION);
    shell::run(&mut build)?;

    let mut failed = Vec::new();
    for name in wanted {
        let program = output.join(&host).join("release").join(name);
        if let Err(error) = run_target(name, &program, &folder, &output, options.seconds) {
            eprintln!("{name}: {error:#}");
            failed.push(name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!(
            "found something: {} (the inputs are in {})",
            failed.join(", "),
            output.join("artifacts").display()
        );
    }
    Ok(())
}

/// Flags apply to build scripts as well unless a target is named, even if it is the host.
fn host() -> Result<String> {
    let version = shell::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}

/// The names of the binaries in a manifest.
fn targets(manifest: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(manifest)
        .with_context(|| format!("can't read {}", manifest.display()))?;
    let table: Table = text.parse()?;
    let bins = table
        .get("bin")
        .and_then(Value::as_array)
        .context("the fuzz targets are `[[bin]]` entries")?;
    Ok(bins
        .iter()
        .filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned))
        .collect())
}

fn run_target(
    name: &str,
    program: &Path,
    folder: &Path,
    output: &Path,
    seconds: u32,
) -> Result<()> {
    let found = output.join("corpus").join(name);
    let artifacts = output.join("artifacts").join(name);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&artifacts)?;
    let log = output.join(format!("{name}.log"));
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1");
    let dictionary = folder.join("dictionary");
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    // New inputs go into the first folder; the committed seeds in the second stay as they are.
    command
        .arg(&found)
        .args(Some(folder.join("corpus").join(name)).filter(|seeds| seeds.is_dir()));
    let status = command
        .stderr(fs::File::create(&log)?)
        .stdout(std::process::Stdio::null())
        .status()?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if !status.success() {
        let tail: Vec<&str> = text.lines().rev().take(60).collect();
        eprintln!("{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        bail!("{status}; the whole output is in {}", log.display());
    }
    let figure = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .map_or("?", |rest| rest.trim_start_matches(':').trim())
            .to_owned()
    };
    println!(
        "{name}: {} runs in {seconds} s, nothing found",
        figure("stat::number_of_executed_units")
    );
    Ok(())
}
