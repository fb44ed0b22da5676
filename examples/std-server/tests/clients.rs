//! Published clients, unmodified, over their whole command set: the scripts of `peers/` and libmemcached's own conformance
//! tool. Each runs against `memlet-server` and against the real memcached, so that a script that asks too much shows.
//!
//! Feature `peers`; `cargo xtask peers` installs what is needed. `MEMLET_PEERS_DIR`, `MEMLET_PEERS_PYTHON` and
//! `MEMLET_PEERS_NODE_MODULES` say where it is when it isn't below the target folder.
#![cfg(feature = "peers")]

mod common;

use common::client::Address;
use common::{Kind, Server, ServerBuilder};
use std::path::{Path, PathBuf};
use std::process::Command;

const USER: &str = "client";
const PASSWORD: &str = "a secret: ключ";

/// How a script reaches its server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Tcp,
    Unix,
    Sasl,
}

fn start(kind: Kind, way: Way) -> Server {
    let builder = ServerBuilder::new(kind).arguments(&["-m", "256"]);
    match way {
        Way::Tcp => builder.start(),
        Way::Unix => builder.unix_socket().start(),
        Way::Sasl => builder.user(USER, PASSWORD).start(),
    }
}

/// A file or folder of the installed peers; when it is missing the failure says what installs it.
fn installed(variable: &str, below_peers: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(
        || {
            let peers = std::env::var_os("MEMLET_PEERS_DIR").map_or_else(
                || {
                    Path::new(env!("CARGO_TARGET_TMPDIR"))
                        .parent()
                        .unwrap()
                        .join("peers")
                },
                PathBuf::from,
            );
            peers.join(below_peers)
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask peers`, or set {variable} or MEMLET_PEERS_DIR",
        path.display()
    );
    path
}

/// Runs one script to its end and shows what it said when it failed.
fn run(mut command: Command, server: &Server, way: Way) {
    let place = match &server.address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => path.display().to_string(),
    };
    command.args(["--server", &place]);
    if way == Way::Sasl {
        command.args(["--user", USER, "--password", PASSWORD]);
    }
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "{:?} can't be run: {error}; run `cargo xtask peers`",
            command.get_program()
        )
    });
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.ends_with("all passed\n"),
        "{:?} on {:?}:\n{said}\n{}",
        command,
        server.kind,
        String::from_utf8_lossy(&output.stderr)
    );
    let checks = said.lines().filter(|line| line.starts_with("ok ")).count();
    println!("{checks} checks passed on {:?} ({place})", server.kind);
    server_is_well(server, way);
}

fn server_is_well(server: &Server, way: Way) {
    if way != Way::Sasl {
        server.probe();
    }
}

fn python(script: &str, kind: Kind, way: Way) {
    let server = start(kind, way);
    let mut command = Command::new(installed("MEMLET_PEERS_PYTHON", "venv/bin/python"));
    command
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("peers")
                .join(script),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1");
    run(command, &server, way);
}

fn memjs(kind: Kind, way: Way) {
    let server = start(kind, way);
    let mut command = Command::new("node");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/memjs_client.js"))
        .env(
            "NODE_PATH",
            installed("MEMLET_PEERS_NODE_MODULES", "node_modules"),
        );
    run(command, &server, way);
}

/// libmemcached's conformance tool: every one of its tests of the binary protocol passes.
fn memccapable(kind: Kind) {
    let server = start(kind, Way::Tcp);
    let Address::Tcp(address) = &server.address else {
        unreachable!("started on TCP");
    };
    let output = Command::new("memccapable")
        .args([
            "-b",
            "-t",
            "10",
            "-h",
            "127.0.0.1",
            "-p",
            &address.port().to_string(),
        ])
        .output()
        .unwrap_or_else(|error| {
            panic!("memccapable can't be run: {error}; `apt-get install libmemcached-tools`")
        });
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = said
        .lines()
        .filter(|line| line.trim_end().ends_with("[pass]"))
        .count();
    assert!(
        output.status.success() && passed == 27,
        "memccapable on {kind:?}: {passed} of 27 passed\n{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!("memccapable: {passed} of 27 pass on {kind:?}");
    server.probe();
}

#[test]
fn memccapable_binary_on_memlet_server() {
    memccapable(Kind::Memlet);
}

#[test]
fn memccapable_binary_on_memcached() {
    memccapable(Kind::Memcached);
}

#[test]
fn bmemcached_over_tcp_on_memlet_server() {
    python("bmemcached_client.py", Kind::Memlet, Way::Tcp);
}

#[test]
fn bmemcached_over_tcp_on_memcached() {
    python("bmemcached_client.py", Kind::Memcached, Way::Tcp);
}

#[test]
fn bmemcached_over_unix_on_memlet_server() {
    python("bmemcached_client.py", Kind::Memlet, Way::Unix);
}

#[test]
fn bmemcached_over_unix_on_memcached() {
    python("bmemcached_client.py", Kind::Memcached, Way::Unix);
}

#[test]
fn bmemcached_over_sasl_on_memlet_server() {
    python("bmemcached_client.py", Kind::Memlet, Way::Sasl);
}

#[test]
fn bmemcached_over_sasl_on_memcached() {
    python("bmemcached_client.py", Kind::Memcached, Way::Sasl);
}

#[test]
fn pylibmc_over_tcp_on_memlet_server() {
    python("pylibmc_client.py", Kind::Memlet, Way::Tcp);
}

#[test]
fn pylibmc_over_tcp_on_memcached() {
    python("pylibmc_client.py", Kind::Memcached, Way::Tcp);
}

#[test]
fn pylibmc_over_unix_on_memlet_server() {
    python("pylibmc_client.py", Kind::Memlet, Way::Unix);
}

#[test]
fn pylibmc_over_unix_on_memcached() {
    python("pylibmc_client.py", Kind::Memcached, Way::Unix);
}

#[test]
fn pylibmc_over_sasl_on_memlet_server() {
    python("pylibmc_client.py", Kind::Memlet, Way::Sasl);
}

#[test]
fn pylibmc_over_sasl_on_memcached() {
    python("pylibmc_client.py", Kind::Memcached, Way::Sasl);
}

#[test]
fn memjs_over_tcp_on_memlet_server() {
    memjs(Kind::Memlet, Way::Tcp);
}

#[test]
fn memjs_over_tcp_on_memcached() {
    memjs(Kind::Memcached, Way::Tcp);
}

#[test]
fn memjs_over_sasl_on_memlet_server() {
    memjs(Kind::Memlet, Way::Sasl);
}

#[test]
fn memjs_over_sasl_on_memcached() {
    memjs(Kind::Memcached, Way::Sasl);
}
