//! A replica and its primary, each a running cache.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use memlet::std::{CacheOptions, Replica, ReplicaLink, ReplicaOptions, ShardedStore, Users};
use memlet_core::store::{Attributes, Shards};
use memlet_core::wire::{Opcode, Request, Status};

use crate::follower::{Items, items};
use crate::{PATIENCE, Running, now, options, packet, set, statistics, wait_until};

fn with_memory(mib: usize) -> CacheOptions {
    let mut options = options();
    options.memory_limit = mib << 20;
    options
}

fn follow(primary: &Running, options: CacheOptions) -> (Running, Replica) {
    let replica_options = ReplicaOptions::new(primary.address.to_string());
    Running::start_replica(options, replica_options)
}

/// Everything but the CAS, which is each server's own.
fn comparable(store: &ShardedStore) -> Items {
    let mut items = items(store, now());
    for item in items.values_mut() {
        item.cas = 0;
    }
    items
}

#[track_caller]
fn wait_until_same(primary: &Running, copy: &Running) {
    let begin = Instant::now();
    loop {
        let (there, here) = (comparable(&primary.store), comparable(&copy.store));
        if there == here {
            return;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "{} items there, {} here",
            there.len(),
            here.len()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Random commands from several threads.
fn load(store: &ShardedStore, count: u64, keys: u64, value_len: usize) {
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let store = store.clone();
            thread::spawn(move || {
                let mut random = 88_172_645_463_325_252 + thread;
                for _ in 0..count {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let key = format!("key{}", random % keys);
                    match random >> 32 & 15 {
                        0 | 1 => store.clone().with(key.as_bytes(), |shard, key| {
                            let _ = shard.delete(key, 0, now());
                        }),
                        2 => store.clone().with(key.as_bytes(), |shard, key| {
                            shard.touch(key, now() + 5000, now());
                        }),
                        _ => {
                            let attributes = Attributes {
                                flags: random as u32,
                                expiration: 0,
                            };
                            let len = (random >> 40) as usize % value_len;
                            set(&store, &key, &vec![random as u8; len], attributes);
                        }
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A way to a server that can be cut.
struct Path {
    address: SocketAddr,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Path {
    fn to(server: SocketAddr) -> Path {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&streams);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (near, far) = (stream.unwrap(), TcpStream::connect(server).unwrap());
                let mut kept = kept.lock().unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                    kept.push(near.try_clone().unwrap());
                }
            }
        });
        Path { address, streams }
    }

    fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_replica_follows_under_load() {
    let primary = Running::start(with_memory(64));
    load(&primary.store, 5_000, 3_000, 500);
    let (copy, replica) = follow(&primary, with_memory(96));
    load(&primary.store, 20_000, 5_000, 500);
    wait_until_same(&primary, &copy);
    wait_until(|| replica.status().seqnos_behind == 0);
    let status = replica.status();
    assert_eq!((status.link, status.refused), (ReplicaLink::Following, 0));
}

#[test]
fn a_replica_of_a_primary_that_evicts_holds_the_same() {
    let primary = Running::start(with_memory(8));
    let (copy, replica) = follow(&primary, with_memory(32));
    // The log of changes is soon too short for this: the copy may be made anew, again and again.
    load(&primary.store, 15_000, 100_000, 2_000);
    wait_until_same(&primary, &copy);
    let held = comparable(&copy.store).len();
    assert!((1_000..20_000).contains(&held), "{held}");
    drop(replica);
}

#[test]
fn a_replica_that_has_nothing_to_do_stays_connected() {
    let primary = Running::start(with_memory(64));
    set(&primary.store, "key", b"value", Attributes::default());
    let mut replica_options = ReplicaOptions::new(primary.address.to_string());
    replica_options.noop_interval = 2;
    let (copy, replica) = Running::start_replica(with_memory(64), replica_options);
    wait_until_same(&primary, &copy);
    // After twice the interval it would give the connection up.
    let begin = Instant::now();
    wait_until(|| {
        assert_eq!(replica.status().last_error, "");
        begin.elapsed() > Duration::from_secs(6)
    });
    let status = replica.status();
    assert_eq!((status.link, status.copies), (ReplicaLink::Following, 1));
}

#[test]
fn a_replica_with_too_little_memory_shows_what_it_evicted() {
    let primary = Running::start(with_memory(64));
    let (copy, replica) = follow(&primary, with_memory(8));
    assert!(statistics(&copy).contains("evicted=0\n"));
    for number in 0..20_000 {
        let key = format!("key{number}");
        set(&primary.store, &key, &[7; 1000], Attributes::default());
    }
    wait_until(|| replica.status().link == ReplicaLink::Following);
    wait_until(|| {
        let held = items(&copy.store, now()).len() as u64;
        held + replica.status().evicted >= 20_000
    });
    wait_until(|| replica.status().seqnos_behind == 0);
    let evicted = replica.status().evicted;
    assert!(statistics(&copy).contains(&format!("evicted={evicted}\n")));
    assert!(evicted > 10_000);
    // What happens once it is promoted is no loss to the copy.
    replica.promote();
    load(&copy.store, 5_000, 100_000, 2_000);
    assert_eq!(replica.status().evicted, evicted);
}

#[test]
fn a_replica_goes_on_after_the_connection_was_lost() {
    let mut options = with_memory(64);
    options.change_log = Some(16 << 20);
    let primary = Running::start(options);
    let path = Path::to(primary.address);
    let (copy, replica) = Running::start_replica(
        with_memory(64),
        ReplicaOptions::new(path.address.to_string()),
    );
    wait_until(|| replica.status().link == ReplicaLink::Following);
    for _ in 0..5 {
        load(&primary.store, 1_000, 3_000, 500);
        path.cut();
        load(&primary.store, 1_000, 3_000, 500);
    }
    wait_until_same(&primary, &copy);
    assert_eq!(replica.status().copies, 1);
}

#[test]
fn a_primary_that_restarts_is_copied_anew() {
    let primary = Running::start(with_memory(64));
    load(&primary.store, 1_000, 3_000, 500);
    let (copy, replica) = follow(&primary, with_memory(64));
    wait_until_same(&primary, &copy);
    let address = primary.address;
    drop(primary);
    wait_until(|| replica.status().link == ReplicaLink::Connecting);
    assert!(!items(&copy.store, now()).is_empty(), "it is warm");
    let primary = Running::start_at(with_memory(32), address);
    set(&primary.store, "new", b"item", Attributes::default());
    wait_until_same(&primary, &copy);
    assert_eq!(items(&copy.store, now()).len(), 1);
}

#[test]
fn a_flush_reaches_a_replica() {
    let primary = Running::start(with_memory(64));
    load(&primary.store, 1_000, 3_000, 500);
    let (copy, _replica) = follow(&primary, with_memory(64));
    wait_until_same(&primary, &copy);
    primary.flush(0);
    set(&primary.store, "after", b"", Attributes::default());
    wait_until_same(&primary, &copy);
    assert_eq!(items(&copy.store, now()).len(), 1);
}

#[test]
fn a_replica_of_a_replica_holds_the_same() {
    let primary = Running::start(with_memory(64));
    let (first, _one) = follow(&primary, with_memory(64));
    let (second, _other) = follow(&first, with_memory(64));
    load(&primary.store, 3_000, 3_000, 500);
    wait_until_same(&primary, &second);
}

#[test]
fn what_a_replica_had_before_is_removed() {
    let primary = Running::start(with_memory(64));
    set(&primary.store, "both", b"theirs", Attributes::default());
    let cache = Running::prepare(with_memory(64));
    set(cache.store(), "both", b"ours", Attributes::default());
    set(cache.store(), "ours", b"only", Attributes::default());
    let replica = Replica::start(&cache, ReplicaOptions::new(primary.address.to_string())).unwrap();
    let copy = Running::serve(cache, ([127, 0, 0, 1], 0).into());
    wait_until_same(&primary, &copy);
    // From another range than the primary's.
    assert!(items(&copy.store, now())[&b"both"[..]].cas > 1 << 33);
    drop(replica);
}

/// The status of the answer to a request.
fn ask(stream: &mut TcpStream, request: &Request<'_>) -> Status {
    stream.write_all(&packet(request)).unwrap();
    let mut head = [0; 24];
    stream.read_exact(&mut head).unwrap();
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[10], head[11]]))];
    stream.read_exact(&mut body).unwrap();
    Status(u16::from_be_bytes([head[6], head[7]]))
}

#[test]
fn clients_of_a_replica_read_and_may_write_once_it_is_promoted() {
    let primary = Running::start(with_memory(64));
    set(&primary.store, "key", b"value", Attributes::default());
    let (copy, replica) = follow(&primary, with_memory(64));
    wait_until_same(&primary, &copy);
    let mut stream = copy.connect();
    let get = Request {
        key: b"key",
        ..Request::new(Opcode::GET)
    };
    let set = Request {
        extras: &[0; 8],
        key: b"key",
        value: b"new",
        ..Request::new(Opcode::SET)
    };
    let long = vec![7; 500_000];
    let long_set = Request {
        value: &long,
        ..set
    };
    let writes = [
        set,
        long_set,
        Request {
            key: b"key",
            ..Request::new(Opcode::DELETE)
        },
        Request {
            key: b"key",
            extras: &[0; 4],
            ..Request::new(Opcode::TOUCH)
        },
        Request::new(Opcode::FLUSH),
        Request {
            opcode: Opcode::SETQ,
            ..set
        },
    ];
    for write in &writes {
        assert_eq!(ask(&mut stream, write), Status::NOT_SUPPORTED);
        assert_eq!(ask(&mut stream, &get), Status::SUCCESS);
    }
    replica.promote();
    assert_eq!(replica.status().link, ReplicaLink::Promoted);
    assert_eq!(ask(&mut stream, &set), Status::SUCCESS);
    assert_eq!(ask(&mut stream, &long_set), Status::SUCCESS);
}

#[test]
fn a_replica_logs_in() {
    let mut options = with_memory(64);
    options.users = Some(Users::parse(b"user:secret").unwrap());
    let primary = Running::start(options);
    set(&primary.store, "key", b"value", Attributes::default());
    let mut replica_options = ReplicaOptions::new(primary.address.to_string());
    let (_, stranger) = Running::start_replica(with_memory(64), replica_options.clone());
    replica_options.user = Some(("user".into(), "secret".into()));
    assert!(!format!("{replica_options:?}").contains("secret"));
    let (copy, _replica) = Running::start_replica(with_memory(64), replica_options);
    wait_until_same(&primary, &copy);
    wait_until(|| !stranger.status().last_error.is_empty());
    assert_eq!(stranger.status().link, ReplicaLink::Connecting);
}
