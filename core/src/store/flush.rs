//! Making everything missing, now or later (memcached binary protocol: flush).

/// The two marks of a flush.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flush {
    /// Items with this CAS or a lower one are gone.
    cas: u64,
    /// The unix second in which everything will be missing, if one is pending.
    at: Option<u32>,
}

impl Flush {
    pub(super) const NONE: Flush = Flush { cas: 0, at: None };

    /// Whether an item is gone.
    #[inline]
    pub(super) fn covers(&self, cas: u64, now: u32) -> bool {
        cas <= self.cas || self.at.is_some_and(|at| now >= at)
    }

    /// Carries out a pending flush whose second is over; `cas` is the last one handed out, before the operation at work.
    /// Returns whether there was one.
    #[inline]
    pub(super) fn settle(&mut self, cas: u64, now: u32) -> bool {
        let is_over = self.at.is_some_and(|at| now > at);
        if is_over {
            *self = Flush { cas, at: None };
        }
        is_over
    }

    /// Takes a command, which replaces one that is pending. `when` is an absolute second; 0 and one that is over take
    /// effect at once. The present second is not over: it also takes what is stored until its end. Returns whether what is
    /// there is gone for good.
    pub(super) fn set(&mut self, when: u32, cas: u64, now: u32) -> bool {
        let is_immediate = when == 0 || when < now;
        let is_final = is_immediate || self.at.is_some_and(|at| now >= at);
        if is_final {
            self.cas = cas;
        }
        self.at = (!is_immediate).then_some(when);
        is_final
    }
}
