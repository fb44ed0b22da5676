//! The whole: one connection of a cache node, with the engine over a store.

use memlet_core::connection::{ConnectionOptions, Next, ServerConnection};
use memlet_core::engine::{self, Alone, EngineSettings};
use memlet_core::store::{Store, StoreOptions};

use crate::Served;
use crate::cell::{Cell, Late, MEMLET_STORE_MEMORY};

#[cfg(not(feature = "login"))]
type Credentials = engine::NoCredentials;
#[cfg(not(feature = "login"))]
const CREDENTIALS: Credentials = engine::NoCredentials;
#[cfg(feature = "login")]
type Credentials = engine::UserList<'static>;
#[cfg(feature = "login")]
const CREDENTIALS: Credentials = engine::UserList(&[(b"user", b"password")]);

type Engine = engine::Engine<Store<&'static mut [u8]>, Alone, Credentials>;

struct Node {
    engine: Engine,
    connection: ServerConnection<Engine>,
}

static NODE: Cell<Late<Node>> = Cell::new(Late::new());

impl Node {
    fn new(memory: &'static mut [u8], now: u32) -> Option<Self> {
        let store = Store::new(memory, StoreOptions::default()).ok()?;
        Some(Self {
            engine: Engine::with(
                store,
                EngineSettings::default(),
                Alone::since(now),
                CREDENTIALS,
            ),
            connection: ServerConnection::new(&ConnectionOptions::for_buffers(1024, 1024)),
        })
    }
}

pub(crate) fn serve(input: &[u8], output: &mut [u8], now: u32) -> Served {
    // SAFETY: calls do not overlap, and nothing else borrows these two. The memory is borrowed for good, but only by the
    // call that makes the node, as the node stays.
    let (node, memory) = unsafe { (NODE.borrow(), || &mut MEMLET_STORE_MEMORY.borrow()[..]) };
    let Some(node) = node.get_or_make(|| Node::new(memory(), now)) else {
        return Served {
            consumed: 0,
            written: 0,
        };
    };
    if input.is_empty() {
        node.connection.handle_end_of_input(&mut node.engine, 0);
        return Served {
            consumed: 0,
            written: 0,
        };
    }
    let progress = node
        .connection
        .handle_input(&mut node.engine, input, output, now);
    if let Next::Close(_) = progress.next {
        node.connection.abandon(&mut node.engine);
    }
    Served {
        consumed: progress.consumed,
        written: progress.written,
    }
}
