//! What an image in QEMU goes through: real clients, then the tests of `examples/std-server/tests/device`.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::image::Board;
use super::machine::Machine;
use crate::shell;

/// The conformance checks of memccapable for the binary protocol.
const MEMCCAPABLE_CHECKS: usize = 27;
/// Those of them that wait for the connection's end, which a serial line cannot give.
const QUIT_CHECKS: usize = 2;
/// Random commands over a serial line, which carries some 10 to 20 KB a second.
const SERIAL_COMMANDS: &str = "4000";

/// Doing it.
type Run = dyn Fn(&Machine) -> Result<String>;

/// Something done to a running image; what it returns is printed.
pub(super) struct Trial {
    pub(super) name: &'static str,
    run: Box<Run>,
}

impl Trial {
    fn new(name: &'static str, run: impl Fn(&Machine) -> Result<String> + 'static) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }

    pub(super) fn run(&self, machine: &Machine) -> Result<String> {
        (self.run)(machine)
    }
}

/// Published clients, and our own command line.
pub(super) fn clients(board: &Board) -> Vec<Trial> {
    let is_small = board.ram < 1 << 20;
    vec![
        Trial::new("memccapable", memccapable),
        Trial::new("python-binary-memcached", move |machine| {
            bmemcached(machine, if is_small { 100 } else { 2000 })
        }),
        Trial::new("memlet bench", move |machine| {
            bench(machine, if is_small { 50 } else { 5000 })
        }),
    ]
}

/// The project's own tests, or those whose name contains a text; with a soak only that, for so many seconds.
pub(super) fn device_tests(only: Option<&str>, soak: Option<u32>) -> Trial {
    let filter: Vec<String> = only
        .or(soak.map(|_| "mixed_load"))
        .map(str::to_owned)
        .into_iter()
        .collect();
    let name = if soak.is_some() {
        "mixed load"
    } else {
        "device tests"
    };
    Trial::new(name, move |machine| {
        let filter: Vec<&str> = filter.iter().map(String::as_str).collect();
        let seconds = soak.map(|seconds| ("MEMLET_DEVICE_SECONDS", seconds.to_string()));
        let settings = seconds
            .as_ref()
            .map(|(name, value)| (*name, value.as_str()));
        test_device(machine, &filter, settings.as_slice())
    })
}

/// Those of the project's own tests that wait until the device gives somebody up.
pub(super) fn idle_tests() -> Trial {
    Trial::new("tests of silence", |machine| {
        test_device(machine, &["silent_peers", "long_break"], &[])
    })
}

/// An image that serves its serial port: a client that does not know, and a host that has to find its way back.
pub(super) fn serial() -> Vec<Trial> {
    vec![
        Trial::new("memlet over a serial line", set_and_get),
        Trial::new("memccapable over a serial line", |machine| {
            let said = memccapable_says(machine, "10")?.1;
            conform(&said, MEMCCAPABLE_CHECKS - QUIT_CHECKS)
        }),
        Trial::new("device tests over a serial line", |machine| {
            let tests = ["random_commands", "on_a_serial_line"];
            let settings = [
                ("MEMLET_DEVICE_SERIAL", "1"),
                ("MEMLET_DEVICE_COMMANDS", SERIAL_COMMANDS),
            ];
            test_device(machine, &tests, &settings)
        }),
    ]
}

fn set_and_get(machine: &Machine) -> Result<String> {
    let memlet = shell::target_dir().join("debug/memlet");
    let address = machine.address();
    captured(Command::new(&memlet).args(["set", "--server", &address, "greeting", "hello"]))?;
    let said = captured(Command::new(&memlet).args(["get", "--server", &address, "greeting"]))?;
    if said.trim_end() != "hello" {
        bail!("`memlet get` printed {said:?}");
    }
    Ok("    a value was stored and read".to_owned())
}

fn memccapable(machine: &Machine) -> Result<String> {
    let (is_success, said) = memccapable_says(machine, "30")?;
    if !is_success {
        bail!("memccapable failed\n{said}");
    }
    conform(&said, MEMCCAPABLE_CHECKS)
}

/// Whether it is content and what it prints, with so many seconds to wait for an answer.
fn memccapable_says(machine: &Machine, seconds: &str) -> Result<(bool, String)> {
    let port = machine.ports[0].to_string();
    let output = Command::new("memccapable")
        .args(["-b", "-t", seconds, "-h", "127.0.0.1", "-p", &port])
        .stdin(Stdio::null())
        .output()
        .context("can't start memccapable")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.success(), said))
}

/// So many of the checks have to pass.
fn conform(said: &str, checks: usize) -> Result<String> {
    let passed = said
        .lines()
        .filter(|line| line.trim_end().ends_with("[pass]"))
        .count();
    if passed != checks {
        bail!("{passed} of {MEMCCAPABLE_CHECKS} checks passed\n{said}");
    }
    Ok(format!("    {passed} of {MEMCCAPABLE_CHECKS} checks"))
}

fn bmemcached(machine: &Machine, items: u32) -> Result<String> {
    let python = shell::target_dir().join("peers/venv/bin/python");
    let script = shell::root().join("examples/std-server/peers/bmemcached_client.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .args([
            "--server",
            &machine.address(),
            "--no-groups",
            "--large",
            "96000",
            "--items",
            &items.to_string(),
        ])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let said = captured(&mut command)?;
    let checks = said.lines().filter(|line| line.starts_with("ok ")).count();
    if !said.ends_with("all passed\n") {
        bail!("{said}");
    }
    Ok(format!("    {checks} checks"))
}

fn bench(machine: &Machine, keys: u32) -> Result<String> {
    let memlet = shell::target_dir().join("debug/memlet");
    let mut said = String::new();
    for (depth, requests) in [("1", "5000"), ("16", "20000")] {
        let mut command = Command::new(&memlet);
        command
            .args([
                "bench",
                &machine.address(),
                "--connections",
                "4",
                "--preload",
            ])
            .args([
                "--depth",
                depth,
                "--requests",
                requests,
                "--keys",
                &keys.to_string(),
            ]);
        let report = captured(&mut command)?;
        let errors = report.lines().find(|line| line.contains(" errors"));
        if !errors.is_some_and(|line| line.ends_with(", 0 errors") && !line.starts_with("0 hits")) {
            bail!("{report}");
        }
        let throughput = report.lines().next().unwrap_or_default();
        said += &format!(
            "    depth {depth}: {throughput}; {}\n",
            errors.unwrap_or_default()
        );
    }
    Ok(said.trim_end().to_owned())
}

fn test_device(machine: &Machine, filter: &[&str], settings: &[(&str, &str)]) -> Result<String> {
    let mut command = shell::cargo(&["test", "--quiet", "-p", "memlet-server", "--test", "device"]);
    command
        .arg("--")
        .args(["--test-threads", "1", "--nocapture", "--format", "pretty"])
        .args(filter)
        .env("RUST_BACKTRACE", "0")
        .env("MEMLET_DEVICE", machine.address())
        .env("MEMLET_DEVICE_MONITOR", &machine.monitor)
        .envs(settings.iter().copied());
    let said = captured(&mut command)?;
    let is_shown = |line: &&str| !line.trim().is_empty() && !line.starts_with("seed ");
    let lines: Vec<String> = said
        .lines()
        .filter(is_shown)
        .map(|line| format!("    {line}"))
        .collect();
    Ok(lines.join("\n"))
}

/// What the image says about its stack after all that.
pub(super) fn stack(machine: &Machine) -> Result<String> {
    let figures = figures(machine)?;
    let Some(high_water) = figures.get("stack_high_water") else {
        bail!("the image has no statistic stack_high_water");
    };
    let size = figures
        .get("stack_size")
        .map_or("an unknown number", String::as_str);
    Ok(format!(
        "at most {high_water} of {size} bytes of the stack were used"
    ))
}

/// The general statistics, as our command line prints them: a name and a value a line.
fn figures(machine: &Machine) -> Result<BTreeMap<String, String>> {
    let memlet = shell::target_dir().join("debug/memlet");
    let said = captured(Command::new(memlet).args(["stats", "--server", &machine.address()]))?;
    let pairs = said
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect())
}

/// Runs a command silently; an error carries all that it printed.
fn captured(command: &mut Command) -> Result<String> {
    let words = shell::shown(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("can't start `{words}`"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("`{words}` failed: {}\n{said}{errors}", output.status);
    }
    Ok(said)
}
