//! The blocking TAP feed against scripted producers: over real sockets, and over streams that give a byte at a time.

#![allow(missing_docs)]

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use memlet::blocking::{Client, TapFeed};
use memlet::client::TapError;
use memlet::std::{ConnectOptions, Transport};
use memlet_core::connection::feed::{
    SendError, TapAcks, TapChange, TapEnd, TapOptions, TapProducer, TapProducerEnd, TapProducerNext,
};
use memlet_core::tap::{
    Checkpoint, Connect, ConnectFlags, Deletion, Flush, Head, ItemFields, Message, MessageFlags,
    Mutation, Opaque, Subtype, VbucketSet, VbucketState,
};
use memlet_core::wire::{
    EmitError, Limits, Opcode, Packet, ParseErrorKind, Parsed, Request, Response, Status,
};

/// Generous: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

fn head(sequence: u32, ack: bool) -> Head {
    Head {
        vbucket: 7,
        sequence,
        flags: if ack {
            MessageFlags::ACK | MessageFlags::NETWORK_BYTE_ORDER
        } else {
            MessageFlags::NETWORK_BYTE_ORDER
        },
        ..Head::default()
    }
}

fn opaque(sequence: u32, subtype: Subtype, ack: bool) -> Message<'static> {
    Message::Opaque(Opaque {
        head: head(sequence, ack),
        subtype,
        engine: b"",
    })
}

fn mutation(sequence: u32, value: &[u8]) -> Message<'_> {
    Message::Mutation(Mutation {
        head: head(sequence, false),
        item: ItemFields {
            flags: 5,
            expiration: 6,
        },
        engine: &[0, 0, 0, 0, 0, 0, 0, 9, 1],
        key: b"key",
        value,
    })
}

/// A stream with every message in it.
fn script() -> Vec<Message<'static>> {
    let checkpoint = |sequence| Checkpoint {
        head: head(sequence, true),
        item: Some(ItemFields::default()),
        engine: &[0; 8],
        marker: b"marker",
        id: 42,
    };
    vec![
        opaque(1, Subtype::INITIAL_VBUCKET_STREAM, true),
        mutation(2, b"value"),
        opaque(3, Subtype::CLOSE_BACKFILL, true),
        Message::CheckpointStart(checkpoint(4)),
        Message::Deletion(Deletion {
            head: head(5, false),
            engine: &[0; 8],
            key: b"gone",
            value: b"",
        }),
        Message::CheckpointEnd(checkpoint(6)),
        Message::VbucketSet(VbucketSet {
            head: head(7, true),
            state: VbucketState::REPLICA,
            engine: b"",
        }),
        Message::Flush(Flush {
            head: head(8, false),
            engine: b"",
        }),
        opaque(9, Subtype::CLOSE_TAP_STREAM, true),
    ]
}

fn emit(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = vec![0; message.encoded_len().unwrap()];
    message.emit(&mut bytes).unwrap();
    bytes
}

fn noop() -> Vec<u8> {
    let mut bytes = vec![0; 24];
    Request::new(Opcode::NOOP).emit(&mut bytes).unwrap();
    bytes
}

/// The script as it goes over the wire, with keep-alives and something unheard of in between.
fn script_bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in script() {
        bytes.extend(noop());
        bytes.extend(emit(&message));
    }
    let mut unheard_of = [0; 24];
    unheard_of[..2].copy_from_slice(&[0x80, 0x4d]);
    unheard_of.into_iter().chain(bytes).collect()
}

/// The answers that the script asks for.
fn answers() -> Vec<u8> {
    let mut answers = Vec::new();
    for message in script().iter().filter(|message| message.wants_ack()) {
        let mut answer = [0; 24];
        message.ack().emit(&mut answer).unwrap();
        answers.extend(answer);
    }
    answers
}

/// A peer that runs `serve` on the first connection.
fn peer<R: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> R + Send + 'static,
) -> (SocketAddr, JoinHandle<R>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        serve(stream)
    });
    (address, thread)
}

fn options(read_timeout: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::default();
    options.read_timeout = Some(read_timeout);
    options
}

fn transport(address: SocketAddr) -> Transport {
    Transport::tcp(address, &options(PATIENCE)).unwrap()
}

/// Reads the request for a stream.
fn read_connect(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 24];
    stream.read_exact(&mut bytes).unwrap();
    let body = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
    bytes.resize(24 + body, 0);
    stream.read_exact(&mut bytes[24..]).unwrap();
    bytes
}

fn request() -> Connect<'static> {
    Connect {
        flags: Some(ConnectFlags::SUPPORT_ACK | ConnectFlags::FIX_FLAG_BYTEORDER),
        backfill: Some(Connect::EVERYTHING),
        ..Connect::new(b"reader")
    }
}

#[test]
fn every_message_comes_over_a_socket_and_is_answered() {
    let (address, producer) = peer(|mut stream| {
        let request = read_connect(&mut stream);
        stream.write_all(&script_bytes()).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        (request, received)
    });
    let mut feed = TapFeed::new(transport(address));
    feed.connect(&request()).unwrap();
    for expected in script() {
        assert_eq!(feed.next_message().unwrap(), Some(expected));
    }
    assert_eq!(feed.next_message().unwrap(), None);
    assert_eq!(feed.next_message().unwrap(), None);
    assert_eq!(
        (feed.keep_alives(), feed.skipped()),
        (script().len() as u64, 1)
    );
    drop(feed);
    let (received_request, received) = producer.join().unwrap();
    let Ok(Parsed::Complete { value, .. }) = Request::parse(&received_request, &Limits::NONE)
    else {
        panic!("no request");
    };
    assert_eq!(Connect::from_request(&value), Ok(request()));
    assert_eq!(received, answers());
}

/// A stream in memory that gives and takes so many bytes at a time.
struct Memory {
    input: Vec<u8>,
    read: usize,
    output: Vec<u8>,
    at_a_time: usize,
}

impl Memory {
    fn new(input: Vec<u8>, at_a_time: usize) -> Memory {
        Memory {
            input,
            read: 0,
            output: Vec::new(),
            at_a_time,
        }
    }
}

impl embedded_io::ErrorType for Memory {
    type Error = Infallible;
}

impl embedded_io::Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let rest = &self.input[self.read..];
        let len = rest.len().min(buffer.len()).min(self.at_a_time);
        buffer[..len].copy_from_slice(&rest[..len]);
        self.read += len;
        Ok(len)
    }
}

impl embedded_io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let len = bytes.len().min(self.at_a_time);
        self.output.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn fixed_buffers_and_single_bytes_give_the_same() {
    for at_a_time in [1, 2, 7, 24, 1000] {
        let stream = Memory::new(script_bytes(), at_a_time);
        let options = TapOptions::default();
        let mut feed = TapFeed::with(stream, &options, [0; 64], [0; 64], ());
        feed.connect(&request()).unwrap();
        for expected in script() {
            assert_eq!(feed.next_message().unwrap(), Some(expected));
        }
        assert_eq!(feed.next_message().unwrap(), None);
        let (stream, _, unread) = feed.into_parts();
        let connect_len = request().encoded_len().unwrap();
        assert_eq!(stream.output[connect_len..], answers());
        assert!(unread.is_empty());
    }
}

/// How a feed over these bytes ends, and the text of a refusal.
fn end_of(bytes: &[u8]) -> (usize, TapEnd, Vec<u8>) {
    let mut feed = TapFeed::new(Memory::new(bytes.to_vec(), 1000));
    feed.connect(&request()).unwrap();
    let mut messages = 0;
    loop {
        match feed.next_message() {
            Ok(Some(_)) => messages += 1,
            Ok(None) => return (messages, TapEnd::Closed, vec![]),
            Err(error) => {
                assert_eq!(feed.next_message(), Err(error));
                assert!(!error.is_timeout());
                return (messages, error.end().unwrap(), feed.refusal().to_vec());
            }
        }
    }
}

#[test]
fn every_end_is_told_by_its_name() {
    let whole = emit(&mutation(1, b"value"));
    assert_eq!(end_of(&whole), (1, TapEnd::EndOfInput, vec![]));
    let truncated = [&whole[..], &whole[..30]].concat();
    let missing = whole.len() as u64 - 30;
    assert_eq!(
        end_of(&truncated),
        (1, TapEnd::Truncated { missing }, vec![])
    );

    let mut refusal = [0; 64];
    let len = Response {
        value: b"no such engine",
        ..Response::new(Opcode::TAP_CONNECT, Status::NOT_SUPPORTED)
    }
    .emit(&mut refusal)
    .unwrap();
    let end = TapEnd::Refused(Status::NOT_SUPPORTED);
    assert_eq!(
        end_of(&refusal[..len]),
        (0, end, b"no such engine".to_vec())
    );

    let mut malformed = whole.clone();
    malformed[24] = 0xff;
    let (_, TapEnd::Malformed(error), _) = end_of(&malformed) else {
        panic!("not malformed");
    };
    assert_eq!(error.kind, ParseErrorKind::EngineBytesTooLong);

    let mut answer = [0; 24];
    answer[..2].copy_from_slice(&[0x81, 0x00]);
    assert!(matches!(
        end_of(&answer),
        (0, TapEnd::UnexpectedResponse { .. }, _)
    ));

    // 4 GiB announced: refused by the header, whatever the buffer could grow to.
    let mut announced = whole[..24].to_vec();
    announced[8..12].copy_from_slice(&[0xff; 4]);
    assert!(matches!(end_of(&announced), (0, TapEnd::Malformed(_), _)));
}

#[test]
fn a_message_longer_than_a_fixed_buffer_is_told_with_both_lengths() {
    let bytes = emit(&mutation(1, &[0; 200]));
    let stream = Memory::new(bytes.clone(), 1000);
    let (mut input, mut output) = ([0; 128], [0; 64]);
    let options = TapOptions::default();
    let mut feed = TapFeed::with(stream, &options, &mut input[..], &mut output[..], ());
    feed.connect(&request()).unwrap();
    let end = TapEnd::TooLong {
        needed: bytes.len() as u64,
        allowed: 128,
    };
    assert_eq!(feed.next_message(), Err(TapError::Ended(end)));
}

#[test]
fn an_output_that_cannot_hold_request_or_answer_is_told() {
    let stream = Memory::new(script_bytes(), 1000);
    let (mut input, mut output) = ([0; 64], [0; 23]);
    let options = TapOptions::default();
    let mut feed = TapFeed::with(stream, &options, &mut input[..], &mut output[..], ());
    let needed = request().encoded_len().unwrap();
    let error = |needed| {
        Err(TapError::Emit(EmitError::OutputTooShort {
            needed,
            available: 23,
        }))
    };
    assert_eq!(feed.connect(&request()), error(needed));
    // The first message arrives; it cannot be answered, so nothing follows.
    assert!(feed.next_message().unwrap().is_some());
    for _ in 0..2 {
        assert_eq!(feed.next_message().map(|_| ()), error(24));
    }
}

#[test]
fn a_wait_that_takes_too_long_loses_nothing() {
    let (timed_out, waiting) = mpsc::channel();
    let (address, producer) = peer(move |mut stream| {
        read_connect(&mut stream);
        let bytes = emit(&mutation(1, b"value"));
        let (first, second) = bytes.split_at(40);
        stream.write_all(first).unwrap();
        // The rest comes only after the consumer has given up once.
        waiting.recv_timeout(PATIENCE).unwrap();
        stream.write_all(second).unwrap();
        stream
            .write_all(&emit(&opaque(2, Subtype::CLOSE_TAP_STREAM, false)))
            .unwrap();
    });
    let mut feed =
        TapFeed::new(Transport::tcp(address, &options(Duration::from_millis(20))).unwrap());
    feed.connect(&request()).unwrap();
    let error = feed.next_message().unwrap_err();
    assert!(error.is_timeout() && error.end().is_none(), "{error}");
    timed_out.send(()).unwrap();
    feed.stream().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(feed.next_message().unwrap(), Some(mutation(1, b"value")));
    assert!(feed.next_message().unwrap().is_some());
    assert!(feed.next_message().unwrap().is_none());
    producer.join().unwrap();
}

#[test]
fn a_feed_follows_a_client_on_the_same_connection() {
    let (address, producer) = peer(|mut stream| {
        let mut noop = [0; 24];
        stream.read_exact(&mut noop).unwrap();
        noop[0] = 0x81;
        // The answer to the NOOP, and the beginning of what follows it, in one piece.
        let stray = emit(&mutation(1, b"early"));
        stream.write_all(&[&noop[..], &stray].concat()).unwrap();
        read_connect(&mut stream);
        stream
            .write_all(&emit(&opaque(2, Subtype::CLOSE_TAP_STREAM, false)))
            .unwrap();
    });
    let mut client: Client<_, _> = transport(address).client(&options(PATIENCE), ());
    client.noop().unwrap();
    let mut feed = TapFeed::from_parts(client.into_parts(), &TapOptions::default(), Vec::new(), ());
    feed.connect(&request()).unwrap();
    assert_eq!(feed.next_message().unwrap(), Some(mutation(1, b"early")));
    assert!(feed.next_message().unwrap().is_some());
    assert_eq!(feed.next_message().unwrap(), None);
    producer.join().unwrap();
}

/// Sends changes numbered by their CAS until all are confirmed; gives how often it had to go back, and how it ended.
fn produce(mut stream: TcpStream, changes: u64) -> (u32, TapProducerEnd) {
    let request = read_connect(&mut stream);
    let Ok(Parsed::Complete { value, .. }) = Request::parse(&request, &Limits::NONE) else {
        panic!("no request");
    };
    let mut producer = TapProducer::new(&Connect::from_request(&value).unwrap(), 0);
    let (mut output, mut input) = (vec![0; 64 << 10], Vec::new());
    let (mut next, mut back_offs) = (1, 0);
    loop {
        let mut written = 0;
        loop {
            let room = &mut output[written..];
            let change = TapChange {
                vbucket: 1,
                key: b"key",
                cas: next,
                flags: 7,
                expiration: 0,
                value: (b"value", b""),
                revision: next,
            };
            let sent = if next > changes {
                producer.close(next, room, 0)
            } else {
                producer.mutation(&change, next, next == changes, room, 0)
            };
            match sent {
                Ok(len) => written += len,
                Err(SendError::Window | SendError::Ended | SendError::Emit(_)) => break,
                Err(error) => panic!("{error}"),
            }
            next += 1;
        }
        stream.write_all(&output[..written]).unwrap();
        if producer.may_send() && written > 0 {
            continue;
        }
        let mut piece = [0; 4096];
        let len = stream.read(&mut piece).unwrap();
        assert!(len > 0, "closed with answers outstanding");
        input.extend_from_slice(&piece[..len]);
        loop {
            let progress = producer.handle_input(&input);
            input.drain(..progress.consumed);
            match progress.next {
                TapProducerNext::Read { .. } => break,
                TapProducerNext::BackOff { position } => {
                    next = position + 1;
                    back_offs += 1;
                }
                TapProducerNext::End(end) => return (back_offs, end),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_long_stream_arrives_without_loss_in_a_buffer_that_does_not_grow() {
    const CHANGES: u64 = 200_000;
    let (address, producer) = peer(|stream| produce(stream, CHANGES));
    let options = TapOptions::default();
    let mut feed = TapFeed::with(transport(address), &options, [0; 4096], [0; 4096], ());
    feed.connect(&request()).unwrap();
    let mut expected = 1;
    while let Some(message) = feed.next_message().unwrap() {
        if let Message::Mutation(mutation) = message {
            assert_eq!((mutation.head.cas, mutation.item_flags()), (expected, 7));
            expected += 1;
        }
    }
    assert_eq!(expected, CHANGES + 1);
    assert_eq!(producer.join().unwrap(), (0, TapProducerEnd::Done));
}

#[test]
fn what_a_consumer_refuses_comes_again() {
    const CHANGES: u64 = 20_000;
    let (address, producer) = peer(|stream| produce(stream, CHANGES));
    let mut feed = TapFeed::new(transport(address));
    feed.connect(&request()).unwrap();
    let (mut reached, mut refused) = (0, 0);
    while let Some(message) = feed.next_message().unwrap() {
        let Message::Mutation(mutation) = message else {
            continue;
        };
        let cas = mutation.head.cas;
        if cas == reached + 1 {
            if cas == 5_000 && refused == 0 {
                refused += 1;
                feed.refuse(Status::TMPFAIL);
            } else {
                reached = cas;
            }
        }
    }
    assert_eq!((reached, refused), (CHANGES, 1));
    let (back_offs, end) = producer.join().unwrap();
    assert_eq!((back_offs, end), (1, TapProducerEnd::Done));
}

#[test]
fn a_consumer_that_answers_itself_decides_what_is_confirmed() {
    let (address, producer) = peer(|stream| produce(stream, 15));
    let options = TapOptions {
        acks: TapAcks::Manual,
        ..TapOptions::default()
    };
    let mut feed = TapFeed::with(transport(address), &options, Vec::new(), Vec::new(), ());
    feed.connect(&request()).unwrap();
    let mut last = None;
    while let Some(message) = feed.next_message().unwrap() {
        last = Some(message.ack());
    }
    // One answer for all of them.
    feed.acknowledge(&last.unwrap()).unwrap();
    assert_eq!(producer.join().unwrap(), (0, TapProducerEnd::Done));
}

#[test]
fn a_transport_that_breaks_is_no_end_of_the_stream() {
    struct Broken;

    impl embedded_io::ErrorType for Broken {
        type Error = io::Error;
    }

    impl embedded_io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }

    impl embedded_io::Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut feed = TapFeed::new(Broken);
    feed.connect(&request()).unwrap();
    let error = feed.next_message().unwrap_err();
    assert!(
        matches!(&error, TapError::Transport(error) if error.kind() == io::ErrorKind::ConnectionReset)
    );
    assert!(error.end().is_none() && !error.is_timeout());
    assert!(error.to_string().starts_with("transport: "));
}

#[test]
fn a_packet_of_another_family_passes_by() {
    let packet = Packet {
        opcode: Opcode(0x4d),
        value: b"unheard of",
        ..Packet::default()
    };
    let mut bytes = vec![0; packet.encoded_len().unwrap()];
    packet.emit(&mut bytes).unwrap();
    bytes.extend(emit(&opaque(1, Subtype::CLOSE_TAP_STREAM, false)));
    assert_eq!(end_of(&bytes), (1, TapEnd::Closed, vec![]));
}
