//! The event loop over real sockets, with handlers and limits that bring out its corners.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memlet::std::{
    Cache, CacheOptions, Listen, Server, ServerError, ServerHandle, ServerOptions, Service,
};
use memlet_core::connection::ConnectionOptions;
use memlet_core::handler::{Outcome, Reply};
use memlet_core::wire::{Opcode, Request, Status};

/// Long enough for a busy machine, short enough for a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server in this process that stops with the test.
struct Running {
    address: Listen,
    handle: ServerHandle,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Running {
    fn start(mut options: ServerOptions, service: impl Service + Send + 'static) -> Running {
        if matches!(options.listen[0], Listen::Tcp(_)) {
            options.listen = vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
        }
        let server = Server::bind(options).unwrap();
        let address = server.addresses()[0].clone();
        let handle = server.handle();
        let thread = thread::spawn(move || server.run(&service));
        Running {
            address,
            handle,
            thread: Some(thread),
        }
    }

    fn connect(&self) -> TcpStream {
        let Listen::Tcp(address) = self.address else {
            panic!("no TCP address");
        };
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn stop(mut self) -> Duration {
        let begin = Instant::now();
        self.handle.drain();
        self.thread.take().unwrap().join().unwrap().unwrap();
        begin.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.drain();
    }
}

fn one_thread() -> ServerOptions {
    let mut options = ServerOptions::default();
    options.threads = 1;
    options
}

fn packet(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![0; request.encoded_len().unwrap()];
    request.emit(&mut bytes).unwrap();
    bytes
}

fn noop() -> Vec<u8> {
    packet(&Request::new(Opcode::NOOP))
}

fn get(key: &[u8]) -> Vec<u8> {
    packet(&Request {
        key,
        ..Request::new(Opcode::GET)
    })
}

/// Sends a NOOP and waits for its answer.
fn ping(stream: &mut (impl Read + Write)) {
    stream.write_all(&noop()).unwrap();
    let mut answer = [0; 24];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..2], [0x81, 0x0a]);
}

/// Waits for the end of the stream; what came before it.
fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    heard
}

/// A handler whose GET answers with 8 KiB, whose DELETE panics, and which knows NOOP and QUIT.
fn wordy(request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
    match request.opcode {
        Opcode::GET => reply.send(&[0; 4], b"", &[7; 8 << 10], 1).into(),
        Opcode::NOOP => reply.success(0).into(),
        Opcode::QUIT => reply.success(0).map_or_else(
            |no_room| Outcome::NeedOutput(no_room.needed),
            |()| Outcome::Close,
        ),
        Opcode::DELETE => panic!("on purpose"),
        _ => reply.error(Status::UNKNOWN_COMMAND).into(),
    }
}

const WORDY_LEN: usize = 24 + 4 + (8 << 10);

/// Asks for more than it reads until the server does not take any more; how many requests went out.
fn flood(stream: &mut TcpStream) -> usize {
    let request = get(b"key");
    let requests = request.repeat(1000);
    stream
        .set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut sent = 0;
    // Nothing near this fits the buffers of two sockets and of a server that stops reading.
    while sent < 64 << 20 {
        match stream.write(&requests[sent % request.len()..]) {
            Ok(len) => sent += len,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                return sent / request.len();
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the server reads on although its answers are not taken");
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from_and_harms_nobody() {
    let server = Running::start(one_thread(), |_| wordy);
    let mut mute = server.connect();
    let requests = flood(&mut mute);
    let mut other = server.connect();
    for _ in 0..100 {
        ping(&mut other);
    }
    // When it reads at last, it gets every answer.
    let mut answers = vec![0; requests * WORDY_LEN];
    mute.read_exact(&mut answers).unwrap();
    assert!(
        answers
            .chunks(WORDY_LEN)
            .all(|answer| answer[..2] == [0x81, 0] && answer[WORDY_LEN - 1] == 7)
    );
}

#[test]
fn when_memory_runs_out_the_connections_that_stood_still_for_the_longest_go() {
    const CONNECTIONS: usize = 40;
    let mut options = one_thread();
    options.retained_bytes_max = 256 << 10;
    options.connection = ConnectionOptions::for_buffers(16 << 10, 16 << 10);
    let server = Running::start(options, |_| wordy);
    // Each leaves a request of 12 KiB unfinished: together they are more than the limit.
    let request = packet(&Request {
        key: b"key",
        value: &[7; 12 << 10],
        ..Request::new(Opcode::SET)
    });
    let start = request.len() - CONNECTIONS;
    let mut streams: Vec<TcpStream> = Vec::new();
    let mut other = server.connect();
    for sent in 0..CONNECTIONS {
        let mut stream = server.connect();
        stream
            .write_all(&[&noop(), &request[..start]].concat())
            .unwrap();
        stream.read_exact(&mut [0; 24]).unwrap();
        streams.push(stream);
        // The first one goes on, ever so slowly.
        if sent > 0 {
            let next = start + sent - 1;
            streams[0].write_all(&request[next..=next]).unwrap();
        }
        // A thread sees to its connections in the order in which they become ready, so the answer to a later one tells
        // that it has seen to these.
        ping(&mut other);
    }
    let mut is_open = |at: usize| {
        let rest = if at == 0 { request.len() - 1 } else { start };
        let mut answer = [0; 24];
        streams[at].write_all(&request[rest..]).is_ok()
            && streams[at].read_exact(&mut answer).is_ok()
    };
    assert!(is_open(0), "the slow one is not the stillest");
    let open: Vec<_> = (1..CONNECTIONS).filter(|&at| is_open(at)).collect();
    let closed = CONNECTIONS - 1 - open.len();
    assert!(
        closed >= 18,
        "{closed} of {CONNECTIONS} are too few for the limit"
    );
    assert!(!open.is_empty(), "there was room for some");
    assert!(
        open.iter().copied().eq(closed + 1..CONNECTIONS),
        "the last to talk stay: {open:?}"
    );
}

#[test]
fn while_memory_is_short_a_connection_that_stalls_goes_and_a_slow_one_stays() {
    let mut options = one_thread();
    options.retained_bytes_max = 320 << 10;
    options.connection = ConnectionOptions::for_buffers(16 << 10, 16 << 10);
    let server = Running::start(options, |_| wordy);
    // Together they are more than half of the limit.
    let request = packet(&Request {
        key: b"key",
        value: &[7; 12 << 10],
        ..Request::new(Opcode::SET)
    });
    let (slow, stalled) = (request.len() - 1000, request.len() - 1);
    let mut first = server.connect();
    first.write_all(&request[..slow]).unwrap();
    let mut streams: Vec<_> = (0..13).map(|_| server.connect()).collect();
    for stream in &mut streams {
        stream.write_all(&request[..stalled]).unwrap();
    }
    let mut still = streams.swap_remove(0);
    let still = thread::spawn(move || rest(&mut still).len());
    let mut at = slow;
    let mut last = Instant::now();
    while !still.is_finished() && at < stalled {
        let alive = first.write_all(&request[at..=at]).is_ok();
        // It may be this test that had to stand still.
        if last.elapsed() >= Duration::from_secs(1) {
            return;
        }
        assert!(alive, "a connection that is slow was closed");
        last = Instant::now();
        at += 1;
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(still.join().unwrap(), 0, "closed, and without a word");
    first.write_all(&request[at..]).unwrap();
    first.read_exact(&mut [0; 24]).unwrap();
}

#[test]
fn a_panic_costs_one_connection() {
    let server = Running::start(one_thread(), |_| wordy);
    let mut other = server.connect();
    ping(&mut other);
    let mut unlucky = server.connect();
    unlucky
        .write_all(&packet(&Request {
            key: b"key",
            ..Request::new(Opcode::DELETE)
        }))
        .unwrap();
    assert!(rest(&mut unlucky).is_empty());
    ping(&mut other);
    ping(&mut server.connect());
}

#[test]
fn a_peer_that_has_closed_its_side_still_gets_its_answers() {
    let server = Running::start(one_thread(), |_| wordy);
    let mut stream = server.connect();
    stream.write_all(&get(b"key").repeat(2000)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut stream).len(), 2000 * WORDY_LEN);
}

#[test]
fn what_is_said_last_is_not_lost_when_the_peer_talks_on() {
    let server = Running::start(one_thread(), |_| wordy);
    for _ in 0..20 {
        let mut stream = server.connect();
        let quit = packet(&Request::new(Opcode::QUIT));
        stream.write_all(&quit).unwrap();
        // The server may have hung up by now: what is sent then must not throw away its answer.
        let _ = stream.write_all(&noop().repeat(100));
        let mut answer = [0; 24];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..2], [0x81, 0x07]);
        assert!(rest(&mut stream).is_empty());
    }
}

#[test]
fn beyond_the_limit_a_line_and_a_close() {
    let mut options = one_thread();
    options.connections_max = 2;
    let server = Running::start(options, |_| wordy);
    let (mut first, mut second) = (server.connect(), server.connect());
    ping(&mut first);
    ping(&mut second);
    assert_eq!(
        rest(&mut server.connect()),
        b"ERROR Too many open connections\r\n"
    );
    ping(&mut first);
    drop(second);
    // The place is free as soon as the server has noticed.
    let begin = Instant::now();
    loop {
        let mut stream = server.connect();
        let mut answer = [0; 24];
        if stream.write_all(&noop()).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer[0] == 0x81
        {
            break;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "the place of a closed connection is not given away"
        );
    }
}

#[test]
fn idle_connections_are_closed_and_busy_ones_are_not() {
    let mut options = one_thread();
    options.idle_timeout = Some(Duration::from_secs(1));
    let server = Running::start(options, |_| wordy);
    let (mut busy, mut idle, mut half) = (server.connect(), server.connect(), server.connect());
    half.write_all(&noop()[..10]).unwrap();
    let idle = thread::spawn(move || {
        let mut ends = Vec::new();
        for stream in [&mut idle, &mut half] {
            ends.push(rest(stream).len());
        }
        ends
    });
    let mut last = Instant::now();
    while !idle.is_finished() {
        let alive = busy.write_all(&noop()).is_ok() && busy.read_exact(&mut [0; 24]).is_ok();
        // It may be this test that had to stand still.
        assert!(
            alive || last.elapsed() >= Duration::from_secs(1),
            "a busy connection was closed"
        );
        if !alive {
            busy = server.connect();
        }
        last = Instant::now();
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(idle.join().unwrap(), [0, 0], "closed, and without a word");
}

#[test]
fn a_thousand_idle_connections_and_one_that_works() {
    let mut options = one_thread();
    options.connections_max = 1100;
    let server = Running::start(options, |_| wordy);
    let mut idle: Vec<_> = (0..1000).map(|_| server.connect()).collect();
    let mut busy = server.connect();
    for _ in 0..100 {
        ping(&mut busy);
    }
    for stream in idle.iter_mut().step_by(50) {
        ping(stream);
    }
}

#[test]
fn draining_answers_what_has_arrived_and_waits_for_answers_to_be_taken() {
    const REQUESTS: usize = 5000;
    let mut options = one_thread();
    options.drain_timeout = PATIENCE;
    let server = Running::start(options, |_| wordy);
    let mut idle = server.connect();
    ping(&mut idle);
    // The answers are more than the system's buffers take, so that most of them are yet to be given.
    let mut slow = server.connect();
    slow.write_all(&get(b"key").repeat(REQUESTS)).unwrap();
    ping(&mut idle);
    server.handle.drain();
    assert!(rest(&mut idle).is_empty());
    assert_eq!(rest(&mut slow).len(), REQUESTS * WORDY_LEN);
    assert!(server.stop() < PATIENCE);
}

#[test]
fn draining_is_bounded() {
    let mut options = one_thread();
    options.drain_timeout = Duration::from_millis(500);
    let server = Running::start(options, |_| wordy);
    let mut half = server.connect();
    half.write_all(&noop()[..10]).unwrap();
    let mut mute = server.connect();
    flood(&mut mute);
    let took = server.stop();
    assert!(
        took >= Duration::from_millis(400) && took < PATIENCE,
        "{took:?}"
    );
}

fn socket_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("memlet-{name}-{}", std::process::id()))
}

#[test]
fn a_unix_socket_has_its_mode_replaces_a_left_over_one_and_goes_with_the_server() {
    let path = socket_path("socket");
    // Left over from a run that was killed.
    drop(UnixListener::bind(&path).unwrap());
    let mut options = one_thread();
    options.listen = vec![Listen::Unix {
        path: path.clone(),
        mode: 0o750,
    }];
    let server = Running::start(options, |_| wordy);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o750);
    let mut stream = UnixStream::connect(&path).unwrap();
    for _ in 0..10 {
        ping(&mut stream);
    }
    stream.write_all(&get(b"key").repeat(1000)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut stream).len(), 1000 * WORDY_LEN);
    server.stop();
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let path = socket_path("file");
    std::fs::write(&path, "precious").unwrap();
    let mut options = one_thread();
    options.listen = vec![Listen::Unix {
        path: path.clone(),
        mode: 0o700,
    }];
    let error = Server::bind(options).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot listen on {}", path.display()))
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn several_addresses_are_one_server() {
    let mut options = ServerOptions::default();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    options.listen = vec![Listen::Tcp(any), Listen::Tcp(any)];
    let server = Server::bind(options).unwrap();
    let addresses = server.addresses().to_vec();
    assert_ne!(addresses[0], addresses[1]);
    let handle = server.handle();
    let thread = thread::spawn(move || server.run(&|_| wordy));
    for address in &addresses {
        let Listen::Tcp(address) = address else {
            panic!()
        };
        ping(&mut TcpStream::connect(address).unwrap());
    }
    handle.drain();
    thread.join().unwrap().unwrap();
}

/// The values of `stat` by name.
fn stat(stream: &mut TcpStream, group: &[u8]) -> Vec<(String, String)> {
    stream
        .write_all(&packet(&Request {
            key: group,
            ..Request::new(Opcode::STAT)
        }))
        .unwrap();
    let mut values = Vec::new();
    loop {
        let mut header = [0; 24];
        stream.read_exact(&mut header).unwrap();
        let key_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let mut body =
            vec![0; u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize];
        stream.read_exact(&mut body).unwrap();
        if body.is_empty() {
            return values;
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        values.push((text(&body[..key_len]), text(&body[key_len..])));
    }
}

fn number(values: &[(String, String)], name: &str) -> u64 {
    values
        .iter()
        .find(|(key, _)| key == name)
        .unwrap_or_else(|| panic!("no {name}"))
        .1
        .parse()
        .unwrap()
}

#[test]
fn statistics_are_those_of_all_threads_and_never_late() {
    let cache_options = CacheOptions::default();
    let mut options = ServerOptions::default();
    options.connection = cache_options.connection();
    let server = Running::start(options, Cache::new(cache_options).unwrap());
    let mut streams: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for round in 1..=50 {
        for stream in &mut streams {
            stream.write_all(&get(b"key")).unwrap();
            let mut answer = [0; 24 + 9];
            stream.read_exact(&mut answer).unwrap();
        }
        let asked = round as usize % 8;
        assert_eq!(
            number(&stat(&mut streams[asked], b""), "get_misses"),
            round * 8
        );
    }
    let values = stat(&mut streams[3], b"");
    assert_eq!(number(&values, "threads"), 4);
    assert_eq!(number(&values, "curr_connections"), 8);
    assert_eq!(number(&values, "limit_maxbytes"), 64 << 20);
    assert_eq!(number(&values, "pid"), u64::from(std::process::id()));
    stat(&mut streams[5], b"reset");
    let values = stat(&mut streams[0], b"");
    assert_eq!(number(&values, "get_misses"), 0);
    assert_eq!(number(&values, "total_connections"), 0);
    assert_eq!(number(&values, "curr_connections"), 8);
}
