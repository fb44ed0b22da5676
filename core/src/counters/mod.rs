//! Bytes, operations and errors by opcode, counted by connections that are told to.
//!
//! A connection calls its [`Tally`] once for every packet. `()` is the tally that counts nothing and costs nothing: its
//! methods are empty, so nothing is left of the calls. [`Counters`] is the one that keeps tables; whoever wants anything
//! else (a log, a histogram) implements the trait.
//!
//! A tally belongs to one connection, or is lent to one at a time (`&mut` of a tally is a tally), so nothing has to be
//! locked. A program with many connections adds their tables up with [`Counters::add`].

mod table;

pub use table::{Count, Counters, Table};

use crate::wire::{Opcode, Status};

/// What a connection tells of its packets; every method does nothing unless it is implemented.
#[doc(alias = "mcdebug")]
pub trait Tally {
    /// A request went out, or failed to.
    ///
    /// `bytes` is how much of it was handed to the transport, header included.
    #[doc(alias = "TransmitHook")]
    #[inline]
    fn sent(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        let _ = (opcode, bytes, failed);
    }

    /// A response came in, or what came in was none that could be accepted (`failed`).
    ///
    /// A response with the status of an error is no failure here. `bytes` counts the header as well. Of a failed one
    /// opcode and status are what the header says, as far as there was one; else those of the request that waited.
    #[doc(alias = "ReceiveHook")]
    #[inline]
    fn received(&mut self, opcode: Opcode, status: Status, bytes: u64, failed: bool) {
        let _ = (opcode, status, bytes, failed);
    }

    /// A packet of a feed (TAP, DCP) came in, or failed to.
    #[doc(alias = "TapRecvHook")]
    #[inline]
    fn fed(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        let _ = (opcode, bytes, failed);
    }
}

/// Counts nothing.
impl Tally for () {}

impl<T: Tally + ?Sized> Tally for &mut T {
    #[inline]
    fn sent(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        T::sent(self, opcode, bytes, failed);
    }

    #[inline]
    fn received(&mut self, opcode: Opcode, status: Status, bytes: u64, failed: bool) {
        T::received(self, opcode, status, bytes, failed);
    }

    #[inline]
    fn fed(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        T::fed(self, opcode, bytes, failed);
    }
}
