//! Servers that break the protocol, over real sockets with real timeouts: each is an error with its reason, and the
//! client is of no more use.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::Client;
use memlet::client::Error;
use memlet::std::{ConnectOptions, Transport, connect, connect_unix};
use memlet_core::connection::client::ReplyErrorKind;

/// How long a client waits here; a test fails only if it takes very much longer.
const TIMEOUT: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(20);

fn options() -> ConnectOptions {
    let mut options = ConnectOptions::default();
    options.read_timeout = Some(TIMEOUT);
    options.write_timeout = Some(TIMEOUT);
    options
}

/// A client of a server that handles its one connection as `behave` says, and then holds it until the client is gone.
fn client(behave: impl FnOnce(&mut TcpStream) + Send + 'static) -> Client<Transport, Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        behave(&mut stream);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    Client::new(Transport::tcp(address, &options()).unwrap())
}

/// Reads a request with a body of `body_len` bytes; its opaque.
fn request(stream: &mut TcpStream, body_len: usize) -> [u8; 4] {
    let mut bytes = vec![0; 24 + body_len];
    stream.read_exact(&mut bytes).unwrap();
    bytes[12..16].try_into().unwrap()
}

/// A hit with the value `stale`.
fn hit(opcode: u8, opaque: [u8; 4]) -> Vec<u8> {
    let mut reply = vec![0x81, opcode, 0, 0, 4, 0, 0, 0, 0, 0, 0, 9];
    reply.extend(opaque);
    reply.extend([0; 12]);
    reply.extend(b"stale");
    reply
}

fn noop(opaque: [u8; 4]) -> Vec<u8> {
    let mut reply = vec![0x81, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    reply.extend(opaque);
    reply.extend([0; 8]);
    reply
}

/// A get of a key of three bytes fails in time; why.
#[track_caller]
fn get_fails(client: &mut Client<Transport, Vec<u8>>) -> Error<std::io::Error> {
    let begin = Instant::now();
    let error = client.get(b"key").unwrap_err();
    assert!(begin.elapsed() < PATIENCE);
    assert!(error.is_fatal() && !error.is_not_found());
    assert!(!client.is_healthy());
    // What comes later is not looked at.
    assert!(client.get(b"key").is_err());
    error
}

#[track_caller]
fn kind(error: Error<std::io::Error>) -> ReplyErrorKind {
    match error {
        Error::Reply(error) => error.kind,
        other => panic!("{other}"),
    }
}

#[test]
fn a_wrong_opaque() {
    let mut client = client(|stream| {
        let [a, b, c, d] = request(stream, 3);
        stream.write_all(&hit(0, [a, b, c, d ^ 0x40])).unwrap();
    });
    assert_eq!(kind(get_fails(&mut client)), ReplyErrorKind::Unasked);
}

#[test]
fn a_wrong_opcode() {
    let mut client = client(|stream| {
        let opaque = request(stream, 3);
        stream.write_all(&hit(0x0c, opaque)).unwrap();
    });
    let error = get_fails(&mut client);
    assert_eq!(
        error.to_string(),
        "reply with another opcode; expected GET with opaque 1; \
         found GETK with opaque 1 and status SUCCESS"
    );
    assert_eq!(kind(error), ReplyErrorKind::WrongOpcode);
}

#[test]
fn a_reply_cut_short_by_the_end_of_the_connection() {
    for len in [1, 23, 24, 30] {
        let mut client = client(move |stream| {
            let opaque = request(stream, 3);
            stream.write_all(&hit(0, opaque)[..len]).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let error = get_fails(&mut client);
        assert!(error.is_closed());
        let received = len as u64;
        assert_eq!(kind(error), ReplyErrorKind::Truncated { received });
    }
}

#[test]
fn a_reply_that_never_comes() {
    let mut client = client(|_| {});
    assert!(get_fails(&mut client).is_timeout());
}

#[test]
fn a_reply_that_stops_in_the_middle() {
    let mut client = client(|stream| {
        let opaque = request(stream, 3);
        stream.write_all(&hit(0, opaque)[..30]).unwrap();
    });
    assert!(get_fails(&mut client).is_timeout());
}

#[test]
fn a_body_of_4_gib() {
    let mut client = client(|stream| {
        let opaque = request(stream, 3);
        let mut reply = hit(0, opaque);
        reply[8..12].fill(0xff);
        stream.write_all(&reply).unwrap();
    });
    let error = get_fails(&mut client);
    let text = "malformed reply: body: too long: 4294967295 at byte 8, allowed at most 33554432";
    assert!(error.to_string().starts_with(text), "{error}");
}

#[test]
fn a_reply_to_a_quiet_get_after_its_noop() {
    let mut client = client(|stream| {
        let quiet = request(stream, 3);
        let closing = request(stream, 0);
        stream.write_all(&noop(closing)).unwrap();
        stream.write_all(&hit(0x09, quiet)).unwrap();
        request(stream, 3);
    });
    let items = client.get_many(&[b"key"]).unwrap();
    assert_eq!(items, [None]);
    assert_eq!(kind(get_fails(&mut client)), ReplyErrorKind::Late);
}

#[test]
fn a_reply_in_text() {
    let mut client = client(|stream| {
        stream
            .write_all(b"ERROR Too many open connections\r\n")
            .unwrap();
    });
    let error = get_fails(&mut client);
    assert!(error.to_string().contains("bad magic: 0x45"), "{error}");
}

#[test]
fn a_server_that_does_not_read() {
    let mut client = client(|_| thread::sleep(PATIENCE));
    let value = vec![0; 30 << 20];
    let error = client.set(b"key", &value).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(!client.is_healthy());
}

#[test]
fn a_connection_nobody_accepts_is_a_timeout_of_connecting() {
    let folder = std::env::temp_dir().join(format!("memlet-full-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut options = options();
    options.connect_timeout = Some(TIMEOUT);
    // The listener's queue fills up, as nobody accepts.
    let mut waiting = Vec::new();
    let error = loop {
        match Transport::unix(&path, &options) {
            Ok(transport) => waiting.push(transport),
            Err(error) => break error,
        }
        assert!(waiting.len() < 100_000);
    };
    drop(listener);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "{error}");
}

#[test]
fn nobody_there_is_refused_at_once() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = connect(address, &options()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    let error = connect_unix("/nowhere/socket", &options()).map(|_| ());
    assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::NotFound);
}
