//! Bad input at the socket: each kind of malformed, hostile or merely unlucky traffic as a named test.
//!
//! The answers are memcached's (memcached binary protocol: malformed requests); where memcached's own answer is a known
//! quirk, the test says what is expected instead and asserts it of `memlet-server` alone. After each, a fresh connection is
//! served ([`Server::probe`]), and where the connection lives, the next answer belongs to the next request.

#[path = "../common/mod.rs"]
mod common;

mod lengths;
mod limits;
mod opcodes;
mod pipelines;
mod sasl;
mod strangers;
mod unfinished;

use crate::common::{Kind, Request, Server, hex, op, status};

/// Opcode, extras lengths that are right, needs a key, may have a value.
const SHAPES: &[(u8, &[u8], Key, bool)] = &[
    (op::GET, &[0], Key::Must, false),
    (op::GETQ, &[0], Key::Must, false),
    (op::GETK, &[0], Key::Must, false),
    (op::GETKQ, &[0], Key::Must, false),
    (op::SET, &[8], Key::Must, true),
    (op::ADD, &[8], Key::Must, true),
    (op::REPLACE, &[8], Key::Must, true),
    (op::SETQ, &[8], Key::Must, true),
    (op::ADDQ, &[8], Key::Must, true),
    (op::REPLACEQ, &[8], Key::Must, true),
    (op::DELETE, &[0], Key::Must, false),
    (op::DELETEQ, &[0], Key::Must, false),
    (op::INCREMENT, &[20], Key::Must, false),
    (op::DECREMENT, &[20], Key::Must, false),
    (op::INCREMENTQ, &[20], Key::Must, false),
    (op::DECREMENTQ, &[20], Key::Must, false),
    (op::APPEND, &[0], Key::Must, true),
    (op::PREPEND, &[0], Key::Must, true),
    (op::APPENDQ, &[0], Key::Must, true),
    (op::PREPENDQ, &[0], Key::Must, true),
    (op::TOUCH, &[4], Key::Must, false),
    (op::GAT, &[4], Key::Must, false),
    (op::GATQ, &[4], Key::Must, false),
    (op::GATK, &[4], Key::Must, false),
    (op::GATKQ, &[4], Key::Must, false),
    (op::FLUSH, &[0, 4], Key::MustNot, false),
    (op::FLUSHQ, &[0, 4], Key::MustNot, false),
    (op::NOOP, &[0], Key::MustNot, false),
    (op::VERSION, &[0], Key::MustNot, false),
    (op::QUIT, &[0], Key::MustNot, false),
    (op::QUITQ, &[0], Key::MustNot, false),
    (op::STAT, &[0], Key::May, false),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Must,
    MustNot,
    May,
}

/// Sends a malformed request with a SET behind it: one answer with this status, then the close, and the SET isn't executed.
#[track_caller]
fn refused_and_closed(server: &Server, request: &Request, expected: u16) {
    let opaque = 0x00ba_d000 + u32::from(request.opcode);
    let request = request.clone().opaque(opaque);
    let mut client = server.connect();
    let mut bytes = request.bytes();
    if server.kind == Kind::Memcached {
        // memlet judges the header by itself; memcached waits for all extras and key that are announced.
        let announced =
            24 + usize::from(bytes[4]) + usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        bytes.resize(bytes.len().max(announced), 0);
    }
    bytes.extend(Request::set("smuggled", "by a malformed request").bytes());
    client.send_bytes(&bytes);
    let answers = client.answers_to_close();
    assert_eq!(
        answers.len(),
        1,
        "request {}: {answers:?}",
        hex(&request.bytes())
    );
    let answer = &answers[0];
    assert_eq!(
        (
            answer.status(),
            answer.opcode(),
            answer.opaque(),
            answer.cas()
        ),
        (expected, request.opcode, opaque, 0),
        "request {}",
        hex(&request.bytes()[..request.bytes().len().min(64)])
    );
    assert_eq!(answer.value(), text_of(expected));
    let mut client = server.connect();
    assert_eq!(
        client.call(Request::get("smuggled")).status(),
        status::NOT_FOUND,
        "what follows {} was executed",
        hex(&request.bytes()[..request.bytes().len().min(64)])
    );
}

fn text_of(status: u16) -> &'static [u8] {
    match status {
        status::NOT_FOUND => b"Not found",
        status::EXISTS => b"Data exists for key.",
        status::TOO_BIG => b"Too large.",
        status::INVALID => b"Invalid arguments",
        status::NOT_STORED => b"Not stored.",
        status::DELTA_BAD_VALUE => b"Non-numeric server-side value for incr or decr",
        status::AUTH_ERROR => b"Auth failure.",
        status::UNKNOWN_COMMAND => b"Unknown command",
        _ => b"",
    }
}

fn assert_one_error_line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(text.starts_with("ERROR"), "{text:?}");
    assert!(
        text.ends_with("\r\n") && text.matches('\n').count() == 1,
        "not one line: {text:?}"
    );
}
