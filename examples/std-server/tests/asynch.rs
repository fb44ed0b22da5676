//! memlet's async client on tokio over its whole command set, against `memlet-server` and, with the feature `peers`, against
//! the real memcached.

mod common;

use std::time::Duration;

use common::client::Address;
use common::{Kind, Server, ServerBuilder};
use embedded_io_adapters::tokio_1::FromTokio;
use memlet::asynch;
use memlet::client::{Answer, Change, Command, Error, Outcome, Update};
use memlet_core::wire::{Opcode, Request, Status};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

type Client = asynch::Client<FromTokio<TcpStream>, Vec<u8>>;

async fn client(server: &Server) -> Client {
    let Address::Tcp(address) = &server.address else {
        panic!("not on TCP");
    };
    connect(address.to_string()).await
}

async fn connect(address: String) -> Client {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Client::new(FromTokio::new(stream))
}

fn wait<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

/// Runs a test against each server there is.
fn against_each(arguments: &[&str], test: impl AsyncFn(&Server)) {
    for kind in kinds() {
        let server = ServerBuilder::new(kind).arguments(arguments).start();
        wait(test(&server));
    }
}

fn kinds() -> Vec<Kind> {
    let mut kinds = vec![Kind::Memlet];
    if cfg!(feature = "peers") {
        kinds.push(Kind::Memcached);
    }
    kinds
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error<std::io::Error>>, status: Status) {
    match result.unwrap_err() {
        Error::Refused { status: found, .. } => assert_eq!(found, status),
        other => panic!("{other}"),
    }
}

#[test]
fn items_are_stored_read_and_deleted() {
    against_each(&[], async |server| {
        let mut client = client(server).await;
        let key = b"a key \0 with\r\n anything";
        assert_eq!(client.get(key).await.unwrap(), None);
        let cas = client.set(key, b"one").await.unwrap();
        assert_ne!(cas, 0);
        refused(client.add(key, b"two").await, Status::KEY_EEXISTS);
        let newer = client.replace(key, b"two").await.unwrap();
        assert_ne!(newer, cas);
        refused(
            client.store(&Command::set(key, b"x").cas(cas)).await,
            Status::KEY_EEXISTS,
        );
        let command = Command::set(key, b"three").cas(newer).flags(0xdead_beef);
        let newest = client.store(&command).await.unwrap();
        let item = client.get(key).await.unwrap().unwrap();
        assert_eq!(
            (item.value, item.flags, item.cas),
            (&b"three"[..], 0xdead_beef, newest)
        );
        let item = client
            .fetch(&Command::get_with_key(key))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((item.key, item.value), (&key[..], &b"three"[..]));
        client.append(key, b">").await.unwrap();
        client.prepend(key, b"<").await.unwrap();
        let item = client.get(key).await.unwrap().unwrap();
        assert_eq!((item.value, item.flags), (&b"<three>"[..], 0xdead_beef));
        refused(
            client.store(&Command::append(key, b"x").cas(newest)).await,
            Status::KEY_EEXISTS,
        );
        refused(
            client.store(&Command::delete(key).cas(newest)).await,
            Status::KEY_EEXISTS,
        );
        assert!(client.delete(key).await.unwrap());
        assert!(!client.delete(key).await.unwrap());
        refused(client.replace(key, b"x").await, Status::KEY_ENOENT);
        refused(client.append(key, b"x").await, Status::NOT_STORED);
        refused(client.prepend(key, b"x").await, Status::NOT_STORED);
        refused(
            client.store(&Command::set(key, b"x").cas(5)).await,
            Status::KEY_ENOENT,
        );
        assert!(client.is_healthy());
    });
}

#[test]
fn counters_count_in_64_bits() {
    against_each(&[], async |server| {
        let mut client = client(server).await;
        assert_eq!(client.increment(b"n", 1).await.unwrap(), None);
        assert_eq!(client.decrement(b"n", 1).await.unwrap(), None);
        let create = Command::increment(b"n", 1)
            .initial(u64::MAX - 1)
            .expiration(60);
        let counter = client.count(&create).await.unwrap().unwrap();
        assert_eq!(counter.value, u64::MAX - 1);
        assert_eq!(client.increment(b"n", 1).await.unwrap(), Some(u64::MAX));
        assert_eq!(client.increment(b"n", 3).await.unwrap(), Some(2));
        assert_eq!(client.decrement(b"n", 1).await.unwrap(), Some(1));
        assert_eq!(client.decrement(b"n", 5).await.unwrap(), Some(0));
        refused(
            client
                .count(&Command::increment(b"n", 1).cas(counter.cas))
                .await,
            Status::KEY_EEXISTS,
        );
        client.set(b"text", b"no number").await.unwrap();
        refused(client.increment(b"text", 1).await, Status::DELTA_BADVAL);
    });
}

#[test]
fn expiration_is_set_by_storing_and_by_touching() {
    const PAST: u32 = 2_592_001;
    against_each(&[], async |server| {
        let mut client = client(server).await;
        client
            .store(&Command::set(b"gone", b"x").expiration(PAST))
            .await
            .unwrap();
        assert_eq!(client.get(b"gone").await.unwrap(), None);
        client
            .store(&Command::set(b"key", b"x").flags(5))
            .await
            .unwrap();
        assert!(client.touch(b"key", 1000).await.unwrap());
        assert!(!client.touch(b"none", 1000).await.unwrap());
        let item = client.get_and_touch(b"key", 1000).await.unwrap().unwrap();
        assert_eq!((item.value, item.flags), (&b"x"[..], 5));
        let command = Command::get_and_touch_with_key(b"key", PAST);
        let item = client.fetch(&command).await.unwrap().unwrap();
        assert_eq!((item.key, item.value), (&b"key"[..], &b"x"[..]));
        assert_eq!(client.get(b"key").await.unwrap(), None);
        assert_eq!(client.get_and_touch(b"key", 0).await.unwrap(), None);
    });
}

#[test]
fn the_server_is_asked_and_emptied() {
    against_each(&[], async |server| {
        let mut client = client(server).await;
        client.noop().await.unwrap();
        assert!(client.version().await.unwrap().contains(&b'.'));
        client.set(b"key", b"x").await.unwrap();
        client.flush(1_000_000).await.unwrap();
        assert!(client.get(b"key").await.unwrap().is_some());
        client.flush(0).await.unwrap();
        assert_eq!(client.get(b"key").await.unwrap(), None);
        let list = client.stats_list(b"").await.unwrap();
        let map = client.stats_map(b"").await.unwrap();
        assert!(list.len() > 30 && map.len() == list.len());
        assert_eq!(map["pid"], server.pid().to_string());
        assert!(
            client
                .stats_map(b"settings")
                .await
                .unwrap()
                .contains_key("maxconns")
        );
        refused(
            client.stats(b"nonsense", |_, _| {}).await,
            Status::KEY_ENOENT,
        );
        // memcached waits for the body of a command it does not know a second time, and answers nothing until then.
        if server.kind == Kind::Memlet {
            client.verbosity(0).await.unwrap();
            // Couchbase's commands are refused as they should be, and the stream stays in step.
            refused(
                client.select_bucket(b"bucket").await,
                Status::UNKNOWN_COMMAND,
            );
            refused(client.observe(0, b"key").await, Status::UNKNOWN_COMMAND);
            refused(
                client.hello(b"memlet", &[1, 2]).await.map(|_| ()),
                Status::UNKNOWN_COMMAND,
            );
        }
        refused(
            client.sasl_mechanisms().await.map(|_| ()),
            Status::UNKNOWN_COMMAND,
        );
        client.noop().await.unwrap();
        client.quit().await.unwrap();
        assert!(!client.is_healthy());
        assert!(client.get(b"key").await.unwrap_err().is_closed());
    });
}

#[test]
fn custom_packets_go_through_as_they_are() {
    against_each(&[], async |server| {
        let mut client = client(server).await;
        let set = Request {
            extras: &[0, 0, 0, 9, 0, 0, 0, 0],
            key: b"key",
            value: b"value",
            vbucket: 77,
            ..Request::new(Opcode::SET)
        };
        assert_eq!(client.send(&set).await.unwrap().status, Status::SUCCESS);
        let get = Request {
            key: b"key",
            ..Request::new(Opcode::GETKQ)
        };
        let opaque = client.transmit(&get).await.unwrap();
        client.transmit(&Request::new(Opcode::NOOP)).await.unwrap();
        let response = client.receive().await.unwrap();
        assert_eq!(
            (response.opaque, response.key, response.value),
            (opaque, &b"key"[..], &b"value"[..])
        );
        assert_eq!(response.extras, [0, 0, 0, 9]);
        assert_eq!(client.receive().await.unwrap().opcode, Opcode::NOOP);
        let unknown = client.send(&Request::new(Opcode(0xee))).await.unwrap();
        assert_eq!(unknown.status, Status::UNKNOWN_COMMAND);
        client.noop().await.unwrap();
    });
}

#[test]
fn values_of_every_length_come_back_as_they_were() {
    against_each(&["-m", "256"], async |server| {
        let mut client = client(server).await;
        let key = [b'k'; 250];
        let all: Vec<u8> = (0..1_048_263_u32)
            .map(|n| (n * 7 + n / 251) as u8)
            .collect();
        let lens = (0..40).chain((64..1100).step_by(37)).chain([
            4096, 16_359, 16_384, 65_536, 65_537, 100_000, 1_000_000, 1_048_263,
        ]);
        for len in lens {
            let value = &all[..len];
            let command = Command::set(&key, value).flags(len as u32 | 1 << 31);
            client.store(&command).await.unwrap();
            let item = client.get(&key).await.unwrap().unwrap();
            assert!(item.value == value, "{len}");
            assert_eq!(item.flags, len as u32 | 1 << 31);
        }
        refused(client.set(&key, &vec![0; 1_048_577]).await, Status::E2BIG);
        client.noop().await.unwrap();
    });
}

#[test]
fn ten_thousand_keys_go_and_come_in_bulk_with_misses_in_between() {
    against_each(&["-m", "256"], async |server| {
        let mut client = client(server).await;
        let items: Vec<(String, Vec<u8>)> = (0..10_000)
            .map(|n| (format!("key {n}"), vec![n as u8; n * 7 % 400]))
            .collect();
        let is_stored = |n: usize| !n.is_multiple_of(3);
        let stored = items.iter().enumerate().filter(|(n, _)| is_stored(*n));
        let stored: Vec<_> = stored.into_iter().map(|(_, item)| item.clone()).collect();
        client
            .set_many(&stored, |place, status| panic!("{place}: {status}"))
            .await
            .unwrap();
        let keys: Vec<&String> = items.iter().map(|(key, _)| key).collect();
        let found = client.get_many(&keys).await.unwrap();
        for (n, ((_, value), found)) in items.iter().zip(&found).enumerate() {
            let wanted = is_stored(n).then_some(value);
            assert_eq!(found.as_ref().map(|item| &item.value), wanted, "{n}");
        }
        let mut adds = 0;
        let commands = items
            .iter()
            .map(|(key, value)| Command::add(key.as_bytes(), value));
        client
            .store_many(commands, |place, status| {
                assert_eq!((is_stored(place), status), (true, Status::KEY_EEXISTS));
                adds += 1;
            })
            .await
            .unwrap();
        assert_eq!(adds, stored.len());
        assert_eq!(client.delete_many(&keys).await.unwrap(), 10_000);
        assert_eq!(client.delete_many(&keys).await.unwrap(), 0);
    });
}

#[test]
fn a_mixed_batch_is_answered_in_order() {
    against_each(&[], async |server| {
        let mut client = client(server).await;
        let commands = [
            Command::set(b"a", b"1").quiet(),
            Command::get(b"a").quiet(),
            Command::get(b"b").quiet(),
            Command::increment(b"a", 4),
            Command::add(b"a", b"x").quiet(),
            Command::stat(b"settings"),
            Command::delete(b"b").quiet(),
            Command::get_and_touch_with_key(b"a", 50).quiet(),
        ];
        let mut told = Vec::new();
        client
            .batch(commands, |place, answer| match answer {
                Answer::Response(response) => told.push((place, response.status)),
                Answer::Silent => told.push((place, Status(0xffff))),
                Answer::TooLong { .. } => panic!("buffers grow"),
            })
            .await
            .unwrap();
        let statistics = told.iter().filter(|(place, _)| *place == 5).count();
        assert!(statistics > 10);
        told.dedup();
        let silent = Status(0xffff);
        assert_eq!(
            told,
            [
                (0, silent),
                (1, Status::SUCCESS),
                (2, silent),
                (3, Status::SUCCESS),
                (4, Status::KEY_EEXISTS),
                (5, Status::SUCCESS),
                (6, Status::KEY_ENOENT),
                (7, Status::SUCCESS),
            ]
        );
    });
}

#[test]
fn clients_that_change_one_item_at_once_lose_no_change() {
    const CLIENTS: usize = 4;
    const CHANGES: usize = 50;
    against_each(&[], async |server| {
        let Address::Tcp(address) = &server.address else {
            panic!("not on TCP");
        };
        let mut tasks = JoinSet::new();
        for _ in 0..CLIENTS {
            let address = address.to_string();
            tasks.spawn(async move {
                let mut client = connect(address).await;
                for _ in 0..CHANGES {
                    let update = Update::new(b"list").attempts(10_000).new_flags(3);
                    let outcome = client
                        .update(update, |item| {
                            let mut value = item.map_or(Vec::new(), |item| item.value.to_vec());
                            value.push(b'x');
                            Change::Store(value)
                        })
                        .await;
                    assert!(matches!(outcome, Ok(Outcome::Stored { .. })), "{outcome:?}");
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let mut client = client(server).await;
        let item = client.get(b"list").await.unwrap().unwrap();
        assert_eq!((item.value.len(), item.flags), (CLIENTS * CHANGES, 3));
    });
}

#[test]
fn users_log_in() {
    for kind in kinds() {
        let server = ServerBuilder::new(kind).user("user", "a secret").start();
        wait(async {
            let mut client = client(&server).await;
            assert!(client.sasl_mechanisms().await.unwrap().contains(b"PLAIN"));
            refused(
                client.authenticate(b"user", b"wrong").await,
                Status::AUTH_ERROR,
            );
            client.authenticate(b"user", b"a secret").await.unwrap();
            client.set(b"key", b"x").await.unwrap();
            assert!(client.get(b"key").await.unwrap().is_some());

            let mut stranger = self::client(&server).await;
            refused(stranger.get(b"key").await.map(|_| ()), Status::AUTH_ERROR);
            // The server closes after that.
            let error = stranger.get(b"key").await.unwrap_err();
            assert!(error.is_closed() || error.kind().is_some(), "{error}");
            assert!(!stranger.is_healthy());
        });
    }
}

#[test]
fn a_unix_socket_does_as_well() {
    for kind in kinds() {
        let server = ServerBuilder::new(kind).unix_socket().start();
        let Address::Unix(path) = &server.address else {
            panic!("not on a unix socket");
        };
        wait(async {
            let stream = UnixStream::connect(path).await.unwrap();
            let mut client = asynch::Client::new(FromTokio::new(stream));
            client.set(b"key", b"x").await.unwrap();
            assert_eq!(client.get_many(&[b"key", b"nay"]).await.unwrap().len(), 2);
        });
    }
}

#[test]
fn a_time_limit_that_is_over_costs_nothing_but_the_answer() {
    against_each(&[], async |server| {
        let mut client = client(server).await;
        let value = vec![7; 60_000];
        for round in 0..200_u64 {
            let key = format!("key {round}");
            let limit = Duration::from_micros(round * 3);
            let _ = timeout(limit, client.set(key.as_bytes(), &value)).await;
            let _ = timeout(limit, client.get(key.as_bytes())).await;
            let _ = timeout(limit, client.get_many(&[&key; 20])).await;
            assert_eq!(client.get(b"none").await.unwrap(), None);
        }
        assert!(client.is_healthy());
    });
}
