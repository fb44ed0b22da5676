//! Commands to the engine, against a map with a clock that does the same.
//!
//! Every command is five bytes: what, which key and how, and three for values. The store is large enough to keep all.

use std::collections::HashMap;

use memlet_core::connection::{ConnectionOptions, Next, ServerConnection};
use memlet_core::engine::{Engine, EngineSettings};
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

/// Item limit of the engine: small, so that joined values reach it.
const ITEM_SIZE_MAX: u32 = 512;
/// What memcached counts beside key, flags and value.
const ITEM_OVERHEAD: usize = 59;

#[derive(Clone)]
struct Item {
    value: Vec<u8>,
    flags: u32,
    /// The second in which it ends; 0 for never.
    end: u32,
    cas: u64,
    stored: u32,
}

/// What is expected of a response, or that there is none.
#[derive(Debug, PartialEq)]
enum Expected {
    Silence,
    Status(Status),
    /// A success with a new CAS.
    Stored,
    Number(u64),
    Value {
        flags: u32,
        value: Option<Vec<u8>>,
        cas: u64,
    },
}

#[derive(Default)]
struct Model {
    items: HashMap<u8, Item>,
    now: u32,
    /// The second of a flush that was announced; 0 for none.
    flush_at: u32,
}

struct Command {
    opcode: Opcode,
    key: u8,
    cas: u64,
    value: Vec<u8>,
    flags: u32,
    expiration: u32,
    delta: u64,
    initial: u64,
}

pub(crate) fn run(data: &[u8]) {
    let store = Store::new(vec![0; 256 << 10], StoreOptions::default()).expect("enough memory");
    let settings = EngineSettings {
        item_size_max: ITEM_SIZE_MAX,
        ..EngineSettings::default()
    };
    let mut engine = Engine::new(store, settings);
    let mut connection = ServerConnection::new(&ConnectionOptions::for_buffers(1024, 1024));
    let mut model = Model {
        now: 1_700_000_000,
        ..Model::default()
    };
    for bytes in data.chunks_exact(5) {
        let Some(command) = command(bytes, &mut model) else {
            continue;
        };
        let (mut input, mut output) = (vec![0; 1024], vec![0; 1024]);
        let len = emit(&command, &mut input);
        let progress = connection.handle_input(&mut engine, &input[..len], &mut output, model.now);
        assert_eq!(
            (progress.consumed, progress.next),
            (len, Next::Read { missing: 24 })
        );
        let expected = model.expect(&command);
        check(&mut model, &command, &expected, &output[..progress.written]);
    }
}

const OPCODES: [Opcode; 26] = [
    Opcode::GET,
    Opcode::GETQ,
    Opcode::GETK,
    Opcode::GETKQ,
    Opcode::SET,
    Opcode::SETQ,
    Opcode::ADD,
    Opcode::ADDQ,
    Opcode::REPLACE,
    Opcode::REPLACEQ,
    Opcode::APPEND,
    Opcode::APPENDQ,
    Opcode::PREPEND,
    Opcode::PREPENDQ,
    Opcode::DELETE,
    Opcode::DELETEQ,
    Opcode::INCREMENT,
    Opcode::INCREMENTQ,
    Opcode::DECREMENT,
    Opcode::DECREMENTQ,
    Opcode::TOUCH,
    Opcode::GAT,
    Opcode::GATQ,
    Opcode::GATKQ,
    Opcode::FLUSH,
    Opcode::FLUSHQ,
];

/// The next command; `None` when the bytes only let time pass.
fn command(bytes: &[u8], model: &mut Model) -> Option<Command> {
    let &[what, how, a, b, c] = bytes else {
        return None;
    };
    let Some(&opcode) = OPCODES.get(usize::from(what) % 32) else {
        model.now += u32::from(a % 8);
        return None;
    };
    let key = how % 16;
    let known = model.items.get(&key).map_or(0, |item| item.cas);
    let cas = match how >> 4 {
        0 => known,
        1 => known + 1,
        2 => 1,
        _ => 0,
    };
    let value = match b % 4 {
        0 => format!("{}", u32::from(a) * u32::from(c)).into_bytes(),
        1 => vec![a; usize::from(c) * 2],
        2 => u64::MAX.to_string().into_bytes(),
        _ => format!("{a} {c}").into_bytes(),
    };
    let expiration = match b >> 4 {
        0 => u32::from(a % 16),
        1 => model.now.wrapping_add(u32::from(a % 16)).wrapping_sub(8),
        2 => u32::MAX,
        _ => 0,
    };
    let (delta, initial) = (u64::from(a) << (c % 57), u64::from(c));
    Some(Command {
        opcode,
        key,
        cas,
        value,
        flags: u32::from(b & 8),
        expiration,
        delta,
        initial,
    })
}

/// Writes the request and returns its length.
fn emit(command: &Command, input: &mut [u8]) -> usize {
    let mut extras = Vec::new();
    let mut value: &[u8] = &[];
    let key = [command.key];
    let mut key: &[u8] = &key;
    match command.opcode.loud() {
        Opcode::SET | Opcode::ADD | Opcode::REPLACE => {
            extras.extend(command.flags.to_be_bytes());
            extras.extend(command.expiration.to_be_bytes());
            value = &command.value;
        }
        Opcode::APPEND | Opcode::PREPEND => value = &command.value,
        Opcode::INCREMENT | Opcode::DECREMENT => {
            extras.extend(command.delta.to_be_bytes());
            extras.extend(command.initial.to_be_bytes());
            extras.extend(command.expiration.to_be_bytes());
        }
        Opcode::TOUCH | Opcode::GAT | Opcode::GATK => {
            extras.extend(command.expiration.to_be_bytes());
        }
        Opcode::FLUSH => {
            key = &[];
            extras.extend(flush_delay(command).to_be_bytes());
        }
        _ => {}
    }
    let request = Request {
        cas: command.cas,
        extras: &extras,
        key,
        value,
        ..Request::new(command.opcode)
    };
    request.emit(input).expect("the input is long enough")
}

fn flush_delay(command: &Command) -> u32 {
    match command.value.len() % 4 {
        0 => 1 + u32::from(command.key),
        _ => 0,
    }
}

impl Model {
    fn end(&self, expiration: u32) -> u32 {
        match expiration {
            0 => 0,
            1..=2_592_000 => self.now + expiration,
            _ => expiration,
        }
    }

    /// Forgets what is past its time.
    fn tidy(&mut self) {
        let (now, flush_at) = (self.now, self.flush_at);
        self.items.retain(|_, item| {
            let expired = item.end != 0 && item.end <= now;
            let flushed = flush_at != 0 && now >= flush_at && item.stored <= flush_at;
            !expired && !flushed
        });
    }

    /// Does what the command does and says what the engine answers. CAS values are filled in from the answers.
    fn expect(&mut self, command: &Command) -> Expected {
        self.tidy();
        let quiet = command.opcode.is_quiet();
        let found = self.items.get(&command.key).cloned();
        let expected = match command.opcode.loud() {
            Opcode::GET | Opcode::GETK => match found {
                Some(Item {
                    flags, value, cas, ..
                }) => {
                    return Expected::Value {
                        flags,
                        value: Some(value),
                        cas,
                    };
                }
                None if quiet => return Expected::Silence,
                None => Expected::Status(Status::KEY_ENOENT),
            },
            Opcode::TOUCH | Opcode::GAT | Opcode::GATK => match found {
                Some(Item {
                    flags, value, cas, ..
                }) => {
                    let end = self.end(command.expiration);
                    self.items
                        .entry(command.key)
                        .and_modify(|item| item.end = end);
                    let value = (command.opcode != Opcode::TOUCH).then_some(value);
                    return Expected::Value { flags, value, cas };
                }
                None if quiet => return Expected::Silence,
                None => Expected::Status(Status::KEY_ENOENT),
            },
            Opcode::SET | Opcode::ADD | Opcode::REPLACE => self.store(command, found),
            Opcode::APPEND | Opcode::PREPEND => self.join(command, found),
            Opcode::INCREMENT | Opcode::DECREMENT => self.count(command, found),
            Opcode::DELETE => match found {
                None => Expected::Status(Status::KEY_ENOENT),
                Some(item) if command.cas != 0 && command.cas != item.cas => {
                    Expected::Status(Status::KEY_EEXISTS)
                }
                Some(_) => {
                    self.items.remove(&command.key);
                    Expected::Status(Status::SUCCESS)
                }
            },
            _ => {
                match flush_delay(command) {
                    0 => {
                        self.items.clear();
                        self.flush_at = 0;
                    }
                    delay => self.flush_at = self.now + delay - 1,
                }
                Expected::Status(Status::SUCCESS)
            }
        };
        let succeeded = matches!(
            expected,
            Expected::Stored | Expected::Number(_) | Expected::Status(Status::SUCCESS)
        );
        if quiet && succeeded {
            Expected::Silence
        } else {
            expected
        }
    }

    fn put(&mut self, key: u8, value: Vec<u8>, flags: u32, end: u32) {
        // The CAS is learnt from the answer, or from the next get if the command was quiet.
        self.items.insert(
            key,
            Item {
                value,
                flags,
                end,
                cas: 0,
                stored: self.now,
            },
        );
    }

    fn is_too_large(flags: u32, value_len: usize) -> bool {
        ITEM_OVERHEAD + 1 + value_len + if flags == 0 { 0 } else { 4 } > ITEM_SIZE_MAX as usize
    }

    fn store(&mut self, command: &Command, found: Option<Item>) -> Expected {
        if Model::is_too_large(command.flags, command.value.len()) {
            if command.opcode.loud() == Opcode::SET {
                self.items.remove(&command.key);
            }
            return Expected::Status(Status::E2BIG);
        }
        let status = match (found, command.opcode.loud()) {
            (None, Opcode::REPLACE) => Status::KEY_ENOENT,
            (None, _) if command.cas != 0 => Status::KEY_ENOENT,
            (Some(_), Opcode::ADD) if command.cas == 0 => Status::KEY_EEXISTS,
            (Some(item), _) if command.cas != 0 && command.cas != item.cas => Status::KEY_EEXISTS,
            _ => {
                let end = self.end(command.expiration);
                self.put(command.key, command.value.clone(), command.flags, end);
                return Expected::Stored;
            }
        };
        Expected::Status(status)
    }

    fn join(&mut self, command: &Command, found: Option<Item>) -> Expected {
        if Model::is_too_large(0, command.value.len()) {
            return Expected::Status(Status::E2BIG);
        }
        let Some(old) = found else {
            return Expected::Status(Status::NOT_STORED);
        };
        if command.cas != 0 && command.cas != old.cas {
            return Expected::Status(Status::KEY_EEXISTS);
        }
        if Model::is_too_large(old.flags, old.value.len() + command.value.len()) {
            return Expected::Status(Status::NOT_STORED);
        }
        let value = match command.opcode.loud() {
            Opcode::APPEND => [old.value, command.value.clone()].concat(),
            _ => [command.value.clone(), old.value].concat(),
        };
        self.put(command.key, value, old.flags, old.end);
        Expected::Stored
    }

    fn count(&mut self, command: &Command, found: Option<Item>) -> Expected {
        let Some(old) = found else {
            if command.expiration == u32::MAX {
                return Expected::Status(Status::KEY_ENOENT);
            }
            let end = self.end(command.expiration);
            self.put(
                command.key,
                command.initial.to_string().into_bytes(),
                0,
                end,
            );
            return Expected::Number(command.initial);
        };
        let flags_len = if old.flags == 0 { 0 } else { 4 };
        let is_large = ITEM_OVERHEAD + 1 + flags_len + old.value.len() > ITEM_SIZE_MAX as usize / 2;
        if old.value.is_empty() || is_large {
            return Expected::Status(Status::DELTA_BADVAL);
        }
        if command.cas != 0 && command.cas != old.cas {
            return Expected::Status(Status::KEY_EEXISTS);
        }
        let Some(number) = number(&old.value) else {
            return Expected::Status(Status::DELTA_BADVAL);
        };
        let number = match command.opcode.loud() {
            Opcode::INCREMENT => number.wrapping_add(command.delta),
            _ => number.saturating_sub(command.delta),
        };
        let text = format!("{number:<width$}", width = old.value.len());
        self.put(command.key, text.into_bytes(), old.flags, old.end);
        Expected::Number(number)
    }
}

/// The number at the front of a text that starts with a digit or a blank; commands make no other numbers.
fn number(text: &[u8]) -> Option<u64> {
    let blank = |byte: u8| byte == b' ' || (9..=13).contains(&byte);
    let start = text.iter().position(|&byte| !blank(byte))?;
    let text = &text[start..];
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let len = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = std::str::from_utf8(&text[..len]).ok()?.parse().ok()?;
    let number = if negative {
        number.wrapping_neg()
    } else {
        number
    };
    let rest = &text[len..];
    let ended = rest.first().is_none_or(|&byte| byte == 0 || blank(byte));
    let until_nul = rest.split(|&byte| byte == 0).next().unwrap_or_default();
    let minus = negative || until_nul.contains(&b'-');
    (ended && !(minus && number > i64::MAX as u64)).then_some(number)
}

fn check(model: &mut Model, command: &Command, expected: &Expected, output: &[u8]) {
    if *expected == Expected::Silence {
        assert!(output.is_empty(), "{output:?}");
        // The next get tells the CAS.
        return;
    }
    let Ok(Parsed::Complete {
        value: response,
        consumed,
    }) = Response::parse(output, &Limits::NONE)
    else {
        panic!("{expected:?}, but the answer is {output:?}");
    };
    assert_eq!(consumed, output.len());
    assert_eq!(response.opcode, command.opcode);
    match expected {
        Expected::Silence => {}
        Expected::Status(status) => assert_eq!((response.status, response.cas), (*status, 0)),
        Expected::Stored | Expected::Number(_) => {
            assert_eq!(response.status, Status::SUCCESS);
            if let Expected::Number(number) = expected {
                assert_eq!(response.value, number.to_be_bytes());
            }
            let item = model
                .items
                .get_mut(&command.key)
                .expect("it has just been put there");
            assert_ne!(response.cas, 0);
            item.cas = response.cas;
        }
        Expected::Value { flags, value, cas } => {
            assert_eq!(
                (response.status, response.extras),
                (Status::SUCCESS, &flags.to_be_bytes()[..])
            );
            assert_eq!(response.value, value.as_deref().unwrap_or_default());
            assert!(*cas == 0 || *cas == response.cas);
            if let Some(item) = model.items.get_mut(&command.key) {
                item.cas = response.cas;
            }
        }
    }
}
