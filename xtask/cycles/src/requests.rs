//! A connection with the engine over a small store, and the requests that are measured on it.

use core::cell::UnsafeCell;

use memlet_core::connection::{ConnectionOptions, ServerConnection};
use memlet_core::engine::{self, EngineSettings, NoCredentials, StatGroups};
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{HEADER_LEN, Opcode, Request, Status};

use crate::{Call, fail};

/// What the store is given.
const MEMORY_LEN: usize = 32 << 10;
/// How many items go into it with room to spare.
const ITEMS: u32 = 64;
const VALUE_LEN: usize = 100;
const NOW: u32 = 1_700_000_000;

/// A device's host, with plain `stat` alone.
struct Host;

impl engine::Host for Host {
    const STAT_GROUPS: StatGroups = StatGroups::NONE;
}

type Engine = engine::Engine<Store<&'static mut [u8]>, Host, NoCredentials>;

/// The store's memory.
struct Memory(UnsafeCell<[u8; MEMORY_LEN]>);

// SAFETY: there is one thread.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; MEMORY_LEN]));

/// A request as it comes from the network.
pub(crate) struct Packet {
    bytes: [u8; 256],
    len: usize,
}

impl Packet {
    /// A request for the item of this number, whose key has 16 bytes.
    fn new(opcode: Opcode, number: u32, extras: &[u8], value: &[u8]) -> Packet {
        let mut key = *b"cache:item:00000";
        let mut rest = number;
        for place in key.iter_mut().rev().take(5) {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let request = Request {
            opaque: number,
            extras,
            key: &key,
            value,
            ..Request::new(opcode)
        };
        Packet::of(&request)
    }

    fn of(request: &Request<'_>) -> Packet {
        let mut bytes = [0; 256];
        match request.emit(&mut bytes) {
            Ok(len) => Packet { bytes, len },
            Err(_) => fail("a packet is too long"),
        }
    }

    fn noop() -> Packet {
        Packet::of(&Request::new(Opcode::NOOP))
    }

    pub(crate) fn get(number: u32) -> Packet {
        Packet::new(Opcode::GET, number, &[], &[])
    }

    fn set(number: u32) -> Packet {
        Packet::new(Opcode::SET, number, &[0; 8], &[b'v'; VALUE_LEN])
    }

    fn delete(number: u32) -> Packet {
        Packet::new(Opcode::DELETE, number, &[], &[])
    }

    /// Adds 1, or creates the counter.
    fn increment(number: u32) -> Packet {
        let mut extras = [0; 20];
        extras[7] = 1;
        Packet::new(Opcode::INCREMENT, number, &extras, &[])
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A device with one client.
pub(crate) struct Device {
    engine: Engine,
    connection: ServerConnection<Engine>,
    output: [u8; 1024],
}

impl Device {
    /// `None` if the store cannot be made.
    pub(crate) fn new() -> Option<Device> {
        // SAFETY: this is called once, and nothing else uses the memory.
        let memory = unsafe { &mut *MEMORY.0.get() };
        let store = Store::new(&mut memory[..], StoreOptions::default()).ok()?;
        Some(Device {
            engine: Engine::with(store, EngineSettings::default(), Host, NoCredentials),
            connection: ServerConnection::new(&ConnectionOptions::for_buffers(1024, 1024)),
            output: [0; 1024],
        })
    }

    /// Counts the instructions of answering, from the request's bytes to the answer's.
    pub(crate) fn run(&mut self, overhead: u32) {
        let head = HEADER_LEN;
        self.count(overhead, "NOOP", head, |_, _| Packet::noop());
        let text_len = Status::KEY_ENOENT.text().len();
        self.count(overhead, "GET miss", head + text_len, |_, round| {
            Packet::get(round)
        });
        self.count(overhead, "SET of a new item", head, |device, round| {
            device.ask(&Packet::delete(round % ITEMS));
            Packet::set(round % ITEMS)
        });
        self.count(overhead, "SET over an item", head, |_, round| {
            Packet::set(round % ITEMS)
        });
        self.count(overhead, "GET hit", head + 4 + VALUE_LEN, |_, round| {
            Packet::get(round % ITEMS)
        });
        self.count(overhead, "DELETE", head, |device, round| {
            device.ask(&Packet::set(round % ITEMS));
            Packet::delete(round % ITEMS)
        });
        self.count(overhead, "INCREMENT", head + 8, |_, round| {
            Packet::increment(ITEMS + round % ITEMS)
        });
        for number in 0..1000 {
            self.ask(&Packet::set(number));
        }
        self.count(overhead, "SET that evicts", head, |_, round| {
            Packet::set(1000 + round)
        });
    }

    /// Answers a packet; returns the length of the answer.
    fn ask(&mut self, packet: &Packet) -> usize {
        self.connection
            .handle_input(&mut self.engine, packet.bytes(), &mut self.output, NOW)
            .written
    }

    /// Counts the answers to the packets of every round, which have a length that is known.
    fn count(
        &mut self,
        overhead: u32,
        name: &str,
        answer_len: usize,
        packet: impl FnMut(&mut Device, u32) -> Packet,
    ) {
        let mut asked = Asked {
            device: self,
            make: packet,
            packet: Packet::noop(),
            answer_len,
            written: 0,
        };
        crate::count(name, overhead, &mut asked);
    }
}

/// A request that a device answers.
struct Asked<'a, F> {
    device: &'a mut Device,
    /// Makes the packet of a round.
    make: F,
    packet: Packet,
    /// Length of the answer that there should be.
    answer_len: usize,
    /// Length of the one that there was.
    written: usize,
}

impl<F: FnMut(&mut Device, u32) -> Packet> Call for Asked<'_, F> {
    fn prepare(&mut self, round: u32) {
        self.packet = (self.make)(self.device, round);
    }

    #[inline(never)]
    fn call(&mut self) {
        self.written = self.device.ask(&self.packet);
    }

    fn check(&self) {
        if self.written != self.answer_len {
            fail("an answer has another length than it should have");
        }
    }
}
