//! Logs by defmt: what memlet and the node tell, with the time since the start.

use embassy_time::Instant;

// The logger of boards with a semihosting console.
use defmt_semihosting as _;

defmt::timestamp!("{=u64:tus}", Instant::now().as_micros());
