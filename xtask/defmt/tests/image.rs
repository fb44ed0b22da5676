//! The log of the microcontroller node, as it runs in QEMU.
//!
//! `MEMLET_DEFMT_IMAGE` names the image, which `cargo xtask test --only defmt` builds.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use defmt_decoder::{DecodeError, Table};
use memlet_core::wire::{Opcode, Request};

/// For a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A level and a text.
type Line = (&'static str, String);

/// The emulated board, which ends with its test.
struct Node {
    emulator: Child,
    port: u16,
    log: Receiver<Line>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}

impl Node {
    fn start() -> Node {
        let image = env::var_os("MEMLET_DEFMT_IMAGE").expect("MEMLET_DEFMT_IMAGE names an image");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut emulator = Command::new("qemu-system-arm")
            .args(["-M", "mps2-an385", "-nographic", "-monitor", "none"])
            .args([
                "-serial",
                "none",
                "-semihosting-config",
                "enable=on,target=native",
                "-nic",
            ])
            .arg(format!("user,hostfwd=tcp:127.0.0.1:{port}-:11211"))
            .arg("-kernel")
            .arg(&image)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-arm can be started");
        let mut console = emulator.stdout.take().unwrap();
        let table = Table::parse(&fs::read(image).unwrap())
            .unwrap()
            .expect("the image has texts");
        let (sender, log) = mpsc::channel();
        thread::spawn(move || {
            let mut decoder = table.new_stream_decoder();
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = console.read(&mut bytes) {
                decoder.received(&bytes[..len]);
                loop {
                    let line = match decoder.decode() {
                        Ok(frame) => {
                            let level = frame.level().map_or("", |level| level.as_str());
                            (level, frame.display_message().to_string())
                        }
                        Err(DecodeError::UnexpectedEof) => break,
                        Err(DecodeError::Malformed) => ("", "malformed".to_owned()),
                    };
                    println!("{:<5} {}", line.0, line.1);
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            }
        });
        let node = Node {
            emulator,
            port,
            log,
        };
        node.wait_for("info", ": ready");
        node
    }

    /// Waits for a line that ends so, and returns what stands before that end, with the lines that came before it.
    fn wait_for(&self, level: &str, end: &str) -> (String, Vec<Line>) {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.log.recv_timeout(left) else {
                panic!("no {level} that ends in {end:?}, but {before:#?}");
            };
            if line.0 == level
                && let Some(front) = line.1.strip_suffix(end)
            {
                return (front.to_owned(), before);
            }
            before.push(line);
        }
    }

    /// Sends these bytes over a connection of their own and reads until the node closes.
    fn exchange(&self, sent: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(sent).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }
}

fn bytes(requests: &[Request<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for request in requests {
        let mut packet = vec![0; request.encoded_len().unwrap()];
        request.emit(&mut packet).unwrap();
        bytes.extend_from_slice(&packet);
    }
    bytes
}

#[test]
fn a_session_with_a_device_can_be_read_in_its_log() {
    let node = Node::start();

    let set = Request {
        key: b"Hello",
        value: b"World",
        extras: &[0; 8],
        ..Request::new(Opcode::SET)
    };
    let get = Request {
        key: b"Hello",
        ..Request::new(Opcode::GET)
    };
    let answer = node.exchange(&bytes(&[set, get, Request::new(Opcode::QUIT)]));
    assert!(answer.windows(5).any(|piece| piece == b"World"));
    let (label, _) = node.wait_for("info", "connected from 10.0.2.2");
    assert!(label.starts_with('[') && label.ends_with("] "), "{label}");
    let (found, lines) = node.wait_for("info", "closed: asked for");
    assert_eq!(found, label);
    let of_level = |wanted: &str, lines: &[Line]| -> String {
        let lines = lines.iter().filter(|(level, _)| *level == wanted);
        lines.map(|(_, text)| format!("{text}\n")).collect()
    };
    let requests = of_level("debug", &lines);
    for part in [
        &*label,
        "SET b\"Hello\" with 5 bytes",
        "GET b\"Hello\"",
        "SET SUCCESS",
        "GET SUCCESS with 5 bytes",
    ] {
        assert!(requests.contains(part), "{part} is missing in {requests}");
    }

    node.exchange(b"GET / HTTP/1.1\r\nHost: memlet\r\n\r\n");
    let (label, _) = node.wait_for("info", "connected from 10.0.2.2");
    let (found, lines) = node.wait_for(
        "warn",
        "closed: the peer does not speak the binary protocol",
    );
    assert_eq!(found, label);
    assert_eq!(of_level("error", &lines), "");
    assert_eq!(of_level("warn", &lines), "");
}
