//! What a session looks like in a log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use embedded_io::{ErrorType, Read};
use memlet::blocking::{Client, serve};
use memlet_core::engine::{Engine, EngineSettings};
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{Opcode, Request, Response, Status};
use tracing::Level;
use tracing::subscriber::with_default;
use tracing_subscriber::fmt::MakeWriter;

/// The lines that `f` logs on this thread, from a level on.
fn logged(level: Level, f: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(lines.clone())
        .with_target(false)
        .without_time()
        .with_ansi(false)
        .finish();
    with_default(subscriber, f);
    let bytes = lines.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}

/// A stream whose peer has sent all it will.
struct Sent<'a>(&'a [u8]);

impl ErrorType for Sent<'_> {
    type Error = io::Error;
}

impl Read for Sent<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut self.0, space)
    }
}

impl embedded_io::Write for Sent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Serves a peer that sends these bytes, with an input of 512 bytes.
fn session(sent: &[u8]) {
    let mut memory = vec![0; 16 << 10];
    let store = Store::new(&mut memory[..], StoreOptions::default()).unwrap();
    let mut engine = Engine::new(store, EngineSettings::default());
    let (mut input, mut output) = ([0; 512], [0; 512]);
    serve(Sent(sent), &mut engine, &mut input, &mut output, || 1).unwrap();
}

fn bytes(requests: &[Request<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for request in requests {
        let mut packet = vec![0; request.encoded_len().unwrap()];
        request.emit(&mut packet).unwrap();
        bytes.extend_from_slice(&packet);
    }
    bytes
}

fn set<'a>(key: &'a [u8], value: &'a [u8]) -> Request<'a> {
    Request {
        key,
        value,
        extras: &[0; 8],
        ..Request::new(Opcode::SET)
    }
}

fn get(key: &[u8]) -> Request<'_> {
    Request {
        key,
        ..Request::new(Opcode::GET)
    }
}

#[test]
fn a_session_is_a_line_for_each_batch_and_one_for_the_end() {
    let sent = bytes(&[set(b"Hello", b"World"), get(b"Hello"), get(b"none")]);
    let lines = logged(Level::DEBUG, || session(&sent));
    assert_eq!(
        lines,
        [
            "DEBUG SET \"Hello\" with 5 bytes, GET \"Hello\", GET \"none\" => SET SUCCESS, GET SUCCESS with 5 bytes, \
             GET KEY_ENOENT with 9 bytes",
            "INFO closed: closed by the peer",
        ]
    );
}

#[test]
fn a_value_that_comes_in_pieces_is_told_by_its_pieces() {
    let sent = bytes(&[set(b"long", &[0x80; 2000])]);
    let lines = logged(Level::DEBUG, || session(&sent));
    assert_eq!(lines[0], "DEBUG SET, 512 of its 2036 bytes =>");
    assert_eq!(lines[1], "DEBUG 512 bytes of a value =>");
    assert!(
        lines.contains(&"DEBUG 500 bytes of a value => SET SUCCESS".to_owned()),
        "{lines:#?}"
    );
}

#[test]
fn a_peer_that_misbehaves_is_warned_of() {
    let lines = logged(Level::INFO, || {
        session(b"GET / HTTP/1.1\r\nHost: memlet\r\n\r\n");
    });
    assert_eq!(
        lines,
        ["WARN closed: the peer does not speak the binary protocol"]
    );
    let mut sent = bytes(&[Request::new(Opcode::NOOP)]);
    sent.extend_from_slice(&[0x80, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1]);
    sent.extend_from_slice(&[0; 12]);
    let lines = logged(Level::WARN, || session(&sent));
    assert_eq!(lines, ["WARN closed: a request's lengths are wrong"]);
    let lines = logged(Level::WARN, || session(&bytes(&[get(b"cut")])[..20]));
    assert_eq!(
        lines,
        ["WARN closed: closed by the peer in the middle of a request"]
    );
}

#[test]
fn neither_values_nor_passwords_are_logged_at_any_level() {
    let login = Request {
        key: b"PLAIN",
        value: b"\0user\0secret",
        ..Request::new(Opcode::SASL_AUTH)
    };
    let sent = bytes(&[login, set(b"key", b"secret"), get(b"key")]);
    let text = logged(Level::TRACE, || session(&sent)).join("\n");
    assert!(text.contains("TRACE received [Header {"), "{text}");
    assert!(text.contains("SASL_AUTH \"PLAIN\" with 12 bytes"), "{text}");
    assert!(
        !text.contains("secret") && !text.contains("115, 101, 99"),
        "{text}"
    );
}

#[test]
fn a_client_tells_once_why_its_connection_is_given_up() {
    let mut reply = [0; 24];
    let foreign = Response {
        opaque: 99,
        ..Response::new(Opcode::GET, Status::SUCCESS)
    };
    foreign.emit(&mut reply).unwrap();
    let lines = logged(Level::INFO, || {
        let mut client = Client::new(Sent(&reply));
        assert!(client.noop().is_err());
        assert!(client.noop().is_err());
    });
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].starts_with("WARN the connection to the server is given up: "),
        "{lines:#?}"
    );
    assert!(lines[0].contains("expected NOOP"), "{lines:#?}");
    let lines = logged(Level::INFO, || {
        assert!(Client::new(Sent(&[])).noop().is_err());
    });
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].starts_with("INFO the server is gone: "),
        "{lines:#?}"
    );
}
