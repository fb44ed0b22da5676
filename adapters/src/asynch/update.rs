//! Compare and swap, in both forms.

use embedded_io_async::{Read, Write};
use memlet_core::counters::Tally;

use super::Client;
use super::client::Outcome;
use crate::client::{self, Attempt, Buffer, Change, Error, Item, Update, UpdateStep};

impl<S: Read + Write, B: Buffer, T: Tally, const RUNS: usize> Client<S, B, T, RUNS> {
    /// Reads an item, lets `change` decide what becomes of it, and does that unless somebody else has changed the item
    /// meanwhile; then all over again, as often as the [`Update`] allows.
    ///
    /// Dropped, the change is made or not, and the client stays of use, but for a value cut short:
    /// [what dropping leaves](super#what-dropping-a-future-leaves).
    ///
    /// # Errors
    /// [`Error::Contended`] when others were faster each time; [`Error::NoCas`] when the server gives items no CAS, so
    /// that nobody could notice.
    ///
    /// ```no_run
    /// # async fn keep(
    /// #     client: &mut memlet::asynch::Client<
    /// #         embedded_io_adapters::tokio_1::FromTokio<tokio::net::TcpStream>, Vec<u8>>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// # use memlet::client::{Change, Update};
    /// // Keeps the longest name.
    /// client.update(Update::new(b"longest"), |item| match item {
    ///     Some(item) if item.value.len() >= 4 => Change::Quit,
    ///     _ => Change::Store("Anna"),
    /// }).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "CAS")]
    pub async fn update<V: AsRef<[u8]>>(
        &mut self,
        update: Update<'_>,
        mut change: impl FnMut(Option<Item<'_>>) -> Change<V>,
    ) -> Outcome<client::Outcome, S> {
        let mut update = update;
        let mut wanted = change(self.update_start(&mut update).await?);
        loop {
            wanted = match self.update_next(&mut update, &wanted).await? {
                UpdateStep::Done(outcome) => return Ok(outcome),
                UpdateStep::Again(item) => change(item),
            };
        }
    }

    /// Starts a compare-and-swap step by step: reads the item. For those who want to do something else, or wait,
    /// between the steps.
    ///
    /// Dropped, it leaves the client of use; start again.
    ///
    /// # Errors
    /// [`Error::NoCas`] when the server gives items no CAS.
    pub async fn update_start(&mut self, update: &mut Update<'_>) -> Outcome<Option<Item<'_>>, S> {
        let item = self.get(update.key()).await?;
        match update.note(item.as_ref()) {
            true => Ok(item),
            false => Err(Error::NoCas),
        }
    }

    /// Tries to make a change of the item as it was read last; reads it again if somebody else was faster.
    ///
    /// Dropped, the change is made or not: start again with what the item is then. For the client see
    /// [what dropping leaves](super#what-dropping-a-future-leaves).
    ///
    /// # Errors
    /// [`Error::Contended`] when the [`Update`] allows no more attempts; [`Error::NoCas`].
    #[doc(alias = "CASNext")]
    pub async fn update_next<V: AsRef<[u8]>>(
        &mut self,
        update: &mut Update<'_>,
        change: &Change<V>,
    ) -> Outcome<UpdateStep<'_>, S> {
        let (command, outcome) = match update.attempt(change) {
            Attempt::Done(outcome) => return Ok(UpdateStep::Done(outcome)),
            Attempt::Send(command, outcome) => (command, outcome),
        };
        match self.store(&command).await {
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
        self.update_start(update).await.map(UpdateStep::Again)
    }
}
