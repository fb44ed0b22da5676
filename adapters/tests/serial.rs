//! A line without connections: noise, halves of requests, lost bytes, and that a host gets its answers afterwards.
//!
//! The clock stands still but for waiting: silence costs no time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use memlet::asynch::{SerialCounts, SerialOptions, serve_serial};
use memlet_core::engine::{Engine, EngineSettings};
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

const OPTIONS: SerialOptions = SerialOptions {
    gap_ms: 500,
    quiet_ms: 100,
};

/// Bytes were lost.
#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes were lost")
    }
}

impl std::error::Error for Lost {}

impl embedded_io::Error for Lost {
    fn kind(&self) -> embedded_io::ErrorKind {
        embedded_io::ErrorKind::Other
    }
}

/// The device's end.
struct Port {
    received: UnboundedReceiver<Result<Vec<u8>, Lost>>,
    rest: Vec<u8>,
    sent: UnboundedSender<Vec<u8>>,
}

impl embedded_io::ErrorType for Port {
    type Error = Lost;
}

impl embedded_io_async::Read for Port {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Lost> {
        while self.rest.is_empty() {
            match self.received.recv().await {
                Some(bytes) => self.rest = bytes?,
                None => return Ok(0),
            }
        }
        let len = self.rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.rest[..len]);
        self.rest.drain(..len);
        Ok(len)
    }
}

impl embedded_io_async::Write for Port {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        // A host that has gone does not keep a UART from sending.
        let _ = self.sent.send(bytes.to_vec());
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Lost> {
        Ok(())
    }
}

/// The host's end.
struct Host {
    to: UnboundedSender<Result<Vec<u8>, Lost>>,
    from: UnboundedReceiver<Vec<u8>>,
    heard: Vec<u8>,
    opaque: u32,
}

/// What a response says: opcode, status, opaque, value.
type Answer = (Opcode, Status, u32, Vec<u8>);

impl Host {
    fn send(&self, bytes: &[u8]) {
        self.to.send(Ok(bytes.to_vec())).unwrap();
    }

    fn lose(&self) {
        self.to.send(Err(Lost)).unwrap();
    }

    /// The next answer; `None` if there is none for a long time.
    async fn answer(&mut self) -> Option<Answer> {
        loop {
            match Response::parse(&self.heard, &Limits::NONE) {
                Ok(Parsed::Complete { value, consumed }) => {
                    let answer = (
                        value.opcode,
                        value.status,
                        value.opaque,
                        value.value.to_vec(),
                    );
                    self.heard.drain(..consumed);
                    return Some(answer);
                }
                Ok(_) => {
                    let bytes = timeout(Duration::from_secs(60), self.from.recv()).await;
                    self.heard.extend(bytes.ok()??);
                }
                Err(error) => panic!("{error}: {:?}", self.heard),
            }
        }
    }

    async fn ask(&mut self, request: Request<'_>) -> Answer {
        self.opaque += 1;
        self.send(&packet(&Request {
            opaque: self.opaque,
            ..request
        }));
        let answer = self.answer().await.expect("an answer");
        assert_eq!((answer.0, answer.2), (request.opcode, self.opaque));
        answer
    }

    async fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        match self.ask(get(key)).await {
            (_, Status::SUCCESS, _, value) => Some(value),
            (_, status, ..) => {
                assert_eq!(status, Status::KEY_ENOENT);
                None
            }
        }
    }

    /// What a host does that does not know in which state the other side is.
    async fn begin_anew(&mut self) {
        silence(OPTIONS.gap_ms + 1).await;
        while self.from.try_recv().is_ok() {}
        self.heard.clear();
        self.ask(Request::new(Opcode::NOOP)).await;
    }
}

async fn silence(ms: u32) {
    sleep(Duration::from_millis(ms.into())).await;
}

fn packet(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![0; request.encoded_len().unwrap()];
    request.emit(&mut bytes).unwrap();
    bytes
}

fn get(key: &[u8]) -> Request<'_> {
    Request {
        key,
        ..Request::new(Opcode::GET)
    }
}

fn set<'a>(key: &'a [u8], value: &'a [u8]) -> Request<'a> {
    Request {
        extras: &[0; 8],
        key,
        value,
        ..Request::new(Opcode::SET)
    }
}

/// Lets a host talk to a device; returns what the device has counted when the host is done and gone.
fn with_device(talk: impl AsyncFnOnce(&mut Host)) -> SerialCounts {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (to, received) = unbounded_channel();
    let (sent, from) = unbounded_channel();
    let port = Port {
        received,
        rest: Vec::new(),
        sent,
    };
    let mut host = Host {
        to,
        from,
        heard: Vec::new(),
        opaque: 0,
    };
    let counts = Cell::default();
    runtime.block_on(async {
        let mut memory = vec![0; 64 << 10];
        let store = Store::new(&mut memory[..], StoreOptions::default()).unwrap();
        let engine = RefCell::new(Engine::new(store, EngineSettings::default()));
        let (mut input, mut output) = ([0; 320], [0; 512]);
        let device = serve_serial(
            port,
            &engine,
            &mut input,
            &mut output,
            || 1_000_000,
            &OPTIONS,
            &counts,
            async |ms| silence(ms).await,
        );
        let talk = async {
            talk(&mut host).await;
            drop(host);
        };
        let (served, ()) = tokio::join!(device, talk);
        served.unwrap();
    });
    counts.get()
}

#[test]
fn requests_are_answered_however_slowly_their_bytes_come() {
    let counts = with_device(async |host| {
        host.ask(set(b"key", b"value")).await;
        for byte in packet(&get(b"key")) {
            host.send(&[byte]);
            silence(OPTIONS.gap_ms - 1).await;
        }
        assert_eq!(host.answer().await.unwrap().3, b"value");
        silence(1_000_000).await;
        assert_eq!(host.get(b"key").await.unwrap(), b"value");
    });
    assert_eq!(
        counts,
        SerialCounts {
            sessions: 1,
            ..SerialCounts::default()
        }
    );
}

#[test]
fn half_a_request_is_forgotten_after_a_gap_and_nothing_of_it_is_stored() {
    for value_len in [10, 2000] {
        let value = vec![b'v'; value_len];
        let request = packet(&set(b"key", &value));
        for len in [1, 23, 24, 34, request.len() - 1] {
            let counts = with_device(async |host| {
                host.send(&request[..len]);
                silence(OPTIONS.gap_ms + 1).await;
                assert_eq!(host.get(b"key").await, None, "{len} of {value_len}");
                host.ask(set(b"key", b"new")).await;
                assert_eq!(host.get(b"key").await.unwrap(), b"new");
            });
            assert_eq!((counts.sessions, counts.gaps), (2, 1));
            assert_eq!((counts.refused, counts.discarded_bytes), (0, 0));
        }
    }
}

#[test]
fn after_noise_nothing_is_executed_before_the_line_was_quiet() {
    let counts = with_device(async |host| {
        host.ask(set(b"key", b"value")).await;
        host.send(b"\x00\xff noise");
        // What looks like a request may be the rest of a value.
        for _ in 0..20 {
            host.send(&packet(&Request {
                key: b"key",
                ..Request::new(Opcode::DELETE)
            }));
            silence(OPTIONS.quiet_ms - 1).await;
        }
        silence(OPTIONS.quiet_ms + 1).await;
        assert_eq!(host.get(b"key").await.unwrap(), b"value");
    });
    assert_eq!((counts.sessions, counts.refused), (2, 1));
    assert!(counts.discarded_bytes >= 19 * 27);
}

#[test]
fn what_follows_a_quit_belongs_to_the_next_session() {
    let counts = with_device(async |host| {
        let mut bytes = packet(&set(b"key", b"value"));
        bytes.extend(packet(&Request::new(Opcode::QUITQ)));
        bytes.extend(packet(&get(b"key")));
        host.send(&bytes);
        assert_eq!(host.answer().await.unwrap().0, Opcode::SET);
        assert_eq!(host.answer().await.unwrap().3, b"value");
        assert_eq!(
            host.ask(Request::new(Opcode::QUIT)).await.1,
            Status::SUCCESS
        );
        assert_eq!(host.get(b"key").await.unwrap(), b"value");
    });
    assert_eq!((counts.sessions, counts.refused, counts.gaps), (3, 0, 0));
}

#[test]
fn a_request_with_a_hole_in_it_is_never_executed() {
    for value_len in [100, 2000] {
        let value = vec![b'v'; value_len];
        let counts = with_device(async |host| {
            let request = packet(&set(b"key", &value));
            let (before, after) = request.split_at(60);
            host.send(&packet(&set(b"earlier", b"whole")));
            host.send(before);
            host.lose();
            // The hole is as long as the requests that follow: the bytes of one value come out right.
            host.send(&after[40..]);
            host.send(&[0; 40]);
            assert_eq!(host.answer().await.unwrap().1, Status::SUCCESS);
            host.begin_anew().await;
            assert_eq!(host.get(b"key").await, None);
            assert_eq!(host.get(b"earlier").await.unwrap(), b"whole");
        });
        assert_eq!((counts.sessions, counts.faults), (2, 1));
    }
}

#[test]
fn a_line_that_fails_over_and_over_is_served_when_it_works_again() {
    let counts = with_device(async |host| {
        for _ in 0..1000 {
            host.lose();
        }
        silence(1000 * OPTIONS.quiet_ms).await;
        host.begin_anew().await;
    });
    assert_eq!((counts.sessions, counts.faults), (2, 1));
}

#[test]
fn a_text_client_is_told_what_is_spoken_here() {
    with_device(async |host| {
        host.send(b"get key\r\n");
        let told = host.from.recv().await.unwrap();
        assert!(told.starts_with(b"ERROR "), "{told:?}");
    });
}

/// Numbers that look random (xorshift), the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        (0..=self.below(len_max))
            .map(|_| self.below(256) as u8)
            .collect()
    }
}

#[test]
fn whatever_came_before_a_host_that_begins_anew_finds_what_it_has_stored() {
    for seed in 1..=50 {
        with_device(async |host| {
            let mut random = Random(seed);
            let mut model = HashMap::new();
            for _ in 0..100 {
                let key = vec![b'k', random.below(8) as u8];
                match random.below(6) {
                    0 => {
                        host.send(&random.bytes(100));
                        host.begin_anew().await;
                    }
                    1 => {
                        let request = packet(&set(&key, b"half"));
                        host.send(&request[..random.below(request.len())]);
                        host.begin_anew().await;
                    }
                    2 => {
                        let request = packet(&set(&key, &random.bytes(1000)));
                        host.send(&request[..random.below(request.len())]);
                        host.lose();
                        host.send(&random.bytes(1000));
                        host.begin_anew().await;
                    }
                    3 => {
                        let value = random.bytes(600);
                        if host.ask(set(&key, &value)).await.1 == Status::SUCCESS {
                            model.insert(key, value);
                        } else {
                            model.remove(&key);
                        }
                    }
                    _ => {
                        // A value over the output's length cannot be told.
                        let want = model.get(&key).cloned();
                        let (_, status, _, value) = host.ask(get(&key)).await;
                        match status {
                            Status::SUCCESS => assert_eq!(Some(value), want),
                            Status::ENOMEM => assert!(want.unwrap().len() > 400),
                            _ => assert_eq!((status, want), (Status::KEY_ENOENT, None)),
                        }
                    }
                }
            }
        });
    }
}
