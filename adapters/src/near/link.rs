//! What becomes of requests as the connection to upstream comes, takes them and goes.

use core::convert::Infallible;
use core::task::{Context, Poll};

use memlet_core::counters::Tally;
use memlet_core::store::Shards;
use memlet_core::wire::Status;

use super::cache::{Link, NearCache};
use super::slot::State;
use super::statistics::raise;
use crate::client::{Arrived, Buffer, Exchange, Stage};

impl<S: Shards> NearCache<'_, S> {
    /// Hands over the requests that wait, in their order, as far as there is room for them. Whether all were.
    pub(super) fn hand_over<B: Buffer, const RUNS: usize, T: Tally>(
        &mut self,
        exchange: &mut Exchange<B, RUNS, T>,
        output_len: usize,
        now: u32,
    ) -> bool {
        while let Some(index) = self.oldest_queued() {
            let Some((slot, bytes)) = self.slot(index) else {
                return true;
            };
            let request = slot.request(bytes);
            // The client would send such a value from where it is, but it must be out of its hands when this returns.
            let fits = request.encoded_len().is_ok_and(|len| len <= output_len);
            if fits && !exchange.may_follow(&request, &[]) {
                return false;
            }
            let staged = match fits {
                true => exchange.stage::<Infallible>(&request, &[]).ok(),
                false => None,
            };
            match staged {
                Some(Stage::Staged { opaque }) => {
                    let is_fetch = slot.is_fetch();
                    (slot.state, slot.sent_at) = (State::Sent { opaque }, now);
                    raise(match is_fetch {
                        true => &mut self.statistics.fetches,
                        false => &mut self.statistics.relays,
                    });
                }
                Some(Stage::OutputFull | Stage::TableFull) => return false,
                Some(Stage::Value { .. }) | None => {
                    raise(&mut self.statistics.too_long);
                    self.end(index, Status::ENOMEM);
                }
            }
        }
        true
    }

    /// The request that has waited for longest to be sent.
    fn oldest_queued(&self) -> Option<usize> {
        let queued = self.slots.iter().enumerate();
        queued
            .filter(|(_, slot)| slot.state == State::Queued)
            .max_by_key(|(_, slot)| self.next_order.wrapping_sub(slot.order))
            .map(|(index, _)| index)
    }

    /// Takes an answer.
    pub(super) fn take<B: Buffer, const RUNS: usize, T: Tally>(
        &mut self,
        exchange: &Exchange<B, RUNS, T>,
        arrived: &Arrived,
        now: u32,
    ) {
        let opaque = arrived.opaque();
        let is_asked = |slot: &super::slot::Slot| slot.state == State::Sent { opaque };
        let Some(index) = self.slots.iter().position(is_asked) else {
            return;
        };
        match arrived.is_whole {
            true => self.complete(index, &exchange.response(arrived), now),
            false => self.complete_too_long(index, now),
        }
    }

    /// Notes that a connection is being made.
    pub(super) fn handle_opening(&mut self) {
        self.link = Link::Opening;
    }

    /// Notes that there is a connection.
    pub(super) fn handle_up(&mut self) {
        self.link = Link::Up;
        raise(&mut self.statistics.connects);
    }

    /// Notes that the connection is gone, for being late or otherwise.
    ///
    /// What was on its way may have been done or not, so no copy of it stays. Gets are asked for once more, unless
    /// upstream was late: they have waited enough, as have all others then.
    pub(super) fn handle_lost(&mut self, is_late: bool, now: u32) {
        self.link = Link::Opening;
        raise(&mut self.statistics.upstream_errors);
        for index in 0..self.slots.len() {
            let Some((slot, _)) = self.slot(index) else {
                return;
            };
            match slot.state {
                State::Sent { .. } if slot.is_fetch() && !slot.is_retry && !is_late => {
                    (slot.state, slot.is_retry) = (State::Queued, true);
                    if slot.waiters == 0 {
                        slot.state = State::Free;
                    }
                }
                State::Sent { .. } => self.give_up(index, now),
                State::Queued if is_late => self.give_up(index, now),
                State::Queued | State::Free | State::Filling | State::Done => {}
            }
        }
    }

    /// Notes that there is no connection and none is being made: nobody has to wait.
    pub(super) fn handle_away(&mut self, now: u32) {
        self.link = Link::Away;
        for index in 0..self.slots.len() {
            let state = self.slots.get(index).map(|slot| slot.state);
            if matches!(state, Some(State::Queued | State::Sent { .. })) {
                self.give_up(index, now);
            }
        }
    }

    /// Notes that a connection could not be made.
    pub(super) fn handle_refused(&mut self) {
        raise(&mut self.statistics.upstream_errors);
    }

    fn give_up(&mut self, index: usize, now: u32) {
        let waiters = self.slots.get(index).map_or(0, |slot| slot.waiters);
        let unavailable = &mut self.statistics.unavailable;
        *unavailable = unavailable.wrapping_add(waiters.into());
        self.forget(index, now);
        self.end(index, Status::TMPFAIL);
    }

    /// Ready when a request waits to be sent.
    pub(super) fn poll_queued(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.slots.iter().any(|slot| slot.state == State::Queued) {
            return Poll::Ready(());
        }
        self.sender = Some(context.waker().clone());
        Poll::Pending
    }
}
