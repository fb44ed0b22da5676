//! Streams of changes: who has items sends them, who wants them reads on and says what has arrived.
//!
//! The machines are sans-IO like [`ServerConnection`](super::ServerConnection): the caller owns socket and buffers and
//! hands over what has arrived. They give one message a call, borrowed from the caller's input, because what a message
//! means is the consumer's business and may take long: nothing is read on behind its back.
//!
//! * [`DcpConsumer`] reads DCP streams (UPR in 2015).
//! * [`TapConsumer`] reads a TAP stream, [`TapProducer`] writes one.

mod dcp;
mod tap;

pub use dcp::{
    DCP_ROOM_MIN, DcpCommandError, DcpConsumer, DcpEvent, DcpFailure, DcpNext, DcpOptions,
    DcpPosition, DcpProgress, DcpSetting, DcpSkipReason, DcpStatistics, DcpStream, DcpStreamState,
    DcpTaking,
};

pub use tap::{
    SendError, TapAcks, TapChange, TapConsumer, TapEnd, TapNext, TapOptions, TapProducer,
    TapProducerEnd, TapProducerNext, TapProducerProgress, TapProgress, TapTimer,
};
