//! The client within the memory it is given, and against a peer that waits for its answers to be read.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::Client;
use crate::support::{Asked, Running, Scripted, bytes};
use memlet::client::{Answer, Buffer, ClientSettings, Command, Error, RequestError};
use memlet::std::{ConnectOptions, Transport};
use memlet_core::counters::Counters;
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

/// Long enough for a busy machine; only a test that hangs waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// One direction between two threads, which holds a fixed number of bytes.
#[derive(Default)]
struct Pipe {
    held: Mutex<VecDeque<u8>>,
    changed: Condvar,
    capacity: usize,
}

impl Pipe {
    fn new(capacity: usize) -> Arc<Pipe> {
        Arc::new(Pipe {
            capacity,
            ..Pipe::default()
        })
    }

    /// Waits until `change` has done something, at most until nobody can believe in it any more.
    fn wait(&self, mut change: impl FnMut(&mut VecDeque<u8>) -> usize) -> io::Result<usize> {
        let end = Instant::now() + PATIENCE;
        let mut held = self.held.lock().unwrap();
        loop {
            let len = change(&mut held);
            if len > 0 {
                self.changed.notify_all();
                return Ok(len);
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                return Err(io::ErrorKind::TimedOut.into());
            };
            held = self.changed.wait_timeout(held, left).unwrap().0;
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(|held| {
            let len = bytes.len().min(self.capacity - held.len());
            held.extend(&bytes[..len]);
            len
        })
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(|held| {
            let len = buffer.len().min(held.len());
            for (place, byte) in buffer.iter_mut().zip(held.drain(..len)) {
                *place = byte;
            }
            len
        })
    }
}

/// One end of two pipes.
struct End {
    from: Arc<Pipe>,
    to: Arc<Pipe>,
}

impl embedded_io::ErrorType for End {
    type Error = io::Error;
}

impl embedded_io::Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer)
    }
}

impl embedded_io::Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server that reads a request only when the answer to the one before has been taken, as strict as can be. GET of `n`
/// gives `n` bytes; everything else is refused, quiet or not, but NOOP.
fn serve(end: &End, requests: usize) {
    let (mut held, mut buffer) = (Vec::new(), [0; 512]);
    for _ in 0..requests {
        let (reply, consumed) = loop {
            if let Ok(Parsed::Complete { value, consumed }) = Request::parse(&held, &Limits::NONE) {
                break (answer(&value), consumed);
            }
            let len = end.from.read(&mut buffer).unwrap();
            held.extend_from_slice(&buffer[..len]);
        };
        held.drain(..consumed);
        let mut rest = &reply[..];
        while !rest.is_empty() {
            let len = end.to.write(rest).unwrap();
            rest = &rest[len..];
        }
    }
}

fn answer(request: &Request<'_>) -> Vec<u8> {
    let Request { opcode, opaque, .. } = *request;
    let value;
    let response = match opcode.loud() {
        Opcode::GET => {
            value = vec![7; std::str::from_utf8(request.key).unwrap().parse().unwrap()];
            Response {
                extras: &[0; 4],
                value: &value,
                ..Response::new(opcode, Status::SUCCESS)
            }
        }
        Opcode::NOOP => Response::new(opcode, Status::SUCCESS),
        _ => Response {
            value: b"Not stored.",
            ..Response::new(opcode, Status::NOT_STORED)
        },
    };
    bytes(&Response { opaque, ..response })
}

/// Runs a batch over pipes that hold `capacity` bytes; what came back, by place.
fn batch_over_pipes(capacity: usize, commands: &[Command<'_>], requests: usize) -> Vec<usize> {
    let (there, back) = (Pipe::new(capacity), Pipe::new(capacity));
    let server = End {
        from: Arc::clone(&there),
        to: Arc::clone(&back),
    };
    let server = thread::spawn(move || serve(&server, requests));
    let mut settings = ClientSettings::default();
    settings.unread_len_max = capacity;
    let end = End {
        from: back,
        to: there,
    };
    let mut client: Client<_, Vec<u8>> = Client::with(end, settings, Vec::new(), Vec::new(), ());
    let mut lens = vec![usize::MAX; commands.len()];
    let mut next = 0;
    client
        .batch(commands.iter().copied(), |index, answer| {
            assert_eq!(index, next, "in order");
            next += 1;
            match answer {
                Answer::Response(response) => lens[index] = response.value.len(),
                other => panic!("{index}: {other:?}"),
            }
        })
        .unwrap();
    assert!(client.is_healthy());
    drop(client);
    // It may wait for NOOPs that were not needed.
    drop(server);
    lens
}

#[test]
fn a_batch_ends_although_the_server_reads_only_while_its_answers_are_read() {
    let keys: Vec<String> = (0..600).map(|n| format!("{}", n % 50 * 100)).collect();
    let value = vec![1; 9000];
    let commands: Vec<Command<'_>> = keys
        .iter()
        .enumerate()
        .map(|(place, key)| match place % 7 {
            0 => Command::set(key.as_bytes(), &value).quiet(),
            1 => Command::add(key.as_bytes(), &value[..50]).quiet(),
            2 => Command::delete(key.as_bytes()),
            3 => Command::get(key.as_bytes()),
            _ => Command::get(key.as_bytes()).quiet(),
        })
        .collect();
    for capacity in [300, 1000, 5000, 16 << 10] {
        let lens = batch_over_pipes(capacity, &commands, usize::MAX);
        for (place, len) in lens.into_iter().enumerate() {
            let wanted = match place % 7 {
                0..=2 => 11,
                _ => place % 50 * 100,
            };
            assert_eq!(len, wanted, "{place} with {capacity}");
        }
    }
}

#[test]
fn large_values_come_in_bulk_over_real_sockets_without_a_standstill() {
    let server = Running::start();
    let mut client = server.client();
    let value = vec![9; 256 << 10];
    let keys: Vec<String> = (0..150).map(|n| format!("{n:0>240}")).collect();
    let items: Vec<(&String, &Vec<u8>)> = keys.iter().map(|key| (key, &value)).collect();
    client
        .set_many(&items, |index, status| panic!("{index}: {status}"))
        .unwrap();
    // Every key often enough that the requests alone are longer than what any socket holds.
    let many: Vec<&String> = (0..1500).map(|n| &keys[n % keys.len()]).collect();
    let mut found = 0;
    client
        .get_each(&many, |_, item| found += usize::from(item.value == value))
        .unwrap();
    assert_eq!(found, 1500);
}

#[test]
fn one_write_carries_a_whole_batch() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::NOOP | Opcode::DELETE => asked.done(),
        _ => Vec::new(),
    })
    .client();
    let keys: Vec<String> = (0..100).map(|n| format!("key {n}")).collect();
    client.get_many(&keys).unwrap();
    assert_eq!(client.stream().writes, 1);
    let mixed = keys.iter().map(|key| match key.len() {
        5 => Command::delete(key.as_bytes()),
        _ => Command::set(key.as_bytes(), b"value").quiet(),
    });
    client.batch(mixed, |_, _| {}).unwrap();
    assert_eq!(client.stream().writes, 2);
}

#[test]
fn a_mixed_batch_beyond_the_table_of_requests_goes_in_parts() {
    let mut client: Client<_, Vec<u8>, (), 2> = Client::with(
        Scripted::new(|asked: &Asked| asked.answer(Status::NOT_STORED, b"")),
        ClientSettings::default(),
        Vec::new(),
        Vec::new(),
        (),
    );
    let commands = (0..100).map(|n| match n % 2 {
        0 => Command::append(b"key", b"x").quiet(),
        _ => Command::prepend(b"key", b"x").quiet(),
    });
    let mut refused = 0;
    client.store_many(commands, |_, _| refused += 1).unwrap();
    assert_eq!(refused, 100);
}

#[test]
fn a_command_that_cannot_be_sent_ends_a_batch_after_those_before_it() {
    let mut client = Scripted::new(Asked::done).client();
    let commands = [
        Command::delete(b"a"),
        Command::delete(b""),
        Command::delete(b"b"),
    ];
    let mut told = Vec::new();
    let result = client.batch(commands, |index, _| told.push(index));
    assert!(matches!(
        result,
        Err(Error::Request(RequestError::KeyMissing(_)))
    ));
    assert_eq!(told, [0]);
    client.noop().unwrap();
    assert_eq!(client.into_inner().asked.len(), 2);
}

/// A client whose buffers have a fixed size, on a socket.
fn small<B: Buffer>(server: &Running, input: B, output: B) -> Client<Transport, B> {
    let options = ConnectOptions::default();
    let transport = Transport::tcp(server.address, &options).unwrap();
    let mut settings = options.client;
    settings.unread_len_max = 2048;
    Client::with(transport, settings, input, output, ())
}

#[test]
fn buffers_of_300_bytes_suffice_for_every_command_and_any_value() {
    let server = Running::start();
    let mut client = small(&server, [0; 300], [0; 300]);
    let key = [b'k'; 250];
    let value: Vec<u8> = (0..100_000).map(|n| n as u8).collect();
    client.set(&key, &value).unwrap();
    // Too long for the buffer, but the stream stays in step.
    let error = client.get(&key).unwrap_err();
    assert!(matches!(error, Error::TooLong { value_len: 100_000 }));
    assert!(client.is_healthy());
    let mut target = vec![0; value.len()];
    let touched = client.get_into(&key, &mut target).unwrap().unwrap();
    assert_eq!(touched.value_len, 100_000);
    assert_eq!(target, value);
    let error = client.get_into(&key, &mut target[1..]).unwrap_err();
    assert!(matches!(error, Error::TooLong { value_len: 100_000 }));
    let mut pieces = Vec::new();
    client
        .get_pieces(&key, |piece| pieces.extend_from_slice(piece))
        .unwrap();
    assert_eq!(pieces, value);
    assert!(client.get_into(b"none", &mut target).unwrap().is_none());
    client.append(b"none", b"x").unwrap_err();
    assert!(!client.version().unwrap().is_empty());
    let mut statistics = 0;
    client.stats(b"", |_, _| statistics += 1).unwrap();
    assert!(statistics > 30);

    let keys: Vec<String> = (0..500).map(|n| format!("key {n}")).collect();
    let items: Vec<(&String, &String)> = keys.iter().map(|key| (key, key)).collect();
    client
        .set_many(&items, |_, status| panic!("{status}"))
        .unwrap();
    let mut found = 0;
    client
        .get_each(&keys, |index, item| {
            assert_eq!(item.value, keys[index].as_bytes());
            found += 1;
        })
        .unwrap();
    assert_eq!(found, 500);
    let mut both = Vec::new();
    let gets = [Command::get(&key), Command::get(b"key 1")];
    client
        .batch(gets, |index, answer| {
            both.push((index, matches!(answer, Answer::TooLong { .. })));
        })
        .unwrap();
    assert_eq!(both, [(0, true), (1, false)]);
}

#[test]
fn what_was_transmitted_and_not_received_is_nobody_elses_answer() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::GET | Opcode::GETQ => asked.item(&asked.key, 0, 1),
        _ => asked.done(),
    })
    .client();
    for key in [&b"a"[..], b"b", b"c"] {
        let request = Request {
            key,
            ..Request::new(Opcode::GET)
        };
        client.transmit(&request).unwrap();
    }
    assert_eq!(client.receive().unwrap().value, b"a");
    assert_eq!(client.get(b"mine").unwrap().unwrap().value, b"mine");
    client.transmit(&Request::new(Opcode::NOOP)).unwrap();
    assert_eq!(client.get_many(&[b"mine"]).unwrap().len(), 1);
    assert!(client.receive().is_err());
}

#[test]
fn a_reply_that_was_too_long_for_the_buffer_does_not_shorten_the_next() {
    let server = Running::start();
    let mut client = small(&server, [0; 300], [0; 300]);
    client.set(b"long", &[1; 5000]).unwrap();
    client.set(b"short", b"value").unwrap();
    let long = Request {
        key: b"long",
        ..Request::new(Opcode::GET)
    };
    // Nobody waits for these.
    client.transmit(&long).unwrap();
    client.transmit(&long).unwrap();
    assert_eq!(client.get(b"short").unwrap().unwrap().value, b"value");
    client.transmit(&long).unwrap();
    let mut target = [0; 5];
    let short = client.get_into(b"short", &mut target).unwrap().unwrap();
    assert_eq!((short.value_len, &target), (5, b"value"));
}

#[test]
fn a_value_that_comes_in_bytes_is_whole_and_memory_follows_what_came() {
    let mut stream = Scripted::new(|asked: &Asked| asked.item(&[5; 3000], 0, 1));
    stream.read_len_max = 1;
    let mut client = stream.client();
    assert_eq!(client.get(b"key").unwrap().unwrap().value, [5; 3000]);

    // 30 MiB are announced, and hardly any come.
    let mut client = Scripted::new(|asked: &Asked| {
        let mut reply = asked.item(b"some", 0, 1);
        reply[8..12].copy_from_slice(&(30_u32 << 20).to_be_bytes());
        reply
    })
    .client();
    assert!(client.get(b"key").unwrap_err().is_timeout());
    let (_, input, unread) = client.into_parts();
    assert!(input.len() <= 64 << 10, "{} bytes", input.len());
    assert_eq!(unread.len(), 24 + 4 + 4);
}

#[test]
fn what_follows_the_last_reply_is_handed_out_with_the_stream() {
    let mut client =
        Scripted::new(|asked: &Asked| [asked.done(), b"and more".to_vec()].concat()).client();
    client.noop().unwrap();
    let (_, input, unread) = client.into_parts();
    assert_eq!(&input[unread], b"and more");
}

#[test]
fn counters_see_both_directions_of_a_batch() {
    let mut client: Client<_, Vec<u8>, Counters> = Client::with(
        Scripted::new(|asked: &Asked| match asked.opcode {
            Opcode::NOOP => asked.done(),
            _ => Vec::new(),
        }),
        ClientSettings::default(),
        Vec::new(),
        Vec::new(),
        Counters::new(),
    );
    client.get_many(&[b"a", b"b"]).unwrap();
    let counters = client.tally();
    assert_eq!(counters.sent.get(Opcode::GETQ).operations, 2);
    assert_eq!(counters.sent.get(Opcode::GETQ).bytes, 50);
    assert_eq!(counters.received.total().operations, 1);
}
