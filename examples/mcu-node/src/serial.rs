//! The cache at a serial port, for a host without a network.
//!
//! What tells the end of a session, and how a host begins anew: [`serve_serial`].

use core::cell::Cell;
use core::pin::pin;

use embassy_time::Timer;
use memlet::asynch::{SerialCounts, SerialOptions, serve_serial};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::{Board, ThisBoard};
use crate::clock::unix_time;
use crate::heartbeat;
use crate::node::Node;
use crate::settings::{INPUT_LEN, OUTPUT_LEN, SERIAL_GAP_MS, SERIAL_QUIET_MS};

const OPTIONS: SerialOptions = SerialOptions {
    gap_ms: SERIAL_GAP_MS,
    quiet_ms: SERIAL_QUIET_MS,
};

/// Where is counted what happens at the port. Called once.
pub(crate) fn counts() -> &'static Cell<SerialCounts> {
    static COUNTS: StaticCell<Cell<SerialCounts>> = StaticCell::new();
    COUNTS.init(Cell::default())
}

/// Serves the port for ever.
#[embassy_executor::task]
pub(crate) async fn serve(
    port: <ThisBoard as Board>::Serial,
    node: &'static Node,
    counts: &'static Cell<SerialCounts>,
) {
    static BUFFERS: ConstStaticCell<([u8; INPUT_LEN], [u8; OUTPUT_LEN])> =
        ConstStaticCell::new(([0; INPUT_LEN], [0; OUTPUT_LEN]));
    let (input, output) = BUFFERS.take();
    let sleep = async |ms: u32| Timer::after_millis(ms.into()).await;
    if cfg!(feature = "serial-only") {
        crate::say_ready();
    }
    let served = serve_serial(
        port, node, input, output, unix_time, &OPTIONS, counts, sleep,
    );
    // The port has no end, and the buffers are long enough.
    let _ = heartbeat::watch(pin!(served)).await;
}
