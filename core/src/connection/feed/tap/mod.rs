//! The two sides of a TAP stream.

mod consumer;
mod end;
mod producer;
mod progress;
mod window;

pub use consumer::{TapAcks, TapConsumer, TapNext, TapOptions, TapProgress};
pub use end::{TapEnd, TapProducerEnd};
pub use producer::{TapChange, TapProducer};
pub use progress::{SendError, TapProducerNext, TapProducerProgress, TapTimer};
