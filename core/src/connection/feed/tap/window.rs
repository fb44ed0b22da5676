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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Opcode, Status};

    fn ack(sequence: u32, status: Status) -> Ack {
        Ack {
            opcode: Opcode::TAP_MUTATION,
            sequence,
            status,
        }
    }

    #[test]
    fn numbers_that_wrap_around_are_answered_in_their_order() {
        let first = u32::MAX - 1;
        let mut window = Window::new(first);
        for offset in 0..5_u32 {
            window.wait(first.wrapping_add(offset), u64::from(offset) + 1, 0);
        }
        let next = first.wrapping_add(5);
        let success = |sequence| ack(sequence, Status::SUCCESS);
        assert_eq!(
            window.handle_ack(&success(u32::MAX), next),
            Ok(Answered::Continue)
        );
        assert_eq!(window.acknowledged(), 2);
        assert_eq!(window.handle_ack(&success(1), next), Ok(Answered::Continue));
        assert_eq!((window.acknowledged(), window.oldest()), (4, Some((2, 0))));
        // Late, and from before the wrap.
        assert_eq!(
            window.handle_ack(&success(first), next),
            Ok(Answered::Continue)
        );
        assert_eq!(window.acknowledged(), 4);
        let unknown = TapProducerEnd::UnknownSequence { sequence: next };
        assert_eq!(window.handle_ack(&success(next), next), Err(unknown));
        // What was sent before a refusal does not count afterwards, wherever the numbers are.
        let busy = ack(2, Status::EBUSY);
        assert_eq!(window.handle_ack(&busy, next), Ok(Answered::BackOff));
        assert_eq!(window.handle_ack(&success(2), next), Ok(Answered::Continue));
        assert_eq!((window.acknowledged(), window.is_empty()), (4, true));
    }
}
