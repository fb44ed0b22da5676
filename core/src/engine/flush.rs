//! FLUSH and its quiet twin (memcached binary protocol: flush).

use super::expiration::absolute;
use super::{Credentials, Engine, Host, Statistics, invalid};
use crate::handler::{Outcome, Reply};
use crate::store::Shards;
use crate::wire::{Request, Status, extras::FlushExtras};

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    #[inline(never)]
    pub(super) fn flush(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let Ok(extras) = FlushExtras::parse(request.extras) else {
            return invalid(reply);
        };
        if !self.settings.flush_enabled {
            return reply.error(Status::AUTH_ERROR).into();
        }
        let when = flush_time(extras.expiration.unwrap_or(0), self.host.started(), now);
        self.shards.for_each(|store| store.flush(when, now));
        Statistics::raise(&mut self.statistics.cmd_flush);
        if request.opcode.is_quiet() {
            Outcome::Done
        } else {
            reply.success(0).into()
        }
    }
}

/// The second in which a flush takes effect, one before the expiration that would mean the same; 0 for at once.
///
/// A delay of 1 is not "at once": it also takes what is stored until the present second ends.
/// A time before the process began is none: it only takes the place of a flush that was still to come.
fn flush_time(delay: u32, started: u32, now: u32) -> u32 {
    match absolute(delay, now) {
        0 => 0,
        when if when <= started => u32::MAX,
        when => when.saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_takes_effect_a_second_early() {
        assert_eq!(flush_time(0, 10, 5_000_000), 0);
        assert_eq!(flush_time(1, 10, 5_000_000), 5_000_000);
        assert_eq!(flush_time(10, 10, 5_000_000), 5_000_009);
        assert_eq!(flush_time(6_000_000, 10, 5_000_000), 5_999_999);
        assert_eq!(flush_time(4_000_000, 4_500_000, 5_000_000), u32::MAX);
        assert_eq!(flush_time(4_000_000, 3_500_000, 5_000_000), 3_999_999);
    }
}
