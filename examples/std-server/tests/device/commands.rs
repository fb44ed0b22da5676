//! Random commands of every family, in pipelined batches, each answer compared with the model.

use crate::common::client::Client;
use crate::common::{Answer, Random, Request, op};
use crate::model::{Model, Window, loud};
use crate::{Device, seed, setting};
use std::collections::HashMap;
use std::time::Instant;

/// Commands that travel together: one round trip takes as long as many commands.
const BATCH: usize = 100;

/// What is drawn from.
pub(crate) struct Generator {
    pub(crate) random: Random,
    pub(crate) keys: Vec<Vec<u8>>,
    /// Values are shorter than this.
    pub(crate) value_len: usize,
    /// Whether most values are as long as they can be.
    pub(crate) long: bool,
    /// Whether whole flushes are among the commands.
    pub(crate) flushes: bool,
    opaque: u32,
}

const STORES: &[u8] = &[
    op::SET,
    op::SET,
    op::SETQ,
    op::SETQ,
    op::ADD,
    op::ADDQ,
    op::REPLACE,
    op::REPLACEQ,
];
const GETS: &[u8] = &[op::GET, op::GETQ, op::GETK, op::GETKQ];
const GATS: &[u8] = &[op::GAT, op::GATQ, op::GATK, op::GATKQ];
const COUNTERS: &[u8] = &[op::INCREMENT, op::DECREMENT, op::INCREMENTQ, op::DECREMENTQ];
const JOINS: &[u8] = &[op::APPEND, op::PREPEND, op::APPENDQ, op::PREPENDQ];
const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    9,
    10,
    100,
    1 << 32,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

impl Generator {
    /// Draws from this many keys that start with `prefix`, and values below this length.
    pub(crate) fn new(mut random: Random, prefix: &str, keys: usize, value_len: usize) -> Self {
        let mut key = |index: usize| {
            let mut key = format!("{prefix}{index}").into_bytes();
            let longest = [key.len(), 16, 32][random.below(3)].max(key.len());
            key.resize(longest, b'.');
            key
        };
        Self {
            keys: (0..keys).map(&mut key).collect(),
            random,
            value_len,
            long: false,
            flushes: false,
            opaque: 0,
        }
    }

    /// Random bytes that no number begins with, alone or behind one. There is no minus sign among them: with one behind it a
    /// counter of 2^63 or more is none to memcached, nor here.
    fn noise(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = self.random.bytes(len);
        for byte in bytes.iter_mut().filter(|byte| **byte == b'-') {
            *byte = b'+';
        }
        if let Some(first) = bytes.first_mut() {
            *first = b'v';
        }
        bytes
    }

    fn value(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            3..=7 if self.long => self.noise(self.value_len),
            0..=2 => self.random.pick(NUMBERS).to_string().into_bytes(),
            3..=5 => {
                let len = self.random.below(self.value_len.min(60));
                self.noise(len)
            }
            _ => {
                let len = self.random.below(self.value_len);
                self.noise(len)
            }
        }
    }

    /// A third of the keys never expire.
    fn expiration(&mut self, key: usize) -> u32 {
        if key.is_multiple_of(3) {
            return 0;
        }
        *self.random.pick(&[0, 0, 0, 1, 2, 3, 5, 100, 1000])
    }

    fn cas(&mut self, model: &Model, key: usize) -> u64 {
        match self.random.below(10) {
            0..=6 => 0,
            7..=8 => model.cas(&self.keys[key]).unwrap_or(0),
            _ => 0x7fff_0000_0000_0000 + self.random.next() % 1000,
        }
    }

    fn command(&mut self, model: &Model) -> Request {
        let index = self.random.below(self.keys.len());
        let key = self.keys[index].clone();
        let expiration = self.expiration(index);
        match self.random.below(1000) {
            0..=249 => {
                let opcode = *self.random.pick(STORES);
                let mut value = self.value();
                if self.random.one_in(2000) {
                    value = vec![b'x'; model.value_len_max + 1];
                }
                let flags = *self.random.pick(&[0, 0, 1, u32::MAX]);
                let request = Request::store(opcode, key, value, flags, expiration);
                let takes_cas = loud(opcode).0 != op::ADD;
                let cas = if takes_cas { self.cas(model, index) } else { 0 };
                request.cas(cas)
            }
            250..=549 => Request::new(*self.random.pick(GETS)).key(key),
            550..=619 => Request::touch(*self.random.pick(GATS), key, expiration),
            620..=659 => Request::touch(op::TOUCH, key, expiration),
            660..=799 => {
                let delta = *self.random.pick(NUMBERS);
                // Never what an old number has become: the answer tells whether the item was there.
                let initial = self.random.next() >> self.random.below(20);
                let creates = self.random.one_in(2);
                let mut opcode = *self.random.pick(COUNTERS);
                // Whether a silent one has created or changed the item could not be told.
                if creates && !(index.is_multiple_of(3) && model.is_certain(&key)) {
                    opcode = loud(opcode).0;
                }
                let expiration = if creates { expiration } else { u32::MAX };
                Request::counter(opcode, key, delta, initial, expiration)
                    .cas(self.cas(model, index))
            }
            800..=879 => {
                let len = self.random.below(20);
                let value = self.noise(len);
                Request::new(*self.random.pick(JOINS))
                    .key(key)
                    .value(value)
                    .cas(self.cas(model, index))
            }
            880..=939 => Request::new(*self.random.pick(&[op::DELETE, op::DELETEQ]))
                .key(key)
                .cas(self.cas(model, index)),
            940..=959 => Request::new(op::VERSION),
            960..=961 if self.flushes && !model.awaits_flush() => {
                Request::new(*self.random.pick(&[op::FLUSH, op::FLUSHQ]))
            }
            _ => Request::new(op::NOOP),
        }
    }

    /// A batch of random commands, each with an opaque of its own.
    pub(crate) fn batch(&mut self, model: &Model, len: usize) -> Vec<Request> {
        let mut requests = Vec::with_capacity(len + 1);
        if self.flushes && !model.awaits_flush() && self.random.one_in(150) {
            let delay = 1 + u32::try_from(self.random.below(3)).unwrap();
            requests.push(Request::new(op::FLUSH).extras(delay.to_be_bytes()));
        }
        while requests.len() < len {
            let flush_is_due = requests
                .first()
                .is_some_and(|first| first.opcode == op::FLUSH);
            let request = self.command(model);
            let creates_silently = matches!(request.opcode, op::INCREMENTQ | op::DECREMENTQ);
            let is_flush = loud(request.opcode).0 == op::FLUSH;
            if flush_is_due && (creates_silently || is_flush) {
                continue;
            }
            requests.push(request);
        }
        for request in &mut requests {
            self.opaque = self.opaque.wrapping_add(1);
            request.opaque = self.opaque;
        }
        requests
    }
}

/// Sends a batch and compares all answers with the model.
#[track_caller]
pub(crate) fn exchange(client: &mut Client, requests: &[Request], model: &mut Model) {
    let bytes: Vec<u8> = requests.iter().flat_map(Request::bytes).collect();
    let from = Instant::now();
    let answers = client.exchange(&bytes);
    let to = Instant::now();
    let count = answers.len();
    let mut by_opaque: HashMap<u32, Answer> = HashMap::new();
    let mut order = Vec::new();
    for answer in answers {
        order.push(answer.opaque());
        by_opaque.insert(answer.opaque(), answer);
    }
    assert!(order.is_sorted(), "answers out of order: {order:?}");
    assert_eq!(by_opaque.len(), count, "a request was answered twice");
    for request in requests {
        let answer = by_opaque.remove(&request.opaque);
        model.compare(request, answer.as_ref(), Window { from, to });
    }
    assert!(by_opaque.is_empty(), "nobody asked for {by_opaque:?}");
}

fn run(client: &mut Client, generator: &mut Generator, model: &mut Model, commands: u64) {
    while model.compared < commands {
        let len = match generator.random.below(4) {
            0 => 1 + generator.random.below(BATCH),
            _ => 2 * BATCH,
        };
        let requests = generator.batch(model, len);
        exchange(client, &requests, model);
    }
    println!(
        "{} commands, {} hits, {} items vanished",
        model.compared, model.hits, model.vanished
    );
    assert!(model.hits > commands / 20, "hardly anything was read");
}

/// The length of values of which many travel in a batch, and on which counters may be tried: items of more than half the
/// largest size are not looked at by those.
pub(crate) fn short_len(device: &Device) -> usize {
    (device.item_size_max / 4).min(1000)
}

fn commands(device: &Device) -> u64 {
    let otherwise = if device.is_stand_in() {
        20_000
    } else {
        100_000
    };
    setting("MEMLET_DEVICE_COMMANDS", otherwise) / 2
}

#[test]
fn random_commands_are_answered_as_the_model_says() {
    let device = Device::start();
    let keys = 24;
    // All of them together take a third of the store, so that nothing is ever evicted.
    let value_len = (device.memory / 3 / keys).min(short_len(&device));
    let mut generator = Generator::new(seed(), "k", keys, value_len);
    generator.flushes = true;
    let mut model = Model::new(false, device.item_size_max);
    let mut client = device.connect();
    run(&mut client, &mut generator, &mut model, commands(&device));
    assert_eq!(model.vanished, 0);
}

#[test]
fn when_full_a_store_drops_items_but_never_answers_wrongly() {
    let device = Device::start();
    // Three times what fits.
    let value_len = (device.memory / 20).min(short_len(&device));
    let keys = 3 * device.memory / value_len;
    let mut generator = Generator::new(seed(), "full ", keys, value_len);
    generator.long = true;
    let mut model = Model::new(true, device.item_size_max);
    let mut client = device.connect();
    let evicted = client.figure("evictions");
    let stores: Vec<Request> = (0..keys)
        .map(|key| {
            let value = generator.noise(value_len);
            let opaque = u32::try_from(key).unwrap();
            Request::store(op::SETQ, &generator.keys[key], value, 0, 0).opaque(opaque)
        })
        .collect();
    for batch in stores.chunks(50) {
        exchange(&mut client, batch, &mut model);
    }
    run(&mut client, &mut generator, &mut model, commands(&device));
    let evicted = client.figure("evictions") - evicted;
    println!("{evicted} evictions");
    assert!(evicted > 0, "the store was never full");
    assert!(model.vanished <= evicted, "items vanished unevicted");
}
