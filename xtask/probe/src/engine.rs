//! The whole: one connection of a cache node, served over an async stream, with the engine over a store.

use core::cell::RefCell;
#[cfg(not(feature = "every-group"))]
use core::sync::atomic::{AtomicU32, Ordering};

use memlet_core::engine::{self, EngineSettings};
use memlet_core::store::{Store, StoreOptions};

use crate::Served;
use crate::cell::{Cell, Late, MEMLET_STORE_MEMORY};
use crate::slices::Slices;

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

static ENGINE: Cell<Late<RefCell<Engine>>> = Cell::new(Late::new());
/// The buffers of the connection.
static INPUT: Cell<[u8; BUFFER_LEN]> = Cell::new([0; BUFFER_LEN]);
static OUTPUT: Cell<[u8; BUFFER_LEN]> = Cell::new([0; BUFFER_LEN]);
const BUFFER_LEN: usize = 512;

fn engine(memory: &'static mut [u8], now: u32) -> Option<RefCell<Engine>> {
    let store = Store::new(memory, StoreOptions::default()).ok()?;
    Some(RefCell::new(Engine::with(
        store,
        EngineSettings::default(),
        Host::since(now),
        CREDENTIALS,
    )))
}

pub(crate) fn serve(input: &[u8], output: &mut [u8], now: u32) -> Served {
    let served = core::cell::Cell::new(Served {
        consumed: 0,
        written: 0,
    });
    // SAFETY: calls do not overlap, and nothing else borrows these. The memory is borrowed for good, but only by the call
    // that makes the engine, as the engine stays.
    let (late, memory, input_buffer, output_buffer) = unsafe {
        (
            ENGINE.borrow(),
            || &mut MEMLET_STORE_MEMORY.borrow()[..],
            INPUT.borrow(),
            OUTPUT.borrow(),
        )
    };
    let Some(engine) = late.get_or_make(|| engine(memory(), now)) else {
        return served.get();
    };
    let stream = Slices {
        input,
        output,
        served: &served,
    };
    serve_stream(stream, engine, input_buffer, output_buffer, now);
    served.get()
}

#[cfg(not(feature = "blocking"))]
fn serve_stream(
    stream: Slices<'_>,
    engine: &RefCell<Engine>,
    input: &mut [u8],
    output: &mut [u8],
    now: u32,
) {
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Waker};

    let connection = pin!(memlet::asynch::serve(stream, engine, input, output, || now));
    // As long as there is input it does not have to wait.
    let _ = connection.poll(&mut Context::from_waker(Waker::noop()));
}

#[cfg(feature = "blocking")]
fn serve_stream(
    stream: Slices<'_>,
    engine: &RefCell<Engine>,
    input: &mut [u8],
    output: &mut [u8],
    now: u32,
) {
    if let Ok(mut engine) = engine.try_borrow_mut() {
        let _ = memlet::blocking::serve(stream, &mut *engine, input, output, || now);
    }
}
