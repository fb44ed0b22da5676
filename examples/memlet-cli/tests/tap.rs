//! `memlet tap` against a scripted producer, for what it asks for, prints and confirms and how it ends, and against a cache.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Lines, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{self, Child, ChildStdout, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::{Running, memlet};
use memlet::client::Command;
use memlet::std::ConnectOptions;
use memlet_core::connection::feed::{TapChange, TapProducer, TapProducerEnd, TapProducerNext};
use memlet_core::tap::{Connect, ConnectFlags, Subtype, VbucketState};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};
use serde_json::{Value, json};

/// Generous: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a producer was asked for.
#[derive(Debug, PartialEq)]
struct Asked {
    name: Vec<u8>,
    flags: ConnectFlags,
    backfill: Option<u64>,
    vbuckets: Vec<u16>,
}

/// A server that reads the request for a stream and does as `serve` says.
fn producer<R: Send + 'static>(
    serve: impl FnOnce(&mut TcpStream, TapProducer) -> R + Send + 'static,
) -> (String, JoinHandle<(Asked, R)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bytes = vec![0; 24];
        stream.read_exact(&mut bytes).unwrap();
        let body = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
        bytes.resize(24 + body, 0);
        stream.read_exact(&mut bytes[24..]).unwrap();
        let Ok(Parsed::Complete { value, .. }) = Request::parse(&bytes, &Limits::NONE) else {
            panic!("no request");
        };
        let connect = Connect::from_request(&value).unwrap();
        let asked = Asked {
            name: connect.name.to_vec(),
            flags: connect.all_flags(),
            backfill: connect.backfill,
            vbuckets: connect
                .vbuckets
                .map_or(vec![], |list| list.iter().collect()),
        };
        let result = serve(&mut stream, TapProducer::new(&connect, 0));
        (asked, result)
    });
    (address.to_string(), thread)
}

/// Runs `memlet tap` against a server.
fn tap(server: &str, arguments: &[&str]) -> common::Ran {
    memlet(&[&["tap", "--server", server], arguments].concat())
}

const CHANGE: TapChange<'static> = TapChange {
    vbucket: 3,
    key: b"greeting",
    cas: 77,
    flags: 5,
    expiration: 1_900_000_000,
    value: (b"hel", b"lo"),
    revision: 2,
};

/// A backfill, a change of everything else, and the end; then waits for the last confirmation.
fn send_all(stream: &mut TcpStream, mut producer: TapProducer) -> TapProducerEnd {
    let mut output = [0; 1024];
    let mut len = 0;
    let mut put = |send: &mut dyn FnMut(&mut [u8]) -> usize| len += send(&mut output[len..]);
    let odd = TapChange {
        key: b"\xff\0",
        value: (b"", b""),
        ..CHANGE
    };
    put(&mut |room| {
        let begin = Subtype::INITIAL_VBUCKET_STREAM;
        producer.opaque(3, begin, 1, room, 0).unwrap()
    });
    put(&mut |room| producer.mutation(&CHANGE, 2, false, room, 0).unwrap());
    put(&mut |room| producer.mutation(&odd, 3, false, room, 0).unwrap());
    put(&mut |room| {
        producer
            .opaque(3, Subtype::CLOSE_BACKFILL, 4, room, 0)
            .unwrap()
    });
    put(&mut |room| producer.checkpoint_start(3, 9, 5, room, 0).unwrap());
    put(&mut |room| producer.deletion(&CHANGE, 6, false, room, 0).unwrap());
    put(&mut |room| producer.checkpoint_end(3, 9, 7, room, 0).unwrap());
    put(&mut |room| {
        producer
            .vbucket_set(3, VbucketState::DEAD, 8, room, 0)
            .unwrap()
    });
    put(&mut |room| producer.flush(3, 9, false, room, 0).unwrap());
    put(&mut |room| producer.close(10, room, 0).unwrap());
    stream.write_all(&output[..len]).unwrap();
    let mut input = Vec::new();
    let mut piece = [0; 256];
    loop {
        let progress = producer.handle_input(&input);
        input.drain(..progress.consumed);
        if let TapProducerNext::End(end) = progress.next {
            return end;
        }
        match stream.read(&mut piece) {
            Ok(0) => return producer.handle_end_of_input(input.len()),
            Ok(len) => input.extend_from_slice(&piece[..len]),
            // A reader that leaves with bytes unread is told from one that closes.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return producer.handle_end_of_input(0);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_dump_is_printed_for_people() {
    let (server, producer) = producer(send_all);
    let ran = tap(&server, &["--dump"]);
    assert_eq!(
        ran.ok().lines().collect::<Vec<_>>(),
        [
            "backfill_begin   vbucket 3",
            "mutation         vbucket 3  cas 77  flags 0x5  expires 1900000000  greeting  (5 bytes)",
            "mutation         vbucket 3  cas 77  flags 0x5  expires 1900000000  \\xff\\0  (0 bytes)",
            "backfill_end     vbucket 3",
            "checkpoint_start vbucket 3  9",
            "deletion         vbucket 3  cas 77  greeting",
            "checkpoint_end   vbucket 3  9",
            "vbucket_state    vbucket 3  dead",
            "flush            vbucket 3",
            "end              vbucket 0",
        ]
    );
    let (asked, end) = producer.join().unwrap();
    let flags = ConnectFlags::BACKFILL | ConnectFlags::DUMP | ConnectFlags::FIX_FLAG_BYTEORDER;
    assert_eq!(
        asked,
        Asked {
            name: b"memlet".to_vec(),
            flags,
            backfill: Some(0),
            vbuckets: vec![]
        }
    );
    assert_eq!(end, TapProducerEnd::Done);
}

#[test]
fn json_has_every_field_and_confirmation_reaches_the_last_message() {
    let (server, producer) = producer(send_all);
    let ran = tap(
        &server,
        &[
            "--backfill",
            "--ack",
            "--json",
            "--name",
            "x",
            "--checkpoints",
        ],
    );
    let lines: Vec<Value> = ran
        .ok()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 10);
    assert_eq!(
        lines[1],
        json!({
            "event": "mutation", "vbucket": 3, "sequence": 2, "cas": 77, "flags": 5,
            "expiration": 1_900_000_000, "revision": 2,
            "key": "greeting", "key_base64": "Z3JlZXRpbmc=",
            "value": "hello", "value_base64": "aGVsbG8=",
        })
    );
    assert_eq!(lines[2]["key"], Value::Null);
    assert_eq!(lines[2]["key_base64"], "/wA=");
    assert_eq!(
        lines[5],
        json!({
            "event": "deletion", "vbucket": 3, "sequence": 6, "cas": 77, "revision": 2,
            "key": "greeting", "key_base64": "Z3JlZXRpbmc=",
        })
    );
    assert_eq!(
        lines[4],
        json!({"event": "checkpoint_start", "vbucket": 3, "sequence": 5, "checkpoint": 9})
    );
    assert_eq!(lines[7]["state"], "dead");
    let (asked, end) = producer.join().unwrap();
    assert_eq!((asked.name, asked.backfill), (b"x".to_vec(), Some(0)));
    assert_eq!(
        asked.flags.to_string(),
        "BACKFILL|SUPPORT_ACK|CHECKPOINT|FIX_FLAG_BYTEORDER"
    );
    assert_eq!(end, TapProducerEnd::Done);
}

#[test]
fn keys_alone_and_vbuckets_are_asked_for() {
    let (server, producer) = producer(send_all);
    let arguments = [
        "--keys-only",
        "--vbuckets",
        "0,5,8-11",
        "--backfill",
        "1600000000",
    ];
    let ran = tap(&server, &arguments);
    assert!(ran.ok().contains("greeting  (value left out)"), "{ran:?}");
    let (asked, _) = producer.join().unwrap();
    assert_eq!(asked.vbuckets, [0, 5, 8, 9, 10, 11]);
    assert_eq!(asked.backfill, Some(1_600_000_000));
    assert!(asked.flags.contains(ConnectFlags::REQUEST_KEYS_ONLY));
}

#[test]
fn it_ends_after_as_many_changes_as_were_asked_for() {
    let (server, producer) = producer(send_all);
    let ran = tap(&server, &["--count", "2", "--ack"]);
    assert_eq!(ran.ok().lines().count(), 3);
    let (asked, end) = producer.join().unwrap();
    assert_eq!(asked.backfill, Some(u64::MAX));
    assert_eq!(end, TapProducerEnd::EndOfInput);
}

#[test]
fn a_refusal_is_said_with_the_servers_reason() {
    let (server, producer) = producer(|stream, _| {
        let mut output = [0; 64];
        let len = Response {
            value: b"no engine for it",
            ..Response::new(Opcode::TAP_CONNECT, Status::NOT_SUPPORTED)
        }
        .emit(&mut output)
        .unwrap();
        stream.write_all(&output[..len]).unwrap();
    });
    let ran = tap(&server, &[]);
    assert_eq!(
        ran.failed(4),
        "memlet: tap connection failed: NOT_SUPPORTED: no engine for it\n"
    );
    producer.join().unwrap();
}

#[test]
fn a_stream_that_breaks_off_is_no_success() {
    let (server, thread) = producer(|_, _| ());
    assert!(
        tap(&server, &["--dump"])
            .failed(3)
            .contains("closed the connection")
    );
    thread.join().unwrap();

    let (server, thread) = producer(|stream, mut producer| {
        let mut output = [0; 256];
        let len = producer.mutation(&CHANGE, 1, true, &mut output, 0).unwrap();
        stream.write_all(&output[..len]).unwrap();
        stream.write_all(&output[..30]).unwrap();
    });
    let ran = tap(&server, &["--dump"]);
    assert!(
        ran.failed(3).contains("in the middle of a message"),
        "{ran:?}"
    );
    // What had come is printed.
    assert_eq!(ran.lines().len(), 1);
    thread.join().unwrap();
}

#[test]
fn a_malformed_message_is_said_with_its_place() {
    let (server, thread) = producer(|stream, mut producer| {
        let mut output = [0; 256];
        let len = producer.mutation(&CHANGE, 1, true, &mut output, 0).unwrap();
        output[24] = 0xff;
        stream.write_all(&output[..len]).unwrap();
    });
    let ran = tap(&server, &[]);
    assert!(ran.failed(4).contains("engine bytes: "), "{ran:?}");
    thread.join().unwrap();
}

#[test]
fn a_silent_server_is_given_up() {
    let (server, thread) = producer(|stream, _| stream.read(&mut [0; 1]).unwrap());
    let ran = tap(&server, &["--idle", "1"]);
    assert!(ran.failed(3).contains("no sign of life"), "{ran:?}");
    thread.join().unwrap();
}

#[test]
fn what_makes_no_request_is_a_usage_error() {
    for arguments in [
        &["tap", "--vbuckets", "5-3"][..],
        &["tap", "--vbuckets", "65536"],
        &["tap", "--vbuckets", "x"],
        &["tap", "--count", "0"],
        &["tap", "--idle", "0"],
    ] {
        memlet(arguments).failed(2);
    }
    let server = Running::start();
    let address = server.address.to_string();
    let name = "n".repeat(70_000);
    assert!(
        tap(&address, &["--name", &name])
            .failed(2)
            .contains("longer than")
    );
}

/// A cache with items in it.
fn filled(items: u32) -> (Running, String) {
    let server = Running::start();
    let address = server.address.to_string();
    let mut client = memlet::std::connect(server.address, &ConnectOptions::default()).unwrap();
    for number in 0..items {
        let (key, value) = (format!("key{number}"), format!("value{number}"));
        let command = Command::set(key.as_bytes(), value.as_bytes()).flags(number);
        client.store(&command).unwrap();
    }
    (server, address)
}

/// Key, value and flags of every item that was printed as JSON.
fn items(ran: &common::Ran) -> BTreeMap<String, (String, u64)> {
    let lines = ran.ok().lines();
    let events = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|event| event["event"] == "mutation")
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or("(none)").to_owned();
            (
                text("key"),
                (text("value"), event["flags"].as_u64().unwrap()),
            )
        })
        .collect()
}

#[test]
fn all_items_of_a_cache_are_dumped() {
    let (_server, address) = filled(3000);
    let expected: BTreeMap<_, _> = (0..3000_u32)
        .map(|number| {
            (
                format!("key{number}"),
                (format!("value{number}"), number.into()),
            )
        })
        .collect();
    for ack in [&[][..], &["--ack"]] {
        let ran = tap(&address, &[&["--dump", "--json"], ack].concat());
        assert_eq!(items(&ran), expected);
        let last: Value = serde_json::from_str(ran.lines().last().unwrap()).unwrap();
        assert_eq!(last["event"], "end");
    }
    let ran = tap(&address, &["--dump", "--json", "--keys-only"]);
    let keys = items(&ran);
    assert_eq!(keys.len(), 3000);
    assert!(keys.values().all(|(value, _)| value == "(none)"));
}

#[test]
fn a_cache_is_followed_as_it_changes() {
    let (_server, address) = filled(10);
    let mut reader = Reader::start(&address, &["--backfill", "--ack", "--json"]);
    let mut seen = 0;
    while seen < 10 {
        seen += u32::from(reader.next()["event"] == "mutation");
    }
    let mut client = memlet::std::connect(&address, &ConnectOptions::default()).unwrap();
    client.set(b"fresh", b"1").unwrap();
    client.delete(b"key3").unwrap();
    let mut changes = Vec::new();
    while changes.len() < 2 {
        let event = reader.next();
        if let Some(key) = event["key"].as_str() {
            changes.push((event["event"].as_str().unwrap().to_owned(), key.to_owned()));
        }
    }
    changes.sort();
    let change = |event: &str, key: &str| (event.to_owned(), key.to_owned());
    assert_eq!(
        changes,
        [change("deletion", "key3"), change("mutation", "fresh")]
    );
}

/// `memlet tap` while it runs.
struct Reader {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Reader {
    fn start(server: &str, arguments: &[&str]) -> Self {
        let mut process = process::Command::new(env!("CARGO_BIN_EXE_memlet"))
            .args(["tap", "--server", server])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next line of JSON.
    fn next(&mut self) -> Value {
        let line = self.lines.next().expect("it goes on").unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
