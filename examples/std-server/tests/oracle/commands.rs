//! Random commands: few keys, so that they collide; values, counters, CAS and expirations from the corners of their ranges.

use crate::clock::FakeClock;
use crate::common::{Random, Request, op};
use crate::compare::Pair;
use std::collections::BTreeSet;

/// A request to both servers; the two differ in nothing but the CAS.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) request: Request,
    /// The CAS for memcached and for memlet.
    pub(crate) cas: [u64; 2],
    /// Where that CAS is from, for the printed history.
    pub(crate) cas_is: &'static str,
    /// Which of the generator's keys, if it has one.
    pub(crate) key: Option<usize>,
}

/// Commands that travel together, and where their bytes are cut into separate writes (in thousandths).
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) commands: Vec<Command>,
    pub(crate) cuts: Vec<usize>,
}

pub(crate) struct Generator {
    pub(crate) random: Random,
    keys: Vec<Vec<u8>>,
    opaque: u32,
    batches: u64,
    /// Flushes only come after a sweep: memcached may bring items back that one flush has killed and nobody has touched.
    swept: bool,
    flush_wanted: bool,
}

/// Values for counters to work on.
///
/// Not among them: texts with a minus sign (see [`noise`]), and white space alone, where memcached reads on into
/// what earlier items left in its memory. Both have tests of their own, with the answer that memlet gives.
const COUNTER_TEXTS: &[&str] = &[
    "0",
    "1",
    "9",
    "10",
    "99",
    "100",
    "007",
    "12 ",
    " 12",
    "+5",
    "5\r\nx",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551614",
    "18446744073709551615",
    "18446744073709551616",
    "0x10",
    "12abc",
    "1.5",
    "",
    "+",
    "\t7\n",
    "00000000000000000000000000000012",
    "1\0",
    "1\0a",
    "99999999999999999999",
    "1000000   ",
    "12,5",
    "\u{660}",
];

const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    9,
    10,
    100,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Random bytes without a minus sign, and with a NUL at the end.
///
/// memcached 1.6.18 takes a counter of 2^63 or more for negative when a minus sign is anywhere behind it in memory, up to
/// the next NUL: what earlier items left there decides. So no key and no value leaves a minus sign.
fn noise(random: &mut Random, len: usize) -> Vec<u8> {
    let mut bytes = random.bytes(len);
    for byte in bytes.iter_mut().filter(|byte| **byte == b'-') {
        *byte = b'+';
    }
    if let Some(last) = bytes.last_mut() {
        *last = 0;
    }
    bytes
}

const STORES: &[u8] = &[
    op::SET,
    op::SET,
    op::SETQ,
    op::ADD,
    op::ADDQ,
    op::REPLACE,
    op::REPLACEQ,
];
const GETS: &[u8] = &[op::GET, op::GETQ, op::GETK, op::GETKQ];
const TOUCHES: &[u8] = &[op::TOUCH, op::GAT, op::GATQ, op::GATK, op::GATKQ];
pub(crate) const COUNTERS: &[u8] = &[op::INCREMENT, op::DECREMENT, op::INCREMENTQ, op::DECREMENTQ];
const JOINS: &[u8] = &[op::APPEND, op::PREPEND, op::APPENDQ, op::PREPENDQ];

/// How much larger than its value an item with flags is by memcached's count, its key aside.
const ITEM_OVERHEAD: usize = 63;
const ITEM_SIZE_MAX: usize = 1 << 20;

impl Generator {
    pub(crate) fn new(mut random: Random) -> Self {
        let mut keys: Vec<Vec<u8>> = ["a", "b", "key", "counter", "\0", "with blank and\r\n"]
            .iter()
            .map(|key| key.as_bytes().to_vec())
            .collect();
        for len in [3, 8, 31, 32, 100, 249, 250, 250] {
            keys.push(noise(&mut random, len));
        }
        Self {
            random,
            keys,
            opaque: 0,
            batches: 0,
            swept: false,
            flush_wanted: false,
        }
    }

    /// Seconds to let pass before the next batch; mostly none.
    pub(crate) fn pause(&mut self) -> u32 {
        if self.swept {
            // A flush follows its sweep in the same second.
            return 0;
        }
        match self.random.below(400) {
            0..=59 => 1,
            60..=79 => 2,
            80..=89 => 5,
            90 => 1000,
            91 if self.random.one_in(20) => 2_592_000,
            _ => 0,
        }
    }

    pub(crate) fn wants_malformed(&mut self) -> bool {
        self.random.one_in(20)
    }

    pub(crate) fn wants_figures(&mut self) -> bool {
        self.batches.is_multiple_of(200)
    }

    /// Reads every key, so that both servers have dropped what is dead.
    pub(crate) fn sweep(&mut self) -> Batch {
        let commands = (0..self.keys.len())
            .map(|key| self.on_key(Request::new(op::GETQ), key))
            .collect();
        Batch {
            commands,
            cuts: Vec::new(),
        }
    }

    pub(crate) fn batch(&mut self, clock: &FakeClock, pair: &Pair<'_>) -> Batch {
        self.batches += 1;
        if self.flush_wanted && !self.swept {
            self.swept = true;
            return self.sweep();
        }
        let mut commands = Vec::new();
        if self.swept {
            (self.swept, self.flush_wanted) = (false, false);
            commands.push(self.flush(clock));
        }
        let len = match self.random.below(10) {
            0..=2 => 1,
            3..=8 => 1 + self.random.below(30),
            _ => 1 + self.random.below(150),
        };
        let mut fetched = BTreeSet::new();
        for _ in 0..len {
            let command = self.command(clock, pair);
            let Some(key) = command.key else {
                commands.push(command);
                continue;
            };
            // While an answer still holds an item, memcached gives a counter a new one without padding; so counters don't
            // follow a read of the same key in one batch.
            if COUNTERS.contains(&command.request.opcode) && fetched.contains(&key) {
                break;
            }
            if GETS.contains(&command.request.opcode) || TOUCHES.contains(&command.request.opcode) {
                fetched.insert(key);
            }
            commands.push(command);
        }
        let cuts = match self.random.below(3) {
            0 => (0..1 + self.random.below(4))
                .map(|_| self.random.below(1000))
                .collect(),
            _ => Vec::new(),
        };
        Batch { commands, cuts }
    }

    fn on_key(&mut self, request: Request, key: usize) -> Command {
        let request = request.key(&self.keys[key]);
        self.command_of(request, Some(key))
    }

    fn command_of(&mut self, request: Request, key: Option<usize>) -> Command {
        self.opaque = self.opaque.wrapping_add(1);
        Command {
            request: request.opaque(self.opaque),
            cas: [0; 2],
            cas_is: "",
            key,
        }
    }

    fn with_cas(&mut self, mut command: Command, pair: &Pair<'_>) -> Command {
        let key = command.key.expect("only commands on keys take a CAS");
        (command.cas_is, command.cas) = match self.random.below(10) {
            0..=4 => ("", [0; 2]),
            5..=7 => ("current", pair.cas_of(key, 0).unwrap_or([0; 2])),
            8 => (
                "stale",
                pair.cas_of(key, 1 + self.random.below(5))
                    .unwrap_or([77; 2]),
            ),
            _ => (
                "wrong",
                [0x7fff_0000_0000_0000 + (self.random.next() >> 40); 2],
            ),
        };
        command
    }

    fn key(&mut self) -> usize {
        // Half of all traffic goes to three keys.
        if self.random.one_in(2) {
            self.random.below(3)
        } else {
            self.random.below(self.keys.len())
        }
    }

    fn expiration(&mut self, clock: &FakeClock) -> u32 {
        let now = clock.now();
        match self.random.below(20) {
            0..=9 => 0,
            10..=12 => 1 + u32::try_from(self.random.below(5)).unwrap(),
            13 => *self.random.pick(&[2_591_999, 2_592_000, 2_592_001, 1000]),
            14 => *self.random.pick(&[now - 1, now, now + 1, now + 2, now + 5]),
            15 => *self.random.pick(&[
                clock.started() - 63,
                clock.started() - 62,
                clock.started() - 1,
                clock.started(),
                clock.started() + 1,
            ]),
            16 => *self
                .random
                .pick(&[0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX]),
            17 => now + 2_592_000,
            _ => 60,
        }
    }

    fn value(&mut self, key: usize) -> Vec<u8> {
        match self.random.below(200) {
            0..=79 => self.random.pick(COUNTER_TEXTS).as_bytes().to_vec(),
            80..=149 => {
                let len = self.random.below(60);
                noise(&mut self.random, len)
            }
            150..=189 => {
                let len = self.random.below(3000);
                noise(&mut self.random, len)
            }
            190..=197 => {
                let len = self.random.below(70_000);
                noise(&mut self.random, len)
            }
            _ => {
                // Around the item limit, to the byte.
                let fits = ITEM_SIZE_MAX - ITEM_OVERHEAD - self.keys[key].len();
                let len = match self.random.below(4) {
                    0 => fits - self.random.below(8),
                    1 => fits + 1 + self.random.below(8),
                    2 => fits / 2 + self.random.below(100),
                    _ => 70_000 + self.random.below(1_200_000),
                };
                vec![b'a' + self.random.below(26) as u8; len]
            }
        }
    }

    fn flags(&mut self) -> u32 {
        *self.random.pick(&[0, 0, 1, 0xdead_beef, u32::MAX])
    }

    fn flush(&mut self, clock: &FakeClock) -> Command {
        let opcode = *self.random.pick(&[op::FLUSH, op::FLUSHQ]);
        let request = Request::new(opcode);
        let now = clock.now();
        let request = match self.random.below(10) {
            0..=1 => request,
            2..=3 => request.extras([0; 4]),
            4..=6 => {
                request.extras((1 + u32::try_from(self.random.below(5)).unwrap()).to_be_bytes())
            }
            7 => request
                .extras((now + 1 + u32::try_from(self.random.below(4)).unwrap()).to_be_bytes()),
            8 => request.extras(
                self.random
                    .pick(&[1_000_000_000, clock.started() - 63])
                    .to_be_bytes(),
            ),
            _ => request.extras(self.random.pick(&[2_592_000_u32, u32::MAX]).to_be_bytes()),
        };
        self.command_of(request, None)
    }

    fn command(&mut self, clock: &FakeClock, pair: &Pair<'_>) -> Command {
        let key = self.key();
        match self.random.below(1000) {
            0..=229 => {
                let opcode = *self.random.pick(STORES);
                let (flags, expiration, value) =
                    (self.flags(), self.expiration(clock), self.value(key));
                let request = Request::store(opcode, "", value, flags, expiration);
                let command = self.on_key(request, key);
                self.with_cas(command, pair)
            }
            230..=439 => {
                let opcode = *self.random.pick(GETS);
                self.on_key(Request::new(opcode), key)
            }
            440..=539 => {
                let opcode = *self.random.pick(TOUCHES);
                let expiration = self.expiration(clock);
                self.on_key(Request::touch(opcode, "", expiration), key)
            }
            540..=759 => {
                let opcode = *self.random.pick(COUNTERS);
                let (delta, initial) = (*self.random.pick(NUMBERS), *self.random.pick(NUMBERS));
                let expiration = if self.random.one_in(3) {
                    u32::MAX
                } else {
                    self.expiration(clock)
                };
                let command = self.on_key(
                    Request::counter(opcode, "", delta, initial, expiration),
                    key,
                );
                self.with_cas(command, pair)
            }
            760..=879 => {
                let opcode = *self.random.pick(JOINS);
                let value = self.value(key);
                let command = self.on_key(Request::new(opcode).value(value), key);
                self.with_cas(command, pair)
            }
            880..=949 => {
                let opcode = *self.random.pick(&[op::DELETE, op::DELETEQ]);
                let command = self.on_key(Request::new(opcode), key);
                self.with_cas(command, pair)
            }
            950..=969 => self.command_of(Request::new(op::NOOP), None),
            970..=979 => self.command_of(Request::new(op::VERSION), None),
            980..=984 => self.command_of(Request::new(op::STAT).key("no such group"), None),
            985..=987 => self.command_of(Request::new(op::STAT).key("reset"), None),
            988..=991 => {
                let opcode = *self
                    .random
                    .pick(&[0x1f, 0x25, 0x26, 0x30, 0x3c, 0x3d, 0x50, 0x90, 0xfe, 0xff]);
                self.command_of(Request::new(opcode), None)
            }
            992..=994 => {
                // Without -S.
                let opcode = *self.random.pick(&[op::SASL_AUTH, op::SASL_STEP]);
                self.command_of(
                    Request::new(opcode).key("PLAIN").value("\0user\0password"),
                    None,
                )
            }
            _ => {
                self.flush_wanted = true;
                self.command_of(Request::new(op::NOOP), None)
            }
        }
    }
}
