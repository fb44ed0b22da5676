//! One connection to the primary.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{fmt, mem};

use memlet_core::connection::feed::{
    DCP_ROOM_MIN, DcpConsumer, DcpEvent, DcpNext, DcpOptions, DcpStream,
};
use memlet_core::dcp::{
    Body, Control, Message, Open, OpenFlags, StreamFlags, StreamOpaque, StreamRequest,
    VbucketSeqno, VbucketSeqnos,
};
use memlet_core::store::Attributes;
use memlet_core::wire::{HEADER_LEN, Limits, Opcode, Parsed, Request, Response, Status};
use tracing::info;

use super::super::clock::Clock;
use super::sync::Copy;
use super::{Following, ReplicaLink, ReplicaOptions};

/// How long connecting, logging in and each answer to the first requests may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait for input before looking whether it is time for anything else.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// How often the primary is asked how far it is.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// What is read at once, in bytes.
const READ_LEN: usize = 64 << 10;

/// Requests and answers that are waiting to be sent, in bytes; what one call adds is much shorter.
const OUTPUT_LEN: usize = 4096;

/// What taking one event may write, in bytes: an answer and an acknowledgement.
const ANSWER_LEN: usize = 2 * DCP_ROOM_MIN;

/// What a packet has beside an item's value, rounded up.
const PACKET_OVERHEAD: u32 = 1024;

/// The longest answer to how far the primary is, in bytes.
const ANSWER_LEN_MAX: u32 = 1 << 20;

/// The application's part of a stream's opaque.
const APPLICATION: u16 = 0x6d6c;

/// Why a connection has ended.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is to stop.
    Stopped,
    /// What there is cannot be continued.
    StartAnew(&'static str),
    /// The transport failed.
    Transport(io::Error),
    /// The primary said something that does not do.
    Primary(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Stopped => f.write_str("it is to stop"),
            Failure::StartAnew(reason) => f.write_str(reason),
            Failure::Transport(error) => error.fmt(f),
            Failure::Primary(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Transport(error)
    }
}

/// A connection over which changes come.
pub(super) struct Session<'a> {
    following: &'a Following,
    copy: &'a mut Copy,
    stream: TcpStream,
    consumer: DcpConsumer<Vec<DcpStream>>,
    vbuckets: u16,
    input: Vec<u8>,
    /// Bytes of the input that are done with.
    done: usize,
    output: Vec<u8>,
    clock: Clock,
    asked: Instant,
    /// It was asked how far it is and has not answered, or nothing may be asked yet.
    awaits_seqnos: bool,
}

impl<'a> Session<'a> {
    /// Connects, logs in, and asks for all vbuckets from where the copy is.
    pub(super) fn connect(
        following: &'a Following,
        options: &ReplicaOptions,
        copy: &'a mut Copy,
    ) -> Result<Session<'a>, Failure> {
        let mut stream = connect(&options.primary)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let vbuckets = greet(&mut stream, options)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let is_new = copy.begin(vbuckets);
        following.update(|status| {
            status.copies += u64::from(is_new);
            status.link = match is_new {
                true => ReplicaLink::Copying,
                false => ReplicaLink::Following,
            };
        });
        // The longest is an item, or what the primary says of so many vbuckets, as in its first answer.
        let body_len_max = copy
            .item_size_max()
            .saturating_add(PACKET_OVERHEAD)
            .max(ANSWER_LEN_MAX);
        let dcp_options = DcpOptions {
            // Nothing is passed over: what is too long ends the connection.
            input_capacity: u32::MAX,
            limits: Limits {
                body_len_max,
                ..Limits::MEMCACHED
            },
            window: options.window,
            noop_interval: options.noop_interval,
            ..DcpOptions::default()
        };
        let consumer = DcpConsumer::new(&dcp_options, mem::take(&mut copy.streams));
        let mut session = Session {
            following,
            copy,
            stream,
            consumer,
            vbuckets: vbuckets.min(1 << 15) as u16,
            input: Vec::new(),
            done: 0,
            output: Vec::new(),
            clock: Clock::start(),
            asked: Instant::now(),
            awaits_seqnos: true,
        };
        let open = open(options);
        session
            .write(|consumer, out| consumer.open(&open, out).map_err(|error| error.to_string()))?;
        Ok(session)
    }

    /// Applies what comes until the connection ends.
    pub(super) fn run(&mut self) -> Failure {
        let failure = loop {
            if self.following.is_stopped() {
                break Failure::Stopped;
            }
            if let Err(failure) = self.step() {
                break failure;
            }
        };
        let consumer = mem::replace(
            &mut self.consumer,
            DcpConsumer::new(&DcpOptions::default(), Vec::new()),
        );
        self.copy.streams = consumer.into_streams();
        failure
    }

    /// Takes one event, or more input.
    fn step(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        // The event borrows the input, which nothing else may touch meanwhile.
        let input = mem::take(&mut self.input);
        let mut out = [0; ANSWER_LEN];
        let progress = self.consumer.poll(&input[self.done..], &mut out, now);
        self.done += progress.consumed;
        self.output.extend_from_slice(&out[..progress.written]);
        let result = match progress.next {
            DcpNext::Event(event) => self.handle(&event, now).map(|()| false),
            DcpNext::Read { .. } => Ok(true),
            DcpNext::Ready | DcpNext::Write { .. } => Ok(false),
            DcpNext::Failed(failure) => Err(Failure::Primary(failure.to_string())),
        };
        self.input = input;
        let wants_input = result?;
        if wants_input {
            self.ask()?;
        }
        if wants_input || self.output.len() > OUTPUT_LEN {
            self.send()?;
        }
        if wants_input {
            self.receive()?;
        }
        Ok(())
    }

    fn handle(&mut self, event: &DcpEvent<'_>, now: u32) -> Result<(), Failure> {
        match event {
            DcpEvent::Opened => {
                self.awaits_seqnos = false;
                self.ask_for_streams()
            }
            DcpEvent::Rollback { .. } => {
                self.copy.forget();
                Err(Failure::StartAnew("the primary has another history"))
            }
            DcpEvent::StreamRefused { stream, status, .. } => Err(Failure::Primary(format!(
                "the stream of vbucket {} was refused: {status}",
                stream.vbucket
            ))),
            DcpEvent::VbucketSeqnos { seqnos, .. } => {
                self.awaits_seqnos = false;
                self.compare(seqnos);
                Ok(())
            }
            DcpEvent::Message(message) => self.apply(message, now),
            _ => Ok(()),
        }
    }

    fn ask_for_streams(&mut self) -> Result<(), Failure> {
        let advanced = Control::new(
            Control::ENABLE_OUT_OF_ORDER_SNAPSHOTS,
            "true_with_seqno_advanced",
        );
        self.write(|consumer, out| {
            let written = consumer.control(&advanced, out);
            written
                .map(|(written, _)| written)
                .map_err(|error| error.to_string())
        })?;
        for vbucket in 0..self.vbuckets {
            let stream = StreamOpaque {
                application: APPLICATION,
                vbucket,
            };
            self.write(|consumer, out| {
                consumer
                    .resume_stream(stream, StreamFlags::NONE, StreamRequest::NO_END, out)
                    .map_err(|error| error.to_string())
            })?;
        }
        Ok(())
    }

    fn apply(&mut self, message: &Message<'_>, now: u32) -> Result<(), Failure> {
        match &message.body {
            Body::Mutation(mutation) => {
                let attributes = Attributes {
                    flags: mutation.flags,
                    expiration: mutation.expiration,
                };
                if !self
                    .copy
                    .store(mutation.key, mutation.value, attributes, now)
                {
                    self.following.update(|status| status.refused += 1);
                }
            }
            Body::Deletion(deletion) => self.copy.remove(deletion.key, now),
            Body::Expiration(expiration) => self.copy.remove(expiration.key, now),
            Body::SeqnoAdvanced(_) => {
                if self.copy.complete(message.vbucket, now) {
                    info!("the copy is complete");
                    self.following
                        .update(|status| status.link = ReplicaLink::Following);
                }
                return Ok(());
            }
            Body::Flush => {
                self.copy.forget();
                return Err(Failure::StartAnew("the primary was flushed"));
            }
            Body::StreamEnd(end) => {
                return Err(Failure::Primary(format!(
                    "the stream of vbucket {} ended: {}",
                    message.vbucket, end.reason
                )));
            }
            _ => return Ok(()),
        }
        self.following.changes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Sums up how far the primary is ahead.
    fn compare(&mut self, seqnos: &VbucketSeqnos<'_>) {
        let mut behind: u64 = 0;
        for VbucketSeqno { vbucket, seqno, .. } in seqnos {
            let stream = StreamOpaque {
                application: APPLICATION,
                vbucket,
            };
            let position = self.consumer.position(stream).unwrap_or_default();
            behind += seqno.saturating_sub(position.seqno);
        }
        self.following
            .update(|status| status.seqnos_behind = behind);
    }

    /// Asks how far the primary is, if it is time and the last answer has come.
    fn ask(&mut self) -> Result<(), Failure> {
        if self.awaits_seqnos || self.asked.elapsed() < ASK_INTERVAL {
            return Ok(());
        }
        self.asked = Instant::now();
        self.awaits_seqnos = true;
        self.write(|consumer, out| {
            consumer
                .vbucket_seqnos(out)
                .map_err(|error| error.to_string())
        })
    }

    /// Writes a request behind what is to be sent.
    fn write(
        &mut self,
        write: impl FnOnce(&mut DcpConsumer<Vec<DcpStream>>, &mut [u8]) -> Result<usize, String>,
    ) -> Result<(), Failure> {
        let mut out = [0; OUTPUT_LEN];
        let written = write(&mut self.consumer, &mut out).map_err(Failure::Primary)?;
        self.output.extend_from_slice(&out[..written]);
        Ok(())
    }

    fn send(&mut self) -> Result<(), Failure> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// Waits a little for input.
    fn receive(&mut self) -> Result<(), Failure> {
        self.input.drain(..self.done);
        self.done = 0;
        let kept = self.input.len();
        self.input.resize(kept + READ_LEN, 0);
        let read = self.stream.read(&mut self.input[kept..]);
        self.input.truncate(kept + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(Failure::Primary("the primary has closed".into())),
            Ok(_) => Ok(()),
            Err(error) if is_timeout(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn open(options: &ReplicaOptions) -> Open<'_> {
    Open {
        flags: OpenFlags::PRODUCER,
        name: options.name.as_bytes(),
        ..Open::default()
    }
}

/// Connects to the first address of a name that answers.
fn connect(primary: &str) -> Result<TcpStream, Failure> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in primary.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

/// Logs in, opens the connection and asks for the vbuckets; how many there are.
fn greet(stream: &mut TcpStream, options: &ReplicaOptions) -> Result<usize, Failure> {
    if let Some((user, password)) = &options.user {
        let value = format!("\0{user}\0{password}");
        let request = Request {
            key: b"PLAIN",
            value: value.as_bytes(),
            ..Request::new(Opcode::SASL_AUTH)
        };
        ask(stream, &request)?;
    }
    let mut extras = [0; 8];
    extras[4..].copy_from_slice(&OpenFlags::PRODUCER.0.to_be_bytes());
    let request = Request {
        extras: &extras,
        key: options.name.as_bytes(),
        ..Request::new(Opcode::DCP_OPEN)
    };
    ask(stream, &request)?;
    let value = ask(stream, &Request::new(Opcode::GET_ALL_VB_SEQNOS))?;
    let seqnos =
        VbucketSeqnos::parse(&value).map_err(|error| Failure::Primary(error.to_string()))?;
    Ok(seqnos.iter().len())
}

fn send(stream: &mut TcpStream, request: &Request<'_>) -> Result<(), Failure> {
    let mut bytes = vec![0; HEADER_LEN + 255 + request.key.len() + request.value.len()];
    let written = request
        .emit(&mut bytes)
        .map_err(|error| Failure::Primary(error.to_string()))?;
    Ok(stream.write_all(&bytes[..written])?)
}

/// Sends a request and waits for its answer; its value.
fn ask(stream: &mut TcpStream, request: &Request<'_>) -> Result<Vec<u8>, Failure> {
    send(stream, request)?;
    let mut bytes = vec![0; HEADER_LEN];
    stream.read_exact(&mut bytes)?;
    loop {
        match Response::parse(&bytes, &Limits::MEMCACHED) {
            Ok(Parsed::Complete { value, .. }) if value.status == Status::SUCCESS => {
                return Ok(value.value.to_vec());
            }
            Ok(Parsed::Complete { value, .. }) => {
                let text = format!("{} was refused: {}", value.opcode, value.status);
                return Err(Failure::Primary(text));
            }
            Ok(Parsed::NeedMore { missing }) if missing < ANSWER_LEN_MAX.into() => {
                let kept = bytes.len();
                bytes.resize(kept + missing as usize, 0);
                stream.read_exact(&mut bytes[kept..])?;
            }
            Ok(Parsed::NeedMore { .. }) => {
                return Err(Failure::Primary("an answer is too long".into()));
            }
            Err(error) => return Err(Failure::Primary(error.to_string())),
        }
    }
}
