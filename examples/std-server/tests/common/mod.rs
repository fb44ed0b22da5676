//! What the tests at the socket share: a client that sends and reads raw packets, and starters for `memlet-server` and for
//! the real memcached.
//!
//! The client is deliberately written from the protocol's tables and not on `memlet_core::wire`: a mistake in the crate
//! under test must not cancel itself out here.
//!
//! Every test of this folder that doesn't name its server runs against `memlet-server`; with
//! `MEMLET_TEST_SERVER=memcached` in the environment it runs against the memcached on the path, which proves the test.

// Every test file is a crate of its own and uses only its part of this one.
#![allow(dead_code, unused_imports)]

use std::thread;
use std::time::{Duration, Instant};

pub(crate) mod client;
pub(crate) mod server;

pub(crate) use client::{Answer, Client, Request, hex, unhex};
pub(crate) use server::{Kind, Server, ServerBuilder};

/// Opcodes of the binary protocol, as numbers from its command table.
pub(crate) mod op {
    pub(crate) const GET: u8 = 0x00;
    pub(crate) const SET: u8 = 0x01;
    pub(crate) const ADD: u8 = 0x02;
    pub(crate) const REPLACE: u8 = 0x03;
    pub(crate) const DELETE: u8 = 0x04;
    pub(crate) const INCREMENT: u8 = 0x05;
    pub(crate) const DECREMENT: u8 = 0x06;
    pub(crate) const QUIT: u8 = 0x07;
    pub(crate) const FLUSH: u8 = 0x08;
    pub(crate) const GETQ: u8 = 0x09;
    pub(crate) const NOOP: u8 = 0x0a;
    pub(crate) const VERSION: u8 = 0x0b;
    pub(crate) const GETK: u8 = 0x0c;
    pub(crate) const GETKQ: u8 = 0x0d;
    pub(crate) const APPEND: u8 = 0x0e;
    pub(crate) const PREPEND: u8 = 0x0f;
    pub(crate) const STAT: u8 = 0x10;
    pub(crate) const SETQ: u8 = 0x11;
    pub(crate) const ADDQ: u8 = 0x12;
    pub(crate) const REPLACEQ: u8 = 0x13;
    pub(crate) const DELETEQ: u8 = 0x14;
    pub(crate) const INCREMENTQ: u8 = 0x15;
    pub(crate) const DECREMENTQ: u8 = 0x16;
    pub(crate) const QUITQ: u8 = 0x17;
    pub(crate) const FLUSHQ: u8 = 0x18;
    pub(crate) const APPENDQ: u8 = 0x19;
    pub(crate) const PREPENDQ: u8 = 0x1a;
    pub(crate) const VERBOSITY: u8 = 0x1b;
    pub(crate) const TOUCH: u8 = 0x1c;
    pub(crate) const GAT: u8 = 0x1d;
    pub(crate) const GATQ: u8 = 0x1e;
    pub(crate) const SASL_LIST: u8 = 0x20;
    pub(crate) const SASL_AUTH: u8 = 0x21;
    pub(crate) const SASL_STEP: u8 = 0x22;
    pub(crate) const GATK: u8 = 0x23;
    pub(crate) const GATKQ: u8 = 0x24;
}

/// Statuses of the binary protocol, as numbers from its status table.
pub(crate) mod status {
    pub(crate) const SUCCESS: u16 = 0x00;
    pub(crate) const NOT_FOUND: u16 = 0x01;
    pub(crate) const EXISTS: u16 = 0x02;
    pub(crate) const TOO_BIG: u16 = 0x03;
    pub(crate) const INVALID: u16 = 0x04;
    pub(crate) const NOT_STORED: u16 = 0x05;
    pub(crate) const DELTA_BAD_VALUE: u16 = 0x06;
    pub(crate) const AUTH_ERROR: u16 = 0x20;
    pub(crate) const AUTH_CONTINUE: u16 = 0x21;
    pub(crate) const UNKNOWN_COMMAND: u16 = 0x81;
    pub(crate) const OUT_OF_MEMORY: u16 = 0x82;
}

/// The extras of SET, ADD and REPLACE: flags, then expiration.
pub(crate) fn store_extras(flags: u32, expiration: u32) -> Vec<u8> {
    [flags.to_be_bytes(), expiration.to_be_bytes()].concat()
}

/// The extras of INCREMENT and DECREMENT: delta, initial value, expiration.
pub(crate) fn counter_extras(delta: u64, initial: u64, expiration: u32) -> Vec<u8> {
    let mut extras = Vec::with_capacity(20);
    extras.extend_from_slice(&delta.to_be_bytes());
    extras.extend_from_slice(&initial.to_be_bytes());
    extras.extend_from_slice(&expiration.to_be_bytes());
    extras
}

/// Asks again and again until it is so; a machine may be slow, but not for ever.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < client::PATIENCE, "not yet: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A small deterministic generator (splitmix64), so that a run can be repeated from its printed seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
