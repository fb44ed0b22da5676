//! A client that hands its bytes to a connection without a network in between.
#![allow(dead_code, reason = "each test program uses a part of it")]

use memlet_core::connection::{CloseReason, ConnectionOptions, Next, Progress, ServerConnection};
use memlet_core::engine::{Alone, Credentials, Engine, EngineSettings, Host, NoCredentials};
use memlet_core::handler::Handler;
use memlet_core::store::{Seed, Store, StoreOptions};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

/// A store over memory of its own.
pub(crate) type HeapStore = Store<Vec<u8>>;

/// The engine most tests use.
pub(crate) type PlainEngine = Engine<HeapStore>;

/// A second at which tests begin; far from 0 and from the end of time.
pub(crate) const NOW: u32 = 1_700_000_000;

/// A store of this many bytes.
pub(crate) fn store(len: usize) -> HeapStore {
    let options = StoreOptions {
        seed: Seed([1, 2]),
        ..StoreOptions::default()
    };
    Store::new(vec![0; len], options).expect("memory for a store")
}

/// An engine over 16 MiB with memcached's settings.
pub(crate) fn engine() -> PlainEngine {
    Engine::new(store(16 << 20), EngineSettings::default())
}

/// An engine over little memory, for tests that make thousands.
pub(crate) fn small_engine() -> PlainEngine {
    Engine::new(store(64 << 10), EngineSettings::default())
}

/// An engine that wants a login.
pub(crate) fn engine_with<C: Credentials>(credentials: C) -> Engine<HeapStore, Alone, C> {
    Engine::with(
        store(1 << 20),
        EngineSettings::default(),
        Alone::since(NOW - 100),
        credentials,
    )
}

/// A response in parts that outlive the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) opcode: Opcode,
    pub(crate) status: Status,
    pub(crate) opaque: u32,
    pub(crate) cas: u64,
    pub(crate) extras: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.value).into_owned()
    }

    pub(crate) fn number(&self) -> u64 {
        u64::from_be_bytes(self.value.as_slice().try_into().expect("eight bytes"))
    }
}

/// All responses in `bytes`, which end with the last of them.
pub(crate) fn answers(bytes: &[u8]) -> Vec<Answer> {
    let mut rest = bytes;
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let Ok(Parsed::Complete { value, consumed }) = Response::parse(rest, &Limits::NONE) else {
            panic!("no response: {rest:02x?}");
        };
        let Response {
            opcode,
            status,
            opaque,
            cas,
            extras,
            key,
            value,
            ..
        } = value;
        answers.push(Answer {
            opcode,
            status,
            opaque,
            cas,
            extras: extras.to_vec(),
            key: key.to_vec(),
            value: value.to_vec(),
        });
        rest = &rest[consumed..];
    }
    answers
}

/// The bytes of a request.
pub(crate) fn bytes(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![0; request.encoded_len().expect("a request that can be sent")];
    request.emit(&mut bytes).expect("room for the request");
    bytes
}

/// A request with a key.
pub(crate) fn with_key<'a>(opcode: Opcode, key: &'a [u8]) -> Request<'a> {
    Request {
        key,
        ..Request::new(opcode)
    }
}

/// The bytes of a SET, ADD or REPLACE.
pub(crate) fn storing(
    opcode: Opcode,
    key: &[u8],
    value: &[u8],
    flags: u32,
    expiration: u32,
    cas: u64,
) -> Vec<u8> {
    let extras = [flags.to_be_bytes(), expiration.to_be_bytes()].concat();
    bytes(&Request {
        cas,
        extras: &extras,
        key,
        value,
        ..Request::new(opcode)
    })
}

/// The bytes of an APPEND or PREPEND.
pub(crate) fn joining(opcode: Opcode, key: &[u8], value: &[u8], cas: u64) -> Vec<u8> {
    bytes(&Request {
        cas,
        key,
        value,
        ..Request::new(opcode)
    })
}

/// The bytes of an INCREMENT or DECREMENT.
pub(crate) fn counting(
    opcode: Opcode,
    key: &[u8],
    delta: u64,
    initial: u64,
    expiration: u32,
    cas: u64,
) -> Vec<u8> {
    let mut extras = [delta.to_be_bytes(), initial.to_be_bytes()].concat();
    extras.extend(expiration.to_be_bytes());
    bytes(&Request {
        cas,
        extras: &extras,
        key,
        ..Request::new(opcode)
    })
}

/// The bytes of a TOUCH or one of the gets that touch.
pub(crate) fn touching(opcode: Opcode, key: &[u8], expiration: u32) -> Vec<u8> {
    bytes(&Request {
        extras: &expiration.to_be_bytes(),
        key,
        ..Request::new(opcode)
    })
}

/// A NOOP with this opaque, to see where the answers of quiet commands end.
pub(crate) fn noop(opaque: u32) -> Vec<u8> {
    bytes(&Request {
        opaque,
        ..Request::new(Opcode::NOOP)
    })
}

/// One connection and the buffers that its caller has.
pub(crate) struct Wire<H: Handler> {
    pub(crate) connection: ServerConnection<H>,
    pub(crate) options: ConnectionOptions,
    /// Input that is not consumed yet.
    pub(crate) kept: Vec<u8>,
    /// Room of the output, as long as the connection does not ask for more.
    pub(crate) output_len: usize,
    pub(crate) now: u32,
    pub(crate) closed: Option<CloseReason>,
}

impl<H: Handler> Wire<H> {
    pub(crate) fn new(options: ConnectionOptions, output_len: usize) -> Wire<H> {
        Wire {
            connection: ServerConnection::new(&options),
            options,
            kept: Vec::new(),
            output_len,
            now: NOW,
            closed: None,
        }
    }

    /// With buffers as a server has them.
    pub(crate) fn server() -> Wire<H> {
        Wire::new(ConnectionOptions::default(), 64 << 10)
    }

    /// Hands over input and returns all output that comes of it, as often as the connection wants to go on.
    pub(crate) fn send(&mut self, handler: &mut H, input: &[u8]) -> Vec<u8> {
        self.kept.extend_from_slice(input);
        let mut all = Vec::new();
        let mut output = vec![0xee; self.output_len];
        for _ in 0..1_000_000 {
            let progress = self
                .connection
                .handle_input(handler, &self.kept, &mut output, self.now);
            let Progress {
                consumed,
                written,
                next,
            } = progress;
            self.kept.drain(..consumed);
            all.extend_from_slice(&output[..written]);
            match next {
                Next::Read { missing } => {
                    assert!(missing > 0, "asked for nothing");
                    let kept = self.kept.len() as u64 + missing;
                    let capacity = u64::from(self.options.input_capacity).max(24);
                    assert!(
                        kept <= capacity,
                        "asked for {missing} beside {}",
                        self.kept.len()
                    );
                    return all;
                }
                Next::Write { room } => {
                    assert!(
                        room <= self.options.output_capacity.max(96) as usize,
                        "asked for {room} bytes of room"
                    );
                    if room > output.len() {
                        output.resize(room, 0xee);
                    }
                }
                Next::Wait => return all,
                Next::Close(reason) => {
                    self.closed = Some(reason);
                    return all;
                }
            }
        }
        panic!("the connection stalls");
    }

    /// The responses to `input`.
    pub(crate) fn ask(&mut self, handler: &mut H, input: &[u8]) -> Vec<Answer> {
        let output = self.send(handler, input);
        answers(&output)
    }

    /// The one response to `input`.
    pub(crate) fn ask_one(&mut self, handler: &mut H, input: &[u8]) -> Answer {
        let mut answers = self.ask(handler, input);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }
}

/// An engine and one client of it.
pub(crate) struct Cache<H: Host = Alone, C: Credentials = NoCredentials> {
    pub(crate) engine: Engine<HeapStore, H, C>,
    pub(crate) wire: Wire<Engine<HeapStore, H, C>>,
}

impl Cache {
    pub(crate) fn new() -> Cache {
        Cache::of(engine())
    }
}

impl<H: Host, C: Credentials> Cache<H, C> {
    pub(crate) fn of(engine: Engine<HeapStore, H, C>) -> Cache<H, C> {
        Cache {
            engine,
            wire: Wire::server(),
        }
    }

    pub(crate) fn ask(&mut self, input: &[u8]) -> Vec<Answer> {
        self.wire.ask(&mut self.engine, input)
    }

    pub(crate) fn one(&mut self, input: &[u8]) -> Answer {
        self.wire.ask_one(&mut self.engine, input)
    }

    pub(crate) fn status(&mut self, input: &[u8]) -> Status {
        self.one(input).status
    }

    pub(crate) fn silent(&mut self, input: &[u8]) {
        assert_eq!(self.ask(input), []);
    }

    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) -> u64 {
        let answer = self.one(&storing(Opcode::SET, key, value, 0, 0, 0));
        assert_eq!(answer.status, Status::SUCCESS);
        answer.cas
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let answer = self.one(&bytes(&with_key(Opcode::GET, key)));
        match answer.status {
            Status::SUCCESS => Some(answer.value),
            Status::KEY_ENOENT => None,
            status => panic!("{status:?}"),
        }
    }

    /// The whole answer to a GET.
    pub(crate) fn item(&mut self, key: &[u8]) -> Answer {
        self.one(&bytes(&with_key(Opcode::GET, key)))
    }

    /// The values of a group of statistics.
    pub(crate) fn stat(&mut self, group: &[u8]) -> Vec<(String, String)> {
        let answers = self.ask(&bytes(&with_key(Opcode::STAT, group)));
        let (end, values) = answers.split_last().expect("a terminator");
        assert_eq!(
            (end.status, end.key.as_slice(), end.value.as_slice()),
            (Status::SUCCESS, &b""[..], &b""[..])
        );
        let value = |answer: &Answer| {
            (
                String::from_utf8_lossy(&answer.key).into_owned(),
                answer.text(),
            )
        };
        values.iter().map(value).collect()
    }

    /// One figure of the general group.
    pub(crate) fn figure(&mut self, name: &str) -> u64 {
        let (_, value) = self
            .stat(b"")
            .into_iter()
            .find(|(found, _)| found == name)
            .expect(name);
        value.parse().expect("a number")
    }

    /// A new connection to the same engine.
    pub(crate) fn reconnect(&mut self) {
        let now = self.wire.now;
        self.wire = Wire::server();
        self.wire.now = now;
    }
}
