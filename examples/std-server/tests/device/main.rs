//! What a cache on a board has to stand, against any address: random commands beside a model, peers that vanish, stall or
//! talk nonsense, more peers than sockets, a cable that is pulled, a restart, mixed load.
//!
//! `cargo xtask firmware` runs these tests against the images of `examples/mcu-node` in QEMU. A board on the desk is
//! tested by hand: `MEMLET_DEVICE=HOST:PORT cargo test -p memlet-server --test device -- --test-threads=1`. Without the
//! variable each test starts a small `memlet-server` in the board's place, which proves the tests.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `MEMLET_DEVICE` | the address to test, HOST:PORT; it must hold nothing that is still wanted |
//! | `MEMLET_DEVICE_CONNECTIONS` | how many connections it serves at a time, unless its statistic `max_connections` says so (4) |
//! | `MEMLET_DEVICE_IDLE` | after how many seconds it gives up a silent peer, unless `idle_timeout` says so (5) |
//! | `MEMLET_DEVICE_MONITOR` | the socket of QEMU's monitor (QMP), to pull the cable and to restart |
//! | `MEMLET_DEVICE_SERIAL` | set if the address leads to a serial line, which serves one host at a time |
//! | `MEMLET_DEVICE_COMMANDS` | random commands compared with the model (100,000; 20,000 in the stand-in) |
//! | `MEMLET_DEVICE_SECONDS` | how long the mixed load lasts (10; 3 in the stand-in) |
//! | `MEMLET_DEVICE_SEED` | what is drawn, and in which order |

#[path = "../common/mod.rs"]
mod common;

mod cable;
mod commands;
mod load;
mod model;
mod peers;
mod serial;

use common::client::{Address, Client, PATIENCE, Socket};
use common::{Kind, Random, Request, Server, ServerBuilder, op};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// QEMU's user network has a listen backlog of one: connects are spaced by this.
const SPACE: Duration = Duration::from_millis(5);

/// The number named by the variable, or the one given.
fn setting(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect(variable))
}

fn seed() -> Random {
    let seed = setting("MEMLET_DEVICE_SEED", 20_261_122);
    println!("seed {seed} (MEMLET_DEVICE_SEED)");
    Random(seed)
}

/// What is under test: a board, real or emulated, or `memlet-server` in its place.
pub(crate) struct Device {
    address: Address,
    /// How many connections it serves at a time.
    pub(crate) connections: usize,
    /// After how long it gives up a peer that says nothing.
    pub(crate) idle: Duration,
    /// QEMU's monitor, if it is emulated.
    pub(crate) monitor: Option<PathBuf>,
    /// Bytes that its store takes, all included.
    pub(crate) memory: usize,
    /// The largest item that it stores, key and header included.
    pub(crate) item_size_max: usize,
    last_connect: Mutex<Instant>,
    stand_in: Option<Server>,
}

impl Device {
    /// The device under test, with all its items dropped.
    pub(crate) fn start() -> Self {
        let connections = setting("MEMLET_DEVICE_CONNECTIONS", 4);
        let idle = setting("MEMLET_DEVICE_IDLE", 5);
        let mut stand_in = None;
        let address = if let Ok(name) = std::env::var("MEMLET_DEVICE") {
            let mut addresses = name.to_socket_addrs().expect("MEMLET_DEVICE is HOST:PORT");
            let address: Option<SocketAddr> = addresses.next();
            Address::Tcp(address.expect("MEMLET_DEVICE has an address"))
        } else {
            let server = ServerBuilder::new(Kind::from_environment())
                .arguments(&["-m", "1", "-I", "64k", "-t", "1"])
                .arguments(&["-c", &connections.to_string()])
                .arguments(&["-o", &format!("idle_timeout={idle}")])
                .start();
            stand_in.insert(server).address.clone()
        };
        let mut device = Self {
            address,
            connections: usize::try_from(connections).unwrap(),
            idle: Duration::from_secs(idle),
            monitor: std::env::var_os("MEMLET_DEVICE_MONITOR").map(PathBuf::from),
            memory: 0,
            item_size_max: 0,
            last_connect: Mutex::new(Instant::now()),
            stand_in,
        };
        let mut client = device.connect();
        assert_eq!(client.call(Request::new(op::FLUSH)).status(), 0);
        let figures = figures(&mut client);
        let figure = |name: &str| Some(figures.get(name)?.parse().expect(name));
        device.memory = figure("limit_maxbytes").expect("limit_maxbytes");
        device.item_size_max = figure("item_size_max").expect("item_size_max");
        if !device.is_stand_in() {
            device.connections = figure("max_connections").unwrap_or(device.connections);
            let idle = figure("idle_timeout").map(|seconds| Duration::from_secs(seconds as u64));
            device.idle = idle.unwrap_or(device.idle);
        }
        device
    }

    /// Whether it gives up silent peers soon enough for a test to wait for it.
    pub(crate) fn is_impatient(&self) -> bool {
        let is_impatient = self.idle <= Duration::from_secs(30);
        if !is_impatient {
            println!("silent peers are kept for {:?}: left out", self.idle);
        }
        is_impatient
    }

    /// Whether it is `memlet-server` in the place of a board.
    pub(crate) fn is_stand_in(&self) -> bool {
        self.stand_in.is_some()
    }

    /// The length of a value that the device stores, if nothing else claims its memory, with a key of up to 32 bytes.
    pub(crate) fn value_len_max(&self) -> usize {
        // A header's worth of room: how the limit counts differs a little between servers.
        self.item_size_max - 128
    }

    /// A new connection, whether it will be served or not.
    pub(crate) fn open(&self) -> std::io::Result<Client> {
        let mut last = self.last_connect.lock().unwrap();
        if !self.is_stand_in() {
            thread::sleep(SPACE.saturating_sub(last.elapsed()));
        }
        let client = Client::try_connect(&self.address);
        *last = Instant::now();
        client
    }

    /// A new connection, if it is served within this time.
    pub(crate) fn try_connect(&self, patience: Duration) -> Option<Client> {
        let mut client = self.open().ok()?;
        client.socket.set_read_timeout(patience).unwrap();
        is_served(&mut client.socket).then(|| {
            client.socket.set_read_timeout(PATIENCE).unwrap();
            client
        })
    }

    /// A new connection that is served; sockets that others have just left may take a moment to be free.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        self.connect_within(PATIENCE * 2)
    }

    /// A new connection that is served, tried for again and again until this time is over.
    #[track_caller]
    pub(crate) fn connect_within(&self, time: Duration) -> Client {
        let began = Instant::now();
        loop {
            // A connection that reached nobody may hang; one that is served answers soon, even on a slow machine.
            if let Some(client) = self.try_connect(Duration::from_secs(3)) {
                return client;
            }
            assert!(began.elapsed() < time, "no connection is served");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// It serves: a value is stored and read again.
    #[track_caller]
    pub(crate) fn expect_well(&self) {
        let mut client = self.connect();
        assert_eq!(client.call(Request::set("well?", "well!")).status(), 0);
        let answer = client.call(Request::get("well?"));
        assert_eq!((answer.status(), answer.value()), (0, &b"well!"[..]));
    }

    /// All sockets are free but that of the one connection that asks.
    #[track_caller]
    pub(crate) fn expect_sockets_free(&self) {
        let mut client = self.connect();
        let began = Instant::now();
        loop {
            let figures = client.stat("");
            let busy = figures
                .iter()
                .find(|(name, _)| name == "curr_connections" || name == "connections_busy");
            let busy: usize = busy.expect("a count of connections").1.parse().unwrap();
            if busy <= 1 {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE * 2,
                "{busy} connections are still there"
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Asks for nothing and waits for the answer; false if none comes.
fn is_served(socket: &mut Socket) -> bool {
    let noop = Request::new(op::NOOP).opaque(0x5e12_0ed5).bytes();
    let mut answer = [0; 24];
    socket.write_all(&noop).is_ok()
        && socket.read_exact(&mut answer).is_ok()
        && answer[1] == op::NOOP
        && answer[12..16] == noop[12..16]
}

/// The figures of the general statistics and of the settings, which small devices tell among the former.
fn figures(client: &mut Client) -> BTreeMap<String, String> {
    let mut figures: BTreeMap<_, _> = client.stat("").into_iter().collect();
    client.send(&Request::new(op::STAT).key("settings"));
    loop {
        let answer = client.receive();
        if answer.status() != 0 || answer.raw.len() == 24 {
            return figures;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        figures.insert(text(answer.key()), text(answer.value()));
    }
}
