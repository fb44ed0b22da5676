//! A clock that stands still until the test steps it, for every process started with its environment.

use crate::common::Server;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where Debian and others put the library; `MEMLET_PEERS_FAKETIME` names another place.
const LIBRARIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

#[derive(Debug)]
pub(crate) struct FakeClock {
    now: u32,
    started: u32,
    file: PathBuf,
}

impl FakeClock {
    pub(crate) fn start_at(seconds: u32) -> Self {
        let file = std::env::temp_dir().join(format!("memlet-oracle-clock-{}", std::process::id()));
        let clock = Self {
            now: seconds,
            started: seconds,
            file,
        };
        clock.write();
        clock
    }

    pub(crate) fn now(&self) -> u32 {
        self.now
    }

    /// The second in which both servers were started.
    pub(crate) fn started(&self) -> u32 {
        self.started
    }

    /// Takes the present second for that of the servers' start.
    pub(crate) fn restart(&mut self) {
        self.started = self.now;
    }

    fn write(&self) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{}\n", self.now)).unwrap();
        // Renamed into place, so that a server never reads half a number.
        std::fs::rename(&new, &self.file).unwrap();
    }

    /// What a process needs in its environment to live by this clock.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let library = std::env::var("MEMLET_PEERS_FAKETIME").ok().or_else(|| {
            let found = LIBRARIES.iter().find(|path| Path::new(path).exists());
            found.map(|path| (*path).to_owned())
        });
        let library = library
            .expect("libfaketime is missing: `cargo xtask peers` or `apt-get install faketime`");
        vec![
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_FMT", "%s".to_owned()),
            ("TZ", "UTC".to_owned()),
        ]
    }

    /// Lets time pass and waits until the servers have noticed.
    pub(crate) fn step(&mut self, seconds: u32, servers: &[&Server]) {
        self.now += seconds;
        self.write();
        for server in servers {
            let began = Instant::now();
            // memcached looks at its clock in the thread that accepts connections, so each look is a new connection.
            while server.connect().figure("time") != u64::from(self.now) {
                assert!(
                    began.elapsed() < Duration::from_secs(10),
                    "{:?} doesn't notice the time",
                    server.kind
                );
            }
        }
    }
}

impl Drop for FakeClock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}
