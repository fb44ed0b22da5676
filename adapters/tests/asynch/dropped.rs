//! Futures dropped at every point where they wait: the client goes on correctly, or says that it is of no more use.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::awaited::{Awaited, wait};
use crate::support::{Asked, Scripted};
use memlet::asynch::{Client, TapFeed};
use memlet::client::{
    Answer, Buffer, Change, ClientSettings, Command, Error, RequestError, Update,
};
use memlet_core::connection::client::ReplyErrorKind;
use memlet_core::tap::{Connect, Head, Message, MessageFlags, Opaque, Subtype};
use memlet_core::wire::{Opcode, Request, Response, Status};

/// A stream that takes and gives few bytes at a time, and may pass on what was written only when it is flushed.
struct Slow {
    peer: Scripted<fn(&Asked) -> Vec<u8>>,
    step: usize,
    /// What waits for a flush, if anything has to.
    held: Option<Vec<u8>>,
}

impl embedded_io::ErrorType for Slow {
    type Error = io::Error;
}

impl embedded_io::Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.step);
        self.peer.read(&mut buffer[..len])
    }
}

impl embedded_io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(self.step)];
        match &mut self.held {
            Some(held) => {
                held.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            None => self.peer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(held) = &mut self.held {
            self.peer.write(&std::mem::take(held))?;
        }
        Ok(())
    }
}

/// Gives each key as its own value, but those that start with `m`, which are missing.
fn answer(asked: &Asked) -> Vec<u8> {
    let is_missing = asked.key.starts_with(b"m");
    match asked.opcode {
        Opcode::GETQ if is_missing => Vec::new(),
        Opcode::SETQ | Opcode::DELETEQ => Vec::new(),
        Opcode::GET | Opcode::GETQ if is_missing => asked.answer(Status::KEY_ENOENT, b""),
        Opcode::GET | Opcode::GETQ => asked.item(&asked.key, 0, 1),
        Opcode::GETK => asked.answer_with(&Response {
            extras: &[0; 4],
            key: &asked.key,
            value: &asked.key,
            ..Response::new(asked.opcode, Status::SUCCESS)
        }),
        Opcode::SET => asked.answer_with(&Response {
            cas: u64::from(asked.opaque),
            ..Response::new(asked.opcode, Status::SUCCESS)
        }),
        // The length of the key.
        Opcode::INCREMENT => asked.answer(
            Status::SUCCESS,
            &[0, 0, 0, 0, 0, 0, 0, asked.key.len() as u8],
        ),
        Opcode::STAT => {
            let line = |key: &[u8]| {
                asked.answer_with(&Response {
                    key,
                    value: &asked.key,
                    ..Response::new(asked.opcode, Status::SUCCESS)
                })
            };
            [line(b"one"), line(b"two"), asked.done()].concat()
        }
        Opcode::VERSION => asked.answer(Status::SUCCESS, b"1.2.3"),
        Opcode::SASL_LIST_MECHS => asked.answer(Status::SUCCESS, b"PLAIN"),
        _ => asked.done(),
    }
}

type Stream = Awaited<Slow>;

fn stream(step: usize, is_buffered: bool) -> Stream {
    Awaited(Slow {
        peer: Scripted::new(answer as fn(&Asked) -> Vec<u8>),
        step,
        held: is_buffered.then(Vec::new),
    })
}

const OPERATIONS: usize = 13;

/// Does something about keys that contain `name`, and panics at any answer that is not about them.
async fn operate<B: Buffer>(
    client: &mut Client<Stream, B>,
    operation: usize,
    name: &str,
) -> Result<(), Error<io::Error>> {
    let key = format!("k{name}");
    let missing = format!("m{name}");
    match operation {
        0 => assert_eq!(
            client.get(key.as_bytes()).await?.unwrap().value,
            key.as_bytes()
        ),
        1 => assert_eq!(client.get(missing.as_bytes()).await?, None),
        2 => assert!(client.set(key.as_bytes(), &[7; 1000]).await? > 0),
        3 => assert_eq!(
            client.increment(key.as_bytes(), 1).await?,
            Some(key.len() as u64)
        ),
        4 => {
            let mut names = Vec::new();
            let group = key.as_bytes();
            let each = |name: &[u8], value: &[u8]| {
                assert_eq!(value, group);
                names.push(name.to_vec());
            };
            client.stats(group, each).await?;
            assert_eq!(names, [b"one", b"two"]);
        }
        5 => {
            let keys = [&key, &missing, &key, &missing];
            let mut found = Vec::new();
            let each = |index, item: memlet::client::Item<'_>| {
                assert_eq!(item.value, key.as_bytes());
                found.push(index);
            };
            client.get_each(&keys, each).await?;
            assert_eq!(found, [0, 2]);
        }
        6 => {
            let value = [1; 90];
            let commands = [
                Command::set(key.as_bytes(), &value).quiet(),
                Command::get(key.as_bytes()),
                Command::delete(key.as_bytes()).quiet(),
                Command::get(missing.as_bytes()).quiet(),
            ];
            let mut told = Vec::new();
            let each = |index, answer: Answer<'_>| {
                if let Answer::Response(response) = answer {
                    assert_eq!(response.value, key.as_bytes());
                }
                told.push((index, answer == Answer::Silent));
            };
            client.batch(commands, each).await?;
            assert_eq!(told, [(0, true), (1, false), (2, true), (3, true)]);
        }
        7 => {
            let get = Request {
                key: key.as_bytes(),
                ..Request::new(Opcode::GETK)
            };
            let opaque = client.transmit(&get).await?;
            client.transmit(&Request::new(Opcode::NOOP)).await?;
            // What was transmitted before comes before; its opaque tells.
            let value = loop {
                let response = client.receive().await?;
                if response.opaque == opaque {
                    break response.value.to_vec();
                }
                assert!(response.opaque < opaque);
            };
            assert_eq!(value, key.as_bytes());
            assert_eq!(client.receive().await?.opcode, Opcode::NOOP);
            let nothing = client.receive().await.unwrap_err();
            assert!(matches!(
                nothing,
                Error::Request(RequestError::NothingToReceive)
            ));
        }
        8 => {
            let get = Request {
                key: key.as_bytes(),
                ..Request::new(Opcode::GETK)
            };
            assert_eq!(client.send(&get).await?.value, key.as_bytes());
        }
        9 => {
            let mut value = Vec::new();
            let each = |piece: &[u8]| value.extend_from_slice(piece);
            assert!(client.get_pieces(key.as_bytes(), each).await?.is_some());
            assert_eq!(value, key.as_bytes());
        }
        10 => {
            let change = |item: Option<memlet::client::Item<'_>>| {
                assert_eq!(item.unwrap().value, key.as_bytes());
                Change::Store("new")
            };
            client.update(Update::new(key.as_bytes()), change).await?;
        }
        11 => client.authenticate(b"user", b"password").await?,
        _ => assert_eq!(client.version().await?, b"1.2.3"),
    }
    Ok(())
}

/// Polls so many times at most; whether the future has ended.
pub(crate) fn poll<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}

/// Drops each operation at each point where it waits, and does another after it; how often the client was of no more use.
fn drop_everywhere<B: Buffer>(client: impl Fn() -> Client<Stream, B>) -> usize {
    let mut ended = 0;
    for operation in 0..OPERATIONS {
        for next in 0..OPERATIONS {
            for polls in 0.. {
                let mut client = client();
                let first = poll(operate(&mut client, operation, "first"), polls);
                let is_over = first.is_some();
                first.transpose().unwrap();
                let place = format!("{next} after {operation} dropped after {polls} polls");
                if client.is_healthy() {
                    wait(operate(&mut client, next, "second")).expect(&place);
                    assert!(client.is_healthy(), "{place}");
                } else {
                    ended += 1;
                    match wait(operate(&mut client, next, "second")) {
                        Err(Error::Reply(error)) => {
                            assert_eq!(error.kind, ReplyErrorKind::Abandoned, "{place}");
                        }
                        other => panic!("{place}: {other:?}"),
                    }
                    assert_eq!(client.error().unwrap().kind, ReplyErrorKind::Abandoned);
                }
                if is_over {
                    break;
                }
            }
        }
    }
    ended
}

#[test]
fn after_any_operation_dropped_anywhere_any_other_gets_its_own_answer() {
    for (step, is_buffered) in [(20, false), (1000, true)] {
        let ended = drop_everywhere(|| Client::new(stream(step, is_buffered)));
        assert_eq!(ended, 0);
    }
}

#[test]
fn with_little_memory_only_a_value_cut_short_ends_the_client() {
    let ended = drop_everywhere(|| {
        let (mut settings, stream) = (ClientSettings::default(), stream(50, false));
        settings.unread_len_max = 200;
        Client::with(stream, settings, [0; 300], [0; 300], ())
    });
    assert!(ended > 0);
}

#[test]
fn many_dropped_operations_in_a_row_leave_nothing_behind() {
    let mut random = 1_u64;
    let mut below = |limit: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % limit
    };
    let mut settings = ClientSettings::default();
    settings.unread_len_max = 400;
    // A table so small that it is full of what was dropped now and then.
    let mut client: Client<_, Vec<u8>, (), 4> =
        Client::with(stream(30, true), settings, Vec::new(), Vec::new(), ());
    for round in 0..20_000 {
        let (key, missing) = (format!("k{round}"), format!("m{round}"));
        let polls = below(12);
        match below(4) {
            0 => drop(poll(client.get(key.as_bytes()), polls)),
            1 => drop(poll(client.set(key.as_bytes(), &[1; 150]), polls)),
            2 => drop(poll(client.get_many(&[&key, &missing]), polls)),
            _ => {
                let item = wait(client.get(key.as_bytes())).unwrap().unwrap();
                assert_eq!(item.value, key.as_bytes());
            }
        }
        assert!(client.is_healthy());
    }
}

#[test]
fn a_receive_that_was_dropped_is_repeated() {
    for polls in 0..40 {
        let mut client = Client::new(stream(5, true));
        let request = Request {
            key: b"kept",
            ..Request::new(Opcode::GETK)
        };
        wait(client.transmit(&request)).unwrap();
        if poll(client.receive(), polls).is_none() {
            assert_eq!(wait(client.receive()).unwrap().value, b"kept");
        }
        // Nor is there anything to receive from an operation that was dropped.
        let _ = poll(client.get(b"other"), polls);
        let error = wait(client.receive()).unwrap_err();
        assert!(
            matches!(error, Error::Request(RequestError::NothingToReceive)),
            "{error}"
        );
        let _ = poll(client.send(&request), polls.max(3));
        let noop = Request::new(Opcode::NOOP);
        assert_eq!(wait(client.send(&noop)).unwrap().opcode, Opcode::NOOP);
    }
}

#[test]
fn futures_are_small_as_the_buffers_are_elsewhere() {
    let mut client = Client::new(stream(5, true));
    assert!(size_of_val(&client.get(b"key")) <= 1024);
    assert!(size_of_val(&client.set(b"key", b"value")) <= 1024);
    assert!(size_of_val(&client.get_many(&[b"key"])) <= 2048);
}

/// A stream in memory that gives a few bytes at a time.
struct Memory {
    input: Vec<u8>,
    read: usize,
    held: Vec<u8>,
    output: Vec<u8>,
}

impl embedded_io::ErrorType for Memory {
    type Error = io::Error;
}

impl embedded_io::Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.input[self.read..];
        let len = rest.len().min(buffer.len()).min(10);
        buffer[..len].copy_from_slice(&rest[..len]);
        self.read += len;
        Ok(len)
    }
}

impl embedded_io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(10);
        self.held.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.append(&mut self.held);
        Ok(())
    }
}

#[test]
fn a_tap_feed_dropped_again_and_again_gives_every_message_once_and_answers_it() {
    let messages: Vec<Message<'_>> = (1..=20)
        .map(|sequence| {
            Message::Opaque(Opaque {
                head: Head {
                    sequence,
                    flags: MessageFlags::ACK,
                    ..Head::default()
                },
                subtype: match sequence {
                    20 => Subtype::CLOSE_TAP_STREAM,
                    _ => Subtype::INITIAL_VBUCKET_STREAM,
                },
                engine: b"",
            })
        })
        .collect();
    let mut input = Vec::new();
    let mut answers = Vec::new();
    for message in &messages {
        let mut bytes = vec![0; message.encoded_len().unwrap()];
        message.emit(&mut bytes).unwrap();
        input.extend(bytes);
        let mut bytes = [0; 24];
        message.ack().emit(&mut bytes).unwrap();
        answers.extend(bytes);
    }
    // Each step of the stream takes two polls.
    for polls in 2..8 {
        let stream = Awaited(Memory {
            input: input.clone(),
            read: 0,
            held: Vec::new(),
            output: Vec::new(),
        });
        let mut feed = TapFeed::new(stream);
        let request = Connect::new(b"reader");
        poll(feed.connect(&request), polls).transpose().unwrap();
        for message in &messages {
            loop {
                if let Some(found) = poll(feed.next_message(), polls) {
                    assert_eq!(found.unwrap().as_ref(), Some(message));
                    break;
                }
            }
        }
        while poll(feed.next_message(), polls).is_none() {}
        let sent = feed.into_parts().0.0.output;
        assert_eq!(sent[request.encoded_len().unwrap()..], answers);
    }
}
