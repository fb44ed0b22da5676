//! Traffic of unkind shapes: many idle connections, a client that never reads, clients that send single bytes, uploads beyond
//! memory. The rest are served, and the server's memory stays within a bound that is printed.

mod common;

use common::{Client, Kind, Request, Server, ServerBuilder, op, status, wait_until};
use std::io::{ErrorKind, Write};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

/// So many pairs of requests of one client while the server has other things on its hands; how long the slowest request
/// took. None may take so long that the client gives up.
fn serve(server: &Server, pairs: usize) -> Duration {
    let mut client = server.connect();
    let mut longest = Duration::ZERO;
    for number in 0..pairs {
        let key = format!("key {}", number % 100);
        let value = vec![b'v'; 100];
        let sent = Instant::now();
        assert_eq!(client.call(Request::set(&key, &value)).status(), 0);
        assert_eq!(client.call(Request::get(&key)).value(), value);
        longest = longest.max(sent.elapsed());
    }
    longest
}

/// Lets this process hold that many connections; the limit may have to be raised first.
fn allow_open_files(files: u32) {
    let raised = Command::new("prlimit")
        .args([
            format!("--pid={}", std::process::id()),
            format!("--nofile={files}:"),
        ])
        .status()
        .expect("prlimit (util-linux) can't be run");
    assert!(
        raised.success(),
        "no permission to open {files} files: raise the hard limit (`ulimit -Hn`)"
    );
}

#[test]
fn ten_thousand_idle_connections_leave_the_rest_served() {
    const CONNECTIONS: u32 = 10_000;
    allow_open_files(CONNECTIONS + 500);
    let server = ServerBuilder::new(Kind::from_environment())
        .arguments(&["-c", "11000", "-t", "2"])
        .files_max(CONNECTIONS + 5000)
        .start();
    server.probe();
    let before = server.resident_bytes();
    let mut idle: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    // Every tenth has spoken before it fell silent, and every tenth is in the middle of a header.
    for (number, client) in idle.iter_mut().enumerate() {
        match number % 10 {
            0 => client.expect_alive(),
            1 => client.send_bytes(&Request::new(op::NOOP).bytes()[..13]),
            _ => {}
        }
    }
    let longest = serve(&server, 1000);
    let connected = server.connect().figure("curr_connections");
    assert!(
        connected > u64::from(CONNECTIONS),
        "{connected} connections"
    );
    let per_connection = server.resident_bytes().saturating_sub(before) / u64::from(CONNECTIONS);
    println!(
        "{:?}: {CONNECTIONS} idle connections take {per_connection} bytes each; beside them the slowest of 1000 \
         pairs of requests took {longest:?}",
        server.kind
    );
    assert!(
        per_connection < 4096,
        "{per_connection} bytes for an idle connection"
    );
    // The idle ones are alive: each that is asked answers.
    for client in idle.iter_mut().step_by(500) {
        client.expect_alive();
    }
    for client in idle.iter_mut().skip(1).step_by(1000) {
        client.send_bytes(&Request::new(op::NOOP).opaque(4).bytes()[13..]);
        assert_eq!(client.receive().opcode(), op::NOOP);
    }
    drop(idle);
    wait_until("closed connections are given back", || {
        server.connect().figure("curr_connections") <= 10
    });
    server.probe();
}

/// Asks for a mebibyte again and again without ever reading, until the server stops reading too.
fn flood(server: &Server) -> (Client, u64) {
    let mut client = server.connect();
    client.socket.set_nonblocking(true).unwrap();
    let requests: Vec<u8> = (0..1000)
        .flat_map(|_| Request::get("large").bytes())
        .collect();
    let began = Instant::now();
    let mut asked = 0;
    let mut silent_since = Instant::now();
    while silent_since.elapsed() < Duration::from_millis(500)
        && began.elapsed() < Duration::from_secs(10)
    {
        match client.socket.write(&requests) {
            Ok(n) => {
                asked += u64::try_from(n).unwrap();
                silent_since = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => {
                println!("the server ends the flood: {error}");
                break;
            }
        }
    }
    (client, asked / 29)
}

#[test]
fn a_client_that_never_reads_costs_a_bounded_amount() {
    let server = ServerBuilder::new(Kind::from_environment())
        .arguments(&["-m", "64", "-t", "2"])
        .start();
    assert_eq!(
        server
            .connect()
            .call(Request::set("large", vec![b'l'; 1_000_000]))
            .status(),
        0
    );
    server.probe();
    let before = server.resident_bytes();
    let floods: Vec<(Client, u64)> = (0..5).map(|_| flood(&server)).collect();
    let asked: u64 = floods.iter().map(|(_, asked)| asked).sum();
    let longest = serve(&server, 500);
    let grown = server.resident_bytes().saturating_sub(before);
    println!(
        "{:?}: 5 clients asked for {asked} values of 1 MB and read none: {} KiB of memory; beside them the slowest of 500 \
         pairs of requests took {longest:?}",
        server.kind,
        grown / 1024
    );
    // memcached answers until its output is queued; here each connection may hold a reply and its unread requests.
    assert!(
        server.kind == Kind::Memcached || grown < 5 * 4 * MIB,
        "{grown} bytes for five clients that don't read"
    );
    drop(floods);
    server.probe();
}

#[test]
fn what_a_slow_reader_asked_for_arrives_whole() {
    let server = ServerBuilder::new(Kind::from_environment())
        .arguments(&["-m", "64"])
        .start();
    let value: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    assert_eq!(
        server
            .connect()
            .call(Request::set("large", &value))
            .status(),
        0
    );
    let mut client = server.connect();
    for number in 0..40 {
        client.send(&Request::get("large").opaque(number));
    }
    thread::sleep(Duration::from_millis(300));
    for number in 0..40 {
        let answer = client.receive();
        assert_eq!(answer.opaque(), number);
        assert!(answer.value() == value, "answer {number} is damaged");
    }
    client.expect_alive();
}

#[test]
fn clients_that_send_single_bytes_hold_nobody_up() {
    let server = ServerBuilder::new(Kind::from_environment())
        .arguments(&["-t", "1"])
        .start();
    let mut slow: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    let request = Request::set("slow", "a value that comes in single bytes")
        .opaque(6)
        .bytes();
    // The others are served while each of the slow ones is in the middle of its header.
    for byte in &request[..4] {
        for client in &mut slow {
            client.send_bytes(&[*byte]);
        }
        let longest = serve(&server, 200);
        println!(
            "{:?}: beside 50 clients that send single bytes the slowest of 200 pairs of requests took {longest:?}",
            server.kind
        );
    }
    // Enough of waiting: the rest at once, and it is one whole request.
    for client in &mut slow {
        client.send_bytes(&request[4..]);
        assert_eq!(client.receive().opaque(), 6);
    }
    assert_eq!(
        server.connect().call(Request::get("slow")).value(),
        b"a value that comes in single bytes"
    );
}

/// Large values announced by many connections and never sent: no memory is set aside for promises.
#[test]
fn announced_values_that_never_come_cost_nothing() {
    let server = ServerBuilder::new(Kind::from_environment())
        .arguments(&["-m", "64", "-t", "2"])
        .start();
    server.probe();
    let before = server.resident_bytes();
    let mut clients: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    let mut head = Request::new(op::NOOP).bytes();
    head.extend(
        Request::set("promised", "")
            .claim_body_len(8 + 8 + 1_000_000)
            .bytes(),
    );
    for client in &mut clients {
        client.send_bytes(&head);
        assert_eq!(client.receive().opcode(), op::NOOP);
    }
    let longest = serve(&server, 200);
    let grown = server.resident_bytes().saturating_sub(before);
    println!(
        "{:?}: 200 announced values of 1 MB take {} KiB; beside them the slowest of 200 pairs of requests took {longest:?}",
        server.kind,
        grown / 1024
    );
    assert!(grown < 80 * MIB, "{grown} bytes for announced values");
    drop(clients);
    server.probe();
    assert_eq!(
        server
            .connect()
            .call(Request::set("promised", vec![1; 500_000]))
            .status(),
        0
    );
}

/// A connection that comes and goes leaves nothing behind.
#[test]
fn connections_that_come_and_go_leave_no_memory_behind() {
    let server = ServerBuilder::new(Kind::from_environment())
        .arguments(&["-m", "64", "-t", "2"])
        .start();
    let alone = server.connect().figure("curr_connections");
    let round = |server: &Server| {
        for number in 0..1500_u32 {
            let mut client = server.connect();
            match number % 4 {
                0 => client.expect_alive(),
                1 => client.send_bytes(&Request::set("half", vec![7; 50_000]).bytes()[..30_000]),
                2 => client.send_bytes(b"\x80\x01"),
                _ => client.send(&Request::new(op::STAT)),
            }
        }
        server.probe();
        wait_until("closed connections are given back", || {
            server.connect().figure("curr_connections") <= alone
        });
        server.resident_bytes()
    };
    let first = round(&server);
    let third = [round(&server), round(&server)][1];
    println!(
        "{:?}: resident {} KiB after 1,500 connections, {} KiB after 4,500",
        server.kind,
        first / 1024,
        third / 1024
    );
    assert!(
        third < first + 3 * MIB,
        "resident memory grows from {first} to {third} bytes"
    );
}

/// Two hundred clients store large values at once, piece by piece in turn: more than the store follows and more than the
/// connections may keep. Each request is answered, and nobody is hung up on.
#[test]
fn uploads_beyond_memory_are_stored_or_refused_and_nobody_is_hung_up_on() {
    const CLIENTS: usize = 200;
    const ROUNDS: usize = 2;
    let kind = Kind::from_environment();
    let mut builder = ServerBuilder::new(kind).arguments(&["-m", "16", "-t", "1"]);
    if kind == Kind::Memlet {
        builder = builder.arguments(&["--connection-memory", "4"]);
    }
    let server = builder.start();
    server.probe();
    let before = server.resident_bytes();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    let (mut stored, mut refused) = (0, 0);
    let mut most = 0;
    for round in 0..ROUNDS {
        let requests: Vec<Vec<u8>> = (0..CLIENTS)
            .map(|number| {
                let value = vec![number as u8; 500_000];
                Request::set(format!("{round} {number}"), value).bytes()
            })
            .collect();
        let pieces = requests[0].len().div_ceil(50_000);
        for piece in 0..pieces {
            for (client, request) in clients.iter_mut().zip(&requests) {
                client.send_bytes(request.chunks(50_000).nth(piece).unwrap_or_default());
            }
            most = most.max(server.resident_bytes());
        }
        for (number, client) in clients.iter_mut().enumerate() {
            match client.receive().status() {
                0 => stored += 1,
                status::OUT_OF_MEMORY => refused += 1,
                status => panic!("{status:#x} for client {number} in round {round}"),
            }
            client.expect_alive();
        }
    }
    let grown = most.saturating_sub(before);
    println!(
        "{kind:?}: {CLIENTS} clients upload 500 kB each, {ROUNDS} times: {stored} stored, {refused} refused, {} KiB of memory",
        grown / 1024
    );
    assert!(stored >= 4 * ROUNDS, "{stored} stored");
    // The store, what the connections may keep, and the buffers of the thread and of the allocator.
    assert!(
        kind == Kind::Memcached || grown < (16 + 4 + 8) * MIB,
        "{grown} bytes"
    );
    server.probe();
}
