//! `memlet-server` as a process: what it says, how it starts, and how it stops.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const NOOP: [u8; 24] = {
    let mut packet = [0; 24];
    packet[0] = 0x80;
    packet[1] = 0x0a;
    packet
};

/// A server on a port that the system chose; killed with the test if it has not ended by then.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        let mut child = command(&["-p", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .split(['"', ' ', ';', ','])
            .find(|word| word.starts_with("127.0.0.1:"));
        let address = address
            .unwrap_or_else(|| panic!("no address in {line:?}"))
            .to_owned();
        Server { child, address }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end; its exit code and what it logged.
    fn wait(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails if the process has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memlet-server"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn signals_let_it_finish_and_end_it_in_order() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&["-v"]);
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(&NOOP.repeat(1000)).unwrap();
        let mut answer = [0; 24];
        stream.read_exact(&mut answer).unwrap();
        let begin = Instant::now();
        server.signal(signal);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 999 * 24, "what had arrived is answered");
        let address = server.address.clone();
        let (code, log) = server.wait();
        assert_eq!(code, Some(0));
        assert!(begin.elapsed() < Duration::from_secs(60));
        assert!(
            log.contains("listening") && log.contains(&address) && log.contains("drained"),
            "{log}"
        );
    }
}

#[test]
fn without_v_it_logs_nothing_and_with_vv_every_connection() {
    for (verbosity, said) in [("-t1", false), ("-vv", true)] {
        let server = Server::start(&[verbosity]);
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(b"get key\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        server.signal("TERM");
        let (_, log) = server.wait();
        assert_eq!(log.contains("accepted"), said, "{log}");
        assert_eq!(
            log.contains("does not speak the binary protocol"),
            said,
            "{log}"
        );
        assert!(said || log.is_empty(), "{log}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, stdout, stderr) = output(&["-p", &port]);
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(
        stderr.contains(&format!("cannot listen on 127.0.0.1:{port}: ")),
        "{stderr}"
    );
}

#[test]
fn what_it_cannot_do_is_said() {
    for (arguments, text) in [
        (&["-d"] as &[&str], "memcached's option -d is not supported"),
        (&["-U", "11211"], "UDP is not supported"),
        (&["-B", "ascii"], "the text protocol is not spoken"),
        (
            &["-o", "slab_reassign"],
            "-o slab_reassign is not supported",
        ),
        (&["-S"], "-S needs --auth-file <file>"),
        (
            &["-S", "--auth-file", "/nowhere/users"],
            "--auth-file /nowhere/users: it cannot be read",
        ),
        (&["-m", "1"], "too low for this item size"),
        (&["-I", "2g"], "from 1k to 1024m"),
        (&["-l", "300.0.0.1"], "-l 300.0.0.1: "),
        (&["-c", "4000000000"], "open files"),
    ] {
        let (code, stdout, stderr) = output(arguments);
        assert!(code.is_some_and(|code| code > 0), "{arguments:?}");
        assert!(
            stderr.contains(text) && stdout.is_empty(),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn version_and_help() {
    let (code, stdout, _) = output(&["-V"]);
    assert_eq!(
        (code, stdout.split(' ').next()),
        (Some(0), Some("memlet-server"))
    );
    let (code, stdout, _) = output(&["--help"]);
    assert_eq!(code, Some(0));
    for option in [
        "--port",
        "--listen",
        "--memory-limit",
        "--threads",
        "--conn-limit",
        "--auth-file",
    ] {
        assert!(stdout.contains(option), "{option}");
    }
}

#[test]
fn neither_a_hangup_nor_a_closed_log_ends_it() {
    let mut server = Server::start(&["-vv"]);
    drop(server.child.stderr.take());
    for _ in 0..3 {
        server.signal("HUP");
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(&NOOP).unwrap();
        let mut answer = [0; 24];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..2], [0x81, 0x0a]);
    }
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_unix_socket_in_use_is_left_alone_and_a_stale_one_is_replaced() {
    let path = std::env::temp_dir().join(format!("memlet-process-{}", std::process::id()));
    let path = path.to_str().unwrap();
    let start = || {
        let mut child = command(&["-s", path])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.contains(path), "{line:?}");
        Server {
            child,
            address: String::new(),
        }
    };
    let first = start();
    let (code, _, stderr) = output(&["-s", path]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("cannot listen on"), "{stderr}");
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(&NOOP).unwrap();
    stream.read_exact(&mut [0; 24]).unwrap();
    drop(first);
    let second = start();
    UnixStream::connect(path).unwrap();
    second.signal("TERM");
}

#[test]
fn metrics_are_served_where_the_second_line_says() {
    let mut child = command(&["-p", "0", "--metrics", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let word = |line: &str, start: &str| {
        let mut words = line.split(['"', ' ', ';', ',', '/']);
        let word = words.find(|word| word.starts_with(start));
        word.unwrap_or_else(|| panic!("{line:?}")).to_owned()
    };
    let cache = word(&lines.next().unwrap().unwrap(), "127.0.0.1:");
    let metrics = word(&lines.next().unwrap().unwrap(), "127.0.0.1:");
    let mut client = TcpStream::connect(cache).unwrap();
    client.write_all(&NOOP).unwrap();
    client.read_exact(&mut [0; 24]).unwrap();
    let mut stream = TcpStream::connect(metrics).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    for line in [
        "memlet_packets_total{direction=\"received\",opcode=\"NOOP\"} 1",
        "memlet_packet_bytes_total{direction=\"sent\",opcode=\"NOOP\"} 24",
        "memcached_current_connections 1",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
