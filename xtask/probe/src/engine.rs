//! The whole: one connection of a cache node, with the engine over a store.

#[cfg(not(feature = "every-group"))]
use core::sync::atomic::{AtomicU32, Ordering};

use memlet_core::connection::{ConnectionOptions, Next, ServerConnection};
use memlet_core::engine::{self, EngineSettings};
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

type Engine = engine::Engine<Store<&'static mut [u8]>, Host, Credentials>;

/// What a server answers: every group of statistics.
#[cfg(feature = "every-group")]
type Host = engine::Alone;

/// What a device tells of itself: plain `stat`, with figures of its own.
#[cfg(not(feature = "every-group"))]
struct Host {
    started: u32,
}

#[cfg(not(feature = "every-group"))]
impl Host {
    const fn since(started: u32) -> Host {
        Host { started }
    }
}

#[cfg(not(feature = "every-group"))]
impl engine::Host for Host {
    const STAT_GROUPS: engine::StatGroups = engine::StatGroups::NONE;

    fn started(&self) -> u32 {
        self.started
    }

    fn figures(&self) -> engine::HostFigures {
        engine::HostFigures {
            curr_connections: CONNECTIONS.load(Ordering::Relaxed).into(),
            total_connections: CONNECTIONS.load(Ordering::Relaxed).into(),
            ..engine::HostFigures::default()
        }
    }

    fn own_figures(&self, figures: &mut engine::Figures<'_, '_>) {
        figures.number(
            "stack_high_water",
            STACK_HIGH_WATER.load(Ordering::Relaxed).into(),
        );
    }
}

/// Stands for what a device knows of its connections.
#[cfg(not(feature = "every-group"))]
static CONNECTIONS: AtomicU32 = AtomicU32::new(0);
/// Stands for what a device knows of its stack.
#[cfg(not(feature = "every-group"))]
static STACK_HIGH_WATER: AtomicU32 = AtomicU32::new(0);

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
                Host::since(now),
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
