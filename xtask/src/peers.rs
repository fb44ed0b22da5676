//! Real clients and a real memcached against ours: installs them, then runs the programs' tests with the feature
//! `peers`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::shell;

/// Programs that may have come from anywhere, and Debian's packages of them.
const PROGRAMS: [(&str, &str); 9] = [
    ("memcached", "memcached"),
    ("memccapable", "libmemcached-tools"),
    ("faketime", "faketime"),
    ("tshark", "tshark"),
    ("saslpasswd2", "sasl2-bin"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
    ("cc", "gcc"),
];
/// What the Python client of libmemcached is built with.
const LIBRARIES: [&str; 3] = ["libmemcached-dev", "libsasl2-dev", "zlib1g-dev"];
const PYTHON_CLIENTS: [&str; 2] = ["python-binary-memcached==0.33.0", "pylibmc==1.6.3"];
const NODE_CLIENT: &str = "memjs@1.3.2";

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only installs the clients
    #[arg(long)]
    install: bool,
    /// Runs only tests whose name contains this
    filter: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    shell::ensure_programs(&PROGRAMS)?;
    shell::ensure_debian_packages(&LIBRARIES)?;
    let folder = shell::target_dir().join("peers");
    fs::create_dir_all(&folder)?;
    ensure_python_clients(&folder)?;
    ensure_node_client(&folder)?;
    if options.install {
        return Ok(());
    }
    let mut test = shell::cargo(&[
        "test",
        "--no-fail-fast",
        "-p",
        "memlet-server",
        "-p",
        "memlet-cli",
        "--features",
        "memlet-server/peers,memlet-cli/peers",
    ]);
    test.args(&options.filter).env("MEMLET_PEERS_DIR", &folder);
    shell::run(&mut test)
}

pub(crate) fn ensure_python_clients(folder: &Path) -> Result<()> {
    let venv = folder.join("venv");
    once(
        &folder.join("python-clients"),
        &PYTHON_CLIENTS.join(" "),
        || {
            let make = || {
                shell::run(
                    Command::new("python3")
                        .args(["-m", "venv", "--clear"])
                        .arg(&venv),
                )
            };
            if make().is_err() {
                shell::ensure_debian_packages(&["python3-venv", "python3-dev"])?;
                make()?;
            }
            let install = || {
                let mut pip = Command::new(venv.join("bin/python"));
                pip.args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ])
                // The built package brings a SASL library without mechanisms, so that it cannot log in.
                .args(["--no-binary", "pylibmc"])
                .args(PYTHON_CLIENTS);
                shell::run(&mut pip)
            };
            if install().is_err() {
                // It is compiled against Python's headers.
                shell::ensure_debian_packages(&["python3-dev", "g++"])?;
                install()?;
            }
            Ok(())
        },
    )
    .context("can't install the Python clients")
}

fn ensure_node_client(folder: &Path) -> Result<()> {
    once(&folder.join("node-client"), NODE_CLIENT, || {
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--no-save",
            "--prefix",
        ])
        .arg(folder)
        .arg(NODE_CLIENT);
        shell::run(&mut npm)
    })
    .context("can't install the JavaScript client")
}

/// Does something whose result stays, unless `mark` says that it has been done for the same `versions`.
fn once(mark: &Path, versions: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(mark).is_ok_and(|done| done == versions) {
        return Ok(());
    }
    work()?;
    Ok(fs::write(mark, versions)?)
}
