//! memlet's blocking client over its whole command set, against `memlet-server` and, with the feature `peers`, against the
//! real memcached.

mod common;

use common::client::Address;
use common::{Kind, Server, ServerBuilder};
use memlet::client::{Answer, Change, Command, Error, Outcome, Update};
use memlet::std::{ConnectOptions, StdClient, connect, connect_unix};
use memlet_core::wire::{Opcode, Request, Status};

fn client(server: &Server) -> StdClient {
    let options = ConnectOptions::default();
    match &server.address {
        Address::Tcp(address) => connect(address, &options),
        Address::Unix(path) => connect_unix(path, &options),
    }
    .unwrap()
}

/// Runs a test against each server there is.
fn against_each(arguments: &[&str], test: impl Fn(&Server)) {
    for kind in kinds() {
        let server = ServerBuilder::new(kind).arguments(arguments).start();
        test(&server);
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
    against_each(&[], |server| {
        let mut client = client(server);
        let key = b"a key \0 with\r\n anything";
        assert_eq!(client.get(key).unwrap(), None);
        let cas = client.set(key, b"one").unwrap();
        assert_ne!(cas, 0);
        refused(client.add(key, b"two"), Status::KEY_EEXISTS);
        let newer = client.replace(key, b"two").unwrap();
        assert_ne!(newer, cas);
        refused(
            client.store(&Command::set(key, b"x").cas(cas)),
            Status::KEY_EEXISTS,
        );
        let command = Command::set(key, b"three").cas(newer).flags(0xdead_beef);
        let newest = client.store(&command).unwrap();
        let item = client.get(key).unwrap().unwrap();
        assert_eq!(
            (item.value, item.flags, item.cas),
            (&b"three"[..], 0xdead_beef, newest)
        );
        let item = client.fetch(&Command::get_with_key(key)).unwrap().unwrap();
        assert_eq!((item.key, item.value), (&key[..], &b"three"[..]));
        client.append(key, b">").unwrap();
        client.prepend(key, b"<").unwrap();
        let item = client.get(key).unwrap().unwrap();
        assert_eq!((item.value, item.flags), (&b"<three>"[..], 0xdead_beef));
        refused(
            client.store(&Command::append(key, b"x").cas(newest)),
            Status::KEY_EEXISTS,
        );
        refused(
            client.store(&Command::delete(key).cas(newest)),
            Status::KEY_EEXISTS,
        );
        assert!(client.delete(key).unwrap());
        assert!(!client.delete(key).unwrap());
        refused(client.replace(key, b"x"), Status::KEY_ENOENT);
        refused(client.append(key, b"x"), Status::NOT_STORED);
        refused(client.prepend(key, b"x"), Status::NOT_STORED);
        refused(
            client.store(&Command::set(key, b"x").cas(5)),
            Status::KEY_ENOENT,
        );
        assert!(client.is_healthy());
    });
}

#[test]
fn counters_count_in_64_bits() {
    against_each(&[], |server| {
        let mut client = client(server);
        assert_eq!(client.increment(b"n", 1).unwrap(), None);
        assert_eq!(client.decrement(b"n", 1).unwrap(), None);
        let create = Command::increment(b"n", 1)
            .initial(u64::MAX - 1)
            .expiration(60);
        let counter = client.count(&create).unwrap().unwrap();
        assert_eq!(counter.value, u64::MAX - 1);
        assert_eq!(client.increment(b"n", 1).unwrap(), Some(u64::MAX));
        assert_eq!(client.increment(b"n", 3).unwrap(), Some(2));
        assert_eq!(client.decrement(b"n", 1).unwrap(), Some(1));
        assert_eq!(client.decrement(b"n", 5).unwrap(), Some(0));
        refused(
            client.count(&Command::increment(b"n", 1).cas(counter.cas)),
            Status::KEY_EEXISTS,
        );
        client.set(b"text", b"no number").unwrap();
        refused(client.increment(b"text", 1), Status::DELTA_BADVAL);
    });
}

#[test]
fn expiration_is_set_by_storing_and_by_touching() {
    const PAST: u32 = 2_592_001;
    against_each(&[], |server| {
        let mut client = client(server);
        client
            .store(&Command::set(b"gone", b"x").expiration(PAST))
            .unwrap();
        assert_eq!(client.get(b"gone").unwrap(), None);
        client.store(&Command::set(b"key", b"x").flags(5)).unwrap();
        assert!(client.touch(b"key", 1000).unwrap());
        assert!(!client.touch(b"none", 1000).unwrap());
        let item = client.get_and_touch(b"key", 1000).unwrap().unwrap();
        assert_eq!((item.value, item.flags), (&b"x"[..], 5));
        let command = Command::get_and_touch_with_key(b"key", PAST);
        let item = client.fetch(&command).unwrap().unwrap();
        assert_eq!((item.key, item.value), (&b"key"[..], &b"x"[..]));
        assert_eq!(client.get(b"key").unwrap(), None);
        assert_eq!(client.get_and_touch(b"key", 0).unwrap(), None);
    });
}

#[test]
fn the_server_is_asked_and_emptied() {
    against_each(&[], |server| {
        let mut client = client(server);
        client.noop().unwrap();
        assert!(client.version().unwrap().contains(&b'.'));
        client.set(b"key", b"x").unwrap();
        client.flush(1_000_000).unwrap();
        assert!(client.get(b"key").unwrap().is_some());
        client.flush(0).unwrap();
        assert_eq!(client.get(b"key").unwrap(), None);
        let list = client.stats_list(b"").unwrap();
        let map = client.stats_map(b"").unwrap();
        assert!(list.len() > 30 && map.len() == list.len());
        assert_eq!(map["pid"], server.pid().to_string());
        assert!(
            client
                .stats_map(b"settings")
                .unwrap()
                .contains_key("maxconns")
        );
        refused(client.stats(b"nonsense", |_, _| {}), Status::KEY_ENOENT);
        // memcached waits for the body of a command it does not know a second time, and answers nothing until then.
        if server.kind == Kind::Memlet {
            client.verbosity(0).unwrap();
            // Couchbase's commands are refused as they should be, and the stream stays in step.
            refused(client.select_bucket(b"bucket"), Status::UNKNOWN_COMMAND);
            refused(client.observe(0, b"key"), Status::UNKNOWN_COMMAND);
            refused(
                client.hello(b"memlet", &[1, 2]).map(|_| ()),
                Status::UNKNOWN_COMMAND,
            );
        }
        refused(
            client.sasl_mechanisms().map(|_| ()),
            Status::UNKNOWN_COMMAND,
        );
        client.noop().unwrap();
        client.quit().unwrap();
        assert!(!client.is_healthy());
        assert!(client.get(b"key").unwrap_err().is_closed());
    });
}

#[test]
fn custom_packets_go_through_as_they_are() {
    against_each(&[], |server| {
        let mut client = client(server);
        let set = Request {
            extras: &[0, 0, 0, 9, 0, 0, 0, 0],
            key: b"key",
            value: b"value",
            vbucket: 77,
            ..Request::new(Opcode::SET)
        };
        assert_eq!(client.send(&set).unwrap().status, Status::SUCCESS);
        let get = Request {
            key: b"key",
            ..Request::new(Opcode::GETKQ)
        };
        let opaque = client.transmit(&get).unwrap();
        client.transmit(&Request::new(Opcode::NOOP)).unwrap();
        let response = client.receive().unwrap();
        assert_eq!(
            (response.opaque, response.key, response.value),
            (opaque, &b"key"[..], &b"value"[..])
        );
        assert_eq!(response.extras, [0, 0, 0, 9]);
        assert_eq!(client.receive().unwrap().opcode, Opcode::NOOP);
        let unknown = client.send(&Request::new(Opcode(0xee))).unwrap();
        assert_eq!(unknown.status, Status::UNKNOWN_COMMAND);
        client.noop().unwrap();
    });
}

#[test]
fn values_of_every_length_come_back_as_they_were() {
    against_each(&["-m", "256"], |server| {
        let mut client = client(server);
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
            client.store(&command).unwrap();
            let item = client.get(&key).unwrap().unwrap();
            assert!(item.value == value, "{len}");
            assert_eq!(item.flags, len as u32 | 1 << 31);
        }
        refused(client.set(&key, &vec![0; 1_048_577]), Status::E2BIG);
        client.noop().unwrap();
    });
}

#[test]
fn ten_thousand_keys_go_and_come_in_bulk_with_misses_in_between() {
    against_each(&["-m", "256"], |server| {
        let mut client = client(server);
        let items: Vec<(String, Vec<u8>)> = (0..10_000)
            .map(|n| (format!("key {n}"), vec![n as u8; n * 7 % 400]))
            .collect();
        let is_stored = |n: usize| !n.is_multiple_of(3);
        let stored = items.iter().enumerate().filter(|(n, _)| is_stored(*n));
        let stored: Vec<_> = stored.into_iter().map(|(_, item)| item.clone()).collect();
        client
            .set_many(&stored, |place, status| panic!("{place}: {status}"))
            .unwrap();
        let keys: Vec<&String> = items.iter().map(|(key, _)| key).collect();
        let found = client.get_many(&keys).unwrap();
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
            .unwrap();
        assert_eq!(adds, stored.len());
        assert_eq!(client.delete_many(&keys).unwrap(), 10_000);
        assert_eq!(client.delete_many(&keys).unwrap(), 0);
    });
}

#[test]
fn a_mixed_batch_is_answered_in_order() {
    against_each(&[], |server| {
        let mut client = client(server);
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
    against_each(&[], |server| {
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = client(server);
                    for _ in 0..CHANGES {
                        let update = Update::new(b"list").attempts(10_000).new_flags(3);
                        let outcome = client.update(update, |item| {
                            let mut value = item.map_or(Vec::new(), |item| item.value.to_vec());
                            value.push(b'x');
                            Change::Store(value)
                        });
                        assert!(matches!(outcome, Ok(Outcome::Stored { .. })), "{outcome:?}");
                    }
                });
            }
        });
        let mut client = client(server);
        let item = client.get(b"list").unwrap().unwrap();
        assert_eq!((item.value.len(), item.flags), (CLIENTS * CHANGES, 3));
    });
}

#[test]
fn users_log_in() {
    for kind in kinds() {
        let server = ServerBuilder::new(kind).user("user", "a secret").start();
        let mut client = client(&server);
        assert!(client.sasl_mechanisms().unwrap().contains(b"PLAIN"));
        refused(client.authenticate(b"user", b"wrong"), Status::AUTH_ERROR);
        client.authenticate(b"user", b"a secret").unwrap();
        client.set(b"key", b"x").unwrap();
        assert!(client.get(b"key").unwrap().is_some());

        let mut stranger = self::client(&server);
        refused(stranger.get(b"key").map(|_| ()), Status::AUTH_ERROR);
        // The server closes after that.
        let error = stranger.get(b"key").unwrap_err();
        assert!(error.is_closed() || error.kind().is_some(), "{error}");
        assert!(!stranger.is_healthy());
    }
}

#[test]
fn a_unix_socket_does_as_well() {
    for kind in kinds() {
        let server = ServerBuilder::new(kind).unix_socket().start();
        let mut client = client(&server);
        client.set(b"key", b"x").unwrap();
        assert_eq!(client.get_many(&[b"key", b"nay"]).unwrap().len(), 2);
    }
}
