//! Commands whose answers come in the order of asking.

use heapless::Deque;

use super::DcpFailure;
use crate::wire::Opcode;

/// What a command was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Open,
    Control,
    FailoverLog,
    AddStream,
    VbucketSeqnos,
}

impl Asked {
    const fn code(self) -> u32 {
        match self {
            Asked::Open => 0,
            Asked::Control => 1,
            Asked::FailoverLog => 2,
            Asked::AddStream => 3,
            Asked::VbucketSeqnos => 4,
        }
    }
}

/// How many commands may be unanswered.
pub(super) const PENDING_MAX: usize = 64;

/// The commands of a connection other than those about streams, by their opaques, which are all different.
///
/// ```text
///  bits of the opaque  31..19       18..16   15..0
///                      a number     command  the command's own: vbucket, property
/// ```
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pending: Deque<u32, PENDING_MAX>,
    number: u16,
}

impl Ledger {
    /// The opaque of the next command; `None` when too many are unanswered.
    pub(super) fn next(&self, asked: Asked, own: u16) -> Option<u32> {
        let opaque = u32::from(self.number) << 19 | asked.code() << 16 | u32::from(own);
        (!self.pending.is_full()).then_some(opaque)
    }

    /// The command with this opaque has been sent.
    pub(super) fn sent(&mut self, opaque: u32) {
        // There is room, or there would have been no opaque.
        let _ = self.pending.push_back(opaque);
        self.number = self.number.wrapping_add(1);
    }

    /// Strikes out the command that an answer is for, and gives the command's own half of the opaque.
    pub(super) fn answer(
        &mut self,
        asked: Asked,
        opcode: Opcode,
        opaque: u32,
    ) -> Result<u16, DcpFailure> {
        let expected = self.pending.front().copied();
        if expected != Some(opaque) || opaque >> 16 & 7 != asked.code() {
            return Err(DcpFailure::UnexpectedReply {
                opcode,
                opaque,
                expected,
            });
        }
        self.pending.pop_front();
        Ok(opaque as u16)
    }
}
