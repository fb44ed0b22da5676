//! What the tests of the command line share: running it, and servers in this process.

// Every test file is a crate of its own and uses only its part of this one.
#![allow(dead_code)]

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use memlet::std::{Cache, CacheOptions, Listen, Server, ServerError, ServerHandle, ServerOptions};

/// How a run of `memlet` ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.text().lines().collect()
    }

    /// The output, of a run that must have ended well.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.text()
    }

    /// The complaint, of a run that must have failed so.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        &self.err
    }
}

/// Runs `memlet` with nothing to read.
pub(crate) fn memlet(arguments: &[&str]) -> Ran {
    memlet_reading(arguments, b"")
}

/// Runs `memlet` with `input` to read.
pub(crate) fn memlet_reading(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_memlet"))
        .args(arguments)
        .env_remove("MEMLET_SERVER")
        .env_remove("MEMLET_USER")
        .env_remove("MEMLET_PASSWORD")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // It may write before it has read everything, or end without reading.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    Ran {
        code: output.status.code(),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A cache server in this process that stops with the test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Running {
    pub(crate) fn start() -> Running {
        Running::with(CacheOptions::default())
    }

    pub(crate) fn with(cache: CacheOptions) -> Running {
        let mut options = ServerOptions::default();
        options.listen = vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
        options.threads = 1;
        options.connection = cache.connection();
        let server = Server::bind(options).unwrap();
        let Listen::Tcp(address) = server.addresses()[0] else {
            unreachable!("it listens on TCP");
        };
        let cache = Cache::new(cache).unwrap();
        let handle = server.handle();
        let thread = thread::spawn(move || server.run(&cache));
        Running {
            address,
            handle,
            thread: Some(thread),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.drain();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
