//! One connection: a batch out, its answers in.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use memlet_core::wire::{HEADER_LEN, Header, Magic, Opcode, Parsed, Status};
use mio::{Interest, Registry, Token};

use super::packets::{Expected, Packets};
use super::report::LoadReport;
use super::{LoadError, LoadOptions, Target, Writes};

/// A stream to the server.
#[derive(Debug)]
enum Stream {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

/// A stream to the server that waits, logged in.
#[derive(Debug)]
pub(super) enum Blocking {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Blocking {
    pub(super) fn open(options: &LoadOptions) -> Result<Self, LoadError> {
        let patience = Some(options.patience);
        match &options.target {
            Target::Tcp(address) => {
                let mut stream = TcpStream::connect_timeout(address, options.patience)
                    .and_then(|stream| {
                        stream.set_nodelay(true)?;
                        stream.set_read_timeout(patience)?;
                        stream.set_write_timeout(patience)?;
                        Ok(stream)
                    })
                    .map_err(LoadError::Connect)?;
                options.log_in(&mut stream)?;
                Ok(Self::Tcp(stream))
            }
            Target::Unix(path) => {
                let mut stream = UnixStream::connect(path)
                    .and_then(|stream| {
                        stream.set_read_timeout(patience)?;
                        stream.set_write_timeout(patience)?;
                        Ok(stream)
                    })
                    .map_err(LoadError::Connect)?;
                options.log_in(&mut stream)?;
                Ok(Self::Unix(stream))
            }
        }
    }

    fn into_event_driven(self) -> Result<Stream, LoadError> {
        match self {
            Self::Tcp(stream) => stream
                .set_nonblocking(true)
                .map(|()| Stream::Tcp(mio::net::TcpStream::from_std(stream))),
            Self::Unix(stream) => stream
                .set_nonblocking(true)
                .map(|()| Stream::Unix(mio::net::UnixStream::from_std(stream))),
        }
        .map_err(LoadError::Connect)
    }
}

impl LoadOptions {
    fn log_in(&self, stream: &mut (impl Read + Write)) -> Result<(), LoadError> {
        match &self.login {
            Some(login) => login.over(stream),
            None => Ok(()),
        }
    }
}

pub(super) struct Connection {
    stream: Stream,
    /// The batch, as far as `written` already sent.
    output: Vec<u8>,
    written: usize,
    /// Where the next write must end: the ends of requests that are written one by one, or the end of the batch.
    ends: Vec<usize>,
    /// What the answers of the batch must be, as far as `answered` already there.
    expected: Vec<Expected>,
    answered: usize,
    /// The start of an answer whose end has not arrived.
    kept: Vec<u8>,
    /// Bytes of a value still to come, whose header has been checked.
    value_left: usize,
    first_opaque: u32,
    sent_at: Instant,
}

impl Connection {
    pub(super) fn open(options: &LoadOptions) -> Result<Self, LoadError> {
        Ok(Self {
            stream: Blocking::open(options)?.into_event_driven()?,
            output: Vec::new(),
            written: 0,
            ends: Vec::new(),
            expected: Vec::new(),
            answered: 0,
            kept: Vec::new(),
            value_left: 0,
            first_opaque: 0,
            sent_at: Instant::now(),
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match &mut self.stream {
            Stream::Tcp(stream) => registry.register(stream, token, interest),
            Stream::Unix(stream) => registry.register(stream, token, interest),
        }
    }

    /// Starts a batch of `count` requests.
    pub(super) fn start(
        &mut self,
        packets: &mut Packets,
        count: usize,
        writes: Writes,
        report: &mut LoadReport,
    ) -> Result<(), LoadError> {
        self.first_opaque = self.first_opaque.wrapping_add(self.expected.len() as u32);
        self.output.clear();
        self.expected.clear();
        self.ends.clear();
        self.written = 0;
        self.answered = 0;
        for index in 0..count {
            let opaque = self.first_opaque.wrapping_add(index as u32);
            self.expected.push(packets.push(opaque, &mut self.output));
            if writes == Writes::Each {
                self.ends.push(self.output.len());
            }
        }
        if writes == Writes::Batch && count > 0 {
            self.ends.push(self.output.len());
        }
        self.ends.reverse();
        report.bytes_written += self.output.len() as u64;
        self.sent_at = Instant::now();
        self.write()
    }

    /// Sends what the socket takes of the batch.
    pub(super) fn write(&mut self) -> Result<(), LoadError> {
        while let Some(end) = self.ends.last() {
            match self.stream.write(&self.output[self.written..*end]) {
                Ok(0) => return Err(LoadError::Closed),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LoadError::Transport(error)),
            }
            if self.written == *end {
                self.ends.pop();
            }
        }
        Ok(())
    }

    /// Whether answers are due.
    pub(super) fn is_waiting(&self) -> bool {
        self.answered < self.expected.len()
    }

    /// How many requests of the batch have been answered.
    pub(super) fn answered(&self) -> usize {
        self.answered
    }

    /// When the batch was sent.
    pub(super) fn waits_since(&self) -> Instant {
        self.sent_at
    }

    /// Takes the answers that have arrived; true when the batch is answered.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        report: &mut LoadReport,
    ) -> Result<bool, LoadError> {
        while self.answered < self.expected.len() {
            let kept = self.kept.len();
            buffer[..kept].copy_from_slice(&self.kept);
            let count = match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => return Err(LoadError::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LoadError::Transport(error)),
            };
            report.bytes_read += count as u64;
            let before = self.answered;
            let arrived = kept + count;
            let used = self.take_answers(&buffer[..arrived], report)?;
            self.kept.clear();
            self.kept.extend_from_slice(&buffer[used..arrived]);
            report.note_latency(self.sent_at.elapsed(), (self.answered - before) as u64);
            // A read that does not fill the buffer has emptied the socket: the next answer brings a new event.
            if arrived < buffer.len() {
                break;
            }
        }
        let is_done = self.answered == self.expected.len() && self.value_left == 0;
        if is_done && !self.kept.is_empty() {
            return Err(LoadError::Mismatch {
                field: "bytes after the last answer",
                expected: 0,
                found: self.kept.len() as u64,
            });
        }
        Ok(is_done)
    }

    /// Checks and counts the answers in `input`, and returns how many of its bytes they took.
    fn take_answers(&mut self, input: &[u8], report: &mut LoadReport) -> Result<usize, LoadError> {
        let mut used = 0;
        while used < input.len() {
            let rest = &input[used..];
            if self.value_left > 0 {
                let count = self.value_left.min(rest.len());
                self.value_left -= count;
                used += count;
                self.answered += usize::from(self.value_left == 0);
                continue;
            }
            let header = match Header::parse(rest).map_err(LoadError::Parse)? {
                Parsed::Complete { value: header, .. } => header,
                Parsed::NeedMore { .. } => break,
            };
            self.check(&header, report)?;
            used += HEADER_LEN;
            self.value_left = header.body_len as usize;
            self.answered += usize::from(self.value_left == 0);
        }
        Ok(used)
    }

    fn check(&self, header: &Header, report: &mut LoadReport) -> Result<(), LoadError> {
        let expect = |field, expected: u64, found: u64| {
            if expected == found {
                Ok(())
            } else {
                Err(LoadError::Mismatch {
                    field,
                    expected,
                    found,
                })
            }
        };
        let Some(expected) = self.expected.get(self.answered) else {
            return expect(
                "answers",
                self.expected.len() as u64,
                self.answered as u64 + 1,
            );
        };
        expect(
            "magic",
            Magic::CLIENT_RESPONSE.0.into(),
            header.magic.0.into(),
        )?;
        expect("opcode", expected.opcode.0.into(), header.opcode.0.into())?;
        let opaque = self.first_opaque.wrapping_add(self.answered as u32);
        expect("opaque", opaque.into(), header.opaque.into())?;
        report.requests += 1;
        let body_len = match (Status(header.vbucket_or_status), expected.opcode) {
            (Status::SUCCESS, Opcode::GET) => {
                report.hits += 1;
                FLAGS_LEN + u64::from(expected.value_len)
            }
            (Status::SUCCESS, _) => {
                report.stored += 1;
                0
            }
            (Status::KEY_ENOENT, Opcode::GET) => {
                report.misses += 1;
                return Ok(());
            }
            _ => {
                report.errors += 1;
                return Ok(());
            }
        };
        expect("body length", body_len, header.body_len.into())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The extras of an answer to GET (memcached binary protocol: get).
const FLAGS_LEN: u64 = 4;
