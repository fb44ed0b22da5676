//! The cache: memlet's engine over a static store, and what it tells of the device.

#[cfg(feature = "uart")]
use core::cell::Cell;
use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};

#[cfg(not(feature = "near"))]
use memlet_core::engine::{Engine, EngineSettings, NoCredentials};
use memlet_core::engine::{Figures, Host, HostFigures, StatGroups};
use memlet_core::store::{Seed, Store, StoreOptions};
use static_cell::{ConstStaticCell, StaticCell};

use crate::settings::{self, OUTPUT_LEN, STORE_LEN};
use crate::stack;

/// What answers the requests of all connections, which run on one core: nobody borrows it across an await.
#[cfg(not(feature = "near"))]
pub(crate) type Node = RefCell<Engine<Store<&'static mut [u8]>, Device>>;
#[cfg(feature = "near")]
pub(crate) type Node = RefCell<memlet::near::NearCache<'static, Store<&'static mut [u8]>>>;

/// The largest item by memcached's count, chosen so that what can be stored can also be fetched: the answer to GETK, with
/// key and value, is a header and flags longer, and an item counts for at least 59 bytes more.
const ITEM_LEN_MAX: u32 = (OUTPUT_LEN - 28 + 59) as u32;

/// Makes the cache, once.
pub(crate) fn start(seed: [u64; 2], device: Device) -> &'static Node {
    static STORE_MEMORY: ConstStaticCell<[u8; STORE_LEN]> = ConstStaticCell::new([0; STORE_LEN]);
    static NODE: StaticCell<Node> = StaticCell::new();

    let options = StoreOptions {
        seed: Seed(seed),
        ..StoreOptions::default()
    };
    let memory: &'static mut [u8] = STORE_MEMORY.take();
    let Ok(store) = Store::new(memory, options) else {
        // The settings give it more than it needs.
        panic!();
    };
    #[cfg(feature = "near")]
    {
        let _ = device;
        NODE.init_with(|| RefCell::new(crate::near::cache(store)))
    }
    #[cfg(not(feature = "near"))]
    {
        let settings = EngineSettings {
            item_size_max: ITEM_LEN_MAX,
            ..EngineSettings::default()
        };
        NODE.init_with(|| RefCell::new(Engine::with(store, settings, device, NoCredentials)))
    }
}

/// What `stat` tells of the device.
pub(crate) struct Device {
    /// What has happened at the serial port.
    #[cfg(feature = "uart")]
    pub(crate) serial: &'static Cell<memlet::asynch::SerialCounts>,
}

/// Connections open now, connections since the start, and how often the cable was out.
static OPEN: Count = Count::new();
static ACCEPTED: Count = Count::new();
static LINK_LOSSES: Count = Count::new();

/// A number that tasks change; interrupts do not.
struct Count(AtomicU32);

impl Count {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed).into()
    }

    // Read and written apart, as the smallest cores do not have both in one.
    #[cfg(not(feature = "serial-only"))]
    fn change(&self, by: i32) {
        let value = self.0.load(Ordering::Relaxed).wrapping_add_signed(by);
        self.0.store(value, Ordering::Relaxed);
    }
}

#[cfg(not(feature = "serial-only"))]
impl Device {
    pub(crate) fn note_opened() {
        OPEN.change(1);
        ACCEPTED.change(1);
    }

    pub(crate) fn note_closed() {
        OPEN.change(-1);
    }

    pub(crate) fn note_link_lost() {
        LINK_LOSSES.change(1);
    }
}

impl Host for Device {
    /// Those are for servers; here they would only take flash.
    const STAT_GROUPS: StatGroups = StatGroups::NONE;

    fn started(&self) -> u32 {
        settings::UNIX_TIME_AT_START
    }

    fn figures(&self) -> HostFigures {
        HostFigures {
            curr_connections: OPEN.get(),
            total_connections: ACCEPTED.get(),
            accepting_conns: true,
            ..HostFigures::default()
        }
    }

    fn own_figures(&self, figures: &mut Figures<'_, '_>) {
        for (name, number) in (0..).map_while(figure) {
            figures.number(name, number);
        }
        #[cfg(feature = "uart")]
        {
            let serial = self.serial.get();
            figures.number("serial_sessions", serial.sessions.into());
            figures.number("serial_refused", serial.refused.into());
            figures.number("serial_gaps", serial.gaps.into());
            figures.number("serial_faults", serial.faults.into());
            figures.number("serial_discarded_bytes", serial.discarded_bytes.into());
        }
    }
}

/// The figures that only a device has, by position.
pub(crate) fn figure(position: u32) -> Option<(&'static str, u64)> {
    Some(match position {
        0 => ("max_connections", settings::SOCKETS as u64),
        1 => ("idle_timeout", settings::IDLE_SECONDS),
        2 => ("item_size_max", ITEM_LEN_MAX.into()),
        3 => ("link_losses", LINK_LOSSES.get()),
        4 => ("stack_size", stack::len() as u64),
        5 => ("stack_high_water", stack::high_water() as u64),
        _ => return None,
    })
}

/// Connections open now.
#[cfg(feature = "near")]
pub(crate) fn connections_open() -> u64 {
    OPEN.get()
}

/// Connections since the start.
#[cfg(feature = "near")]
pub(crate) fn connections_accepted() -> u64 {
    ACCEPTED.get()
}
