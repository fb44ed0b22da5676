//! The packets of a connection seen as a conversation: which response answers which request.

use std::collections::VecDeque;

use memlet_core::wire::{Dialect, Header, Magic, Opcode, Status};

use super::reassembly::Origin;

/// Requests of one direction that wait for their answer; the oldest goes unanswered when there are more.
const WAITING_MAX: usize = 1 << 14;

/// A request that has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The frame in which it ended.
    pub frame: u64,
    /// When that frame came, in nanoseconds since 1970.
    pub time: u64,
    /// Its magic.
    pub magic: Magic,
    /// Its opcode.
    pub opcode: Opcode,
    /// Its opaque.
    pub opaque: u32,
}

/// A kind of stream in which one side sends changes that want no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feed {
    /// TAP.
    Tap,
    /// DCP, or UPR as it was called.
    Dcp,
}

/// What became of a request that nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unanswered {
    /// It was a quiet get, and a later request is answered: the key was missing.
    Miss,
    /// It was a quiet command of another kind, and a later one is answered: it succeeded.
    Success,
    /// The answer is not in the capture.
    Lost,
}

impl Unanswered {
    /// In one word, lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Unanswered::Miss => "miss",
            Unanswered::Success => "success",
            Unanswered::Lost => "lost",
        }
    }
}

/// The requests of both directions.
#[derive(Default)]
pub(super) struct Session {
    waiting: [VecDeque<Asked>; 2],
    pub(super) feed: Option<Feed>,
}

impl Session {
    /// Takes a request of a direction (0 or 1).
    pub(super) fn request(
        &mut self,
        direction: usize,
        header: &Header,
        extras: &[u8],
        origin: Origin,
        sink: &mut dyn FnMut(Asked, Unanswered),
    ) {
        match header.opcode {
            Opcode::TAP_CONNECT => self.feed = Some(Feed::Tap),
            Opcode::DCP_OPEN => self.feed = Some(Feed::Dcp),
            _ => {}
        }
        if !wants_answer(header, extras) {
            return;
        }
        let Some(waiting) = self.waiting.get_mut(direction) else {
            return;
        };
        if waiting.len() == WAITING_MAX
            && let Some(oldest) = waiting.pop_front()
        {
            sink(oldest, Unanswered::Lost);
        }
        waiting.push_back(Asked {
            frame: origin.frame,
            time: origin.time,
            magic: header.magic,
            opcode: header.opcode,
            opaque: header.opaque,
        });
    }

    /// Takes a response of a direction, and gives the request that it answers. Quiet requests before that have been
    /// answered by silence.
    pub(super) fn response(
        &mut self,
        direction: usize,
        header: &Header,
        dialect: Dialect,
        sink: &mut dyn FnMut(Asked, Unanswered),
    ) -> Option<Asked> {
        let waiting = self.waiting.get_mut(1 - direction.min(1))?;
        let is_its = |asked: &Asked| {
            asked.opaque == header.opaque && asked.magic.response() == plain(header.magic)
        };
        let at = waiting
            .iter()
            .position(|asked| is_its(asked) && asked.opcode == header.opcode)
            .or_else(|| waiting.iter().position(is_its))?;
        let mut before = 0;
        // Loud ones stay: servers may answer out of order.
        for index in 0..at {
            let Some(asked) = waiting.get(index - before).copied() else {
                break;
            };
            if asked.opcode.is_quiet_in(dialect) {
                waiting.remove(index - before);
                before += 1;
                sink(asked, silence(asked.opcode));
            }
        }
        let asked = waiting.get(at - before).copied()?;
        if !has_more(header) {
            waiting.remove(at - before);
        }
        Some(asked)
    }

    /// Nothing more comes: gives the requests that have got no answer, and their directions.
    pub(super) fn finish(&mut self, sink: &mut dyn FnMut(usize, Asked)) {
        for (direction, waiting) in self.waiting.iter_mut().enumerate() {
            for asked in waiting.drain(..) {
                sink(direction, asked);
            }
        }
    }
}

/// The classic form of a response's magic.
fn plain(magic: Magic) -> Option<Magic> {
    match magic {
        Magic::FLEX_RESPONSE => Some(Magic::CLIENT_RESPONSE),
        magic => Some(magic),
    }
}

fn silence(opcode: Opcode) -> Unanswered {
    if is_get(opcode) {
        Unanswered::Miss
    } else {
        Unanswered::Success
    }
}

/// Whether it reads an item, so that it hits or misses.
pub(super) fn is_get(opcode: Opcode) -> bool {
    matches!(
        opcode.loud(),
        Opcode::GET | Opcode::GETK | Opcode::GAT | Opcode::GATK
    )
}

/// Whether more responses with the same opaque follow: statistics end with an empty one.
fn has_more(header: &Header) -> bool {
    header.opcode == Opcode::STAT
        && header.vbucket_or_status == Status::SUCCESS.0
        && header.body_len > 0
}

/// Whether a request is answered at all; the messages of feeds are not, unless they say so.
fn wants_answer(header: &Header, extras: &[u8]) -> bool {
    match header.opcode {
        Opcode::QUITQ | Opcode::TAP_CONNECT => false,
        // The flag ACK of a message's extras.
        Opcode(0x41..=0x47) => extras.get(2..4).is_some_and(|flags| flags[1] & 1 != 0),
        Opcode(0x56) => extras.get(16..20).is_some_and(|flags| flags[3] & 8 != 0),
        Opcode(0x55 | 0x57..=0x5a | 0x5d | 0x5f | 0x60 | 0x64) => false,
        _ => true,
    }
}
