//! The blocking DCP feed: against scripted producers over real sockets, over streams that give a byte at a time, and
//! against memlet's own server.

#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use memlet::blocking::{Client, DcpFeed};
use memlet::client::DcpError;
use memlet::std::{ConnectOptions, StdDcpFeed, Transport, dcp_feed};
use memlet_core::connection::feed::{
    DcpCommandError, DcpEvent, DcpFailure, DcpOptions, DcpSkipReason, DcpStream,
};
use memlet_core::dcp::{
    Body, Control, FailoverEntry, FailoverLog, Message, Mutation, Open, OpenFlags, Reply,
    ReplyBody, SnapshotMarker, StreamEnd, StreamEndReason, StreamFlags, StreamOpaque,
    StreamRequest,
};
use memlet_core::wire::{EmitError, Limits, Opcode, Packet, Parsed, Status};
use support::Running;

const STREAM: StreamOpaque = StreamOpaque {
    application: 1,
    vbucket: 3,
};

fn open() -> Open<'static> {
    Open {
        name: b"test",
        flags: OpenFlags::PRODUCER,
        ..Open::default()
    }
}

fn bytes_of(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = vec![0; message.encoded_len().unwrap()];
    message.emit(&mut bytes).unwrap();
    bytes
}

fn reply_bytes(reply: &Reply<'_>) -> Vec<u8> {
    let mut bytes = vec![0; reply.encoded_len().unwrap()];
    reply.emit(&mut bytes).unwrap();
    bytes
}

fn of_stream(body: Body<'_>) -> Vec<u8> {
    bytes_of(&Message::new(STREAM.vbucket, STREAM.to_opaque(), body))
}

fn mutation(seqno: u64, value: &[u8]) -> Vec<u8> {
    of_stream(Body::Mutation(Mutation {
        seqno,
        key: b"key",
        value,
        ..Mutation::default()
    }))
}

/// A packet that a producer has received.
struct Received {
    bytes: Vec<u8>,
}

impl Received {
    fn packet(&self) -> Packet<'_> {
        match Packet::parse(&self.bytes, &Limits::NONE) {
            Ok(Parsed::Complete { value, .. }) => value,
            other => panic!("{other:?}"),
        }
    }
}

fn receive(stream: &mut TcpStream) -> Received {
    let mut bytes = vec![0; 24];
    stream.read_exact(&mut bytes).unwrap();
    let body_len = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    bytes.resize(24 + body_len, 0);
    stream.read_exact(&mut bytes[24..]).unwrap();
    Received { bytes }
}

/// Receives a request and answers it with a status.
fn accept(stream: &mut TcpStream, opcode: Opcode, status: Status) -> Received {
    let received = receive(stream);
    let packet = received.packet();
    assert_eq!(packet.opcode, opcode);
    let reply = Reply::new(opcode, status, packet.opaque);
    stream.write_all(&reply_bytes(&reply)).unwrap();
    received
}

/// Receives a stream request, and opens it.
fn accept_stream(stream: &mut TcpStream) -> Received {
    let received = receive(stream);
    let packet = received.packet();
    assert_eq!(packet.opcode, Opcode::DCP_STREAM_REQ);
    let entry = FailoverEntry {
        vbucket_uuid: 0xabc,
        seqno: 0,
    };
    let log = entry.to_bytes();
    let reply = Reply {
        body: ReplyBody::FailoverLog(FailoverLog::parse(&log).unwrap()),
        ..Reply::new(packet.opcode, Status::SUCCESS, packet.opaque)
    };
    stream.write_all(&reply_bytes(&reply)).unwrap();
    received
}

/// A producer that serves one connection as it is told.
fn producer<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        // Longer than any test takes on a busy machine.
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        serve(stream)
    });
    (address, thread)
}

fn connect_options() -> ConnectOptions {
    let mut options = ConnectOptions::default();
    options.read_timeout = Some(Duration::from_secs(60));
    options
}

fn plain() -> DcpOptions {
    DcpOptions {
        window: 0,
        noop_interval: 0,
        ..DcpOptions::default()
    }
}

fn feed(address: SocketAddr, options: &DcpOptions) -> StdDcpFeed {
    dcp_feed(address, &connect_options(), options, 8).unwrap()
}

#[test]
fn events_come_in_order_and_what_has_to_be_answered_is() {
    let (address, thread) = producer(|mut stream| {
        accept(&mut stream, Opcode::DCP_OPEN, Status::SUCCESS);
        for _ in 0..3 {
            accept(&mut stream, Opcode::DCP_CONTROL, Status::SUCCESS);
        }
        accept_stream(&mut stream);
        let marker = Body::SnapshotMarker(SnapshotMarker {
            start_seqno: 1,
            end_seqno: 3,
            ..SnapshotMarker::default()
        });
        let noop = bytes_of(&Message::new(0, 0x77, Body::Noop));
        for bytes in [
            of_stream(marker),
            mutation(1, b"one"),
            noop,
            mutation(2, &[2; 100_000]),
        ] {
            stream.write_all(&bytes).unwrap();
        }
        let answer = receive(&mut stream);
        let packet = answer.packet();
        assert_eq!(
            (packet.magic.0, packet.opcode, packet.opaque),
            (0x81, Opcode::DCP_NOOP, 0x77)
        );
        let ack = receive(&mut stream);
        let Ok(Body::BufferAck(ack)) = Message::parse(&ack.packet()).map(|message| message.body)
        else {
            panic!("no acknowledgement");
        };
        assert_eq!(ack.bytes, 44 + 61 + 100_058);
        let reason = StreamEndReason::STATE_CHANGED;
        stream
            .write_all(&of_stream(Body::StreamEnd(StreamEnd { reason })))
            .unwrap();
        accept(&mut stream, Opcode::DCP_CONTROL, Status::EINVAL);
    });
    let mut feed = feed(
        address,
        &DcpOptions {
            window: 200_000,
            noop_interval: 30,
            ..DcpOptions::default()
        },
    );
    feed.open(&open()).unwrap();
    feed.resume_stream(STREAM, StreamFlags::NONE, StreamRequest::NO_END)
        .unwrap();
    let mut seen = Vec::new();
    loop {
        match feed.next_event().unwrap() {
            DcpEvent::StreamOpened { log, .. } => seen.push((0, log.len())),
            DcpEvent::Message(message) => match message.body {
                Body::Mutation(mutation) => seen.push((mutation.seqno, mutation.value.len())),
                Body::StreamEnd(end) => {
                    assert_eq!(end.reason, StreamEndReason::STATE_CHANGED);
                    break;
                }
                _ => {}
            },
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [(0, 1), (1, 3), (2, 100_000)]);
    assert_eq!(feed.position(STREAM).unwrap().vbucket_uuid, 0xabc);
    assert_eq!(feed.statistics().mutations, 2);
    feed.control(&Control::new(Control::SET_PRIORITY, "high"))
        .unwrap();
    assert!(matches!(
        feed.next_event().unwrap(),
        DcpEvent::ControlAnswered {
            status: Status::EINVAL,
            ..
        }
    ));
    thread.join().unwrap();
    let error = feed.next_event().unwrap_err();
    assert_eq!(error.failure(), Some(DcpFailure::EndOfInput));
}

#[test]
fn a_refused_open_and_a_broken_packet_are_told_and_stay() {
    let (address, thread) = producer(|mut stream| {
        accept(&mut stream, Opcode::DCP_OPEN, Status::EACCESS);
    });
    let mut refused = feed(address, &plain());
    let error = refused.open(&open()).unwrap_err();
    assert_eq!(
        error.failure(),
        Some(DcpFailure::OpenRefused(Status::EACCESS))
    );
    let again = refused.next_event().unwrap_err();
    assert_eq!(
        again.failure(),
        Some(DcpFailure::OpenRefused(Status::EACCESS))
    );
    thread.join().unwrap();

    let (address, thread) = producer(|mut stream| {
        accept(&mut stream, Opcode::DCP_OPEN, Status::SUCCESS);
        stream.write_all(b"what is this?").unwrap();
    });
    let mut broken = feed(address, &plain());
    broken.open(&open()).unwrap();
    let error = broken.next_event().unwrap_err();
    assert!(
        matches!(error.failure(), Some(DcpFailure::Framing(_))),
        "{error}"
    );
    let command = broken.failover_log(1).unwrap_err();
    assert!(
        matches!(command, DcpError::Failed(DcpFailure::Framing(_))),
        "{command}"
    );
    thread.join().unwrap();
}

#[test]
fn a_wait_that_takes_too_long_loses_nothing() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let (address, thread) = producer(move |mut stream| {
        accept(&mut stream, Opcode::DCP_OPEN, Status::SUCCESS);
        accept_stream(&mut stream);
        let bytes = mutation(1, b"value");
        let (front, back) = bytes.split_at(30);
        stream.write_all(front).unwrap();
        receiver.recv().unwrap();
        stream.write_all(back).unwrap();
        receiver.recv().unwrap();
    });
    let mut options = ConnectOptions::default();
    options.read_timeout = Some(Duration::from_millis(30));
    let transport = Transport::tcp(address, &options).unwrap();
    let mut feed = transport.dcp_feed(&plain(), vec![DcpStream::EMPTY; 1]);
    loop {
        match feed.open(&open()) {
            Ok(()) => break,
            Err(DcpError::Command(DcpCommandError::NotNow)) => {
                // It was sent, and the answer took longer.
                if patiently(&mut feed, |event| matches!(event, DcpEvent::Opened)) {
                    break;
                }
            }
            Err(error) => assert!(error.is_timeout(), "{error}"),
        }
    }
    feed.resume_stream(STREAM, StreamFlags::NONE, StreamRequest::NO_END)
        .unwrap();
    patiently(&mut feed, |event| {
        matches!(event, DcpEvent::StreamOpened { .. })
    });
    let error = feed.next_event().unwrap_err();
    assert!(error.is_timeout(), "{error}");
    sender.send(()).unwrap();
    let is_mutation = |event: &DcpEvent<'_>| {
        matches!(event, DcpEvent::Message(Message { body: Body::Mutation(mutation), .. })
            if mutation.value == b"value")
    };
    assert!(patiently(&mut feed, is_mutation));
    sender.send(()).unwrap();
    thread.join().unwrap();
}

/// The next event, however long it takes, and whether it is the one.
fn patiently(feed: &mut StdDcpFeed, is_it: impl Fn(&DcpEvent<'_>) -> bool) -> bool {
    loop {
        match feed.next_event() {
            Ok(event) => return is_it(&event),
            Err(error) => assert!(error.is_timeout(), "{error}"),
        }
    }
}

#[test]
fn a_producer_that_falls_silent_is_given_up() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let (address, thread) = producer(move |mut stream| {
        accept(&mut stream, Opcode::DCP_OPEN, Status::SUCCESS);
        accept(&mut stream, Opcode::DCP_CONTROL, Status::SUCCESS);
        accept(&mut stream, Opcode::DCP_CONTROL, Status::SUCCESS);
        accept_stream(&mut stream);
        receiver.recv().unwrap();
    });
    let mut options = ConnectOptions::default();
    options.read_timeout = Some(Duration::from_millis(100));
    let transport = Transport::tcp(address, &options).unwrap();
    // Time passes by a minute with every look at the clock.
    let mut now = 1_000_000;
    let clock = move || {
        now += 60;
        now
    };
    let options = DcpOptions {
        noop_interval: 20 * 60,
        ..plain()
    };
    let mut feed = DcpFeed::new(transport, &options, [DcpStream::EMPTY], clock);
    feed.open(&open()).unwrap();
    feed.resume_stream(STREAM, StreamFlags::NONE, StreamRequest::NO_END)
        .unwrap();
    let failure = loop {
        match feed.next_event() {
            Ok(event) => assert!(matches!(event, DcpEvent::StreamOpened { .. })),
            Err(error) if error.is_timeout() => {}
            Err(error) => break error.failure(),
        }
    };
    assert_eq!(failure, Some(DcpFailure::Silent { seconds: 2400 }));
    sender.send(()).unwrap();
    thread.join().unwrap();
}

/// A stream in memory that gives and takes a few bytes at a time.
struct Trickle {
    input: Vec<u8>,
    at: usize,
    output: Vec<u8>,
}

impl embedded_io::ErrorType for Trickle {
    type Error = Infallible;
}

impl embedded_io::Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let len = buffer.len().min(7).min(self.input.len() - self.at);
        buffer[..len].copy_from_slice(&self.input[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

impl embedded_io::Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let len = bytes.len().min(5);
        self.output.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn fixed_buffers_are_enough_and_what_is_too_long_for_them_is_passed_over() {
    let opened = reply_bytes(&Reply::new(Opcode::DCP_OPEN, Status::SUCCESS, 0));
    let stream_opened = reply_bytes(&Reply {
        body: ReplyBody::FailoverLog(FailoverLog::default()),
        ..Reply::new(Opcode::DCP_STREAM_REQ, Status::SUCCESS, STREAM.to_opaque())
    });
    let input = [
        opened,
        stream_opened,
        mutation(1, b"fits"),
        mutation(2, &[0; 5000]),
        mutation(3, b"fits"),
    ]
    .concat();
    let stream = Trickle {
        input,
        at: 0,
        output: Vec::new(),
    };
    let (input, output) = ([0; 128], [0; 128]);
    let streams = [DcpStream::EMPTY; 1];
    let mut feed = DcpFeed::with(stream, &plain(), streams, || 0, input, output, ());
    feed.open(&open()).unwrap();
    let long = StreamRequest {
        value: &[b' '; 100],
        ..StreamRequest::default()
    };
    let error = feed.request_stream(STREAM, &long).unwrap_err();
    let needed = 172;
    let available = 128;
    assert_eq!(
        error,
        DcpError::Command(DcpCommandError::Emit(EmitError::OutputTooShort {
            needed,
            available
        }))
    );
    feed.resume_stream(STREAM, StreamFlags::NONE, StreamRequest::NO_END)
        .unwrap();
    let mut seen = Vec::new();
    let end = loop {
        match feed.next_event() {
            Ok(DcpEvent::StreamOpened { .. }) => {}
            Ok(DcpEvent::Message(message)) => seen.push(message.body.seqno()),
            Ok(DcpEvent::Skipped { reason, header }) => {
                assert_eq!((reason, header.body_len), (DcpSkipReason::TooLong, 5034));
                seen.push(None);
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(seen, [Some(1), None, Some(3)]);
    assert_eq!(end, DcpError::Failed(DcpFailure::EndOfInput));
    let [stream] = feed.into_streams();
    assert_eq!(stream.position().seqno, 3);
}

/// A copy of what a server holds, kept by the events of a feed.
#[derive(Default)]
struct Replica {
    items: BTreeMap<Vec<u8>, (u16, Vec<u8>)>,
    mutations: u64,
}

impl Replica {
    fn take(&mut self, event: &DcpEvent<'_>) -> bool {
        match event {
            DcpEvent::Message(message) => match message.body {
                Body::Mutation(mutation) => {
                    self.mutations += 1;
                    let item = (message.vbucket, mutation.value.to_vec());
                    self.items.insert(mutation.key.to_vec(), item);
                    true
                }
                Body::Deletion(deletion) => {
                    self.items.remove(deletion.key);
                    true
                }
                Body::Flush => {
                    self.items
                        .retain(|_, (vbucket, _)| *vbucket != message.vbucket);
                    true
                }
                _ => false,
            },
            DcpEvent::StreamRefused { stream, status, .. } => panic!("{stream:?}: {status}"),
            DcpEvent::Skipped { .. } => panic!("{event:?}"),
            _ => false,
        }
    }
}

/// Asks for every vbucket there is.
fn follow_all(feed: &mut StdDcpFeed) -> Vec<StreamOpaque> {
    feed.vbucket_seqnos().unwrap();
    let streams: Vec<StreamOpaque> = match feed.next_event().unwrap() {
        DcpEvent::VbucketSeqnos {
            status: Status::SUCCESS,
            seqnos,
        } => seqnos
            .iter()
            .map(|of| StreamOpaque {
                application: 9,
                vbucket: of.vbucket,
            })
            .collect(),
        other => panic!("{other:?}"),
    };
    for stream in &streams {
        feed.resume_stream(*stream, StreamFlags::NONE, StreamRequest::NO_END)
            .unwrap();
    }
    streams
}

#[test]
fn a_server_of_ours_is_followed_through_a_small_window_and_again_after_a_cut() {
    let server = Running::start();
    let mut client = Client::new(server.transport());
    let value = [b'v'; 600];
    for number in 0..1000 {
        client
            .set(format!("old{number}").as_bytes(), &value)
            .unwrap();
    }
    let options = DcpOptions {
        window: 64 << 10,
        ..DcpOptions::default()
    };
    let mut feed = dcp_feed(server.address, &connect_options(), &options, 64).unwrap();
    feed.open(&open()).unwrap();
    let streams = follow_all(&mut feed);
    assert!(!streams.is_empty());
    let mut replica = Replica::default();
    // Cut off in the middle of the backfill.
    while replica.mutations < 400 {
        replica.take(&feed.next_event().unwrap());
    }
    let positions = feed.into_streams();

    let transport = Transport::tcp(server.address, &connect_options()).unwrap();
    let mut feed = transport.dcp_feed(&options, positions);
    feed.open(&open()).unwrap();
    for stream in &streams {
        feed.resume_stream(*stream, StreamFlags::NONE, StreamRequest::NO_END)
            .unwrap();
    }
    while replica.items.len() < 1000 {
        replica.take(&feed.next_event().unwrap());
    }

    for number in 0..500 {
        client
            .set(format!("new{number}").as_bytes(), b"new")
            .unwrap();
        client
            .delete(format!("old{}", number * 2).as_bytes())
            .unwrap();
    }
    client.set(b"last", b"value").unwrap();
    let is_whole = |replica: &Replica| {
        replica.items.len() == 1001
            && (0..500).all(|number| {
                replica
                    .items
                    .contains_key(format!("new{number}").as_bytes())
                    && !replica
                        .items
                        .contains_key(format!("old{}", number * 2).as_bytes())
                    && replica
                        .items
                        .contains_key(format!("old{}", number * 2 + 1).as_bytes())
            })
    };
    while !is_whole(&replica) {
        replica.take(&feed.next_event().unwrap());
    }
    assert!(feed.statistics().buffer_acks > 0);

    client.flush(0).unwrap();
    while !replica.items.is_empty() {
        replica.take(&feed.next_event().unwrap());
    }
}

#[test]
fn a_server_that_has_started_anew_rolls_its_followers_back() {
    let server = Running::start();
    Client::new(server.transport())
        .set(b"key", b"value")
        .unwrap();
    let mut feed = dcp_feed(server.address, &connect_options(), &plain(), 64).unwrap();
    feed.open(&open()).unwrap();
    let streams = follow_all(&mut feed);
    let mut replica = Replica::default();
    while replica.items.is_empty() {
        replica.take(&feed.next_event().unwrap());
    }
    let positions = feed.into_streams();
    let found = replica.items[&b"key"[..]].0;
    drop(server);

    let server = Running::start();
    let transport = Transport::tcp(server.address, &connect_options()).unwrap();
    let mut feed = transport.dcp_feed(&plain(), positions);
    feed.open(&open()).unwrap();
    let stream = *streams
        .iter()
        .find(|stream| stream.vbucket == found)
        .unwrap();
    feed.resume_stream(stream, StreamFlags::NONE, StreamRequest::NO_END)
        .unwrap();
    match feed.next_event().unwrap() {
        DcpEvent::Rollback { stream: of, seqno } => assert_eq!((of, seqno), (stream, 0)),
        other => panic!("{other:?}"),
    }
    feed.resume_stream(stream, StreamFlags::NONE, StreamRequest::NO_END)
        .unwrap();
    assert!(matches!(
        feed.next_event().unwrap(),
        DcpEvent::StreamOpened { .. }
    ));
}
