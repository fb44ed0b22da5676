//! Which request comes next, and its bytes.

use memlet_core::wire::extras::StoreExtras;
use memlet_core::wire::{EmitError, HEADER_LEN, Opcode, Request};
use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Zipf};

use super::LoadOptions;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plan {
    /// GETs and SETs of drawn keys.
    Mixed,
    /// A SET of every key, in order.
    EveryKey,
}

/// What an answer must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) opcode: Opcode,
    /// The length of the value if the key is there.
    pub(super) value_len: u32,
}

/// The keys: fixed letters, then the number of the key.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    value_len: (u32, u32),
}

impl Keys {
    /// Ten digits hold every number.
    pub(super) const LEN_MIN: usize = 10;
    pub(super) const LEN_MAX: usize = 250;

    /// Writes the digits of a key's number at the end of its place.
    fn write(&self, mut number: u32, place: &mut [u8]) {
        for digit in place.iter_mut().rev().take(Self::LEN_MIN) {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }

    /// The length of the value of a key: always the same for the same key, so that answers can be checked.
    fn value_len(&self, number: u32) -> u32 {
        let (min, max) = self.value_len;
        let scattered = u64::from(number.wrapping_mul(0x9e37_79b9));
        min + ((scattered * (u64::from(max - min) + 1)) >> 32) as u32
    }
}

/// The requests of one thread.
pub(super) struct Packets {
    keys: Keys,
    order: Order,
    gets_per_set: u32,
    until_set: u32,
    /// A GET and the front of a SET, in which only key, opaque and lengths change.
    get: Vec<u8>,
    set: Vec<u8>,
    value: Vec<u8>,
}

/// Which key comes next.
enum Order {
    /// Drawn beforehand, as drawing takes longer than sending; begins anew at the end.
    Drawn {
        numbers: Vec<u32>,
        next: usize,
    },
    Counted {
        next: u32,
        step: u32,
    },
}

impl Packets {
    /// The requests of thread `index`.
    pub(super) fn new(options: &LoadOptions, plan: Plan, index: usize) -> Result<Self, EmitError> {
        let key = vec![b'k'; options.key_len];
        let extras = StoreExtras {
            flags: 0,
            expiration: 0,
        }
        .to_bytes();
        let get = Request {
            key: &key,
            ..Request::new(Opcode::GET)
        };
        let set = Request {
            key: &key,
            extras: &extras,
            ..Request::new(Opcode::SET)
        };
        let (order, gets_per_set) = match plan {
            Plan::Mixed => (Order::drawn(options, index), options.gets_per_set),
            Plan::EveryKey => {
                let step = u32::try_from(options.threads).unwrap_or(u32::MAX);
                (
                    Order::Counted {
                        next: u32::try_from(index).unwrap_or(0),
                        step,
                    },
                    0,
                )
            }
        };
        let mut packets = Self {
            keys: Keys {
                value_len: options.value_len,
            },
            order,
            gets_per_set,
            until_set: 0,
            get: vec![0; get.encoded_len()?],
            set: vec![0; set.encoded_len()?],
            value: vec![b'v'; options.value_len.1 as usize],
        };
        get.emit(&mut packets.get)?;
        set.emit(&mut packets.set)?;
        Ok(packets)
    }

    /// Appends the next request to `output`.
    pub(super) fn push(&mut self, opaque: u32, output: &mut Vec<u8>) -> Expected {
        let number = self.order.next();
        let value_len = self.keys.value_len(number);
        let at = output.len();
        if self.until_set > 0 {
            self.until_set -= 1;
            output.extend_from_slice(&self.get);
            self.patch(number, opaque, &mut output[at..]);
            return Expected {
                opcode: Opcode::GET,
                value_len,
            };
        }
        self.until_set = self.gets_per_set;
        output.extend_from_slice(&self.set);
        self.patch(number, opaque, &mut output[at..]);
        let body_len = (self.set.len() - HEADER_LEN) as u32 + value_len;
        output[at + BODY_LEN_AT..at + BODY_LEN_AT + 4].copy_from_slice(&body_len.to_be_bytes());
        output.extend_from_slice(&self.value[..value_len as usize]);
        Expected {
            opcode: Opcode::SET,
            value_len: 0,
        }
    }

    fn patch(&self, number: u32, opaque: u32, packet: &mut [u8]) {
        packet[OPAQUE_AT..OPAQUE_AT + 4].copy_from_slice(&opaque.to_be_bytes());
        self.keys.write(number, packet);
    }
}

impl Order {
    fn drawn(options: &LoadOptions, index: usize) -> Self {
        let mut random = SmallRng::seed_from_u64(options.seed.wrapping_add(index as u64));
        let numbers = if options.zipf_alpha == 0.0 {
            (0..DRAWN_LEN)
                .map(|_| random.random_range(0..options.keys))
                .collect()
        } else {
            match Zipf::new(f64::from(options.keys), options.zipf_alpha) {
                Ok(zipf) => (0..DRAWN_LEN)
                    .map(|_| zipf.sample(&mut random) as u32 - 1)
                    .collect(),
                // The options have been checked: both numbers are in range.
                Err(_) => vec![0],
            }
        };
        // Threads with the same seed must not ask for the same keys at the same time.
        let next = random.next_u32() as usize % DRAWN_LEN;
        Self::Drawn {
            next: next.min(numbers.len() - 1),
            numbers,
        }
    }

    fn next(&mut self) -> u32 {
        match self {
            Self::Drawn { numbers, next } => {
                let number = numbers[*next];
                *next = if *next + 1 < numbers.len() {
                    *next + 1
                } else {
                    0
                };
                number
            }
            Self::Counted { next, step } => {
                let number = *next;
                *next = next.wrapping_add(*step);
                number
            }
        }
    }
}

/// Where a packet's body length and opaque stand (memcached binary protocol: header).
const BODY_LEN_AT: usize = 8;
const OPAQUE_AT: usize = 12;
/// How many keys are drawn before they repeat.
const DRAWN_LEN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use memlet_core::wire::{Limits, Parsed};

    use super::*;
    use crate::load::Target;

    fn requests(options: &LoadOptions, plan: Plan, count: u32) -> Vec<(Opcode, Vec<u8>, usize)> {
        let mut packets = Packets::new(options, plan, 0).unwrap();
        (0..count)
            .map(|opaque| {
                let mut bytes = Vec::new();
                let expected = packets.push(opaque, &mut bytes);
                let Ok(Parsed::Complete {
                    value: request,
                    consumed,
                }) = Request::parse(&bytes, &Limits::default())
                else {
                    panic!("not a request: {bytes:?}");
                };
                assert_eq!(
                    (consumed, request.opaque, request.opcode),
                    (bytes.len(), opaque, expected.opcode)
                );
                (request.opcode, request.key.to_vec(), request.value.len())
            })
            .collect()
    }

    fn options() -> LoadOptions {
        LoadOptions {
            keys: 1000,
            ..LoadOptions::new(Target::Unix("none".into()))
        }
    }

    #[test]
    fn gets_and_sets_come_in_their_ratio_with_keys_and_values_of_their_lengths() {
        let options = LoadOptions {
            value_len: (1, 300),
            key_len: 20,
            ..options()
        };
        let requests = requests(&options, Plan::Mixed, 1100);
        assert_eq!(
            requests
                .iter()
                .filter(|(opcode, ..)| *opcode == Opcode::SET)
                .count(),
            100
        );
        assert!(
            requests
                .iter()
                .all(|(_, key, _)| key.len() == 20 && key.starts_with(b"kkkkkkkkkk0000000"))
        );
        let lens: Vec<usize> = requests
            .iter()
            .filter(|(opcode, ..)| *opcode == Opcode::SET)
            .map(|(_, _, len)| *len)
            .collect();
        assert!(lens.iter().all(|len| (1..=300).contains(len)));
        assert!(lens.iter().max() > Some(&200) && lens.iter().min() < Some(&100));
    }

    #[test]
    fn preloading_sets_every_key_once() {
        let requests = requests(&options(), Plan::EveryKey, 1000);
        let keys: std::collections::BTreeSet<_> =
            requests.iter().map(|(_, key, _)| key.clone()).collect();
        assert_eq!(keys.len(), 1000);
        assert!(requests.iter().all(|(opcode, ..)| *opcode == Opcode::SET));
    }

    #[test]
    fn zipf_prefers_the_first_keys() {
        let options = LoadOptions {
            zipf_alpha: 1.0,
            ..options()
        };
        let requests = requests(&options, Plan::Mixed, 10_000);
        let first = requests
            .iter()
            .filter(|(_, key, _)| key.ends_with(b"0000000000"))
            .count();
        // 1 of H(1000) = 7.49 falls on the first key.
        assert!((1100..1600).contains(&first), "{first}");
    }
}
