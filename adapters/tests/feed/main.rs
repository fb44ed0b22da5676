//! DCP feeds of a running cache, seen from outside.

mod follower;
mod replica;
mod tap;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use follower::{Asked, Follower, Position, items};
use memlet::std::{
    Cache, CacheOptions, Listen, Replica, ReplicaOptions, Server, ServerError, ServerHandle,
    ServerOptions, ShardedStore, Users,
};
use memlet_core::dcp::{Body, Message, StreamEndReason};
use memlet_core::store::{Attributes, SetMode, Shards};
use memlet_core::wire::{Opcode, Request, Status};

/// Long enough for a busy machine, short enough for a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cache in this process that stops with the test.
struct Running {
    address: SocketAddr,
    store: ShardedStore,
    handle: ServerHandle,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Running {
    fn start(options: CacheOptions) -> Running {
        Running::start_at(options, ([127, 0, 0, 1], 0).into())
    }

    fn start_at(options: CacheOptions, address: SocketAddr) -> Running {
        Running::serve(Running::prepare(options), address)
    }

    fn start_replica(options: CacheOptions, replica: ReplicaOptions) -> (Running, Replica) {
        let cache = Running::prepare(options);
        let replica = Replica::start(&cache, replica).unwrap();
        (Running::serve(cache, ([127, 0, 0, 1], 0).into()), replica)
    }

    fn prepare(options: CacheOptions) -> Cache {
        Cache::new(options).unwrap()
    }

    fn serve(cache: Cache, address: SocketAddr) -> Running {
        let mut options = ServerOptions::default();
        options.listen = vec![Listen::Tcp(address)];
        options.threads = 2;
        options.connection = CacheOptions::default().connection();
        let store = cache.store().clone();
        let server = Server::bind(options).unwrap();
        let Listen::Tcp(address) = server.addresses()[0] else {
            unreachable!("it listens on TCP");
        };
        let handle = server.handle();
        let thread = thread::spawn(move || server.run(&cache));
        Running {
            address,
            store,
            handle,
            thread: Some(thread),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn follow(&self, window: usize) -> Follower {
        let mut follower = Follower::open(self.connect(), window);
        follower.follow_all(&self.store);
        follower
    }

    fn set(&self, key: &str, value: &[u8]) {
        set(&self.store, key, value, Attributes::default());
    }

    fn delete(&self, key: &str) {
        let _ = self
            .store
            .clone()
            .with(key.as_bytes(), |shard, key| shard.delete(key, 0, now()));
    }

    fn flush(&self, when: u32) {
        self.store
            .clone()
            .for_each(|shard| shard.flush(when, now()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.drain();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().unwrap().unwrap();
        }
    }
}

fn set(store: &ShardedStore, key: &str, value: &[u8], attributes: Attributes) {
    store.clone().with(key.as_bytes(), |shard, key| {
        shard
            .set(SetMode::Set, key, value, attributes, 0, now())
            .unwrap();
    });
}

/// Opens a feed and drops it; the status of the answer.
fn try_open(cache: &Running) -> Status {
    let mut stream = cache.connect();
    stream.write_all(&open()).unwrap();
    let mut head = [0; 24];
    stream.read_exact(&mut head).unwrap();
    Status(u16::from_be_bytes([head[6], head[7]]))
}

fn open() -> Vec<u8> {
    packet(&Request {
        extras: &[0, 0, 0, 0, 0, 0, 0, 1],
        key: b"f",
        ..Request::new(Opcode::DCP_OPEN)
    })
}

/// The answer to `stat replication`, a line for each row.
fn statistics(cache: &Running) -> String {
    let mut stream = cache.connect();
    let stat = Request {
        key: b"replication",
        ..Request::new(Opcode::STAT)
    };
    stream.write_all(&packet(&stat)).unwrap();
    let mut text = String::new();
    loop {
        let mut head = [0; 24];
        stream.read_exact(&mut head).unwrap();
        let mut body = vec![0; usize::from(head[11])];
        stream.read_exact(&mut body).unwrap();
        if body.is_empty() {
            return text;
        }
        let (name, value) = body.split_at(head[3].into());
        text += &format!("{}={}\n", name.escape_ascii(), value.escape_ascii());
    }
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(10));
    }
}

fn now() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() as u32
}

fn options() -> CacheOptions {
    let mut options = CacheOptions::default();
    options.memory_limit = 64 << 20;
    options
}

fn packet(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![0; request.encoded_len().unwrap()];
    request.emit(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_follower_gets_what_is_there_and_then_what_happens() {
    let cache = Running::start(options());
    for number in 0..2000 {
        let attributes = Attributes {
            flags: number,
            expiration: if number % 3 == 0 { now() + 1000 } else { 0 },
        };
        set(&cache.store, &format!("old{number}"), b"old", attributes);
    }
    let mut follower = cache.follow(64 << 10);
    follower.catch_up(&cache.store, now());
    assert_eq!(follower.mutations, 2000);

    for number in 0..500 {
        cache.set(&format!("new{number}"), &[7; 3000]);
        cache.delete(&format!("old{}", number * 2));
    }
    cache.store.clone().with(b"old1", |shard, key| {
        shard.touch(key, now() + 77, now()).unwrap();
    });
    follower.catch_up(&cache.store, now());
    assert!(follower.items[&b"old1"[..]].attributes.expiration >= now() + 70);

    cache.flush(0);
    cache.set("after", b"the flush");
    follower.catch_up(&cache.store, now());
    assert_eq!(follower.items.len(), 1);
}

#[test]
fn a_delayed_flush_is_told_when_it_has_taken_effect() {
    let cache = Running::start(options());
    cache.set("key", b"value");
    let mut follower = cache.follow(0);
    follower.catch_up(&cache.store, now());
    cache.flush(now() + 1);
    assert_eq!(follower.items.len(), 1);
    while !follower.items.is_empty() {
        follower.take().unwrap();
    }
    assert!(items(&cache.store, now()).is_empty());
}

#[test]
fn many_mutations_pass_a_small_window_without_loss_or_duplicates() {
    let count = if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };
    let mut options = options();
    options.memory_limit = 256 << 20;
    let cache = Running::start(options);
    let mut follower = cache.follow(64 << 10);
    let store = cache.store.clone();
    let writer = thread::spawn(move || {
        for number in 0..count {
            set(
                &store,
                &format!("key{number}"),
                b"value",
                Attributes::default(),
            );
        }
    });
    while follower.mutations < count {
        follower.take().unwrap();
    }
    writer.join().unwrap();
    follower.catch_up(&cache.store, now());
    assert_eq!(
        (follower.mutations, follower.items.len() as u64),
        (count, count)
    );
    assert!(follower.ended.is_empty());
}

#[test]
fn a_follower_that_comes_back_goes_on_where_it_was() {
    let mut options = options();
    options.change_log = Some(4 << 20);
    let cache = Running::start(options);
    for number in 0..1000 {
        cache.set(&format!("key{number}"), b"old");
    }
    let mut follower = cache.follow(0);
    // It is cut off somewhere in the middle.
    while follower.mutations < 600 {
        follower.take().unwrap();
    }
    for number in 0..500 {
        cache.set(&format!("key{}", number * 2), b"new");
        cache.delete(&format!("key{}", number * 2 + 1));
    }
    let mut next = Follower::open(cache.connect(), 0);
    next.items = std::mem::take(&mut follower.items);
    for (vbucket, position) in &follower.positions {
        assert_eq!(next.follow(*vbucket, *position, u64::MAX), Asked::Open);
    }
    drop(follower);
    next.catch_up(&cache.store, now());
    assert!(next.mutations <= 1000);
}

#[test]
fn two_megabytes_of_removals_do_not_outrun_the_log_unless_told_otherwise() {
    let mut options = options();
    options.memory_limit = 4 << 20;
    let cache = Running::start(options);
    cache.set("key", b"value");
    let mut follower = cache.follow(0);
    follower.catch_up(&cache.store, now());
    let position = follower.positions[&0];
    drop(follower);
    // Twice 10 bytes and a key of 20.
    for number in 0..35_000 {
        let key = format!("key{number:017}");
        cache.set(&key, b"value");
        cache.delete(&key);
    }
    let mut late = Follower::open(cache.connect(), 0);
    assert_eq!(late.follow(0, position, u64::MAX), Asked::Open);
}

#[test]
fn a_stream_is_asked_for_by_the_rules() {
    let cache = Running::start(options());
    for number in 0..1000 {
        cache.set(&format!("key{number}"), b"old");
    }
    let mut follower = cache.follow(0);
    follower.catch_up(&cache.store, now());
    let position = follower.positions[&0];
    let mut late = Follower::open(cache.connect(), 0);
    let with_seqno = |seqno| Position {
        seqno,
        snapshot: (seqno, seqno),
        ..position
    };
    let ahead = with_seqno(position.seqno + 10_000);
    assert_eq!(late.follow(0, ahead, u64::MAX), Asked::Rollback(0));
    let foreign = Position {
        history: position.history ^ 1,
        ..position
    };
    assert_eq!(late.follow(0, foreign, u64::MAX), Asked::Rollback(0));
    assert_eq!(late.follow(0, position, u64::MAX), Asked::Open);
    for (vbucket, from, end, status) in [
        (0, position, u64::MAX, Status::KEY_EEXISTS),
        (1, with_seqno(9), 8, Status::ERANGE),
        (
            60_000,
            Position::default(),
            u64::MAX,
            Status::NOT_MY_VBUCKET,
        ),
    ] {
        assert_eq!(late.follow(vbucket, from, end), Asked::Refused(status));
    }
}

#[test]
fn a_stream_with_an_end_ends_there() {
    let cache = Running::start(options());
    for number in 0..1000 {
        cache.set(&format!("key{number}"), b"old");
    }
    let mut follower = Follower::open(cache.connect(), 0);
    assert_eq!(follower.follow(0, Position::default(), 50), Asked::Open);
    while follower.ended.is_empty() {
        follower.take().unwrap();
    }
    assert_eq!(follower.ended, [(0, StreamEndReason::OK)]);
    assert_eq!(follower.positions[&0].seqno, 50);
    // It can be asked for again, and closed.
    let from = follower.positions[&0];
    assert_eq!(follower.follow(0, from, u64::MAX), Asked::Open);
    let close = Message::new(0, 9, Body::CloseStream);
    assert_eq!(follower.ask(&close).0, Status::SUCCESS);
    assert_eq!(follower.ask(&close).0, Status::KEY_ENOENT);
}

#[test]
fn a_follower_that_does_not_read_is_cut_off_and_harms_nobody() {
    let mut options = options();
    options.change_log = Some(1 << 16);
    options.feed_timeout = Duration::from_secs(1);
    options.feeds_max = 2;
    let cache = Running::start(options);
    let mut idle = cache.follow(0);
    let mut diligent = cache.follow(1 << 20);
    // Without flow control it is the socket that fills; what it is told of is removed behind its back.
    for round in 0..40 {
        for number in 0..200 {
            cache.set(&format!("key{number}"), &[round; 8000]);
        }
        diligent.catch_up(&cache.store, now());
    }
    for number in 0..200 {
        cache.delete(&format!("key{number}"));
    }
    diligent.catch_up(&cache.store, now());
    assert!(diligent.ended.is_empty());
    // Its place is free once it has been cut off.
    wait_until(|| try_open(&cache) == Status::SUCCESS);
    while idle.take().is_ok() {}
}

#[test]
fn a_follower_that_missed_a_removal_is_told_and_starts_anew() {
    let mut options = options();
    options.change_log = Some(1 << 14);
    let cache = Running::start(options);
    for number in 0..5000 {
        cache.set(&format!("key{number}"), &[1; 100]);
    }
    let mut follower = cache.follow(4096);
    follower.acknowledges = false;
    for number in 0..5000 {
        cache.delete(&format!("key{number}"));
        cache.set(&format!("other{number}"), &[1; 100]);
    }
    while follower.ended.is_empty() {
        follower.take().unwrap();
    }
    let (vbucket, reason) = follower.ended[0];
    assert_eq!(reason, StreamEndReason::SLOW);
    let position = follower.positions[&vbucket];
    assert!(position.seqno > 0);
    let mut late = Follower::open(cache.connect(), 0);
    let asked = late.follow(vbucket, position, u64::MAX);
    assert_eq!(asked, Asked::Rollback(0));
    late.follow_all(&cache.store);
    late.catch_up(&cache.store, now());
}

#[test]
fn evictions_reach_a_follower() {
    let mut options = options();
    options.memory_limit = 8 << 20;
    options.change_log = Some(32 << 20);
    let cache = Running::start(options);
    let mut follower = cache.follow(256 << 10);
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let store = cache.store.clone();
            thread::spawn(move || {
                for number in 0..8000 {
                    let key = format!("key{writer}-{number}");
                    set(&store, &key, &[7; 900], Attributes::default());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    follower.catch_up(&cache.store, now());
    assert!(follower.items.len() < 12_000);
    assert!(follower.ended.is_empty());
}

#[test]
fn the_bytes_are_those_of_the_protocol() {
    let mut options = options();
    options.memory_limit = 4 << 20;
    let cache = Running::start(options);
    assert_eq!(cache.store.shards(), 1);
    let mut stream = cache.connect();
    let mut script = |send: &[u8], wanted: &[u8]| {
        stream.write_all(send).unwrap();
        let mut heard = vec![0; wanted.len()];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(heard, wanted);
        heard
    };
    // OPEN "f" as a producer, SET of "k" before it.
    script(
        b"\x80\x01\x00\x01\x08\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x01\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0kv\
          \x80\x50\x00\x01\x08\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01f",
        b"\x81\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\0\0\0\0\0\0\0\x02\
          \x81\x50\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\0\0\0\0\0\0\0\0",
    );
    // CONTROL connection_buffer_size = 1000.
    script(
        b"\x80\x5e\x00\x16\x00\x00\x00\x00\x00\x00\x00\x1a\x00\x00\x00\x03\0\0\0\0\0\0\0\0connection_buffer_size1000",
        b"\x81\x5e\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\0\0\0\0\0\0\0\0",
    );
    let mut history = [0; 16];
    stream
        .write_all(
            b"\x80\x54\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\0\0\0\0\0\0\0\0",
        )
        .unwrap();
    let mut head = [0; 24];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(
        &head,
        b"\x81\x54\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x04\0\0\0\0\0\0\0\0"
    );
    stream.read_exact(&mut history).unwrap();
    assert_eq!(history[8..], [0; 8]);
    // STREAM_REQ from 0 without end: the log, a marker for what is there, the mutation.
    let mut request =
        b"\x80\x53\x00\x00\x30\x00\x00\x00\x00\x00\x00\x30\x00\x00\x00\x05\0\0\0\0\0\0\0\0"
            .to_vec();
    request.extend([0; 16]);
    request.extend([0xff; 8]);
    request.extend([0; 24]);
    stream.write_all(&request).unwrap();
    let mut wanted =
        b"\x81\x53\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x05\0\0\0\0\0\0\0\0"
            .to_vec();
    wanted.extend(history);
    wanted.extend(
        b"\x80\x56\x00\x00\x14\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x05\0\0\0\0\0\0\0\0\
          \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x02\
          \x80\x57\x00\x01\x1f\x00\x00\x00\x00\x00\x00\x21\x00\x00\x00\x05\0\0\0\0\0\0\0\x02\
          \0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x02\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0kv",
    );
    let mut heard = vec![0; wanted.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(heard, wanted);
    // A deletion: a snapshot of its own.
    cache.delete("k");
    let wanted =
        b"\x80\x56\x00\x00\x14\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x05\0\0\0\0\0\0\0\0\
          \0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\x01\
          \x80\x58\x00\x01\x12\x00\x00\x00\x00\x00\x00\x13\x00\x00\x00\x05\0\0\0\0\0\0\0\x03\
          \0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x03\0\0k";
    let mut heard = vec![0; wanted.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(heard, wanted);
}

#[test]
fn nobody_follows_without_logging_in() {
    let mut options = options();
    options.users = Some(Users::parse(b"user:secret").unwrap());
    let cache = Running::start(options);
    let mut stream = cache.connect();
    stream.write_all(&open()).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert_eq!(heard[..8], [0x81, 0x50, 0, 0, 0, 0, 0, 0x20]);
    let mut stream = cache.connect();
    let login = packet(&Request {
        key: b"PLAIN",
        value: b"\0user\0secret",
        ..Request::new(Opcode::SASL_AUTH)
    });
    stream.write_all(&login).unwrap();
    let mut head = [0; 24];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[6..8], [0, 0]);
    let mut body = vec![0; usize::from(head[11])];
    stream.read_exact(&mut body).unwrap();
    let mut follower = Follower::open(stream, 0);
    follower.follow_all(&cache.store);
}

#[test]
fn a_follower_that_talks_nonsense_is_cut_off() {
    let cache = Running::start(options());
    let mut announces_much = packet(&Request::new(Opcode::DCP_CONTROL));
    announces_much[8..12].fill(0xff);
    let mut lengths = packet(&Request::new(Opcode::DCP_STREAM_REQ));
    lengths[2..5].fill(0xff);
    for nonsense in [
        &b"get key\r\n                "[..],
        &announces_much,
        &lengths,
    ] {
        let mut stream = cache.connect();
        stream.write_all(&open()).unwrap();
        stream.write_all(nonsense).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        assert_eq!(heard.len(), 24, "the answer to OPEN and no more");
    }
    // One that stops in the middle of a request is forgotten when it goes.
    let mut stream = cache.connect();
    stream.write_all(&open()).unwrap();
    stream.write_all(&announces_much[..20]).unwrap();
    drop(stream);
    wait_until(|| statistics(&cache).starts_with("feeds=0\n"));
    cache.follow(0).catch_up(&cache.store, now());
}

#[test]
fn a_follower_that_keeps_asking_is_sent_noops_all_the_same() {
    let cache = Running::start(options());
    let mut stream = cache.connect();
    stream.write_all(&open()).unwrap();
    for (key, value) in [("enable_noop", "true"), ("set_noop_interval", "1")] {
        let control = packet(&Request {
            key: key.as_bytes(),
            value: value.as_bytes(),
            ..Request::new(Opcode::DCP_CONTROL)
        });
        stream.write_all(&control).unwrap();
    }
    let question = packet(&Request::new(Opcode::GET_ALL_VB_SEQNOS));
    wait_until(|| {
        stream.write_all(&question).unwrap();
        let mut head = [0; 24];
        stream.read_exact(&mut head).unwrap();
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[10], head[11]]))];
        stream.read_exact(&mut body).unwrap();
        head[..2] == [0x80, Opcode::DCP_NOOP.0]
    });
}

#[test]
fn there_are_not_more_feeds_than_allowed() {
    let mut options = options();
    options.feeds_max = 1;
    let cache = Running::start(options);
    let first = Follower::open(cache.connect(), 0);
    assert_eq!(try_open(&cache), Status::EBUSY);
    drop(first);
    wait_until(|| try_open(&cache) == Status::SUCCESS);
}

#[test]
fn statistics_show_who_follows() {
    let cache = Running::start(options());
    cache.set("key", b"value");
    let mut follower = cache.follow(0);
    follower.catch_up(&cache.store, now());
    let shards = cache.store.shards();
    wait_until(|| {
        let text = statistics(&cache);
        assert!(text.starts_with("feeds=1\nfeed_0:name=follower\nfeed_0:peer=127.0.0.1:"));
        text.contains(&format!("streams={shards}\n")) && text.contains("behind=0\n")
    });
    drop(follower);
    wait_until(|| statistics(&cache) == "feeds=0\n");
}

#[test]
fn a_server_that_stops_says_so() {
    let cache = Running::start(options());
    let mut follower = cache.follow(0);
    follower.catch_up(&cache.store, now());
    cache.handle.drain();
    while follower.ended.len() < cache.store.shards() {
        follower.take().unwrap();
    }
    assert!(
        follower
            .ended
            .iter()
            .all(|(_, reason)| *reason == StreamEndReason::DISCONNECTED)
    );
}
