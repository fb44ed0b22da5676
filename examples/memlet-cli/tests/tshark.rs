//! Captures of real traffic, decoded here and by tshark.

#![cfg(feature = "peers")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Running, memlet};
use serde_json::Value;

/// Our member, tshark's field.
const FIELDS: [(&str, &str); 12] = [
    ("magic", "memcache.magic"),
    ("opcode_value", "memcache.opcode"),
    ("key_length", "memcache.key.length"),
    ("extras_length", "memcache.extras.length"),
    ("datatype", "memcache.data_type"),
    ("vbucket", "memcache.reserved"),
    ("status_value", "memcache.status"),
    ("total_body_length", "memcache.total_body_length"),
    ("opaque", "memcache.opaque"),
    ("cas", "memcache.cas"),
    ("key", "memcache.key"),
    ("value_length", "memcache.value.length"),
];

/// Runs commands against a server while tshark writes down what goes over the loopback interface.
fn captured(address: &str, port: u16, path: &str) {
    let tshark = Command::new("tshark")
        .args(["-i", "lo", "-f", &format!("tcp port {port}"), "-w", path])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tshark is installed");
    let mut tshark = Tshark(tshark);
    let mut said = BufReader::new(tshark.0.stderr.take().unwrap()).lines();
    assert!(
        said.any(|line| line.unwrap().contains("Capture started")),
        "tshark does not capture"
    );
    // It goes on saying things.
    let rest = thread::spawn(move || said.count());
    let run = |arguments: &[&str]| memlet(&[arguments, &["--server", address]].concat());
    run(&[
        "set",
        "Hello",
        "World",
        "--flags",
        "3735928559",
        "--expire",
        "3600",
    ])
    .ok();
    run(&["get", "Hello", "none"]);
    run(&["get", "none"]);
    run(&["add", "Hello", "again"]);
    run(&["append", "Hello", "!"]).ok();
    run(&["incr", "counter", "--initial", "100"]).ok();
    run(&["stats"]).ok();
    run(&["set", "long", &"y".repeat(100_000)]).ok();
    run(&["get", "long"]).ok();
    run(&["touch", "--expire", "100", "Hello"]).ok();
    run(&["delete", "Hello"]).ok();
    run(&["version"]).ok();
    let deadline = Instant::now() + Duration::from_secs(60);
    // Frames reach the file in batches.
    while !memlet(&["decode", path, "--json"])
        .text()
        .lines()
        .any(|line| line.contains("\"VERSION\"") && line.contains("latency_us"))
    {
        assert!(Instant::now() < deadline, "the capture stays incomplete");
        thread::sleep(Duration::from_millis(100));
    }
    drop(tshark);
    rest.join().unwrap();
}

/// A tshark that ends with the test, and lets its capturing process end.
struct Tshark(Child);

impl Drop for Tshark {
    fn drop(&mut self) {
        let id = self.0.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.0.wait();
    }
}

/// By frame and field, the values of all packets that end in the frame.
type Values = BTreeMap<(u64, &'static str), Vec<String>>;

fn ours(path: &str) -> Values {
    let ran = memlet(&["decode", path, "--json"]);
    let mut values = Values::new();
    for line in ran.ok().lines() {
        let packet: Value = serde_json::from_str(line).unwrap();
        if packet.get("magic").is_none() {
            continue;
        }
        let frame = packet["frame"].as_u64().unwrap();
        for (name, _) in FIELDS {
            match &packet[name] {
                Value::Null => {}
                Value::String(text) => {
                    values.entry((frame, name)).or_default().push(text.clone());
                }
                value => values
                    .entry((frame, name))
                    .or_default()
                    .push(value.to_string()),
            }
        }
    }
    values
}

fn theirs(path: &str, port: u16) -> Values {
    let mut command = Command::new("tshark");
    command.args(["-r", path, "-d", &format!("tcp.port=={port},memcache")]);
    command.args(["-Y", "memcache", "-T", "fields", "-E", "occurrence=a"]);
    command.args(["-E", "aggregator= ", "-e", "frame.number"]);
    for (_, field) in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut values = Values::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut columns = line.split('\t');
        let frame = columns.next().unwrap().parse().unwrap();
        for ((name, _), column) in FIELDS.iter().zip(columns) {
            let numbers = column.split(' ').filter(|value| !value.is_empty());
            // The reserved field is shown in hexadecimal.
            let plain = numbers.map(|value| match value.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).unwrap().to_string(),
                None => value.to_owned(),
            });
            let plain: Vec<_> = plain.collect();
            if !plain.is_empty() {
                values.insert((frame, *name), plain);
            }
        }
    }
    values
}

#[test]
fn every_field_has_the_value_that_tshark_shows() {
    let server = Running::start();
    let port = server.address.port();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loopback.pcapng");
    let path = path.to_str().unwrap();
    captured(&server.address.to_string(), port, path);
    let (ours, theirs) = (ours(path), theirs(path, port));
    assert!(ours.len() > 200, "{} fields", ours.len());
    let mut differences = Vec::new();
    for key in ours.keys().chain(theirs.keys()) {
        if ours.get(key) != theirs.get(key) {
            differences.push((key, ours.get(key), theirs.get(key)));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
