//! The messages whose answers a producer waits for.

use heapless::Deque;

use super::TapProducerEnd;
use crate::tap::{Ack, AckVerdict};

/// How many answers may be outstanding.
pub(super) const WINDOW: usize = 10;

/// A message that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    sequence: u32,
    position: u64,
    since: u32,
}

/// Which messages wait for an answer, and how far the consumer has come.
#[derive(Clone, Debug)]
pub(super) struct Window {
    waiting: Deque<Waiting, WINDOW>,
    /// Answers to messages before this one no longer count: they are being sent again.
    from: u32,
    acknowledged: u64,
}

/// What an answer changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// Goes on.
    Continue,
    /// Send again what follows the acknowledged position.
    BackOff,
}

/// Whether `sequence` comes before `other` in numbers that wrap around.
const fn precedes(sequence: u32, other: u32) -> bool {
    other.wrapping_sub(sequence).wrapping_sub(1) < u32::MAX / 2
}

impl Window {
    pub(super) const fn new(first_sequence: u32) -> Window {
        Window {
            waiting: Deque::new(),
            from: first_sequence,
            acknowledged: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.is_full()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The position up to which the consumer has everything.
    pub(super) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// A message was sent that needs no answer because none is ever given.
    pub(super) fn advance(&mut self, position: u64) {
        self.acknowledged = position;
    }

    /// A message was sent that waits for its answer; the caller has seen that the window is not full.
    pub(super) fn wait(&mut self, sequence: u32, position: u64, now: u32) {
        let waiting = Waiting {
            sequence,
            position,
            since: now,
        };
        // One past the window would be one that nobody asks after; callers look first.
        let _ = self.waiting.push_back(waiting);
    }

    /// The oldest message without an answer, and since when.
    pub(super) fn oldest(&self) -> Option<(u32, u32)> {
        let waiting = self.waiting.front()?;
        Some((waiting.sequence, waiting.since))
    }

    /// Takes an answer; `next` is the number of the message that will be sent next.
    pub(super) fn handle_ack(&mut self, ack: &Ack, next: u32) -> Result<Answered, TapProducerEnd> {
        let (sequence, status) = (ack.sequence, ack.status);
        if !precedes(sequence, next) {
            return Err(TapProducerEnd::UnknownSequence { sequence });
        }
        match ack.verdict() {
            AckVerdict::Disconnect => Err(TapProducerEnd::Refused { sequence, status }),
            // The consumer has more to say on messages that are on their way again.
            _ if precedes(sequence, self.from) => Ok(Answered::Continue),
            AckVerdict::BackOff => {
                self.waiting.clear();
                self.from = next;
                Ok(Answered::BackOff)
            }
            AckVerdict::Accepted => {
                while let Some(waiting) = self.waiting.front()
                    && !precedes(sequence, waiting.sequence)
                {
                    self.acknowledged = waiting.position;
                    self.waiting.pop_front();
                }
                Ok(Answered::Continue)
            }
        }
    }
}
