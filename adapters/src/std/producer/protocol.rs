//! Which protocol a feed speaks: what differs between DCP and TAP.

use memlet_core::dcp::OpenFlags;
use memlet_core::tap::Connect;
use memlet_core::wire::{Limits, Opcode, Packet, Parsed, Request};

use super::super::ShardedStore;
use super::dcp::Dcp;
use super::tap::Tap;
use super::{Closed, Filled};

/// Limits on a consumer's requests.
const LIMITS: Limits = Limits {
    key_len_max: 250,
    body_len_max: 16 << 10,
};

/// How a feed starts.
#[derive(Clone, Debug)]
pub(in super::super) enum Start {
    /// With the OPEN of a DCP connection.
    Dcp(OpenFlags),
    /// With a TAP_CONNECT, kept as it came.
    Tap(Vec<u8>),
}

impl Start {
    /// The opcode of the request that a feed starts with.
    pub(super) fn opcode(&self) -> Opcode {
        match self {
            Start::Dcp(_) => Opcode::DCP_OPEN,
            Start::Tap(_) => Opcode::TAP_CONNECT,
        }
    }

    /// Whether that request is answered when all is well.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self, Start::Dcp(_))
    }
}

/// The producer's side of a feed.
#[derive(Debug)]
pub(super) enum Protocol {
    Dcp(Dcp),
    Tap(Box<Tap>),
}

impl Protocol {
    pub(super) fn new(start: &Start, shards: &ShardedStore, now: u32) -> Result<Protocol, Closed> {
        match start {
            Start::Dcp(flags) => Ok(Protocol::Dcp(Dcp::new(*flags, now))),
            Start::Tap(bytes) => {
                let malformed = |error: String| Closed::Malformed(error);
                let parsed = Request::parse(bytes, &Limits::NONE);
                let Parsed::Complete { value, .. } =
                    parsed.map_err(|e| malformed(e.to_string()))?
                else {
                    return Err(malformed("it is not complete".into()));
                };
                let connect = Connect::from_request(&value);
                let connect = connect.map_err(|error| malformed(error.to_string()))?;
                Ok(Protocol::Tap(Box::new(Tap::new(&connect, shards, now))))
            }
        }
    }

    /// Takes what the consumer says; how many bytes of it are done with.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        shards: &ShardedStore,
        output: &mut Vec<u8>,
        now: u32,
    ) -> Result<usize, Closed> {
        let dcp = match self {
            Protocol::Dcp(dcp) => dcp,
            Protocol::Tap(tap) => return tap.take(input, now),
        };
        let mut done = 0;
        loop {
            match Packet::parse(&input[done..], &LIMITS) {
                Ok(Parsed::Complete { value, consumed }) => {
                    dcp.handle(&value, shards, output)?;
                    done += consumed;
                }
                Ok(Parsed::NeedMore { .. }) => return Ok(done),
                Err(error) => return Err(Closed::Malformed(error.to_string())),
            }
        }
    }

    /// Writes messages.
    pub(super) fn fill(
        &mut self,
        shards: &ShardedStore,
        output: &mut Vec<u8>,
        now: u32,
    ) -> Result<Filled, Closed> {
        match self {
            Protocol::Dcp(dcp) => Ok(dcp.fill(shards, output, now)),
            Protocol::Tap(tap) => tap.fill(shards, output, now),
        }
    }

    pub(super) fn handle_time(&mut self, output: &mut Vec<u8>, now: u32) -> Result<(), Closed> {
        match self {
            Protocol::Dcp(dcp) => dcp.handle_time(output, now),
            Protocol::Tap(tap) => tap.handle_time(output, now),
        }
    }

    /// Says that the server stops.
    pub(super) fn end_all(&mut self, output: &mut Vec<u8>, now: u32) {
        match self {
            Protocol::Dcp(dcp) => dcp.end_all(output),
            Protocol::Tap(tap) => tap.end_all(output, now),
        }
    }

    /// Bytes of DCP, or messages of TAP, that are not acknowledged.
    pub(super) fn outstanding(&self) -> u64 {
        match self {
            Protocol::Dcp(dcp) => dcp.outstanding(),
            Protocol::Tap(tap) => tap.outstanding(),
        }
    }

    /// The streams' vbuckets, and the seqnos up to which they have been sent.
    pub(super) fn positions(&self) -> Vec<(u16, u64)> {
        match self {
            Protocol::Dcp(dcp) => dcp.positions().collect(),
            Protocol::Tap(tap) => tap.positions().collect(),
        }
    }
}
