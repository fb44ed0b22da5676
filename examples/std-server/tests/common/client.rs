//! Raw packets: requests whose every length field can be falsified, answers as they came.

use super::op;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a test waits for an answer before it calls the server hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request under construction; lengths follow from the parts unless a test falsifies them.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) magic: u8,
    pub(crate) opcode: u8,
    pub(crate) datatype: u8,
    pub(crate) vbucket: u16,
    pub(crate) opaque: u32,
    pub(crate) cas: u64,
    pub(crate) extras: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) key_len: Option<u16>,
    pub(crate) extras_len: Option<u8>,
    pub(crate) body_len: Option<u32>,
}

impl Request {
    pub(crate) fn new(opcode: u8) -> Self {
        Self {
            magic: 0x80,
            opcode,
            datatype: 0,
            vbucket: 0,
            opaque: 0,
            cas: 0,
            extras: Vec::new(),
            key: Vec::new(),
            value: Vec::new(),
            key_len: None,
            extras_len: None,
            body_len: None,
        }
    }

    pub(crate) fn get(key: impl AsRef<[u8]>) -> Self {
        Self::new(op::GET).key(key)
    }

    pub(crate) fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        Self::store(op::SET, key, value, 0, 0)
    }

    pub(crate) fn store(
        opcode: u8,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        flags: u32,
        expiration: u32,
    ) -> Self {
        Self::new(opcode)
            .extras(super::store_extras(flags, expiration))
            .key(key)
            .value(value)
    }

    pub(crate) fn counter(
        opcode: u8,
        key: impl AsRef<[u8]>,
        delta: u64,
        initial: u64,
        expiration: u32,
    ) -> Self {
        Self::new(opcode)
            .extras(super::counter_extras(delta, initial, expiration))
            .key(key)
    }

    pub(crate) fn touch(opcode: u8, key: impl AsRef<[u8]>, expiration: u32) -> Self {
        Self::new(opcode).extras(expiration.to_be_bytes()).key(key)
    }

    pub(crate) fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = key.as_ref().to_vec();
        self
    }

    pub(crate) fn value(mut self, value: impl AsRef<[u8]>) -> Self {
        self.value = value.as_ref().to_vec();
        self
    }

    pub(crate) fn extras(mut self, extras: impl AsRef<[u8]>) -> Self {
        self.extras = extras.as_ref().to_vec();
        self
    }

    pub(crate) fn cas(mut self, cas: u64) -> Self {
        self.cas = cas;
        self
    }

    pub(crate) fn opaque(mut self, opaque: u32) -> Self {
        self.opaque = opaque;
        self
    }

    pub(crate) fn magic(mut self, magic: u8) -> Self {
        self.magic = magic;
        self
    }

    pub(crate) fn claim_key_len(mut self, len: u16) -> Self {
        self.key_len = Some(len);
        self
    }

    pub(crate) fn claim_extras_len(mut self, len: u8) -> Self {
        self.extras_len = Some(len);
        self
    }

    pub(crate) fn claim_body_len(mut self, len: u32) -> Self {
        self.body_len = Some(len);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let body = self.extras.len() + self.key.len() + self.value.len();
        let mut out = Vec::with_capacity(24 + body);
        out.push(self.magic);
        out.push(self.opcode);
        let key_len = self
            .key_len
            .unwrap_or_else(|| self.key.len().try_into().unwrap());
        out.extend_from_slice(&key_len.to_be_bytes());
        out.push(
            self.extras_len
                .unwrap_or_else(|| self.extras.len().try_into().unwrap()),
        );
        out.push(self.datatype);
        out.extend_from_slice(&self.vbucket.to_be_bytes());
        let body_len = self.body_len.unwrap_or_else(|| body.try_into().unwrap());
        out.extend_from_slice(&body_len.to_be_bytes());
        out.extend_from_slice(&self.opaque.to_be_bytes());
        out.extend_from_slice(&self.cas.to_be_bytes());
        out.extend_from_slice(&self.extras);
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.value);
        out
    }
}

/// One response packet, with its bytes as they were on the wire.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) raw: Vec<u8>,
}

impl Answer {
    /// Splits the first complete packet off `bytes`, if there is one.
    pub(crate) fn split(bytes: &mut Vec<u8>) -> Option<Self> {
        let body_len = bytes.get(8..12)?;
        let body_len = usize::try_from(u32::from_be_bytes(body_len.try_into().unwrap())).unwrap();
        if bytes.len() < 24 + body_len {
            return None;
        }
        let raw = bytes.drain(..24 + body_len).collect();
        Some(Self { raw })
    }

    /// All packets of `bytes`; what is left over is a test failure.
    pub(crate) fn split_all(mut bytes: Vec<u8>) -> Vec<Self> {
        let mut answers = Vec::new();
        while let Some(answer) = Self::split(&mut bytes) {
            answers.push(answer);
        }
        assert!(bytes.is_empty(), "half an answer: {}", hex(&bytes));
        answers
    }

    pub(crate) fn magic(&self) -> u8 {
        self.raw[0]
    }

    pub(crate) fn opcode(&self) -> u8 {
        self.raw[1]
    }

    pub(crate) fn key_len(&self) -> usize {
        usize::from(u16::from_be_bytes([self.raw[2], self.raw[3]]))
    }

    pub(crate) fn extras_len(&self) -> usize {
        usize::from(self.raw[4])
    }

    pub(crate) fn status(&self) -> u16 {
        u16::from_be_bytes([self.raw[6], self.raw[7]])
    }

    pub(crate) fn opaque(&self) -> u32 {
        u32::from_be_bytes(self.raw[12..16].try_into().unwrap())
    }

    pub(crate) fn cas(&self) -> u64 {
        u64::from_be_bytes(self.raw[16..24].try_into().unwrap())
    }

    pub(crate) fn extras(&self) -> &[u8] {
        &self.raw[24..24 + self.extras_len()]
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.raw[24 + self.extras_len()..][..self.key_len()]
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.raw[24 + self.extras_len() + self.key_len()..]
    }

    /// The flags of a GET's answer.
    pub(crate) fn flags(&self) -> u32 {
        u32::from_be_bytes(
            self.extras()
                .try_into()
                .expect("a hit has four extras bytes"),
        )
    }

    /// The number in a counter's answer.
    pub(crate) fn number(&self) -> u64 {
        u64::from_be_bytes(
            self.value()
                .try_into()
                .expect("a counter's answer has eight bytes"),
        )
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.raw.len() < 24 {
            return write!(f, "{}", hex(&self.raw));
        }
        write!(
            f,
            "{{magic {:02x} opcode {:02x} status {:02x} opaque {:x} cas {:x} extras {} key {:?} value {:?}",
            self.magic(),
            self.opcode(),
            self.status(),
            self.opaque(),
            self.cas(),
            hex(self.extras()),
            String::from_utf8_lossy(self.key()),
            String::from_utf8_lossy(&self.value()[..self.value().len().min(64)]),
        )?;
        write!(f, " ({} bytes)}}", self.value().len())
    }
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A connection's socket, of either family.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

macro_rules! on_either {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            Socket::Tcp($socket) => $call,
            Socket::Unix($socket) => $call,
        }
    };
}

impl Socket {
    pub(crate) fn connect(address: &Address) -> io::Result<Self> {
        let socket = match address {
            Address::Tcp(address) => {
                let socket = TcpStream::connect(address)?;
                socket.set_nodelay(true)?;
                Self::Tcp(socket)
            }
            Address::Unix(path) => Self::Unix(UnixStream::connect(path)?),
        };
        socket.set_read_timeout(PATIENCE)?;
        on_either!(&socket, s => s.set_write_timeout(Some(PATIENCE)))?;
        Ok(socket)
    }

    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        on_either!(self, s => s.set_read_timeout(Some(timeout)))
    }

    pub(crate) fn set_nonblocking(&self, yes: bool) -> io::Result<()> {
        on_either!(self, s => s.set_nonblocking(yes))
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        on_either!(self, s => s.shutdown(Shutdown::Write))
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        on_either!(self, s => s.read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        on_either!(self, s => s.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection to a server, with what has been read but not yet asked for.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: Socket,
    buffer: Vec<u8>,
    opaque: u32,
}

impl Client {
    pub(crate) fn connect(address: &Address) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connect to {address:?}: {error}"))
    }

    pub(crate) fn try_connect(address: &Address) -> io::Result<Self> {
        Ok(Self {
            socket: Socket::connect(address)?,
            buffer: Vec::new(),
            opaque: 0x0a00_0000,
        })
    }

    /// Sends raw bytes; a peer that has closed already is no failure here, the answer will tell.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.socket.write_all(bytes) {
            assert!(
                matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ),
                "send: {error}"
            );
        }
    }

    pub(crate) fn send(&mut self, request: &Request) {
        self.send_bytes(&request.bytes());
    }

    pub(crate) fn end_of_input(&mut self) {
        let _ = self.socket.shutdown_write();
    }

    /// Reads once; `false` at end of file or reset.
    fn fill(&mut self) -> bool {
        let mut chunk = [0; 65536];
        match self.socket.read(&mut chunk) {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error} (so far {})", hex(&self.buffer)),
        }
    }

    /// The next answer; a close instead is a failure.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Answer {
        loop {
            if let Some(answer) = Answer::split(&mut self.buffer) {
                assert_eq!(answer.magic(), 0x81, "not a response: {answer:?}");
                assert_eq!(
                    answer.raw[5], 0,
                    "a datatype that nobody asked for: {answer:?}"
                );
                return answer;
            }
            assert!(
                self.fill(),
                "closed instead of an answer (so far {})",
                hex(&self.buffer)
            );
        }
    }

    /// Sends with an opaque of its own and reads the one answer, which must be the request's.
    #[track_caller]
    pub(crate) fn call(&mut self, request: Request) -> Answer {
        self.opaque = self.opaque.wrapping_add(1);
        let request = request.opaque(self.opaque);
        self.send(&request);
        let answer = self.receive();
        assert_eq!(
            answer.opcode(),
            request.opcode,
            "the answer to another request: {answer:?}"
        );
        assert_eq!(
            answer.opaque(),
            request.opaque,
            "the answer to another request: {answer:?}"
        );
        answer
    }

    /// Sends and returns all answers before that of a NOOP sent behind.
    #[track_caller]
    pub(crate) fn exchange(&mut self, bytes: &[u8]) -> Vec<Answer> {
        self.opaque = self.opaque.wrapping_add(1);
        let noop = Request::new(op::NOOP).opaque(self.opaque);
        self.send_bytes(&[bytes, &noop.bytes()].concat());
        let mut answers = Vec::new();
        loop {
            let answer = self.receive();
            if answer.opcode() == op::NOOP && answer.opaque() == noop.opaque {
                return answers;
            }
            answers.push(answer);
        }
    }

    /// All bytes up to the peer's close.
    pub(crate) fn read_to_close(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// All answers up to the peer's close.
    #[track_caller]
    pub(crate) fn answers_to_close(&mut self) -> Vec<Answer> {
        Answer::split_all(self.read_to_close())
    }

    /// Waits that long and fails when the server says or does anything.
    #[track_caller]
    pub(crate) fn expect_silence(&mut self, how_long: Duration) {
        assert!(self.buffer.is_empty(), "unexpected: {}", hex(&self.buffer));
        self.socket.set_read_timeout(how_long).unwrap();
        let mut chunk = [0; 64];
        let began = Instant::now();
        match self.socket.read(&mut chunk) {
            Ok(n) => panic!(
                "expected silence, got {n} bytes: {} after {:?}",
                hex(&chunk[..n]),
                began.elapsed()
            ),
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ),
                "expected silence: {error}"
            ),
        }
        self.socket.set_read_timeout(PATIENCE).unwrap();
    }

    /// The connection still answers, and what it answers belongs to what is asked.
    #[track_caller]
    pub(crate) fn expect_alive(&mut self) {
        let answer = self.call(Request::new(op::NOOP));
        assert_eq!(answer.status(), 0);
        let answer = self.call(Request::get("never stored by any test"));
        assert_eq!(answer.status(), super::status::NOT_FOUND);
        assert_eq!(answer.value(), b"Not found");
    }

    /// `stat` of a group, as pairs in the server's order.
    #[track_caller]
    pub(crate) fn stat(&mut self, group: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        self.send(&Request::new(op::STAT).key(group).opaque(0x57a7));
        loop {
            let answer = self.receive();
            assert_eq!(
                (answer.opcode(), answer.opaque(), answer.status()),
                (op::STAT, 0x57a7, 0)
            );
            if answer.raw.len() == 24 {
                return pairs;
            }
            pairs.push((
                String::from_utf8(answer.key().to_vec()).unwrap(),
                String::from_utf8(answer.value().to_vec()).unwrap(),
            ));
        }
    }

    /// One figure of the general statistics.
    #[track_caller]
    pub(crate) fn figure(&mut self, name: &str) -> u64 {
        let pairs = self.stat("");
        let found = pairs.iter().find(|(key, _)| key == name);
        found
            .unwrap_or_else(|| panic!("no statistic {name}"))
            .1
            .parse()
            .unwrap()
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal digits as bytes.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of digits");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
