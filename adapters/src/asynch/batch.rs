//! Many commands in one go.

use embedded_io_async::{Read, Write};
use memlet_core::counters::Tally;
use memlet_core::wire::{Response, Status};

use super::Client;
use super::client::Outcome;
use crate::client::{Answer, Buffer, Command, Error, Item, RequestError, Stage, Window, refusal};

impl<S: Read + Write, B: Buffer, T: Tally, const RUNS: usize> Client<S, B, T, RUNS> {
    /// Sends any commands, loud and quiet, and tells `each`, by their place, what became of them, in order.
    ///
    /// They go out together, with a NOOP at the end that closes the silence of the quiet ones: one write, as far as
    /// [`unread_len_max`](crate::client::ClientSettings::unread_len_max) allows, and as many as it takes beyond that,
    /// with the replies read in between. So a batch of any length ends, whatever the server answers.
    ///
    /// Dropped, any number of the commands are done, and `each` was told of those before; the client stays of use, but for a
    /// value cut short: [what dropping leaves](super#what-dropping-a-future-leaves).
    ///
    /// # Errors
    /// [`Error::Request`] for the first command that cannot be sent: those before it have been, and `each` was told of
    /// them; those behind it have not. An error of the transport or of a reply may leave any number of them done.
    pub async fn batch<'c>(
        &mut self,
        commands: impl IntoIterator<Item = Command<'c>>,
        each: impl FnMut(usize, Answer<'_>),
    ) -> Outcome<(), S> {
        let (mut commands, mut each) = (commands.into_iter(), each);
        self.exchange.begin()?;
        if self.exchange.machine().in_flight() > 0 || self.exchange.is_answer_due() {
            // What is left from before must not take the room of the batch.
            self.settle().await?;
        }
        let mut next = commands.next();
        let mut first = 0;
        while next.is_some() {
            let mut window = Window::new(first, self.exchange.machine().next_opaque());
            let staged = self.stage_window(&mut window, &mut next, &mut commands);
            let refused = staged.await?;
            self.finish_window(&mut window, &mut each).await?;
            // An empty window would be staged again without end.
            let is_stuck = window.is_empty() && next.is_some();
            if let Some(error) = refused.or(is_stuck.then_some(RequestError::TableFull)) {
                return Err(error.into());
            }
            first = window.end();
        }
        Ok(())
    }

    /// Stages commands as long as they may be in flight together. What is wrong with the one after that, if it is for
    /// ever.
    async fn stage_window<'c>(
        &mut self,
        window: &mut Window,
        next: &mut Option<Command<'c>>,
        commands: &mut impl Iterator<Item = Command<'c>>,
    ) -> Outcome<Option<RequestError>, S> {
        let mut needs_noop = false;
        while let Some(command) = next {
            match self.exchange.stage_in_window(command) {
                Ok(None | Some(Stage::TableFull)) => break,
                Ok(Some(Stage::OutputFull)) => {
                    self.flush_output().await?;
                    continue;
                }
                Ok(Some(Stage::Staged { .. })) => {}
                Ok(Some(Stage::Value { .. })) => {
                    self.flush_output().await?;
                    self.write_value(command.value_bytes()).await?;
                }
                Err(Error::Request(error)) => {
                    self.close_window(window, needs_noop).await?;
                    return Ok(Some(error));
                }
                Err(error) => return Err(error),
            }
            window.push();
            needs_noop = self.exchange.machine().is_quiet(command.opcode());
            *next = commands.next();
        }
        self.close_window(window, needs_noop).await?;
        Ok(None)
    }

    /// Ends the silence of what has been staged, and sends it.
    async fn close_window(&mut self, window: &mut Window, needs_noop: bool) -> Outcome<(), S> {
        if needs_noop {
            self.write_command(&Command::noop()).await?;
            window.push_noop();
        }
        self.flush_output().await
    }

    /// Takes the replies to all that was staged.
    async fn finish_window(
        &mut self,
        window: &mut Window,
        each: &mut impl FnMut(usize, Answer<'_>),
    ) -> Outcome<(), S> {
        while !window.is_done() {
            let arrived = self.wait(window.first_opaque()).await?;
            let response = self.exchange.response(&arrived);
            let answer = match arrived.is_whole {
                true => Answer::Response(&response),
                false => Answer::TooLong {
                    value_len: arrived.value_len,
                },
            };
            window.deliver(arrived.opaque(), arrived.is_last, answer, each);
        }
        Ok(())
    }

    /// Reads the items of many keys in one go: `each` gets the place of every key that has one, and its item.
    ///
    /// Dropped, it leaves the client of use; the replies that are left are dropped when they come.
    ///
    /// # Errors
    /// As [`Client::batch`]; the first refusal of the server for any of the keys, once the others are done;
    /// [`Error::TooLong`] likewise for a value that does not fit a buffer of fixed size.
    #[doc(alias = "GetBulk")]
    pub async fn get_each<K: AsRef<[u8]>>(
        &mut self,
        keys: &[K],
        mut each: impl FnMut(usize, Item<'_>),
    ) -> Outcome<(), S> {
        let mut failed = None;
        let mut wrong = None;
        let commands = keys.iter().map(|key| Command::get(key.as_ref()).quiet());
        self.batch(commands, |index, answer| match answer {
            Answer::Silent => {}
            Answer::Response(response) if response.status == Status::SUCCESS => {
                match Item::read(response) {
                    Ok(item) => each(index, item),
                    Err(kind) => {
                        let front = Response {
                            opaque: response.opaque,
                            ..Response::new(response.opcode, response.status)
                        };
                        wrong = wrong.or(Some((kind, front)));
                    }
                }
            }
            other => failed = failed.take().or(refusal(&other)),
        })
        .await?;
        if let Some((kind, response)) = wrong {
            return Err(self.exchange.machine_mut().reject(kind, &response).into());
        }
        failed.map_or(Ok(()), Err)
    }

    /// [`Client::get_each`] as a list: the item of each key, or `None` where there is none.
    ///
    /// Dropped, it loses what has come, and leaves the client of use.
    ///
    /// # Errors
    /// As [`Client::get_each`].
    #[cfg(feature = "alloc")]
    pub async fn get_many<K: AsRef<[u8]>>(
        &mut self,
        keys: &[K],
    ) -> Outcome<alloc::vec::Vec<Option<crate::client::OwnedItem>>, S> {
        let mut items = alloc::vec![None; keys.len()];
        self.get_each(keys, |index, item| {
            if let Some(place) = items.get_mut(index) {
                *place = Some(item.to_owned());
            }
        })
        .await?;
        Ok(items)
    }

    /// Sends commands that store or delete, in their quiet form and in one go: `failed` gets the place and status of
    /// each that was refused. All others succeeded.
    ///
    /// Dropped, it is as [`Client::batch`].
    ///
    /// # Errors
    /// As [`Client::batch`].
    pub async fn store_many<'c>(
        &mut self,
        commands: impl IntoIterator<Item = Command<'c>>,
        mut failed: impl FnMut(usize, Status),
    ) -> Outcome<(), S> {
        let quiet = commands.into_iter().map(Command::quiet);
        self.batch(quiet, |index, answer| match answer {
            Answer::Response(response) if response.status != Status::SUCCESS => {
                failed(index, response.status);
            }
            _ => {}
        })
        .await
    }

    /// Stores many items in one go: `failed` gets the place and status of each that was refused.
    ///
    /// Dropped, it is as [`Client::batch`].
    ///
    /// # Errors
    /// As [`Client::batch`].
    pub async fn set_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        items: &[(K, V)],
        failed: impl FnMut(usize, Status),
    ) -> Outcome<(), S> {
        let commands = items.iter();
        let commands = commands.map(|(key, value)| Command::set(key.as_ref(), value.as_ref()));
        self.store_many(commands, failed).await
    }

    /// Deletes many items in one go; how many there were.
    ///
    /// Dropped, it is as [`Client::batch`].
    ///
    /// # Errors
    /// As [`Client::batch`]; the first refusal for another reason than that there is no such item, once the others are
    /// done.
    pub async fn delete_many<K: AsRef<[u8]>>(&mut self, keys: &[K]) -> Outcome<usize, S> {
        let mut deleted = keys.len();
        let mut refused = None;
        let opcode = Command::delete(&[]).opcode();
        let commands = keys.iter().map(|key| Command::delete(key.as_ref()));
        self.store_many(commands, |_, status| {
            deleted = deleted.saturating_sub(1);
            if !status.is_not_found() {
                refused = refused.or(Some(status));
            }
        })
        .await?;
        match refused {
            Some(status) => Err(Error::Refused { opcode, status }),
            None => Ok(deleted),
        }
    }
}
