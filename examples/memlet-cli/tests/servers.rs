//! The commands about servers, and the ways to reach one.

mod common;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::thread;

use common::{Running, memlet};
use memlet::std::{CacheOptions, Users};
use serde_json::Value;

#[test]
fn a_server_is_asked_about_itself() {
    let server = Running::start();
    let address = server.address.to_string();
    let run = |arguments: &[&str]| memlet(&[arguments, &["--server", &address]].concat());
    run(&["set", "key", "value"]).ok();
    assert!(!run(&["version"]).ok().trim().is_empty());
    let noop = run(&["noop"]);
    assert!(
        noop.ok().starts_with(&format!("{address} answers in ")),
        "{noop:?}"
    );
    run(&["verbosity", "1"]).ok();
    let stats = run(&["stats"]);
    assert!(
        stats.ok().lines().any(|line| line == "curr_items\t1"),
        "{stats:?}"
    );
    let settings: Value = serde_json::from_str(run(&["stats", "settings", "--json"]).ok()).unwrap();
    assert_eq!(settings["maxbytes"], (64 << 20).to_string());
    assert!(run(&["stats", "nonsense"]).failed(1).contains("KEY_ENOENT"));
    assert!(
        run(&["observe", "key"])
            .failed(4)
            .contains("UNKNOWN_COMMAND")
    );
    run(&["flush"]).ok();
    assert_eq!(run(&["get", "key"]).code, Some(1));
}

#[test]
fn a_login_comes_from_file_or_environment() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    fs::write(&users, "anna:a secret\n").unwrap();
    let mut options = CacheOptions::default();
    options.users = Some(Users::read(&users).unwrap());
    let server = Running::with(options);
    let address = server.address.to_string();
    let run = |arguments: &[&str]| memlet(&[&["stats", "--server", &address], arguments].concat());
    assert!(run(&[]).failed(4).contains("AUTH_ERROR"));
    let password = folder.path().join("password");
    fs::write(&password, "a secret\nanything else\n").unwrap();
    let password = password.to_str().unwrap();
    run(&["--user", "anna", "--password-file", password]).ok();
    assert!(
        run(&["--user", "bert", "--password-file", password])
            .failed(4)
            .contains("AUTH_ERROR")
    );
    assert!(
        run(&["--user", "anna"])
            .failed(2)
            .contains("MEMLET_PASSWORD")
    );
    let output = Command::new(env!("CARGO_BIN_EXE_memlet"))
        .args(["version"])
        .env("MEMLET_SERVER", &address)
        .env("MEMLET_USER", "anna")
        .env("MEMLET_PASSWORD", "a secret")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_cannot_be_reached_ends_with_3() {
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(
        memlet(&["version", "--server", &free.to_string()])
            .failed(3)
            .contains(&free.to_string())
    );
    assert!(
        memlet(&["version", "--unix", "/nowhere/socket"])
            .failed(3)
            .contains("/nowhere/socket")
    );
}

#[test]
fn a_server_without_a_port_has_memcacheds() {
    // Whether anybody is there or not: the complaint or the answer names the port.
    for (server, full) in [
        ("127.0.0.9", "127.0.0.9:11211"),
        ("::1", "[::1]:11211"),
        ("[::1]", "[::1]:11211"),
    ] {
        let ran = memlet(&["noop", "--server", server]);
        let said = format!("{}{}", ran.text(), ran.err);
        assert!(said.contains(full), "{ran:?}");
        assert_ne!(ran.code, Some(2), "{ran:?}");
    }
    for wrong in [
        "",
        ":11211",
        "cache1:port",
        "cache1:0",
        "cache1:1:7",
        "[::1",
    ] {
        let ran = memlet(&["version", "--server", wrong]);
        let complaint = ran.failed(2);
        assert!(complaint.contains("HOST:PORT"), "{complaint}");
        assert!(complaint.contains(wrong), "{complaint}");
    }
}

#[test]
fn a_timeout_that_cannot_be_says_what_is_allowed() {
    for wrong in ["0", "-1", "nan", "inf", "1e99", "soon", "1e-12"] {
        let ran = memlet(&["version", &format!("--timeout={wrong}")]);
        let complaint = ran.failed(2);
        assert!(complaint.contains(wrong), "{complaint}");
        assert!(
            complaint.contains("above 0 and at most 31536000"),
            "{complaint}"
        );
    }
}

#[test]
fn the_environment_is_no_option_that_is_required() {
    let run = |arguments: &[&str], server: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_memlet"))
            .args(arguments)
            .env("MEMLET_SERVER", server)
            .env_remove("MEMLET_USER")
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, complaint) = run(&["touch", "k"], "127.0.0.1:1");
    assert_eq!(code, Some(2));
    assert!(complaint.contains("--expire"), "{complaint}");
    assert!(!complaint.contains("--server"), "{complaint}");
    let (code, complaint) = run(&["version"], "cache1:port");
    assert_eq!(code, Some(2));
    assert!(
        complaint.contains("MEMLET_SERVER=cache1:port"),
        "{complaint}"
    );
    let (code, complaint) = run(&["version", "--unix", "/nowhere/socket"], "cache1:port");
    assert_eq!(code, Some(3), "an option comes before it: {complaint}");
    let ran = memlet(&["version", "--password-file", "/nowhere"]);
    assert!(ran.failed(2).contains("--user"), "{ran:?}");
}

#[test]
fn a_server_that_says_nothing_or_hangs_up_or_is_none_ends_with_3_or_4() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ran = memlet(&["version", "--server", &address, "--timeout", "0.05"]);
    assert!(ran.failed(3).contains("in time"), "{ran:?}");
    drop(listener);

    let folder = tempfile::tempdir().unwrap();
    for (answer, code) in [(&b""[..], 3), (b"HTTP/1.1 400 Bad Request\r\n\r\n", 4)] {
        let path = folder.path().join(code.to_string());
        let listener = UnixListener::bind(&path).unwrap();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 24];
            stream.read_exact(&mut request).unwrap();
            std::io::Write::write_all(&mut stream, answer).unwrap();
        });
        let ran = memlet(&["version", "--unix", path.to_str().unwrap()]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        thread.join().unwrap();
    }
}
