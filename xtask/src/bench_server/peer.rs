//! The servers under load: started on the first core, watched through `/proc`, ended with their value.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Options, Programs};
use crate::shell;

/// What kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memcached,
    Memlet,
    Floor,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memcached => "memcached",
            Self::Memlet => "memlet-server",
            Self::Floor => "bare loop",
        }
    }
}

/// A server that runs until the value is dropped.
pub(crate) struct Peer {
    kind: Kind,
    child: Child,
    address: SocketAddr,
}

/// CPU time that a process has taken, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu {
    pub(super) user: f64,
    pub(super) system: f64,
}

impl Cpu {
    pub(super) fn total(self) -> f64 {
        self.user + self.system
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            user: self.user - before.user,
            system: self.system - before.system,
        }
    }
}

impl Peer {
    pub(super) fn start(kind: Kind, programs: &Programs, options: &Options) -> Result<Self> {
        let port = free_port()?;
        let (port_text, memory) = (port.to_string(), options.memory.to_string());
        let connections = (options.connections + 100).to_string();
        let common = [
            "-l",
            "127.0.0.1",
            "-p",
            &port_text,
            "-t",
            "1",
            "-m",
            &memory,
            "-c",
            &connections,
        ];
        let command = match kind {
            Kind::Memcached => {
                let mut command = server(&programs.memcached);
                // memcached refuses to run as root unless it is told to stay root.
                command.args(common).args(["-U", "0", "-u", &user()?]);
                command
            }
            Kind::Memlet => {
                let mut command = server(&programs.memlet);
                command.args(common);
                command
            }
            Kind::Floor => {
                let mut command = server(&programs.floor);
                command.args([&port_text, &options.value.to_string()]);
                command
            }
        };
        Self::launch(kind, command, port)
    }

    /// A memcached with one thread and its own defaults else.
    pub(crate) fn memcached(program: &Path) -> Result<Self> {
        let port = free_port()?;
        let mut command = server(program);
        command.args(["-l", "127.0.0.1", "-p", &port.to_string(), "-t", "1"]);
        command.args(["-U", "0", "-u", &user()?]);
        Self::launch(Kind::Memcached, command, port)
    }

    fn launch(kind: Kind, mut command: Command, port: u16) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command
            .spawn()
            .with_context(|| format!("can't start {}", kind.name()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut peer = Self {
            kind,
            child,
            address,
        };
        peer.wait_until_it_listens()?;
        Ok(peer)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start: {status}", self.name());
            }
            if start.elapsed() > START_TIME_MAX {
                bail!("{} does not listen on {}", self.name(), self.address);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// CPU time of all its threads so far.
    pub(super) fn cpu(&self) -> Result<Cpu> {
        let stat = self.proc("stat")?;
        // The name of the program, in parentheses, may hold blanks; fields are counted from behind it.
        let (_, fields) = stat
            .rsplit_once(") ")
            .context("/proc/PID/stat has another form")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |index: usize| -> Result<f64> {
            let field = fields.get(index).context("/proc/PID/stat is too short")?;
            Ok(field.parse::<f64>()? / TICKS_PER_SECOND)
        };
        Ok(Cpu {
            user: ticks(11)?,
            system: ticks(12)?,
        })
    }

    /// Memory that it has resident, in bytes.
    pub(super) fn resident_bytes(&self) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    fn proc(&self, file: &str) -> Result<String> {
        Ok(fs::read_to_string(format!(
            "/proc/{}/{file}",
            self.child.id()
        ))?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server on the first core, which ends with this program however that ends.
fn server(program: &Path) -> Command {
    let on_core = pinned(program, 0);
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .arg(on_core.get_program())
        .args(on_core.get_args());
    command
}

/// A program that runs on one core alone, if there are several.
pub(crate) fn pinned(program: &Path, core: usize) -> Command {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// memcached itself prints no port it was given by the system, so one that was free just now has to do.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn user() -> Result<String> {
    Ok(shell::output(Command::new("id").arg("-un"))?
        .trim()
        .to_owned())
}

/// The unit of CPU time in `/proc`, the same on every Linux that programs see.
const TICKS_PER_SECOND: f64 = 100.0;
const START_TIME_MAX: Duration = Duration::from_secs(20);
