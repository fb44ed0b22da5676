//! A near cache in front of `memlet-server` and, with the feature `peers`, of the real memcached: the one of
//! `memlet::near` on tokio in this process, and one on a board.
//!
//! `cargo xtask firmware` runs the second against the image `near` of `examples/mcu-node` in QEMU. A board on the desk is
//! tested by hand: `MEMLET_NEAR_DEVICE=HOST:PORT MEMLET_NEAR_UPSTREAM=PORT cargo test -p memlet-server --test near`, where
//! the second is the port of this machine that the board takes for its upstream (11311).

mod common;

use common::client::{Address, Answer, Client};
use common::{Kind, Request, ServerBuilder, op, status, wait_until};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use embedded_io_adapters::tokio_1::FromTokio;
use memlet::near::{NearCache, NearMemory, NearSettings, UpstreamSettings, keep_connected};
use memlet_core::store::{Store, StoreOptions};
use tokio::task::{LocalSet, spawn_local};

/// The status of what upstream is too far away for.
const TEMPORARY_FAILURE: u16 = 0x86;

/// Seconds for which the node in this process serves a copy.
const TTL: u32 = 2;

/// The way to an upstream, which can be cut.
struct Way {
    port: u16,
    to: SocketAddr,
    open: Option<Arc<Open>>,
}

struct Open {
    is_cut: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Way {
    /// At any port if `port` is 0. It is cut at first.
    fn new(port: u16, to: &Address) -> Way {
        let Address::Tcp(to) = to else {
            panic!("not on TCP");
        };
        let port = match port {
            0 => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|listener| listener.local_addr())
                .unwrap()
                .port(),
            port => port,
        };
        Way {
            port,
            to: *to,
            open: None,
        }
    }

    fn open(&mut self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let open = Arc::new(Open {
            is_cut: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        self.open = Some(Arc::clone(&open));
        let to = self.to;
        thread::spawn(move || {
            for near in listener.incoming() {
                if open.is_cut.load(Ordering::SeqCst) {
                    return;
                }
                let (near, far) = (near.unwrap(), TcpStream::connect(to).unwrap());
                for stream in [&near, &far] {
                    stream.set_nodelay(true).unwrap();
                    open.streams
                        .lock()
                        .unwrap()
                        .push(stream.try_clone().unwrap());
                }
                let (from, back) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || pump(from, far));
                thread::spawn(move || pump(back, near));
            }
        });
    }

    fn cut(&mut self) {
        let Some(open) = self.open.take() else { return };
        open.is_cut.store(true, Ordering::SeqCst);
        // So that the listener sees it, and is gone.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        for stream in open.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.cut();
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// A figure of the node's `stat`.
fn figure(client: &mut Client, name: &str) -> u64 {
    client.send(&Request::new(op::STAT));
    let mut found = None;
    loop {
        let answer = client.receive();
        if answer.key().is_empty() {
            return found.unwrap_or_else(|| panic!("no figure {name}"));
        }
        if answer.key() == name.as_bytes() {
            let text = std::str::from_utf8(answer.value()).unwrap();
            found = Some(text.parse().unwrap());
        }
    }
}

/// Whether the node's own clients find what they store, and what others store soon enough; with upstream there or not.
fn check(node: &Address, way: &mut Way, direct: &mut Client) {
    let mut client = Client::connect(node);
    let mut other = Client::connect(node);
    wait_until("upstream is away", || {
        let answer = client.call(Request::get("k"));
        answer.status() == TEMPORARY_FAILURE && answer.value() == b"Upstream is away"
    });
    way.open();
    let value = vec![7; 600];
    wait_until("upstream is there", || {
        client.call(Request::set("k", &value)).status() == status::SUCCESS
    });

    // Hits, with upstream's CAS.
    let fetches = figure(&mut client, "fetches");
    let stored = direct.call(Request::get("k"));
    for _ in 0..20 {
        let answer = other.call(Request::get("k"));
        assert_eq!((answer.value(), answer.cas()), (&value[..], stored.cas()));
    }
    assert!(figure(&mut client, "fetches") - fetches <= 2);
    swap(&mut client, &mut other, &stored);
    commands(&mut client, &mut other, direct);

    // What others store is found once the copy's time is over.
    let before = client.call(Request::get("k"));
    assert_eq!(before.value(), b"swapped");
    direct.call(Request::set("k", "from elsewhere"));
    wait_until("the new value is found", || {
        client.call(Request::get("k")).value() == b"from elsewhere"
    });

    // A value that no buffer of a board holds; connections live.
    let long = vec![9; 20_000];
    assert_eq!(
        client.call(Request::set("long", &long)).status(),
        status::OUT_OF_MEMORY
    );
    direct.call(Request::set("long", &long));
    assert_eq!(
        client.call(Request::get("long")).status(),
        status::OUT_OF_MEMORY
    );
    assert_eq!(
        client.call(Request::get("none")).status(),
        status::NOT_FOUND
    );

    // Upstream goes and comes back.
    client.call(Request::set("kept", "v"));
    way.cut();
    assert_eq!(client.call(Request::get("kept")).value(), b"v");
    wait_until("upstream is away", || {
        client.call(Request::set("k", "lost")).status() == TEMPORARY_FAILURE
    });
    way.open();
    wait_until("upstream is back", || {
        client.call(Request::set("k", "back")).status() == status::SUCCESS
    });
    assert_eq!(other.call(Request::get("k")).value(), b"back");
    assert_eq!(direct.call(Request::get("k")).value(), b"back");
    assert_eq!(figure(&mut client, "waiting"), 0);
}

fn swap(client: &mut Client, other: &mut Client, stored: &Answer) {
    let swapped = client.call(Request::set("k", "swapped").cas(stored.cas()));
    assert_eq!(swapped.status(), status::SUCCESS);
    let late = other.call(Request::set("k", "too late").cas(stored.cas()));
    assert_eq!(late.status(), status::EXISTS);
    let answer = other.call(Request::get("k"));
    assert_eq!(
        (answer.value(), answer.cas()),
        (&b"swapped"[..], swapped.cas())
    );
}

/// Each kind of change is found by another client and by whoever asks upstream.
fn commands(client: &mut Client, other: &mut Client, direct: &mut Client) {
    let changes: [(Request, &[u8]); 7] = [
        (Request::set("c", "10"), b"10"),
        (Request::counter(op::INCREMENT, "c", 5, 0, 0), b"15"),
        (Request::new(op::APPEND).key("c").value("0"), b"150"),
        (Request::counter(op::DECREMENT, "c", 1, 0, 0), b"149"),
        (Request::new(op::PREPEND).key("c").value("2"), b"2149"),
        (Request::store(op::REPLACE, "c", "new", 7, 0), b"new"),
        (Request::touch(op::GAT, "c", 1000), b"new"),
    ];
    for (change, wanted) in changes {
        assert_eq!(
            client.call(change.clone()).status(),
            status::SUCCESS,
            "{change:?}"
        );
        let (found, there) = (
            other.call(Request::get("c")),
            direct.call(Request::get("c")),
        );
        assert_eq!(
            (found.value(), found.cas()),
            (wanted, there.cas()),
            "{change:?}"
        );
        assert_eq!(found.flags(), there.flags());
    }
    assert_eq!(
        client.call(Request::new(op::DELETE).key("c")).status(),
        status::SUCCESS
    );
    assert_eq!(other.call(Request::get("c")).status(), status::NOT_FOUND);
    client.call(Request::set("c", "again"));
    other.call(Request::new(op::FLUSH));
    assert_eq!(client.call(Request::get("c")).status(), status::NOT_FOUND);
    // What the rest of the test looks for.
    client.call(Request::set("k", "swapped"));
}

fn unix_time() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as u32)
}

/// Starts a node in this process, which ends with it.
fn start_node(upstream: u16) -> Address {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, run_node(listener, upstream));
    });
    Address::Tcp(address)
}

async fn run_node(listener: TcpListener, upstream: u16) {
    let memory = Box::leak(Box::new(NearMemory::<8, 4, 2048>::new()));
    let store = Store::new(vec![0; 64 << 10], StoreOptions::default()).unwrap();
    let mut settings = NearSettings::default();
    settings.ttl = TTL;
    let near: &RefCell<_> = Box::leak(Box::new(RefCell::new(NearCache::new(
        store, memory, settings,
    ))));
    spawn_local(async move {
        let (mut input, mut output) = ([0; 2072], [0; 2072]);
        let connect = async || {
            let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await?;
            Ok::<_, std::io::Error>(FromTokio::new(stream))
        };
        let settings = UpstreamSettings::default();
        let sleep = tokio::time::sleep;
        keep_connected(
            near,
            connect,
            &mut input,
            &mut output,
            &settings,
            unix_time,
            sleep,
        )
        .await
    });
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        spawn_local(async move {
            let (mut input, mut output) = ([0; 512], [0; 2048]);
            let stream = FromTokio::new(stream);
            let _ = memlet::asynch::serve(stream, near, &mut input, &mut output, unix_time).await;
        });
    }
}

fn kinds() -> Vec<Kind> {
    let mut kinds = vec![Kind::Memlet];
    if cfg!(feature = "peers") {
        kinds.push(Kind::Memcached);
    }
    kinds
}

#[test]
fn a_node_in_this_process() {
    for kind in kinds() {
        let server = ServerBuilder::new(kind).start();
        let mut way = Way::new(0, &server.address);
        let node = start_node(way.port);
        check(&node, &mut way, &mut server.connect());
    }
}

#[test]
fn a_node_on_a_board() {
    let Ok(device) = std::env::var("MEMLET_NEAR_DEVICE") else {
        return;
    };
    let port = std::env::var("MEMLET_NEAR_UPSTREAM").map_or(11311, |port| port.parse().unwrap());
    let device = device.to_socket_addrs().unwrap().next().unwrap();
    for kind in kinds() {
        let server = ServerBuilder::new(kind).start();
        let mut way = Way::new(port, &server.address);
        check(&Address::Tcp(device), &mut way, &mut server.connect());
    }
}
