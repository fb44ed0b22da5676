//! `memlet bench` as people and scripts see it.

mod common;

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use common::{Running, memlet};
use memlet::std::{CacheOptions, Users};
use serde_json::Value;

#[test]
fn a_report_says_what_was_answered() {
    let server = Running::start();
    let address = server.address.to_string();
    let load = [
        "bench",
        &address,
        "--connections",
        "4",
        "--keys",
        "300",
        "--preload",
        "--requests",
        "1100",
    ];
    let ran = memlet(&load);
    let lines = ran.ok().lines().collect::<Vec<_>>();
    assert!(lines[0].starts_with("1100 requests in "), "{ran:?}");
    assert_eq!(lines[1], "1000 hits, 0 misses, 100 stored, 0 errors");
    assert!(
        lines.iter().any(|line| line.contains("99.9 % within")),
        "{ran:?}"
    );
    assert_eq!(ran.err, "", "progress is for terminals alone");

    let ran = memlet(&[&load[..], &["--json"]].concat());
    let report: Value = serde_json::from_str(ran.ok()).unwrap();
    assert_eq!(
        (&report["requests"], &report["hits"]),
        (&1100.into(), &1000.into())
    );
    assert_eq!(report["server"]["curr_items"], 300);
    for name in ["throughput", "seconds", "p50_us", "p99_us", "p99.9_us"] {
        assert!(report[name].as_f64().unwrap() > 0.0, "{name} in {report}");
    }
}

#[test]
fn a_server_that_is_not_there_ends_with_3() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    for arguments in [&["bench", &address][..], &["bench", "--server", &address]] {
        let ran = memlet(arguments);
        let complaint = ran.failed(3);
        assert!(
            complaint.contains(&format!("{address}: can't connect")),
            "{complaint}"
        );
    }
    for arguments in [
        &["bench", "/nowhere/socket"][..],
        &["bench", "--unix", "/nowhere/socket"],
    ] {
        let ran = memlet(arguments);
        assert!(ran.failed(3).contains("/nowhere/socket: "), "{ran:?}");
    }
}

#[test]
fn the_server_and_the_login_are_given_as_to_other_commands() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    fs::write(&users, "anna:a secret\n").unwrap();
    let mut options = CacheOptions::default();
    options.users = Some(Users::read(&users).unwrap());
    let server = Running::with(options);
    let address = server.address.to_string();
    let run = |password: &str| {
        Command::new(env!("CARGO_BIN_EXE_memlet"))
            .args(["bench", "--connections", "2", "--requests", "100", "--json"])
            .env("MEMLET_SERVER", &address)
            .env("MEMLET_USER", "anna")
            .env("MEMLET_PASSWORD", password)
            .output()
            .unwrap()
    };
    let output = run("a secret");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["requests"], &report["errors"]),
        (&100.into(), &0.into())
    );
    let output = run("another");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(
        complaint.contains(&address) && complaint.contains("AUTH_ERROR"),
        "{complaint}"
    );
    let ran = memlet(&["bench", &address, "--server", &address]);
    assert!(ran.failed(2).contains("cannot be used with"), "{ran:?}");
}

#[test]
fn a_server_that_says_nothing_to_a_login_ends_with_3() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "a secret\n").unwrap();
    let password = password.to_str().unwrap();
    let login = ["--user", "anna", "--password-file", password];
    let ran = memlet(&[&["bench", &address, "--timeout", "0.05"], &login[..]].concat());
    assert!(ran.failed(3).contains("does not answer"), "{ran:?}");
}

#[test]
fn options_that_cannot_be_end_with_2() {
    let server = Running::start();
    let address = server.address.to_string();
    for wrong in [
        ["--connections", "0"],
        ["--key", "9"],
        ["--zipf=-1", "--json"],
        ["--seconds", "1e300"],
    ] {
        let ran = memlet(&[&["bench", &address], &wrong[..]].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
    assert!(
        memlet(&["bench", "cache1:"])
            .failed(2)
            .contains("HOST:PORT")
    );
}
