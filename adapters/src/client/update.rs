//! Compare and swap: read an item, change it, store it unless somebody else was faster; again if so.

use memlet_core::wire::Status;

use super::{Command, Item};

/// What to do with an item that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<V> {
    /// Store this value. An item that was there keeps its flags.
    Store(V),
    /// Delete the item.
    #[doc(alias = "CASDelete")]
    Delete,
    /// Leave it as it is.
    #[doc(alias = "CASQuit")]
    Quit,
}

/// How a compare-and-swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// The value was stored.
    Stored {
        /// The new version of the item.
        cas: u64,
    },
    /// The item was deleted.
    Deleted,
    /// There was nothing to delete.
    Missing,
    /// The item was left as it is.
    Quit,
}

/// What the step by step form wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum UpdateStep<'a> {
    /// It has ended.
    Done(Outcome),
    /// Somebody else has changed the item: this is what it is now. Try again with a change of that.
    Again(Option<Item<'a>>),
}

/// A compare-and-swap of one item: what is known of the item, and how often it was tried.
///
/// ```
/// use memlet::client::Update;
///
/// let update = Update::new(b"visits").expiration(3600).attempts(10);
/// # let _ = update;
/// ```
#[doc(alias = "CASState")]
#[derive(Clone, Copy, Debug)]
pub struct Update<'k> {
    key: &'k [u8],
    expiration: u32,
    new_flags: u32,
    attempts_max: u32,
    attempts: u32,
    /// CAS and flags of the item as it was read last.
    current: Option<(u64, u32)>,
}

impl<'k> Update<'k> {
    /// How often it is tried unless [`Update::attempts`] says otherwise.
    pub const ATTEMPTS_MAX: u32 = 100;

    /// Of the item with this key.
    #[must_use]
    pub const fn new(key: &'k [u8]) -> Update<'k> {
        Update {
            key,
            expiration: 0,
            new_flags: 0,
            attempts_max: Update::ATTEMPTS_MAX,
            attempts: 0,
            current: None,
        }
    }

    /// When the item expires after it was stored, in seconds as for
    /// [`Command::expiration`](super::Command::expiration); 0, never, unless it is said.
    #[must_use]
    pub const fn expiration(mut self, expiration: u32) -> Update<'k> {
        self.expiration = expiration;
        self
    }

    /// The flags of an item that was not there before; one that was keeps its own.
    #[must_use]
    pub const fn new_flags(mut self, flags: u32) -> Update<'k> {
        self.new_flags = flags;
        self
    }

    /// How often to try before [`Error::Contended`](super::Error::Contended); at least once.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Update<'k> {
        self.attempts_max = attempts;
        self
    }

    /// How often it was tried without success: for those who wait longer each time.
    #[must_use]
    pub const fn failed_attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn key(&self) -> &'k [u8] {
        self.key
    }

    /// Notes the item as it is now; false if it cannot be changed safely, as it has no CAS.
    pub(crate) fn note(&mut self, item: Option<&Item<'_>>) -> bool {
        self.current = item.map(|item| (item.cas, item.flags));
        self.current.is_none_or(|(cas, _)| cas != 0)
    }

    /// The command that makes a change, or the end if there is none to send.
    pub(crate) fn attempt<'v>(&self, change: &'v Change<impl AsRef<[u8]>>) -> Attempt<'v>
    where
        'k: 'v,
    {
        match (change, self.current) {
            (Change::Quit, _) => Attempt::Done(Outcome::Quit),
            (Change::Delete, None) => Attempt::Done(Outcome::Missing),
            (Change::Delete, Some((cas, _))) => {
                Attempt::Send(Command::delete(self.key).cas(cas), Outcome::Deleted)
            }
            (Change::Store(value), current) => {
                let command = match current {
                    Some((cas, flags)) => {
                        Command::set(self.key, value.as_ref()).cas(cas).flags(flags)
                    }
                    None => Command::add(self.key, value.as_ref()).flags(self.new_flags),
                };
                let command = command.expiration(self.expiration);
                Attempt::Send(command, Outcome::Stored { cas: 0 })
            }
        }
    }

    /// Whether a status says that somebody else was faster: the item changed, came to be, or was deleted.
    pub(crate) fn is_conflict(status: Status) -> bool {
        matches!(
            status,
            Status::KEY_EEXISTS | Status::KEY_ENOENT | Status::NOT_STORED
        )
    }

    /// Notes that somebody else was faster; false when that was the last attempt.
    pub(crate) fn note_conflict(&mut self) -> bool {
        self.attempts = self.attempts.saturating_add(1);
        self.attempts < self.attempts_max
    }
}

/// What a change comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attempt<'v> {
    /// Nothing has to be sent.
    Done(Outcome),
    /// This has to be sent; with success it comes to that.
    Send(Command<'v>, Outcome),
}
