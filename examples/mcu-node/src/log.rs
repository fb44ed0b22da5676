//! Logs by defmt: what memlet and the node tell, with the time since the start.

use embassy_time::Instant;

// The logger of boards whose console is read by a debugger that does not stop them, and of those with semihosting.
#[cfg(feature = "w5500-evb-pico")]
use defmt_rtt as _;
#[cfg(feature = "semihosting-console")]
use defmt_semihosting as _;

defmt::timestamp!("{=u64:tus}", Instant::now().as_micros());
