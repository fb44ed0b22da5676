//! `memlet upr` and its alias: against a server in this process, and against a producer that does what a test says.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::{Ran, Running, memlet};
use memlet::std::{ConnectOptions, StdClient, connect};
use memlet_core::dcp::{
    Body, Deletion, DeletionForm, FailoverEntry, FailoverLog, Message, Mutation, Reply, ReplyBody,
    SnapshotFlags, SnapshotMarker, StreamEnd, StreamEndReason, StreamRequest, SystemEvent,
    SystemEventKind, VbucketState,
};
use memlet_core::wire::{Limits, Opcode, Packet, Parsed, Status};
use serde_json::{Value, json};

/// Generous: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

fn upr(server: &str, arguments: &[&str]) -> Ran {
    memlet(&[&["upr", "--server", server], arguments].concat())
}

/// The lines of JSON that were printed.
fn events(ran: &Ran) -> Vec<Value> {
    ran.lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn keys(events: &[Value], event: &str) -> Vec<String> {
    let mut keys: Vec<String> = events
        .iter()
        .filter(|members| members["event"] == event)
        .map(|members| members["key"].as_str().unwrap().to_owned())
        .collect();
    keys.sort();
    keys
}

fn client(server: &Running) -> StdClient {
    connect(server.address, &ConnectOptions::default()).unwrap()
}

#[test]
fn a_dump_prints_every_item_once_and_ends() {
    let server = Running::start();
    let mut client = client(&server);
    for number in 0..300 {
        client
            .set(format!("key{number:03}").as_bytes(), &[b'v'; 1000])
            .unwrap();
    }
    let address = server.address.to_string();
    let ran = upr(&address, &["--dump", "--json", "--buffer", "65536"]);
    ran.ok();
    let all: Vec<String> = (0..300).map(|number| format!("key{number:03}")).collect();
    let found = events(&ran);
    assert_eq!(keys(&found, "mutation"), all);
    let mutation = found
        .iter()
        .find(|event| event["event"] == "mutation")
        .unwrap();
    assert_eq!(mutation["value"].as_str().unwrap().len(), 1000);

    let ran = memlet(&["dcp", "--server", &address, "--dump", "--no-value"]);
    let is_mutation = |line: &&&str| line.starts_with("mutation ");
    assert_eq!(
        ran.ok().lines().filter(|line| is_mutation(&line)).count(),
        300
    );
    assert!(ran.text().contains("(0 bytes)"));

    let ran = upr(&address, &["--count", "10"]);
    assert_eq!(
        ran.ok().lines().filter(|line| is_mutation(&line)).count(),
        10
    );
}

#[test]
fn the_next_run_goes_on_where_the_last_one_stopped() {
    let server = Running::start();
    let mut client = client(&server);
    let address = server.address.to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("positions.json");
    let file = file.to_str().unwrap();
    let dump = ["--dump", "--json", "--positions", file];

    for number in 0..50 {
        client
            .set(format!("old{number:02}").as_bytes(), b"value")
            .unwrap();
    }
    let first = events(&upr(&address, &dump));
    assert_eq!(keys(&first, "mutation").len(), 50);
    let again = upr(&address, &dump);
    again.ok();
    assert_eq!(keys(&events(&again), "mutation"), [""; 0]);

    client.set(b"new", b"value").unwrap();
    client.delete(b"old07").unwrap();
    let next = upr(&address, &dump);
    next.ok();
    assert_eq!(keys(&events(&next), "mutation"), ["new"]);
    assert_eq!(keys(&events(&next), "deletion"), ["old07"]);

    // Another server knows nothing of these histories.
    let other = Running::start();
    connect(other.address, &ConnectOptions::default())
        .unwrap()
        .set(b"elsewhere", b"value")
        .unwrap();
    let ran = upr(&other.address.to_string(), &dump);
    ran.ok();
    let found = events(&ran);
    assert!(
        found
            .iter()
            .any(|event| event["event"] == "rollback" && event["seqno"] == 0)
    );
    assert_eq!(keys(&found, "mutation"), ["elsewhere"]);
}

#[test]
fn a_reader_that_is_killed_goes_on_where_it_wrote_that_it_was() {
    let server = Running::start();
    let mut client = client(&server);
    let address = server.address.to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("positions.json");
    let mut keys_of_both = std::collections::BTreeSet::new();
    for number in 0..200 {
        client
            .set(format!("a{number}").as_bytes(), b"value")
            .unwrap();
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_memlet"))
        .args(["upr", "--server", &address, "--json", "--positions"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut take = |keys: &mut std::collections::BTreeSet<String>| {
        let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if event["event"] == "mutation" {
            keys.insert(event["key"].as_str().unwrap().to_owned());
        }
    };
    while keys_of_both.len() < 200 {
        take(&mut keys_of_both);
    }
    let begin = Instant::now();
    while !file.exists() {
        assert!(begin.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
    client.set(b"b", b"value").unwrap();
    while keys_of_both.len() < 201 {
        take(&mut keys_of_both);
    }
    child.kill().unwrap();
    child.wait().unwrap();

    client.set(b"c", b"value").unwrap();
    let next = upr(
        &address,
        &["--dump", "--json", "--positions", file.to_str().unwrap()],
    );
    next.ok();
    let found = events(&next);
    assert!(
        found.iter().all(|event| event["event"] != "rollback"),
        "{found:?}"
    );
    keys_of_both.extend(keys(&found, "mutation"));
    assert!(keys_of_both.contains("c"));
    assert_eq!(keys_of_both.len(), 202);
}

#[test]
fn a_file_of_positions_that_is_none_is_told_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("positions.json");
    for (text, complaint) in [
        ("", "EOF"),
        ("[]", "invalid type"),
        (
            r#"{"x": {"uuid": 1, "seqno": 1, "snapshot_start": 1, "snapshot_end": 1}}"#,
            "no vbucket",
        ),
        (r#"{"1": {"uuid": 1, "seqno": 1}}"#, "snapshot_start"),
        (
            r#"{"1": {"uuid": 1, "seqno": 9, "snapshot_start": 1, "snapshot_end": 5}}"#,
            "snapshot",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let ran = upr("127.0.0.1:1", &["--positions", file.to_str().unwrap()]);
        let said = ran.failed(2);
        assert!(
            said.contains(complaint) && said.contains("positions.json"),
            "{said}"
        );
    }
}

/// A producer in this process: it accepts one connection and answers as `serve` says.
struct Connection(TcpStream);

impl Connection {
    fn receive(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 24];
        self.0.read_exact(&mut bytes).unwrap();
        let body_len = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
        bytes.resize(24 + body_len, 0);
        self.0.read_exact(&mut bytes[24..]).unwrap();
        bytes
    }

    fn answer(&mut self, request: &[u8], status: Status, body: ReplyBody<'_>) {
        let packet = packet(request);
        let reply = Reply {
            body,
            ..Reply::new(packet.opcode, status, packet.opaque)
        };
        let mut bytes = vec![0; reply.encoded_len().unwrap()];
        reply.emit(&mut bytes).unwrap();
        self.0.write_all(&bytes).unwrap();
    }

    /// Accepts OPEN and its properties; `controls` of them.
    fn open(&mut self, controls: usize) -> Vec<u8> {
        let open = self.receive();
        self.answer(&open, Status::SUCCESS, ReplyBody::Plain { value: b"" });
        for _ in 0..controls {
            let control = self.receive();
            self.answer(&control, Status::SUCCESS, ReplyBody::Plain { value: b"" });
        }
        open
    }

    /// Answers what is asked with a log of one history.
    fn answer_with_log(&mut self, request: &[u8]) {
        let entry = FailoverEntry {
            vbucket_uuid: 0xabc,
            seqno: 0,
        };
        let log = entry.to_bytes();
        let log = FailoverLog::parse(&log).unwrap();
        self.answer(request, Status::SUCCESS, ReplyBody::FailoverLog(log));
    }

    fn send(&mut self, request: &[u8], message: &Message<'_>) {
        let packet = packet(request);
        let message = Message {
            vbucket: packet.vbucket_or_status,
            opaque: packet.opaque,
            ..*message
        };
        let mut bytes = vec![0; message.encoded_len().unwrap()];
        message.emit(&mut bytes).unwrap();
        self.0.write_all(&bytes).unwrap();
    }
}

fn packet(bytes: &[u8]) -> Packet<'_> {
    match Packet::parse(bytes, &Limits::NONE) {
        Ok(Parsed::Complete { value, .. }) => value,
        other => panic!("{other:?}"),
    }
}

fn request(bytes: &[u8]) -> StreamRequest<'_> {
    match Message::parse(&packet(bytes)).unwrap().body {
        Body::StreamRequest(request) => request,
        other => panic!("{other:?}"),
    }
}

fn producer<T: Send + 'static>(
    serve: impl FnOnce(&mut Connection) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        serve(&mut Connection(stream))
    });
    (address, thread)
}

const PLAIN: [&str; 4] = ["--buffer", "0", "--noop", "0"];

fn of(body: Body<'static>) -> Message<'static> {
    Message::new(0, 0, body)
}

fn end(reason: StreamEndReason) -> Message<'static> {
    of(Body::StreamEnd(StreamEnd { reason }))
}

#[test]
fn every_message_has_a_line_and_an_object() {
    let serve = |connection: &mut Connection| {
        connection.open(0);
        let asked = connection.receive();
        connection.answer_with_log(&asked);
        let messages = [
            of(Body::SnapshotMarker(SnapshotMarker {
                start_seqno: 1,
                end_seqno: 9,
                flags: SnapshotFlags::DISK,
                ..SnapshotMarker::default()
            })),
            Message {
                cas: 77,
                ..of(Body::Mutation(Mutation {
                    seqno: 1,
                    revision: 2,
                    flags: 5,
                    expiration: 1_900_000_000,
                    key: b"greeting",
                    value: b"hello",
                    ..Mutation::default()
                }))
            },
            of(Body::Deletion(Deletion {
                seqno: 2,
                key: b"go\xffne",
                form: DeletionForm::V2 {
                    delete_time: 33,
                    unused: 0,
                },
                ..Deletion::default()
            })),
            of(Body::SystemEvent(SystemEvent {
                seqno: 3,
                event: SystemEventKind::SCOPE_CREATE,
                version: 0,
                key: b"S1",
                value: &[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 8],
            })),
            of(Body::SetVbucketState(VbucketState::REPLICA)),
            of(Body::Flush),
            end(StreamEndReason::OK),
        ];
        for message in &messages {
            connection.send(&asked, message);
        }
        // The answer to the state.
        assert_eq!(
            packet(&connection.receive()).opcode,
            Opcode::DCP_SET_VBUCKET_STATE
        );
    };
    let (address, thread) = producer(serve);
    let ran = upr(&address, &[&PLAIN[..], &["--vbucket", "3"]].concat());
    thread.join().unwrap();
    assert_eq!(
        ran.ok(),
        "snapshot         vbucket 3  1 to 9  disk\n\
         mutation         vbucket 3  seqno 1  cas 77  flags 0x5  expires 1900000000  greeting  (5 bytes)\n\
         deletion         vbucket 3  seqno 2  cas 0  go\\xffne  (0 bytes)\n\
         system_event     vbucket 3  seqno 3  scope-create  S1\n\
         vbucket_state    vbucket 3  replica\n\
         flush            vbucket 3\n\
         end              vbucket 3  ok\n"
    );
    let (address, thread) = producer(serve);
    let ran = upr(
        &address,
        &[&PLAIN[..], &["--vbuckets", "3", "--json"]].concat(),
    );
    thread.join().unwrap();
    ran.ok();
    let events = events(&ran);
    assert_eq!(
        events[1],
        json!({
            "event": "mutation", "vbucket": 3, "seqno": 1, "revision": 2, "cas": 77, "datatype": 0,
            "flags": 5, "expiration": 1_900_000_000, "key": "greeting", "key_base64": "Z3JlZXRpbmc=",
            "value": "hello", "value_base64": "aGVsbG8=",
        })
    );
    assert_eq!(events[2]["key"], Value::Null);
    assert_eq!(
        (&events[2]["delete_time"], &events[3]["scope"]),
        (&json!(33), &json!(8))
    );
    assert_eq!(
        events[6],
        json!({"event": "end", "vbucket": 3, "reason": "ok"})
    );
}

#[test]
fn what_is_asked_for_is_what_the_options_say() {
    let (address, thread) = producer(|connection| {
        let open = connection.open(3);
        let log = connection.receive();
        assert_eq!(packet(&log).opcode, Opcode::DCP_GET_FAILOVER_LOG);
        connection.answer_with_log(&log);
        let asked = connection.receive();
        connection.answer_with_log(&asked);
        connection.send(&asked, &end(StreamEndReason::OK));
        (open, asked)
    });
    let arguments = [
        "--vbucket",
        "5",
        "--from-seqno",
        "1000",
        "--no-value",
        "--xattrs",
        "--delete-times",
        "--name",
        "me",
        "--dump",
        "--buffer",
        "5000",
        "--noop",
        "30",
    ];
    upr(&address, &arguments).ok();
    let (open, asked) = thread.join().unwrap();
    assert_eq!(packet(&open).key, b"me");
    assert_eq!(packet(&open).extras, [0, 0, 0, 0, 0, 0, 0, 0x2d]);
    assert_eq!(packet(&asked).vbucket_or_status, 5);
    let request = request(&asked);
    assert_eq!((request.start_seqno, request.vbucket_uuid), (1000, 0xabc));
    assert_eq!((request.snapshot_start, request.snapshot_end), (1000, 1000));
    assert_eq!((request.flags.0, request.end_seqno), (4, u64::MAX));
}

#[test]
fn a_stream_that_ends_for_slowness_is_asked_for_again_from_its_place() {
    let (address, thread) = producer(|connection| {
        connection.open(0);
        let first = connection.receive();
        connection.answer_with_log(&first);
        let mutation = |seqno| {
            of(Body::Mutation(Mutation {
                seqno,
                key: b"k",
                ..Mutation::default()
            }))
        };
        connection.send(&first, &mutation(8));
        connection.send(&first, &end(StreamEndReason::SLOW));
        let second = connection.receive();
        assert_eq!(request(&second).start_seqno, 8);
        let rollback = ReplyBody::Rollback { seqno: 4 };
        connection.answer(&second, Status::ROLLBACK, rollback);
        let third = connection.receive();
        assert_eq!(request(&third).start_seqno, 4);
        connection.answer_with_log(&third);
        connection.send(&third, &mutation(5));
        connection.send(&third, &end(StreamEndReason::STATE_CHANGED));
    });
    let ran = upr(&address, &[&PLAIN[..], &["--vbucket", "0"]].concat());
    thread.join().unwrap();
    assert!(
        ran.failed(4)
            .contains("vbucket 0: the stream ended: state-changed"),
        "{ran:?}"
    );
    let names: Vec<&str> = ran
        .text()
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["mutation", "end", "rollback", "mutation", "end"]);
}

#[test]
fn refusals_and_broken_connections_have_their_exit_codes() {
    let (address, thread) = producer(|connection| {
        let open = connection.receive();
        connection.answer(
            &open,
            Status::UNKNOWN_COMMAND,
            ReplyBody::Plain { value: b"" },
        );
    });
    let ran = upr(&address, &PLAIN);
    assert!(ran.failed(4).contains("does not speak DCP"), "{ran:?}");
    thread.join().unwrap();

    let (address, thread) = producer(|connection| {
        connection.open(0);
        let asked = connection.receive();
        let text = ReplyBody::Plain {
            value: b"elsewhere",
        };
        connection.answer(&asked, Status::NOT_MY_VBUCKET, text);
    });
    let ran = upr(&address, &[&PLAIN[..], &["--vbucket", "9"]].concat());
    assert!(
        ran.failed(4)
            .contains("vbucket 9: NOT_MY_VBUCKET: elsewhere"),
        "{ran:?}"
    );
    thread.join().unwrap();

    let (address, thread) = producer(|connection| {
        connection.open(0);
        let asked = connection.receive();
        connection.answer_with_log(&asked);
        connection.0.write_all(&[0x80, 0x57]).unwrap();
    });
    let ran = upr(&address, &[&PLAIN[..], &["--vbucket", "9"]].concat());
    assert!(
        ran.failed(3).contains("in the middle of a packet"),
        "{ran:?}"
    );
    thread.join().unwrap();

    let ran = upr("127.0.0.1:1", &["--vbuckets", "9-5"]);
    assert!(ran.failed(2).contains("5 comes before 9"), "{ran:?}");
}
