//! A cache near its users, in front of a memcached far away, on tokio.
//!
//! `cargo run -p memlet --features near --example near_cache -- 127.0.0.1:11212 far.example:11211`
//!
//! The arguments are where to listen, the upstream, and for how many seconds an item may be served without asking again
//! (10). `memlet stats` shows what comes of it.

use std::cell::RefCell;
use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use embedded_io_adapters::tokio_1::FromTokio;
use memlet::asynch::serve;
use memlet::near::{NearCache, NearMemory, NearSettings, UpstreamSettings, keep_connected};
use memlet_core::store::{Store, StoreOptions};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

/// Bytes of memory for items.
const STORE_LEN: usize = 64 << 20;
/// The longest request and answer, in bytes, header included.
const PACKET_LEN: usize = 16 << 10;
/// As many clients may wait for upstream, for as many different requests.
const WAITING: usize = 256;
const REQUESTS: usize = 64;

fn unix_time() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as u32)
}

async fn connect(upstream: &str) -> Result<FromTokio<TcpStream>, std::io::Error> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    Ok(FromTokio::new(stream))
}

async fn run(listen: String, upstream: String, ttl: u32) -> Result<(), Box<dyn Error>> {
    // What waits is shared by all clients until the program ends.
    let memory = Box::leak(Box::new(NearMemory::<WAITING, REQUESTS, PACKET_LEN>::new()));
    let store = Store::new(vec![0; STORE_LEN], StoreOptions::default())?;
    let mut settings = NearSettings::default();
    settings.ttl = ttl;
    let near: &RefCell<_> = Box::leak(Box::new(RefCell::new(NearCache::new(
        store, memory, settings,
    ))));

    spawn_local(async move {
        let (mut input, mut output) = (vec![0; PACKET_LEN], vec![0; 4 * PACKET_LEN]);
        let settings = UpstreamSettings::default();
        let connect = || connect(&upstream);
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

    let listener = TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn_local(async move {
            let (mut input, mut output) = (vec![0; 4096], vec![0; PACKET_LEN]);
            let stream = FromTokio::new(stream);
            if let Err(error) = serve(stream, near, &mut input, &mut output, unix_time).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().ok_or("where to listen?")?;
    let upstream = arguments.next().ok_or("which upstream?")?;
    let ttl = arguments.next().map_or(Ok(10), |ttl| ttl.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, run(listen, upstream, ttl))
}
