//! `memlet bench` as people and scripts see it.

mod common;

use common::{Running, memlet};
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
    assert!(
        memlet(&["bench", &address])
            .failed(3)
            .contains("can't connect")
    );
    assert_eq!(memlet(&["bench", "/nowhere/socket"]).code, Some(3));
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
    assert!(memlet(&["bench", "cache1"]).failed(2).contains("host:port"));
}
