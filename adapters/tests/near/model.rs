//! Random commands through a node and to an engine without one: the same answers, to the last byte.

use memlet_core::connection::{ConnectionOptions, Next, ServerConnection};
use memlet_core::wire::{Opcode, Request};

use super::Pair;
use super::node::{Answer, Options, Peer, answers, packet};
use super::upstream::{MemcachedEngine, engine};

/// Numbers that look random, the same each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

const OPCODES: &[Opcode] = &[
    Opcode::GET,
    Opcode::GET,
    Opcode::GETQ,
    Opcode::GETK,
    Opcode::GETKQ,
    Opcode::GETK,
    Opcode::GET,
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
    Opcode::GATK,
    Opcode::GATKQ,
    Opcode::NOOP,
    Opcode::VERSION,
];

/// A random request; CAS are often ones that have been seen.
fn request(random: &mut Random, seen: &[u64], opaque: u32) -> Vec<u8> {
    let opcode = match random.below(200) {
        0 => Opcode::FLUSH,
        1 => Opcode::FLUSHQ,
        _ => random.pick(OPCODES),
    };
    let key = [b'a' + random.below(6) as u8];
    let cas = match random.below(3) {
        0 if !seen.is_empty() => random.pick(seen),
        _ => 0,
    };
    let expiration = random.pick(&[0, 0, 0, 3, 100, u32::MAX]).to_be_bytes();
    let number = random.below(1000).to_string();
    let long = vec![b'x'; random.below(1500) as usize];
    let value = if random.below(3) == 0 {
        &long
    } else {
        number.as_bytes()
    };
    let flags = (random.below(4) as u32).to_be_bytes();
    let store = [flags, expiration].concat();
    let mut count = random.below(50).to_be_bytes().to_vec();
    count.extend(random.below(50).to_be_bytes());
    count.extend(expiration);
    let (extras, key, value): (&[u8], &[u8], &[u8]) = match opcode.loud() {
        Opcode::SET | Opcode::ADD | Opcode::REPLACE => (&store, &key, value),
        Opcode::APPEND | Opcode::PREPEND => (&[], &key, &value[..value.len().min(40)]),
        Opcode::INCREMENT | Opcode::DECREMENT => (&count, &key, &[]),
        Opcode::TOUCH | Opcode::GAT | Opcode::GATK => (&expiration, &key, &[]),
        Opcode::FLUSH | Opcode::NOOP | Opcode::VERSION => (&[], &[], &[]),
        _ => (&[], &key, &[]),
    };
    packet(&Request {
        opaque,
        cas,
        extras,
        key,
        value,
        ..Request::new(opcode)
    })
}

/// The engine by itself.
struct Reference {
    engine: MemcachedEngine,
    connection: ServerConnection<MemcachedEngine>,
}

impl Reference {
    fn ask_all(&mut self, requests: &[u8], now: u32) -> Vec<Answer> {
        let (mut rest, mut all, mut output) = (requests, Vec::new(), vec![0; 1 << 16]);
        loop {
            let progress = self
                .connection
                .handle_input(&mut self.engine, rest, &mut output, now);
            all.extend_from_slice(&output[..progress.written]);
            rest = &rest[progress.consumed..];
            if !matches!(progress.next, Next::Write { .. }) {
                assert_eq!(progress.next, Next::Read { missing: 24 });
                return answers(&all);
            }
        }
    }
}

fn run(seed: u64, store_len: usize, input_len: usize) {
    let mut random = Random(seed);
    let Pair {
        node,
        control,
        upstream: _upstream,
    } = Pair::with(Options {
        store_len,
        input_len,
        ..Options::default()
    });
    let mut peers: Vec<Peer> = (0..4).map(|_| node.connect()).collect();
    let mut alone = Reference {
        engine: engine(false),
        connection: ServerConnection::new(&ConnectionOptions::default()),
    };
    let mut seen = Vec::new();
    for round in 0..1500_u32 {
        let mut requests = Vec::new();
        for opaque in 0..=random.below(6) as u32 {
            requests.extend(request(&mut random, &seen, opaque));
        }
        let peer = random.below(4) as usize;
        let found = peers[peer].ask_all(&requests);
        let wanted = alone.ask_all(&requests, control.now());
        assert_eq!(found, wanted, "round {round} of seed {seed}");
        seen.extend(
            found
                .iter()
                .map(|answer| answer.cas)
                .filter(|cas| *cas != 0),
        );
        if seen.len() > 12 {
            seen.drain(..seen.len() - 12);
        }
        if random.below(20) == 0 {
            // Beyond the time to live, as copies may outlive items whose end the node does not know.
            control.advance(60 + random.below(60) as u32);
        }
    }
    assert!(node.figure("get_hits") > 200);
    assert_eq!(node.figure("upstream_connects"), 1);
}

#[test]
fn answers_are_those_of_an_engine_without_a_node() {
    run(0x9e37_79b9_7f4a_7c15, 1 << 20, 1024);
    run(0x1234_5678_9abc_def1, 1 << 20, 320);
}
