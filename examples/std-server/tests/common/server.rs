//! Starts `memlet-server` or the real memcached on a port of its own and ends it with the test.

use super::client::{Address, Client, Request};
use super::op;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Which server a test talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This package's binary.
    Memlet,
    /// The memcached on the path.
    Memcached,
}

impl Kind {
    /// `memlet-server`, unless the environment asks for the server that the tests are proven against.
    pub(crate) fn from_environment() -> Self {
        match std::env::var("MEMLET_TEST_SERVER").as_deref() {
            Ok("memcached") => Self::Memcached,
            Ok("memlet") | Err(_) => Self::Memlet,
            Ok(other) => panic!("MEMLET_TEST_SERVER is {other:?}, neither memlet nor memcached"),
        }
    }
}

/// What to start a server with.
#[derive(Clone, Debug)]
pub(crate) struct ServerBuilder {
    kind: Kind,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    users: Vec<(String, String)>,
    unix_socket: bool,
    files_max: Option<u32>,
}

impl ServerBuilder {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            arguments: Vec::new(),
            environment: Vec::new(),
            users: Vec::new(),
            unix_socket: false,
            files_max: None,
        }
    }

    /// Command-line arguments that mean the same to both servers.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(ToString::to_string));
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Requires SASL and knows this user.
    pub(crate) fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Listens on a unix socket instead of TCP.
    pub(crate) fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Raises the server's limit of open files.
    pub(crate) fn files_max(mut self, files: u32) -> Self {
        self.files_max = Some(files);
        self
    }

    pub(crate) fn start(self) -> Server {
        let folder = scratch_folder();
        let program = match self.kind {
            Kind::Memlet => env!("CARGO_BIN_EXE_memlet-server").to_owned(),
            Kind::Memcached => {
                std::env::var("MEMLET_PEERS_MEMCACHED").unwrap_or_else(|_| "memcached".to_owned())
            }
        };
        let mut command = match self.files_max {
            Some(files) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={files}")).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        let socket_path = folder.join("socket");
        if self.unix_socket {
            command.arg("-s").arg(&socket_path);
        } else {
            command.args(["-l", "127.0.0.1", "-p"]);
            // memcached's own tests ask for a free port this way; to memlet-server it is port 0.
            command.arg(match self.kind {
                Kind::Memlet => "0",
                Kind::Memcached => "-1",
            });
        }
        command.args(&self.arguments);
        match self.kind {
            Kind::Memlet => command.args(self.memlet_authentication(&folder)),
            Kind::Memcached => command
                .args(["-u", "root", "-U", "0"])
                .args(self.memcached_authentication(&folder)),
        };
        command.env("MEMCACHED_PORT_FILENAME", folder.join("port"));
        command.env("SASL_CONF_PATH", &folder);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{program} can't be started: {error} (the real memcached: `apt-get install memcached`)")
        });
        let said = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &said);
        collect(child.stderr.take().unwrap(), &said);
        let mut server = Server {
            kind: self.kind,
            child,
            address: Address::Unix(socket_path),
            folder,
            said,
        };
        server.wait_until_it_listens(self.unix_socket);
        server
    }

    fn memlet_authentication(&self, folder: &Path) -> Vec<String> {
        if self.users.is_empty() {
            return Vec::new();
        }
        let file = folder.join("users");
        let lines: String = self
            .users
            .iter()
            .map(|(name, password)| format!("{name}:{password}\n"))
            .collect();
        std::fs::write(&file, lines).unwrap();
        vec![
            "-S".to_owned(),
            "--auth-file".to_owned(),
            file.display().to_string(),
        ]
    }

    /// memcached takes its users from Cyrus SASL's database.
    fn memcached_authentication(&self, folder: &Path) -> Vec<String> {
        if self.users.is_empty() {
            return Vec::new();
        }
        let database = folder.join("sasldb");
        let configuration = format!("mech_list: plain\nsasldb_path: {}\n", database.display());
        std::fs::write(folder.join("memcached.conf"), configuration).unwrap();
        for (name, password) in &self.users {
            let mut child = Command::new("saslpasswd2")
                .args(["-p", "-c", "-f"])
                .arg(&database)
                .args(["-a", "memcached", name])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap_or_else(|error| {
                    panic!("saslpasswd2: {error}; `apt-get install sasl2-bin`")
                });
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), password.as_bytes())
                .unwrap();
            assert!(
                child.wait().unwrap().success(),
                "saslpasswd2 refused the user {name:?}"
            );
        }
        vec!["-S".to_owned()]
    }
}

/// A folder for one server's files, unique in this machine.
fn scratch_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("memlet-test-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Keeps reading what the server prints, so that it never blocks on a full pipe.
fn collect(stream: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// A running server; dropping it kills the process and removes its files.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: Address,
    child: Child,
    folder: PathBuf,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// The server under test, with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        ServerBuilder::new(Kind::from_environment())
            .arguments(arguments)
            .start()
    }

    fn wait_until_it_listens(&mut self, unix_socket: bool) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(50));
                panic!(
                    "{:?} ended at start with {status}: {}",
                    self.kind,
                    self.output()
                );
            }
            if unix_socket {
                if Client::try_connect(&self.address).is_ok() {
                    return;
                }
            } else if let Some(port) = self.port() {
                self.address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
                if Client::try_connect(&self.address).is_ok() {
                    return;
                }
            }
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{:?} doesn't listen: {}",
                self.kind,
                self.output()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// memlet-server prints its port, memcached writes it to a file for its own tests.
    fn port(&self) -> Option<u16> {
        match self.kind {
            Kind::Memlet => {
                let said = self.said.lock().unwrap();
                let (_, rest) = said.split_once("127.0.0.1:")?;
                let digits = rest.split_once(|c: char| !c.is_ascii_digit())?.0;
                digits.parse().ok()
            }
            Kind::Memcached => {
                let text = std::fs::read_to_string(self.folder.join("port")).ok()?;
                let line = text.lines().find(|line| line.starts_with("TCP INET: "))?;
                line.rsplit(' ').next()?.parse().ok()
            }
        }
    }

    /// All that the server has printed so far.
    pub(crate) fn output(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory of the server in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS");
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    /// A fresh connection is served: a store, a read, a delete, each answered as it should be.
    #[track_caller]
    pub(crate) fn probe(&self) {
        let mut client = self.connect();
        let key = format!("probe {}", self.pid());
        assert_eq!(client.call(Request::set(&key, "well")).status(), 0);
        let answer = client.call(Request::get(&key));
        assert_eq!((answer.status(), answer.value()), (0, &b"well"[..]));
        assert_eq!(client.call(Request::new(op::DELETE).key(&key)).status(), 0);
        assert_eq!(
            client.call(Request::get(&key)).status(),
            super::status::NOT_FOUND
        );
    }

    /// Sends a signal by its name and waits for the end; the process's exit code.
    pub(crate) fn end_with(mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "the server ignores {signal}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
        if thread::panicking() {
            eprintln!("the server ({:?}) said:\n{}", self.kind, self.output());
        }
    }
}
