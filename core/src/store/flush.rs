//! Making everything missing, now or later (memcached binary protocol: flush).

/// The two marks of a flush.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flush {
    /// Items with this CAS or a lower one are gone.
    cas: u64,
    /// The unix second in which everything will be missing; [`NEVER`] if none is pending.
    at: u64,
}

/// Beyond every second that 32 bits can say.
const NEVER: u64 = u64::MAX;

impl Flush {
    pub(super) const NONE: Flush = Flush { cas: 0, at: NEVER };

    /// Whether an item is gone.
    #[inline]
    pub(super) fn covers(&self, cas: u64, now: u32) -> bool {
        cas <= self.cas || u64::from(now) >= self.at
    }

    /// Carries out a pending flush whose second is over; `cas` is the last one handed out, before the operation at work.
    /// Returns whether there was one.
    #[inline]
    pub(super) fn settle(&mut self, cas: u64, now: u32) -> bool {
        let is_over = u64::from(now) > self.at;
        if is_over {
            *self = Flush { cas, at: NEVER };
        }
        is_over
    }

    /// Takes a command, which replaces one that is pending. `when` is an absolute second; 0 and one that is over take
    /// effect at once. The present second is not over: it also takes what is stored until its end. Returns whether what is
    /// there is gone for good.
    pub(super) fn set(&mut self, when: u32, cas: u64, now: u32) -> bool {
        let is_immediate = when == 0 || when < now;
        let is_final = is_immediate || u64::from(now) >= self.at;
        if is_final {
            self.cas = cas;
        }
        self.at = if is_immediate { NEVER } else { when.into() };
        is_final
    }
}
