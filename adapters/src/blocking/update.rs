//! Compare and swap, in both forms.

use embedded_io::{Read, Write};
use memlet_core::counters::Tally;

use super::Client;
use super::client::Outcome;
use crate::client::{self, Attempt, Buffer, Change, Error, Item, Update, UpdateStep};

impl<S: Read + Write, B: Buffer, T: Tally, const RUNS: usize> Client<S, B, T, RUNS> {
    /// Reads an item, lets `change` decide what becomes of it, and does that unless somebody else has changed the item
    /// meanwhile; then all over again, as often as the [`Update`] allows.
    ///
    /// # Errors
    /// [`Error::Contended`] when others were faster each time; [`Error::NoCas`] when the server gives items no CAS, so
    /// that nobody could notice.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # #[cfg(feature = "std")] {
    /// # use memlet::client::{Change, Update};
    /// # use memlet::std::{ConnectOptions, connect};
    /// # let mut client = connect("127.0.0.1:11211", &ConnectOptions::default())?;
    /// // Keeps the longest name.
    /// client.update(Update::new(b"longest"), |item| match item {
    ///     Some(item) if item.value.len() >= 4 => Change::Quit,
    ///     _ => Change::Store("Anna"),
    /// })?;
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "CAS")]
    pub fn update<V: AsRef<[u8]>>(
        &mut self,
        update: Update<'_>,
        mut change: impl FnMut(Option<Item<'_>>) -> Change<V>,
    ) -> Outcome<client::Outcome, S> {
        let mut update = update;
        let mut wanted = change(self.update_start(&mut update)?);
        loop {
            wanted = match self.update_next(&mut update, &wanted)? {
                UpdateStep::Done(outcome) => return Ok(outcome),
                UpdateStep::Again(item) => change(item),
            };
        }
    }

    /// Starts a compare-and-swap step by step: reads the item. For those who want to do something else, or wait,
    /// between the steps.
    ///
    /// # Errors
    /// [`Error::NoCas`] when the server gives items no CAS.
    pub fn update_start(&mut self, update: &mut Update<'_>) -> Outcome<Option<Item<'_>>, S> {
        let item = self.get(update.key())?;
        match update.note(item.as_ref()) {
            true => Ok(item),
            false => Err(Error::NoCas),
        }
    }

    /// Tries to make a change of the item as it was read last; reads it again if somebody else was faster.
    ///
    /// # Errors
    /// [`Error::Contended`] when the [`Update`] allows no more attempts; [`Error::NoCas`].
    #[doc(alias = "CASNext")]
    pub fn update_next<V: AsRef<[u8]>>(
        &mut self,
        update: &mut Update<'_>,
        change: &Change<V>,
    ) -> Outcome<UpdateStep<'_>, S> {
        let (command, outcome) = match update.attempt(change) {
            Attempt::Done(outcome) => return Ok(UpdateStep::Done(outcome)),
            Attempt::Send(command, outcome) => (command, outcome),
        };
        match self.store(&command) {
            Ok(cas) => {
                return Ok(UpdateStep::Done(match outcome {
                    client::Outcome::Stored { .. } => client::Outcome::Stored { cas },
                    other => other,
                }));
            }
            Err(error) if error.status().is_some_and(Update::is_conflict) => {}
            Err(error) => return Err(error),
        }
        if !update.note_conflict() {
            let attempts = update.failed_attempts();
            return Err(Error::Contended { attempts });
        }
        self.update_start(update).map(UpdateStep::Again)
    }
}
