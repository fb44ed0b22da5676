//! How many instructions a request takes on a microcontroller, counted in an emulator.
//!
//! `xtask/cycles` is built for the emulated boards mps2-an385 (Cortex-M3) and mps2-an386 (Cortex-M4), and run by an emulator
//! whose clock goes on by the same time with every instruction; the image prints what it counted. Instructions are no
//! cycles: on these processors one takes between one and two of them on average.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{cross, shell};

/// What is built and where it runs: target, emulated board, optimisation level.
const BUILDS: [(&str, &str, &str); 4] = [
    ("thumbv7m-none-eabi", "mps2-an385", "z"),
    ("thumbv7m-none-eabi", "mps2-an385", "s"),
    ("thumbv7m-none-eabi", "mps2-an385", "3"),
    ("thumbv7em-none-eabihf", "mps2-an386", "z"),
];
/// What must be exactly so, or nothing else counts: a call that does nothing, and one of a known length.
const CALIBRATION: [(&str, u32); 2] = [("nothing", 0), ("100 nops", 100)];
/// The most instructions that a call may take on average, in every build.
const MOST: [(&str, u32); 2] = [("parse GET", 200), ("GET hit", 1500)];
/// What is printed of the image's lines but not compared: it is taken away from all others.
const OVERHEAD: &str = "overhead of the measurement";
/// After so many seconds an image that has not ended is given up; it takes less than one.
const TIMEOUT_S: &str = "120";

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Measures only what is optimised so
    #[arg(long, value_parser = ["z", "s", "3"])]
    opt_level: Option<String>,
}

/// The instructions of one call over all its rounds.
struct Count {
    name: String,
    min: u32,
    mean: u32,
    max: u32,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    shell::ensure_programs(&[("qemu-system-arm", "qemu-system-arm")])?;
    let builds = BUILDS.iter().filter(|(_, _, level)| {
        options
            .opt_level
            .as_ref()
            .is_none_or(|wanted| wanted == level)
    });
    let mut faults = Vec::new();
    for (target, board, level) in builds {
        let counts = measure(target, board, level)
            .with_context(|| format!("{target} at opt-level {level} on {board}"))?;
        println!("\ninstructions on {board}, {target}, opt-level {level}, LTO");
        println!("{:<28}{:>8}{:>8}{:>8}", "", "least", "mean", "most");
        for Count {
            name,
            min,
            mean,
            max,
        } in &counts
        {
            println!("{name:<28}{min:>8}{mean:>8}{max:>8}");
        }
        faults.extend(
            judge(&counts)?
                .into_iter()
                .map(|fault| format!("{fault} ({target}, opt-level {level})")),
        );
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    Ok(())
}

fn measure(target: &str, board: &str, level: &str) -> Result<Vec<Count>> {
    let target_dir = shell::target_dir().join("cycles");
    let mut build =
        cross::toolchain(&[target])?.cargo(&["build", "--quiet", "--release", "--target", target]);
    build
        .current_dir(shell::root().join("xtask/cycles"))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", level);
    shell::output(&mut build)?;
    let image = target_dir.join(target).join("release/memlet-cycles");
    let mut emulator = Command::new("timeout");
    emulator
        .args([TIMEOUT_S, "qemu-system-arm", "-M", board, "-nographic"])
        .args(["-monitor", "none", "-serial", "none"])
        .args(["-icount", "shift=10"])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(image);
    let output = shell::output(&mut emulator)?;
    output.lines().map(count).collect()
}

/// Reads a line of the image's output.
fn count(line: &str) -> Result<Count> {
    let mut parts = line.split('\t');
    let name = parts.next().unwrap_or_default().to_owned();
    let mut number = || -> Result<u32> {
        let part = parts
            .next()
            .with_context(|| format!("a number is missing in {line:?}"))?;
        part.parse()
            .with_context(|| format!("no number in {line:?}"))
    };
    Ok(Count {
        name,
        min: number()?,
        mean: number()?,
        max: number()?,
    })
}

/// What takes more than it may. That the measuring itself is wrong is an error.
fn judge(counts: &[Count]) -> Result<Vec<String>> {
    let find = |name: &str| {
        counts
            .iter()
            .find(|count| count.name == name)
            .with_context(|| format!("the image does not measure {name:?}"))
    };
    find(OVERHEAD)?;
    for (name, exact) in CALIBRATION {
        let Count { min, max, .. } = find(name)?;
        if (*min, *max) != (exact, exact) {
            bail!("{name:?} counts as {min} to {max} instructions instead of {exact}");
        }
    }
    let mut faults = Vec::new();
    for (name, most) in MOST {
        let mean = find(name)?.mean;
        if mean > most {
            faults.push(format!(
                "{name} takes {mean} instructions, at most {most} are allowed"
            ));
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::{count, judge};

    fn counts(lines: &[&str]) -> Vec<super::Count> {
        lines.iter().map(|line| count(line).unwrap()).collect()
    }

    const CALIBRATED: [&str; 3] = [
        "overhead of the measurement\t8\t8\t8",
        "nothing\t0\t0\t0",
        "100 nops\t100\t100\t100",
    ];

    #[test]
    fn what_takes_too_much_is_a_fault() {
        let lines = ["parse GET\t84\t84\t84", "GET hit\t1400\t1501\t1700"];
        let faults = judge(&counts(&[&CALIBRATED[..], &lines].concat())).unwrap();
        assert_eq!(
            faults,
            ["GET hit takes 1501 instructions, at most 1500 are allowed"]
        );
    }

    #[test]
    fn a_clock_that_is_wrong_or_a_missing_line_is_an_error() {
        let lines = ["parse GET\t84\t84\t84", "GET hit\t1\t1\t1"];
        let mut all = [&CALIBRATED[..], &lines].concat();
        assert!(judge(&counts(&all)).unwrap().is_empty());
        assert!(judge(&counts(&all[1..])).is_err());
        all[2] = "100 nops\t100\t100\t101";
        assert!(judge(&counts(&all)).is_err());
        assert!(count("GET hit\t1\t1").is_err());
        assert!(count("the store cannot be made").is_err());
    }
}
