//! What only a monitor can do to a device: pull its cable, put it in again, press reset.

use crate::Device;
use crate::common::client::{Client, PATIENCE};
use crate::common::{Request, status};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// QEMU's monitor: a command and its answer are a line of JSON each, with events in between.
struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("QEMU's monitor listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut monitor = Self {
            stream: BufReader::new(stream),
        };
        let greeting = monitor.line();
        assert!(greeting.contains("\"QMP\""), "{greeting}");
        monitor.run(r#"{"execute": "qmp_capabilities"}"#);
        monitor
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("QEMU answers");
        line
    }

    fn run(&mut self, command: &str) {
        let stream = self.stream.get_mut();
        stream.write_all(command.as_bytes()).unwrap();
        loop {
            let line = self.line();
            if line.contains("\"return\"") {
                return;
            }
            assert!(line.contains("\"event\""), "{command}: {line}");
        }
    }

    /// Pulls the cable of the device's network, or puts it in.
    fn set_link(&mut self, up: bool) {
        self.run(&format!(
            r#"{{"execute": "set_link", "arguments": {{"name": "net0", "up": {up}}}}}"#
        ));
    }

    fn reset(&mut self) {
        self.run(r#"{"execute": "system_reset"}"#);
    }
}

/// The monitor of the device under test; without one there is nothing to pull.
fn monitor(device: &Device) -> Option<Monitor> {
    let path = device.monitor.as_deref();
    if path.is_none() {
        println!("no monitor (MEMLET_DEVICE_MONITOR): left out");
    }
    path.map(Monitor::connect)
}

#[test]
fn connections_survive_a_short_break_of_the_cable() {
    let device = Device::start();
    let Some(mut monitor) = monitor(&device) else {
        return;
    };
    let mut client = device.connect();
    assert_eq!(client.call(Request::set("before", "the break")).status(), 0);
    for _ in 0..3 {
        monitor.set_link(false);
        // It is on its way while the cable is out, and is sent again by TCP once it is in.
        client.send(&Request::get("before").opaque(1));
        thread::sleep(Duration::from_millis(300));
        monitor.set_link(true);
        let answer = client.receive();
        assert_eq!(answer.value(), b"the break");
    }
    device.expect_well();
}

#[test]
fn a_long_break_of_the_cable_frees_all_sockets() {
    let device = Device::start();
    let Some(mut monitor) = monitor(&device).filter(|_| device.is_impatient()) else {
        return;
    };
    let mut lost: Vec<Client> = (0..device.connections).map(|_| device.connect()).collect();
    assert_eq!(lost[0].call(Request::set("kept", "over it")).status(), 0);
    monitor.set_link(false);
    // The peers vanish without a word: nothing that they send arrives any more.
    drop(lost);
    thread::sleep(device.idle * 2 + Duration::from_secs(1));
    monitor.set_link(true);
    let began = Instant::now();
    let mut clients: Vec<Client> = (0..device.connections).map(|_| device.connect()).collect();
    println!(
        "{} connections are served {:.1} s after the cable is in",
        clients.len(),
        began.elapsed().as_secs_f64()
    );
    for client in &mut clients {
        assert_eq!(client.call(Request::get("kept")).value(), b"over it");
    }
}

#[test]
fn a_restart_begins_with_an_empty_store() {
    let device = Device::start();
    let Some(mut monitor) = monitor(&device) else {
        return;
    };
    for _ in 0..3 {
        let mut client = device.connect();
        assert_eq!(client.call(Request::set("gone", "soon")).status(), 0);
        monitor.reset();
        let mut client = device.connect();
        let answer = client.call(Request::get("gone"));
        assert_eq!(answer.status(), status::NOT_FOUND);
        assert!(client.figure("uptime") < 60);
        device.expect_well();
    }
}
