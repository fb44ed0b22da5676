//! An emulated board that runs an image: started, watched, ended.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::image::Image;
use crate::shell;

/// The port of the cache on the board, and that of the plain echo.
const GUEST_PORTS: [u16; 2] = [11211, 7];
/// How long an image may take until it listens.
const START: Duration = Duration::from_secs(60);
/// What an image prints when it ends in a way that it should not.
const FAULTS: [&str; 3] = ["panic", "fault", "lockup"];

/// A running board; dropping it ends it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    child: Child,
    /// Ports of this machine that lead to the cache and to the echo.
    pub(super) ports: [u16; 2],
    /// QEMU's monitor.
    pub(super) monitor: PathBuf,
    said: Arc<Mutex<String>>,
}

impl Machine {
    /// Starts an image that has been built, and waits until it listens.
    pub(super) fn start(image: &Image) -> Result<Self> {
        let name = image.name();
        let monitor = std::env::temp_dir().join(format!("memlet-{name}-{}", std::process::id()));
        let ports = free_ports()?;
        let mut command = qemu(image, &image.file(), &ports);
        command
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", monitor.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("can't start qemu-system-arm")?;
        let said = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take(), &said);
        collect(child.stderr.take(), &said);
        let mut machine = Self {
            name,
            child,
            ports,
            monitor,
            said,
        };
        machine.wait_until_ready()?;
        Ok(machine)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let began = Instant::now();
        while !self.output().lines().any(|line| line.contains("ready")) {
            self.fault().map_or(Ok(()), Err)?;
            if began.elapsed() > START {
                bail!(
                    "{} does not get ready; it printed:\n{}",
                    self.name,
                    self.output()
                );
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// All that it has printed so far.
    pub(super) fn output(&self) -> String {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The address of the cache.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// What came of something done to it: an error as well if the image has panicked or ended meanwhile.
    pub(super) fn judge<T>(&mut self, outcome: Result<T>) -> Result<T> {
        match (outcome, self.fault()) {
            (outcome, None) => outcome,
            (Ok(_), Some(fault)) => Err(fault),
            (Err(error), Some(fault)) => Err(error.context(fault)),
        }
    }

    fn fault(&mut self) -> Option<anyhow::Error> {
        let ended = match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("ended: {status}")),
            Err(error) => Some(format!("can't be waited for: {error}")),
        };
        if ended.is_some() {
            // What it said last is still being read.
            thread::sleep(Duration::from_millis(100));
        }
        let said = self.output();
        let is_fault = |line: &str| {
            let line = line.to_lowercase();
            FAULTS.iter().any(|word| line.contains(word))
        };
        let what = ended.or_else(|| said.lines().find(|line| is_fault(line)).map(str::to_owned))?;
        Some(anyhow!("{}: {what}; it printed:\n{said}", self.name))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.monitor);
    }
}

/// Runs an image in the foreground.
pub(super) fn run_by_hand(image: &Image, file: &Path, port: u16) -> Result<()> {
    shell::ensure_programs(&[("qemu-system-arm", "qemu-system-arm")])?;
    let [_, echo] = free_ports()?;
    println!("{} serves 127.0.0.1:{port}; Ctrl-C ends it", image.name());
    shell::run(&mut qemu(image, file, &[port, echo]))
}

fn qemu(image: &Image, file: &Path, ports: &[u16; 2]) -> Command {
    let mut network = "user,id=net0".to_owned();
    let mut serial = "none".to_owned();
    if image.is_serial_only() {
        // Without `nodelay` every answer waits for the host's confirmation of its first byte.
        serial = format!("tcp:127.0.0.1:{},server=on,wait=off,nodelay=on", ports[0]);
    } else {
        for (host, guest) in ports.iter().zip(GUEST_PORTS) {
            network += &format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}");
        }
    }
    let mut command = Command::new("qemu-system-arm");
    command
        .args([
            "-M",
            image.board.name,
            "-nographic",
            "-monitor",
            "none",
            "-serial",
            &serial,
        ])
        .args(["-semihosting-config", "enable=on,target=native"])
        .args(["-nic", &network, "-kernel"])
        .arg(file);
    command
}

/// Ports of this machine that nobody has; another process could take one before QEMU does, which it would say.
fn free_ports() -> Result<[u16; 2]> {
    let listeners = [
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    ];
    let [cache, echo] = &listeners;
    Ok([cache.local_addr()?.port(), echo.local_addr()?.port()])
}

/// Keeps reading what is printed.
fn collect(stream: Option<impl Read + Send + 'static>, said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        for line in stream
            .into_iter()
            .flat_map(|stream| BufReader::new(stream).split(b'\n'))
        {
            let Ok(line) = line else { return };
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&String::from_utf8_lossy(&line));
            said.push('\n');
        }
    });
}
