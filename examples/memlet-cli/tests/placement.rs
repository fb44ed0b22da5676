//! 10,000 keys over 5 servers are placed where pylibmc places them, weighted and not.
//!
//! Feature `peers`; `cargo xtask peers` installs pylibmc. `MEMLET_PEERS_DIR` and `MEMLET_PEERS_PYTHON` say where it is when
//! it isn't below the target folder.
#![cfg(feature = "peers")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use common::{Running, memlet_reading};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

/// 10,000 keys: short and long, ASCII and not.
fn keys() -> Vec<u8> {
    let mut keys = Vec::new();
    for number in 0..10_000_u32 {
        let key = match number % 4 {
            0 => format!("key:{number}"),
            1 => format!("user/{number:032}/profile"),
            2 => format!("ключ-{number}"),
            _ => format!("{}{number}", "x".repeat(number as usize % 240)),
        };
        keys.extend(key.into_bytes());
        keys.push(b'\n');
    }
    keys
}

fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("MEMLET_PEERS_PYTHON") {
        return python.into();
    }
    let peers = std::env::var_os("MEMLET_PEERS_DIR").map_or_else(
        || {
            Path::new(env!("CARGO_TARGET_TMPDIR"))
                .parent()
                .unwrap()
                .join("peers")
        },
        PathBuf::from,
    );
    let python = peers.join("venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run `cargo xtask peers`, or set MEMLET_PEERS_PYTHON or MEMLET_PEERS_DIR",
        python.display()
    );
    python
}

/// The index of the server of each key, by pylibmc.
fn pylibmc(servers: &str, behaviors: &str, store: bool, keys: &[u8]) -> Vec<usize> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/pylibmc_placement.py");
    let mut command = Command::new(python());
    command
        .arg(script)
        .args(["--servers", servers, "--behaviors", behaviors])
        .args(store.then_some("--store"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(keys));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{behaviors}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// The same by `memlet locate`.
fn located(servers: &str, options: &[&str], keys: &[u8]) -> Vec<usize> {
    let arguments = [&["locate", "--json", "--servers", servers, "-"], options].concat();
    let ran = memlet_reading(&arguments, keys);
    let index = |line| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        object["index"].as_u64().unwrap() as usize
    };
    ran.ok().lines().map(index).collect()
}

#[test]
fn every_key_is_placed_where_pylibmc_places_it() {
    let plain = "10.0.0.1,10.0.0.2,10.0.0.3:11212,cache-four.example,[::1]:11311";
    let weights = "10.0.0.1:11211:1,10.0.0.2:11211:20,10.0.0.3:11212:7,cache-four.example:11211:4,[::1]:11311:5";
    let unix = "/run/memcached/1.sock,/run/memcached/2.sock,/run/memcached/3.sock,/4,/5";
    let keys = keys();
    for (servers, behaviors, options) in [
        (plain, r#"{"ketama": true}"#, &[][..]),
        (weights, r#"{"ketama": true}"#, &[]),
        (unix, r#"{"ketama": true}"#, &[]),
        (
            plain,
            r#"{"ketama": true, "hash": "md5"}"#,
            &["--hash", "md5"],
        ),
        (
            weights,
            r#"{"ketama": true, "hash": "md5"}"#,
            &["--hash", "md5"],
        ),
        (plain, r#"{"ketama_weighted": true}"#, &["--weighted"]),
        (weights, r#"{"ketama_weighted": true}"#, &["--weighted"]),
        (unix, r#"{"ketama_weighted": true}"#, &["--weighted"]),
    ] {
        let expected = pylibmc(servers, behaviors, false, &keys);
        assert_eq!(expected.len(), 10_000);
        let found = located(servers, options, &keys);
        let differing = expected.iter().zip(&found).filter(|(a, b)| a != b).count();
        assert_eq!(
            (found.len(), differing),
            (10_000, 0),
            "{behaviors} over {servers}"
        );
        for server in 0..5 {
            assert!(
                expected.contains(&server),
                "server {server} has no key of {behaviors}"
            );
        }
    }
}

/// What pylibmc stores on real servers is found on the one that `memlet locate` names.
#[test]
fn every_key_that_pylibmc_stores_is_on_the_server_named() {
    let servers: Vec<Running> = (0..5).map(|_| Running::start()).collect();
    let names: Vec<String> = servers
        .iter()
        .map(|server| server.address.to_string())
        .collect();
    let names = names.join(",");
    let keys = keys();
    pylibmc(&names, r#"{"ketama": true}"#, true, &keys);
    let places = located(&names, &[], &keys);
    let mut checked = 0;
    for (index, server) in servers.iter().enumerate() {
        let lines = keys.split(|byte| *byte == b'\n');
        let its = lines.zip(&places).filter(|(_, place)| **place == index);
        checked += hits(server.address, its.map(|(key, _)| key));
    }
    assert_eq!(checked, 10_000);
}

/// How many of the keys a server has.
fn hits<'a>(address: SocketAddr, keys: impl Iterator<Item = &'a [u8]>) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut found = 0;
    for key in keys {
        let request = Request {
            key,
            ..Request::new(Opcode::GET)
        };
        let mut bytes = vec![0; request.encoded_len().unwrap()];
        request.emit(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut input = Vec::new();
        let status = loop {
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "the server hung up");
            input.extend_from_slice(&piece[..count]);
            if let Parsed::Complete { value, .. } =
                Response::parse(&input, &Limits::default()).unwrap()
            {
                break value.status;
            }
        };
        found += usize::from(status == Status::SUCCESS);
    }
    found
}
