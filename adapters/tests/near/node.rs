//! A node in a thread of its own, and its clients.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use embedded_io_adapters::tokio_1::FromTokio;
use memlet::asynch::serve;
use memlet::near::{Login, NearCache, NearMemory, NearSettings, UpstreamSettings, keep_connected};
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// Long enough for a busy machine, short enough for a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The longest request or answer of a node in these tests, in bytes.
pub(crate) const SLOT_LEN: usize = 4096;
/// How many connections may wait, and for how many requests.
pub(crate) const WAITING: usize = 6;
pub(crate) const REQUESTS: usize = 4;

/// What a test chooses of a node.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) ttl: u32,
    pub(crate) store_len: usize,
    pub(crate) input_len: usize,
    pub(crate) upstream: UpstreamSettings<'static>,
}

impl Default for Options {
    fn default() -> Options {
        let mut upstream = UpstreamSettings::default();
        upstream.timeout = PATIENCE;
        upstream.connect_timeout = PATIENCE;
        upstream.backoff_min = Duration::from_millis(1);
        upstream.backoff_max = Duration::from_millis(20);
        Options {
            ttl: 60,
            store_len: 1 << 20,
            input_len: 1024,
            upstream,
        }
    }
}

pub(crate) const LOGIN: Login<'static> = Login {
    user: b"near",
    password: b"secret",
};

/// A node that ends with the value.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// A node that is connected to its upstream.
    pub(crate) fn start(upstream: SocketAddr, clock: &Arc<AtomicU32>, options: Options) -> Node {
        let node = Node::start_away(upstream, clock, options);
        node.until("upstream_up", 1);
        node
    }

    pub(crate) fn start_away(
        upstream: SocketAddr,
        clock: &Arc<AtomicU32>,
        options: Options,
    ) -> Node {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::clone(clock);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, run(listener, upstream, clock, options, stopped));
        });
        Node {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn connect(&self) -> Peer {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer { stream }
    }

    /// A figure of `stat`.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        self.connect().figure(name)
    }

    /// Waits until a figure of `stat` has this value.
    pub(crate) fn until(&self, name: &str, value: u64) {
        let mut peer = self.connect();
        let begin = std::time::Instant::now();
        while peer.figure(name) != value {
            assert!(begin.elapsed() < PATIENCE, "{name} is no {value}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the node has panicked");
        }
    }
}

async fn run(
    listener: std::net::TcpListener,
    upstream: SocketAddr,
    clock: Arc<AtomicU32>,
    options: Options,
    stopped: oneshot::Receiver<()>,
) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let store = Store::new(vec![0; options.store_len], StoreOptions::default()).unwrap();
    let memory: &'static mut _ =
        Box::leak(Box::new(NearMemory::<WAITING, REQUESTS, SLOT_LEN>::new()));
    let mut settings = NearSettings::default();
    settings.ttl = options.ttl;
    let near = Box::leak(Box::new(RefCell::new(NearCache::new(
        store, memory, settings,
    ))));
    let near = &*near;
    let accepted = {
        let clock = Arc::clone(&clock);
        async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let clock = Arc::clone(&clock);
                tokio::task::spawn_local(async move {
                    let (mut input, mut output) = (vec![0; options.input_len], vec![0; 8192]);
                    let now = move || clock.load(Ordering::SeqCst);
                    let stream = FromTokio::new(stream);
                    let _ = serve(stream, near, &mut input, &mut output, now).await;
                });
            }
        }
    };
    let connected = async move {
        let (mut input, mut output) = (vec![0; 3072], vec![0; SLOT_LEN + 64]);
        let connect = async || {
            let stream = tokio::net::TcpStream::connect(upstream).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(FromTokio::new(stream))
        };
        let now = move || clock.load(Ordering::SeqCst);
        keep_connected(
            near,
            connect,
            &mut input,
            &mut output,
            &options.upstream,
            now,
            tokio::time::sleep,
        )
        .await
    };
    tokio::select! {
        () = accepted => {}
        _ = connected => {}
        _ = stopped => {}
    }
}

/// A response in parts that outlive the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) opcode: Opcode,
    pub(crate) status: Status,
    pub(crate) opaque: u32,
    pub(crate) cas: u64,
    pub(crate) extras: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// One client of the node.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
}

impl Peer {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut bytes = vec![0; 24];
        self.stream.read_exact(&mut bytes).unwrap();
        let body_len = u32::from_be_bytes(bytes[8..12].try_into().unwrap());
        bytes.resize(24 + body_len as usize, 0);
        self.stream.read_exact(&mut bytes[24..]).unwrap();
        let mut answers = answers(&bytes);
        answers.remove(0)
    }

    pub(crate) fn ask(&mut self, request: &Request<'_>) -> Answer {
        self.send(&packet(request));
        self.answer()
    }

    /// Sends requests and a NOOP; the answers before that of the NOOP.
    pub(crate) fn ask_all(&mut self, requests: &[u8]) -> Vec<Answer> {
        let noop = Request {
            opaque: u32::MAX,
            ..Request::new(Opcode::NOOP)
        };
        self.send(&[requests, &packet(&noop)].concat());
        let mut answers = Vec::new();
        loop {
            match self.answer() {
                last if last.opaque == u32::MAX => return answers,
                answer => answers.push(answer),
            }
        }
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Answer {
        self.ask(&get(key))
    }

    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) -> Answer {
        self.ask(&set(key, value))
    }

    pub(crate) fn figure(&mut self, name: &str) -> u64 {
        self.send(&packet(&Request::new(Opcode::STAT)));
        let mut found = None;
        loop {
            let answer = self.answer();
            if answer.key.is_empty() {
                return found.unwrap_or_else(|| panic!("no figure {name}"));
            }
            if answer.key == name.as_bytes() {
                found = Some(String::from_utf8(answer.value).unwrap().parse().unwrap());
            }
        }
    }
}

/// All responses in `bytes`.
pub(crate) fn answers(bytes: &[u8]) -> Vec<Answer> {
    let (mut rest, mut answers) = (bytes, Vec::new());
    while !rest.is_empty() {
        let Ok(Parsed::Complete { value, consumed }) = Response::parse(rest, &Limits::NONE) else {
            panic!("no response: {rest:02x?}");
        };
        answers.push(Answer {
            opcode: value.opcode,
            status: value.status,
            opaque: value.opaque,
            cas: value.cas,
            extras: value.extras.to_vec(),
            key: value.key.to_vec(),
            value: value.value.to_vec(),
        });
        rest = &rest[consumed..];
    }
    answers
}

pub(crate) fn packet(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![0; request.encoded_len().unwrap()];
    request.emit(&mut bytes).unwrap();
    bytes
}

pub(crate) fn get(key: &[u8]) -> Request<'_> {
    Request {
        key,
        ..Request::new(Opcode::GET)
    }
}

pub(crate) fn set<'a>(key: &'a [u8], value: &'a [u8]) -> Request<'a> {
    Request {
        extras: &[0; 8],
        key,
        value,
        ..Request::new(Opcode::SET)
    }
}
