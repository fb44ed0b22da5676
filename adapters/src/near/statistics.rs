//! What a near cache counts, and how `stat` shows it.

use memlet_core::handler::{NoRoom, Outcome, Reply};
use memlet_core::store::{Shards, Store, StoreStatistics};
use memlet_core::wire::{Request, Status};

use super::cache::{Link, NearCache};
use super::slot::{Slot, State};

/// What a near cache has counted. All wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct NearStatistics {
    /// Gets answered from the store.
    pub hits: u32,
    /// Gets that had to ask upstream, those that were refused or were not answered included.
    pub misses: u32,
    /// Of the misses, those that waited for an answer that another get had asked for.
    pub coalesced: u32,
    /// Gets sent to upstream.
    pub fetches: u32,
    /// Changes, and gets that touch, sent to upstream.
    pub relays: u32,
    /// Requests refused with 0x85, as too many waited.
    pub refused: u32,
    /// Requests answered with 0x86, as upstream was away, was lost or took too long.
    pub unavailable: u32,
    /// Requests or answers that were longer than the node's buffers, answered with 0x82.
    pub too_long: u32,
    /// Connections to upstream that were made.
    pub connects: u32,
    /// Connections to upstream that failed, or could not be made.
    pub upstream_errors: u32,
    /// The most that have waited at the same time.
    pub waiting_max: u32,
}

/// Adds one.
pub(super) fn raise(counter: &mut u32) {
    *counter = counter.wrapping_add(1);
}

/// How many figures there are.
const FIGURES: usize = 23;

impl<S: Shards> NearCache<'_, S> {
    /// Answers with the figures, one packet each; `reset` sets the counters to zero.
    pub(super) fn stat(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        match request.key {
            b"" => {}
            b"reset" => {
                let outcome = reply.send(&[], b"reset", &[], 0).into();
                if outcome == Outcome::Done {
                    self.statistics = NearStatistics::default();
                    self.shards.for_each(Store::reset_statistics);
                }
                return outcome;
            }
            _ => return reply.error(Status::KEY_ENOENT).into(),
        }
        let figures = self.figures(now);
        let mut position = reply.cursor();
        let own = (0..).map_while(self.own_figure);
        for (name, number) in figures.into_iter().chain(own).skip(position as usize) {
            if let Err(no_room) = send(name, number, reply) {
                return pause(position, reply, no_room);
            }
            position = position.saturating_add(1);
        }
        match reply.success(0) {
            Ok(()) => Outcome::Done,
            Err(no_room) => pause(position, reply, no_room),
        }
    }

    fn figures(&mut self, now: u32) -> [(&'static str, u64); FIGURES] {
        let mut store = StoreStatistics::default();
        self.shards.for_each(|shard| store.add(&shard.statistics()));
        let waiting = self.waiting() as u64;
        let is_arriving = |slot: &&Slot| slot.state == State::Filling;
        let arriving = self.slots.iter().filter(is_arriving).count() as u64;
        let NearStatistics {
            hits,
            misses,
            coalesced,
            fetches,
            relays,
            refused,
            unavailable,
            too_long,
            connects,
            upstream_errors,
            waiting_max,
        } = self.statistics;
        [
            ("time", now.into()),
            ("cmd_get", u64::from(hits) + u64::from(misses)),
            ("get_hits", hits.into()),
            ("get_misses", misses.into()),
            ("coalesced", coalesced.into()),
            ("fetches", fetches.into()),
            ("relays", relays.into()),
            ("waiting", waiting),
            ("arriving", arriving),
            ("waiting_max", waiting_max.into()),
            ("refused", refused.into()),
            ("unavailable", unavailable.into()),
            ("too_long", too_long.into()),
            ("upstream_up", u64::from(self.link == Link::Up)),
            ("upstream_connects", connects.into()),
            ("upstream_errors", upstream_errors.into()),
            ("ttl", self.settings.ttl.into()),
            ("curr_items", store.curr_items),
            ("total_items", store.total_items),
            ("bytes", store.bytes),
            ("limit_maxbytes", store.memory_bytes),
            ("evictions", store.evictions),
            ("reclaimed", store.reclaimed),
        ]
    }
}

/// Goes on when there is room, with the figure for which there was none.
fn pause(position: u32, reply: &Reply<'_>, no_room: NoRoom) -> Outcome {
    match position == reply.cursor() {
        true => Outcome::NeedOutput(no_room.needed),
        false => Outcome::Again(position),
    }
}

/// Sends a number as text.
fn send(name: &str, number: u64, reply: &mut Reply<'_>) -> Result<(), NoRoom> {
    let mut digits = [0; 20];
    let mut rest = number;
    let mut len = 0;
    for place in digits.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        len += 1;
        if rest == 0 {
            break;
        }
    }
    let text = digits.get(digits.len() - len..).unwrap_or_default();
    reply.send(&[], name.as_bytes(), text, 0)
}
