//! What clients say in these tests, and what they must hear.

use memlet_core::connection::{CloseReason, ConnectionOptions, Next, ServerConnection};
use memlet_core::engine::{Engine, EngineSettings};
use memlet_core::handler::{Handler, Outcome, Reply, ValueStart};
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{Opcode, Request};

/// The length of a device's buffers.
pub(crate) const BUFFER_LEN: usize = 512;

pub(crate) type Cache = Engine<Store<Vec<u8>>>;

pub(crate) fn cache() -> Cache {
    let store = Store::new(vec![0; 32 << 10], StoreOptions::default()).unwrap();
    Engine::new(store, EngineSettings::default())
}

pub(crate) fn clock() -> u32 {
    1_700_000_000
}

pub(crate) fn packet(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![0; request.encoded_len().unwrap()];
    request.emit(&mut bytes).unwrap();
    bytes
}

pub(crate) fn set(opcode: Opcode, key: &[u8], value: &[u8]) -> Vec<u8> {
    packet(&Request {
        extras: &[0; 8],
        key,
        value,
        ..Request::new(opcode)
    })
}

/// APPEND or PREPEND, which have no extras.
fn join(opcode: Opcode, key: &[u8], value: &[u8]) -> Vec<u8> {
    packet(&Request {
        key,
        value,
        ..Request::new(opcode)
    })
}

pub(crate) fn with_key(opcode: Opcode, key: &[u8]) -> Vec<u8> {
    packet(&Request {
        key,
        opaque: 0x0102_0304,
        ..Request::new(opcode)
    })
}

pub(crate) fn increment(key: &[u8]) -> Vec<u8> {
    let mut extras = [0; 20];
    extras[7] = 1;
    extras[15] = 1;
    packet(&Request {
        extras: &extras,
        key,
        ..Request::new(Opcode::INCREMENT)
    })
}

/// Some of everything: values longer than the buffers, quiet commands, answers in parts, an answer too long for the output,
/// the longest key.
pub(crate) fn session() -> Vec<u8> {
    let long: Vec<u8> = (0..1500_u32).map(|index| index as u8).collect();
    [
        set(Opcode::SET, b"short", b"value"),
        set(Opcode::SETQ, b"long", &long),
        with_key(Opcode::GETK, b"short"),
        with_key(Opcode::GETQ, b"missing"),
        with_key(Opcode::GET, b"long"),
        set(Opcode::ADD, &[b'k'; 250], &long[..440]),
        with_key(Opcode::GETKQ, &[b'k'; 250]),
        join(Opcode::APPEND, b"short", &long[..300]),
        join(Opcode::PREPEND, b"short", &long[..900]),
        with_key(Opcode::GET, b"short"),
        increment(b"count"),
        increment(b"count"),
        with_key(Opcode::STAT, b"settings"),
        with_key(Opcode::DELETE, b"short"),
        with_key(Opcode(0x77), b"unknown"),
        packet(&Request::new(Opcode::NOOP)),
    ]
    .concat()
}

/// What core answers to the whole of `input` with buffers of this length, and why the connection has ended, at the end of
/// the input or before.
pub(crate) fn expected(input: &[u8], buffer_len: usize) -> (Vec<u8>, CloseReason) {
    let mut cache = cache();
    let options = ConnectionOptions::for_buffers(buffer_len, buffer_len);
    let mut machine = ServerConnection::new(&options);
    let (mut consumed, mut heard) = (0, Vec::new());
    loop {
        let mut output = vec![0; buffer_len];
        let unread = &input[consumed..];
        let progress = machine.handle_input(&mut cache, unread, &mut output, clock());
        consumed += progress.consumed;
        heard.extend_from_slice(&output[..progress.written]);
        match progress.next {
            Next::Read { .. } => {
                let reason = machine.handle_end_of_input(&mut cache, input.len() - consumed);
                return (heard, reason);
            }
            Next::Write { .. } | Next::Wait => {}
            Next::Close(reason) => return (heard, reason),
        }
    }
}

/// Takes every long value in pieces and knows how many it was to keep and to forget.
#[derive(Default)]
pub(crate) struct Uploads {
    pub(crate) begun: usize,
    pub(crate) kept: usize,
    pub(crate) forgotten: usize,
    pub(crate) value: Vec<u8>,
}

impl Handler for Uploads {
    type Session = ();

    fn handle(&mut self, (): &mut (), _: &Request<'_>, reply: &mut Reply<'_>, _: u32) -> Outcome {
        reply.success(0).into()
    }

    fn begin_value(
        &mut self,
        (): &mut (),
        _: &Request<'_>,
        _: u32,
        _: &mut Reply<'_>,
        _: u32,
    ) -> ValueStart {
        self.begun += 1;
        self.value.clear();
        ValueStart::Stream
    }

    fn handle_value(&mut self, (): &mut (), offset: u32, bytes: &[u8]) {
        assert_eq!(offset as usize, self.value.len());
        self.value.extend_from_slice(bytes);
    }

    fn finish_value(&mut self, (): &mut (), reply: &mut Reply<'_>, _: u32) -> Outcome {
        self.kept += 1;
        reply.success(0).into()
    }

    fn abandon_value(&mut self, (): &mut ()) {
        self.forgotten += 1;
    }
}
