//! The whole: one connection of a cache node, with the engine over a store.

use memlet_core::connection::{ConnectionOptions, Next, ServerConnection};
use memlet_core::engine::{self, Alone, EngineSettings};
use memlet_core::store::{Store, StoreOptions};

use crate::Served;
use crate::cell::{Cell, MEMLET_STORE_MEMORY};

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

static NODE: Cell<Option<Node>> = Cell::new(None);

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
    // SAFETY: calls do not overlap, and nothing else borrows the node. The memory is borrowed for good, but only by the
    // first call, as the node that it goes to stays.
    let node = unsafe { NODE.borrow() };
    if node.is_none() {
        // SAFETY: as above.
        *node = Node::new(unsafe { &mut MEMLET_STORE_MEMORY.borrow()[..] }, now);
    }
    let Some(node) = node else {
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
