//! The part of a batch that is under way.

use memlet_core::wire::Response;

/// What became of one command of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Answer<'a> {
    /// It was quiet and stayed silent: a get missed, anything else succeeded.
    Silent,
    /// It was answered, maybe with the status of an error. Statistics are answered several times.
    Response(&'a Response<'a>),
    /// It was answered, but the answer was too long for the client's buffer.
    TooLong {
        /// Length of the value in bytes.
        value_len: u32,
    },
}

/// Commands that were sent together, and how many of them are done with.
///
/// Their opaques follow by one, so a reply's place in the batch is its distance from the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Place in the batch of the first command.
    first_index: usize,
    first_opaque: u32,
    count: u32,
    done: u32,
    /// Whether the reply to a NOOP behind the last command is still to come.
    is_noop_due: bool,
}

impl Window {
    pub(crate) fn new(first_index: usize, first_opaque: u32) -> Window {
        Window {
            first_index,
            first_opaque,
            count: 0,
            done: 0,
            is_noop_due: false,
        }
    }

    pub(crate) fn first_opaque(&self) -> u32 {
        self.first_opaque
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Notes that a command has been staged.
    pub(crate) fn push(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// Notes that a NOOP has been staged behind the last command.
    pub(crate) fn push_noop(&mut self) {
        self.is_noop_due = true;
    }

    /// Place in the batch of the first command behind this window.
    pub(crate) fn end(&self) -> usize {
        self.first_index.saturating_add(self.count as usize)
    }

    /// Whether every command is done with, and nothing in flight any more.
    pub(crate) fn is_done(&self) -> bool {
        self.done >= self.count && !self.is_noop_due
    }

    /// Hands out what a reply says: that those before it were silent, and its own answer. The reply to the NOOP behind
    /// the last command says no more than the former.
    pub(crate) fn deliver(
        &mut self,
        opaque: u32,
        is_last: bool,
        answer: Answer<'_>,
        each: &mut impl FnMut(usize, Answer<'_>),
    ) {
        let place = opaque.wrapping_sub(self.first_opaque).min(self.count);
        while self.done < place {
            each(self.index(self.done), Answer::Silent);
            self.done += 1;
        }
        if place < self.count {
            each(self.index(place), answer);
            self.done += u32::from(is_last);
        } else {
            self.is_noop_due = false;
        }
    }

    fn index(&self, place: u32) -> usize {
        self.first_index.saturating_add(place as usize)
    }
}
