//! A client over five servers in this process, of which some stop and come back.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memlet::client::Command;
use memlet::std::{
    Cache, CacheOptions, ClientLogin, ClusterClient, ClusterError, ClusterOptions, ConnectionPool,
    Distribution, FailurePolicy, Listen, PoolOptions, PoolServer, Server, ServerError,
    ServerHandle, ServerOptions, Users,
};
use memlet_core::wire::Status;

/// Long enough for a busy machine, short enough for a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A cache server in this process that stops with the test.
struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Running {
    fn start(address: SocketAddr) -> Running {
        Running::with(address, CacheOptions::default())
    }

    fn with(address: SocketAddr, cache: CacheOptions) -> Running {
        let mut options = ServerOptions::default();
        options.listen = vec![Listen::Tcp(address)];
        options.threads = 1;
        options.connection = cache.connection();
        options.drain_timeout = Duration::ZERO;
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

    /// Stops it, and returns where it was.
    fn stop(mut self) -> SocketAddr {
        self.handle.drain();
        self.thread.take().unwrap().join().unwrap().unwrap();
        self.address
    }

    fn server(&self) -> PoolServer {
        self.address.to_string().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.drain();
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn five() -> Vec<Running> {
    (0..5).map(|_| Running::start(any_port())).collect()
}

fn client(servers: &[Running], failure: FailurePolicy) -> ClusterClient {
    let mut options = ClusterOptions::default();
    options.failure = failure;
    ClusterClient::new(servers.iter().map(Running::server).collect(), options).unwrap()
}

/// A policy under which a server is out after two failures and asked again after `retry_after`.
fn policy(eject: bool, retry_after: Duration) -> FailurePolicy {
    let mut policy = FailurePolicy::default();
    policy.failures_max = 2;
    policy.retry_after = retry_after;
    policy.eject = eject;
    policy
}

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

fn keys(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| format!("key:{number}").into())
        .collect()
}

#[test]
fn keys_are_spread_and_found_again() {
    let servers = five();
    let client = client(&servers, FailurePolicy::default());
    let keys = keys(2000);
    let items: Vec<_> = keys.iter().map(|key| (key.clone(), key.clone())).collect();
    let (refused, failures) = client.set_many(&items);
    assert!(refused.is_empty() && failures.is_empty(), "{failures:?}");
    let mut asked = keys.clone();
    asked.insert(1000, b"missing".to_vec());
    let (found, failures) = client.get_many(&asked);
    assert!(failures.is_empty());
    for (key, item) in asked.iter().zip(&found) {
        let value = item.as_ref().map(|item| &item.value);
        assert_eq!(value, (key != b"missing").then_some(key));
    }
    // Each server has its part and nothing else.
    let counts = client.with_each_server(|server, client| {
        let count: usize = client.stats_map(b"")?["curr_items"].parse().unwrap();
        let expected = keys
            .iter()
            .filter(|key| client_of(&servers, key) == *server)
            .count();
        assert_eq!(count, expected, "{server}");
        Ok(count)
    });
    let counts: Vec<usize> = counts.into_iter().map(Result::unwrap).collect();
    assert_eq!(counts.iter().sum::<usize>(), 2000);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

/// The server of a key by another client of the same pool.
fn client_of(servers: &[Running], key: &[u8]) -> PoolServer {
    client(servers, FailurePolicy::default())
        .server_of(key)
        .clone()
}

#[test]
fn single_operations_go_to_the_server_of_the_key() {
    let servers = five();
    let client = client(&servers, FailurePolicy::default());
    for key in keys(20) {
        assert_eq!(client.get(&key).unwrap(), None);
        let cas = client.set(&key, b"1").unwrap();
        assert_eq!(client.get(&key).unwrap().unwrap().cas, cas);
        let stale = client
            .store(&Command::set(&key, b"2").cas(cas + 1))
            .unwrap_err();
        assert!(stale.client_error().unwrap().is_conflict());
        assert_eq!(
            client
                .count(&Command::increment(&key, 4))
                .unwrap()
                .unwrap()
                .value,
            5
        );
        assert!(client.touch(&key, 100).unwrap());
        assert!(client.delete(&key).unwrap());
        assert!(!client.delete(&key).unwrap());
    }
    assert_eq!(client.servers_in().count(), 5, "refusals are no failures");
}

#[test]
fn every_distribution_finds_what_it_stored() {
    let servers = five();
    for distribution in [
        Distribution::Ketama,
        Distribution::KetamaMd5,
        Distribution::KetamaWeighted,
        Distribution::Jump,
    ] {
        let mut options = ClusterOptions::default();
        options.distribution = distribution;
        let mut pool: Vec<PoolServer> = servers.iter().map(Running::server).collect();
        pool[3].weight = 7;
        let client = ClusterClient::new(pool, options).unwrap();
        let keys = keys(200);
        for key in &keys {
            client.set(key, key).unwrap();
        }
        let homes: HashSet<_> = keys
            .iter()
            .map(|key| client.server_of(key).clone())
            .collect();
        assert!(homes.len() > 3, "{distribution:?}: {homes:?}");
        let (items, failures) = client.get_many(&keys);
        assert!(
            failures.is_empty() && items.iter().all(Option::is_some),
            "{distribution:?}"
        );
    }
}

#[test]
fn without_ejecting_only_the_keys_of_the_server_that_stopped_fail_until_it_is_back() {
    let mut servers = five();
    let client = client(&servers, policy(false, Duration::ZERO));
    let keys = keys(500);
    for key in &keys {
        client.set(key, key).unwrap();
    }
    let stopped = servers.remove(2);
    let name = stopped.server();
    let address = stopped.stop();
    let of_stopped = |key: &[u8]| *client.server_of(key) == name;
    for key in &keys {
        assert_eq!(
            client.get(key).is_err(),
            of_stopped(key),
            "{:?}",
            client.get(key)
        );
    }
    // Of many keys those of the others come all the same.
    let (items, failures) = client.get_many(&keys);
    let [failure] = failures.as_slice() else {
        panic!("one server fails: {failures:?}");
    };
    for (place, (key, item)) in keys.iter().zip(&items).enumerate() {
        assert_eq!(item.is_none(), of_stopped(key));
        assert_eq!(failure.places.contains(&place), of_stopped(key));
    }
    assert!(
        failure.error.to_string().contains(&name.to_string()),
        "{failure:?}"
    );

    let back = Running::start(address);
    for key in &keys {
        client.set(key, key).unwrap();
    }
    let (items, failures) = client.get_many(&keys);
    assert!(failures.is_empty() && items.iter().all(Option::is_some));
    drop(back);
}

#[test]
fn a_server_that_is_out_is_not_asked_until_its_time_is_over() {
    let mut servers = five();
    let client = client(&servers, policy(false, NEVER));
    let key = keys(1000)
        .into_iter()
        .find(|key| *client.server_of(key) == servers[0].server());
    let key = key.unwrap();
    let address = servers.remove(0).stop();
    let first = client.get(&key).unwrap_err();
    assert!(matches!(first, ClusterError::Connect { .. }), "{first}");
    client.get(&key).unwrap_err();
    assert_eq!(client.servers_in().count(), 4);
    // It is back, but it is not time yet.
    let _back = Running::start(address);
    let out = client.get(&key).unwrap_err();
    assert!(matches!(out, ClusterError::Out { .. }), "{out}");
    let (_, failures) = client.get_many(&[&key]);
    assert!(matches!(failures[0].error, ClusterError::Out { .. }));
    let outcomes = client.with_each_server(|_, client| client.noop());
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_err()).count(),
        1
    );
}

#[test]
fn with_ejecting_the_keys_go_to_others_and_come_back() {
    let mut servers = five();
    let retry_after = Duration::from_millis(300);
    let client = client(&servers, policy(true, retry_after));
    let keys = keys(500);
    for key in &keys {
        client.set(key, b"before").unwrap();
    }
    let stopped = servers.remove(4);
    let name = stopped.server();
    let address = stopped.stop();
    let (mine, others): (Vec<_>, Vec<_>) =
        keys.iter().partition(|key| *client.server_of(key) == name);
    // Failures put the server out; from then on another has the key.
    let deadline = Instant::now() + PATIENCE;
    for key in &mine {
        while client.set(key, b"meanwhile").is_err() {
            assert!(Instant::now() < deadline, "its keys must go elsewhere");
        }
    }
    for key in &others {
        assert_eq!(client.get(key).unwrap().unwrap().value, b"before");
    }

    let back = Running::start(address);
    while client.servers_in().count() < 5 {
        assert!(Instant::now() < deadline, "its time must be over some time");
        thread::sleep(Duration::from_millis(10));
    }
    // It comes back empty, and takes its keys again.
    for key in &mine {
        assert_eq!(client.get(key).unwrap(), None);
        client.set(key, b"after").unwrap();
    }
    let (items, failures) = client.get_many(&keys);
    assert!(failures.is_empty() && items.iter().all(Option::is_some));
    assert_eq!(back.address, address);
}

#[test]
fn when_all_servers_are_out_that_is_said() {
    let servers = five();
    let client = client(&servers, policy(true, NEVER));
    for server in servers {
        server.stop();
    }
    let keys = keys(100);
    let deadline = Instant::now() + PATIENCE;
    while client.servers_in().count() > 0 {
        assert!(Instant::now() < deadline);
        for key in &keys {
            assert!(client.get(key).is_err());
        }
    }
    assert!(matches!(
        client.get(b"key").unwrap_err(),
        ClusterError::AllOut
    ));
    let (items, failures) = client.get_many(&keys);
    assert!(items.iter().all(Option::is_none));
    assert!(matches!(failures[0].error, ClusterError::AllOut));
    assert_eq!(failures[0].places.len(), 100);
}

#[test]
fn a_server_that_does_not_answer_in_time_is_a_failure() {
    // It accepts, in the system's queue, and says nothing.
    let silent = TcpListener::bind(any_port()).unwrap();
    let mut options = ClusterOptions::default();
    options.connections.connect.read_timeout = Some(Duration::from_millis(50));
    options.failure = policy(false, NEVER);
    let server = silent.local_addr().unwrap().to_string().parse().unwrap();
    let client = ClusterClient::new(vec![server], options).unwrap();
    for _ in 0..2 {
        let error = client.get(b"key").unwrap_err();
        assert!(error.client_error().unwrap().is_timeout(), "{error}");
    }
    assert!(matches!(client.get(b"key"), Err(ClusterError::Out { .. })));
}

#[test]
fn all_servers_have_their_batch_before_the_first_answer_is_read() {
    // Each server answers only when all have been asked.
    let asked = Arc::new(AtomicUsize::new(0));
    let mut pool = Vec::new();
    let mut threads = Vec::new();
    for _ in 0..3 {
        let listener = TcpListener::bind(any_port()).unwrap();
        pool.push(listener.local_addr().unwrap().to_string().parse().unwrap());
        let asked = Arc::clone(&asked);
        threads.push(thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            answer_when_all_are_asked(&mut stream, &asked);
        }));
    }
    let client = ClusterClient::new(pool, ClusterOptions::default()).unwrap();
    let (items, failures) = client.get_many(&keys(300));
    assert!(failures.is_empty(), "{failures:?}");
    assert!(items.iter().all(Option::is_none));
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Reads requests up to a NOOP, and answers it once three servers have come so far.
fn answer_when_all_are_asked(stream: &mut TcpStream, asked: &AtomicUsize) {
    const NOOP: u8 = 0x0a;
    let deadline = Instant::now() + PATIENCE;
    let mut header = [0; 24];
    loop {
        stream.read_exact(&mut header).unwrap();
        let body_len = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        let mut body = vec![0; body_len as usize];
        stream.read_exact(&mut body).unwrap();
        if header[1] == NOOP {
            break;
        }
    }
    asked.fetch_add(1, Ordering::SeqCst);
    while asked.load(Ordering::SeqCst) < 3 {
        assert!(Instant::now() < deadline, "the others have not been asked");
        thread::yield_now();
    }
    header[0] = 0x81;
    stream.write_all(&header).unwrap();
}

#[test]
fn what_a_server_refuses_or_garbles_is_no_miss() {
    // Refuses the first key, hits the second with extras that are too short, and says nothing of the third.
    let serve = |stream: &mut TcpStream| {
        let mut requests = Vec::new();
        let mut piece = [0; 1024];
        while requests.len() < 3 * 25 + 24 {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0);
            requests.extend_from_slice(&piece[..count]);
        }
        let answer = |index: usize, status: u8, extras_len: u8| {
            let mut header = requests[index * 25..index * 25 + 24].to_vec();
            header[0] = 0x81;
            header[2..12].copy_from_slice(&[0, 0, extras_len, 0, 0, status, 0, 0, 0, extras_len]);
            header.resize(24 + usize::from(extras_len), 0);
            header
        };
        [answer(0, 0x86, 0), answer(1, 0, 3), answer(3, 0, 0)].concat()
    };
    let listener = TcpListener::bind(any_port()).unwrap();
    let server: PoolServer = listener.local_addr().unwrap().to_string().parse().unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let answers = serve(&mut stream);
        stream.write_all(&answers).unwrap();
    });
    let client = ClusterClient::new(vec![server], ClusterOptions::default()).unwrap();
    let (items, failures) = client.get_many(&[b"a", b"b", b"c"]);
    thread.join().unwrap();
    assert_eq!(items, [None, None, None]);
    let [refused, garbled] = failures.as_slice() else {
        panic!("two failures: {failures:?}");
    };
    let status = refused.error.client_error().unwrap().status();
    assert_eq!(
        (status, refused.places.as_slice()),
        (Some(Status::TMPFAIL), &[0][..])
    );
    assert!(
        garbled.error.client_error().unwrap().is_fatal(),
        "{garbled:?}"
    );
    assert_eq!(garbled.places, [0, 1, 2]);
}

#[test]
fn connections_are_kept_while_they_are_of_use() {
    let server = Running::start(any_port());
    let mut options = PoolOptions::default();
    options.idle_max = 2;
    let pool = ConnectionPool::new(server.server(), options);
    assert_eq!(pool.idle(), 0);
    {
        let mut clients: Vec<_> = (0..3).map(|_| pool.take().unwrap()).collect();
        for client in &mut clients {
            client.noop().unwrap();
        }
    }
    assert_eq!(pool.idle(), 2, "more than that are closed");
    {
        let mut client = pool.take().unwrap();
        assert_eq!(pool.idle(), 1);
        client.quit().unwrap();
    }
    assert_eq!(pool.idle(), 1, "what is of no more use is not kept");

    // A server that stopped has closed the connection: nobody gets to notice.
    let address = server.stop();
    let _back = Running::start(address);
    assert_eq!(pool.idle(), 1);
    pool.take().unwrap().noop().unwrap();
    pool.clear();
    assert_eq!(pool.idle(), 0);
}

#[test]
fn a_client_is_shared_by_threads() {
    let servers = five();
    let client = client(&servers, FailurePolicy::default());
    let count = Command::increment(b"count", 1).initial(1);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    client.count(&count).unwrap();
                }
            });
        }
    });
    assert_eq!(client.get(b"count").unwrap().unwrap().value, b"400");
}

#[test]
fn every_connection_logs_in() {
    let folder = std::env::temp_dir().join(format!("memlet-pool-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("users");
    std::fs::write(&path, "anna:secret\n").unwrap();
    let mut cache = CacheOptions::default();
    cache.users = Some(Users::read(&path).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let server = Running::with(any_port(), cache);
    let login = |password: &[u8]| {
        let mut options = PoolOptions::default();
        options.login = Some(ClientLogin {
            user: b"anna".to_vec(),
            password: password.to_vec(),
        });
        assert!(!format!("{options:?}").contains("secret"));
        ConnectionPool::new(server.server(), options)
    };
    login(b"secret").take().unwrap().noop().unwrap();
    let error = login(b"wrong").take().unwrap_err();
    let status = error.client_error().unwrap().status();
    assert_eq!(status, Some(Status::AUTH_ERROR));
}
