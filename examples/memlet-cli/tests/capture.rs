//! `memlet decode` of capture files, as people and scripts see it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{memlet, memlet_reading};
use memlet_core::wire::{Opcode, Request, Response, Status};
use serde_json::Value;

/// Frames of a pcap file that carry IP alone: the time in microseconds, whether the server speaks, and what it says.
fn pcap(frames: &[(u32, bool, &[u8])]) -> Vec<u8> {
    let mut file = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    file.extend_from_slice(&[2, 0, 4, 0]);
    for number in [0, 0, 0x4_0000, 101_u32] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    let mut next = [100_u32, 900];
    for (time, is_server, bytes) in frames {
        let len = 40 + bytes.len();
        for number in [1_700_000_000, *time, len as u32, len as u32] {
            file.extend_from_slice(&number.to_le_bytes());
        }
        let side = usize::from(*is_server);
        let hosts = [[10, 0, 0, 1], [10, 0, 0, 2]];
        let ports = [40_000_u16, 11_211].map(u16::to_be_bytes);
        file.extend_from_slice(&[0x45, 0]);
        file.extend_from_slice(&(len as u16).to_be_bytes());
        file.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        file.extend_from_slice(&hosts[side]);
        file.extend_from_slice(&hosts[1 - side]);
        file.extend_from_slice(&ports[side]);
        file.extend_from_slice(&ports[1 - side]);
        file.extend_from_slice(&next[side].to_be_bytes());
        file.extend_from_slice(&next[1 - side].to_be_bytes());
        file.extend_from_slice(&[0x50, 0x10, 1, 0, 0, 0, 0, 0]);
        file.extend_from_slice(bytes);
        next[side] += bytes.len() as u32;
    }
    file
}

fn get_and_answer() -> Vec<u8> {
    let mut asked = [0; 64];
    let request = Request {
        key: b"user:1",
        opaque: 7,
        ..Request::new(Opcode::GETK)
    };
    let len = request.emit(&mut asked).unwrap();
    let mut answered = [0; 64];
    let response = Response {
        extras: &[0, 0, 0, 9],
        key: b"user:1",
        value: b"x",
        opaque: 7,
        cas: 3,
        ..Response::new(Opcode::GETK, Status::SUCCESS)
    };
    let answer_len = response.emit(&mut answered).unwrap();
    pcap(&[
        (10, false, &asked[..len]),
        (260, true, &answered[..answer_len]),
    ])
}

fn written(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("traffic.pcap");
    fs::write(&path, bytes).unwrap();
    path
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_capture_is_told_packet_by_packet_with_latency() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &get_and_answer());
    let path = path.to_str().unwrap();
    let ran = memlet(&["decode", path]);
    let expected = [
        "     1     0.000000    0 10.0.0.1:40000 > 10.0.0.2:11211 request GETK, key \"user:1\", opaque 0x7",
        "     2     0.000250    0 10.0.0.2:11211 > 10.0.0.1:40000 response GETK SUCCESS, key \"user:1\", value of 1 bytes, opaque 0x7, after 250.0 µs",
    ];
    assert_eq!(ran.ok().lines().collect::<Vec<_>>(), expected);
    // However it is given.
    assert_eq!(memlet(&["decode", "--file", path]).ok(), ran.ok());
    assert_eq!(
        memlet_reading(&["decode"], &get_and_answer()).ok(),
        ran.ok()
    );
    let json = memlet(&["decode", path, "--json"]);
    let expected: Value = serde_json::json!({
        "frame": 2, "time": "1700000000.000260000", "stream": 0, "src": "10.0.0.2:11211",
        "dst": "10.0.0.1:40000", "magic": 0x81, "opcode": "GETK", "opcode_value": 12,
        "key_length": 6, "extras_length": 4, "datatype": 0, "status": "SUCCESS", "status_value": 0,
        "total_body_length": 11, "opaque": 7, "cas": 3, "key": "user:1", "key_base64": "dXNlcjox",
        "value_length": 1, "extras": {"flags": 9}, "request_frame": 1, "latency_us": 250.0,
        "lints": [],
    });
    assert_eq!(lines(json.ok())[1], expected);
}

#[test]
fn quiet_commands_before_a_noop_of_the_same_segment_are_nothing_to_warn_of() {
    let mut batch = vec![0; 128];
    let quiet = Request {
        key: b"nope",
        ..Request::new(Opcode::GETQ)
    };
    let len = quiet.emit(&mut batch).unwrap();
    let noop_len = Request::new(Opcode::NOOP).emit(&mut batch[len..]).unwrap();
    let mut answer = [0; 24];
    Response::new(Opcode::NOOP, Status::SUCCESS)
        .emit(&mut answer)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let frames = [
        (10, false, &batch[..len + noop_len]),
        (20, true, &answer[..]),
    ];
    let path = written(folder.path(), &pcap(&frames));
    let ran = memlet(&["decode", path.to_str().unwrap()]);
    assert!(ran.ok().contains("request GETQ"), "{}", ran.ok());
    assert!(!ran.ok().contains("warning"), "{}", ran.ok());
}

#[test]
fn a_capture_is_told_in_figures() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &get_and_answer());
    let path = path.to_str().unwrap();
    let ran = memlet(&["decode", path, "--stats", "--json"]);
    let figures = &lines(ran.ok())[0];
    assert_eq!(figures["hits"], 1);
    assert_eq!(figures["opcodes"][0]["opcode"], "GETK");
    assert_eq!(figures["opcodes"][0]["responses"], 1);
    assert_eq!(figures["keys"][0]["key"], "user:1");
    let ran = memlet(&["decode", path, "--stats"]);
    assert!(
        ran.ok().contains("gets: 1 hits, 0 misses, 100.0 % hits"),
        "{ran:?}"
    );
    let none = memlet(&["decode", "800a", "--stats"]);
    assert!(
        none.failed(2)
            .contains("--stats and --filter need a capture file")
    );
}

#[test]
fn a_capture_that_breaks_off_shows_what_is_there_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let whole = get_and_answer();
    let path = written(folder.path(), &whole[..whole.len() - 1]);
    let ran = memlet(&["decode", path.to_str().unwrap()]);
    assert!(
        ran.text()
            .starts_with("     1     0.000000    0 10.0.0.1:40000")
    );
    assert!(
        ran.failed(1).contains("the file ends within a record"),
        "{ran:?}"
    );
}

#[test]
fn a_filter_picks_packets_and_says_where_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &get_and_answer());
    let path = path.to_str().unwrap();
    let frames = |filter: &str| {
        let ran = memlet(&["decode", path, "--json", "--filter", filter]);
        let frames: Vec<_> = lines(ran.ok())
            .iter()
            .map(|line| line["frame"].clone())
            .collect();
        frames
    };
    for (filter, expected) in [
        ("opcode == GETK", &[1, 2][..]),
        ("opcode == GETK && status == SUCCESS", &[2]),
        ("opcode == GET || request == 1", &[1]),
        ("latency > 249us && latency <= 1ms", &[2]),
        ("latency < 1s && status != 0", &[]),
        ("!(latency < 1s)", &[1]),
        (
            "key ^= \"user:\" && key $= \"1\" && key *= \"er\" && value == \"x\"",
            &[2],
        ),
        ("key != \"user:1\"", &[]),
        ("dst_port == 0x2bcb && opaque == 7", &[1]),
    ] {
        assert_eq!(frames(filter), expected, "{filter}");
    }
    for (filter, expected) in [
        ("opcod == GET", "character 1: expected the name of a field"),
        ("opcode == NOTHING", "character 11: expected a number"),
        ("key ^= user", "character 8: expected text in quotes"),
        (
            "(opcode == GET",
            "character 15: expected a closing parenthesis",
        ),
        (
            "opcode == GET status",
            "character 15: expected &&, || or the end",
        ),
        ("latency > 5min", "character 11: expected a number, a time"),
        ("key == \"a", "expected a closing quote"),
    ] {
        let ran = memlet(&["decode", path, "--filter", filter]);
        assert!(ran.failed(2).contains(expected), "{filter}: {ran:?}");
    }
    let deep = "!".repeat(10_000) + "opcode == GET";
    assert!(
        memlet(&["decode", path, "--filter", &deep])
            .failed(2)
            .contains("fewer negations")
    );
}
