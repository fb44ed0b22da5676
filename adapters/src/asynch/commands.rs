//! memcached's commands, one method each.

use embedded_io_async::{Read, Write};
use memlet_core::connection::client::ReplyErrorKind;
use memlet_core::counters::Tally;
use memlet_core::wire::{Opcode, Response, Status};

use super::Client;
use super::client::Outcome;
#[cfg(feature = "alloc")]
use crate::client::text;
use crate::client::{
    Buffer, Command, Counter, Error, Item, Mechanisms, RequestError, SaslAnswer, Touched, found,
};

impl<S: Read + Write, B: Buffer, T: Tally, const RUNS: usize> Client<S, B, T, RUNS> {
    /// Reads an item; `None` when there is none.
    ///
    /// Dropped, it leaves the client of use; the reply is dropped when it comes.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the value does not fit a buffer of fixed size.
    pub async fn get(&mut self, key: &[u8]) -> Outcome<Option<Item<'_>>, S> {
        self.fetch(&Command::get(key)).await
    }

    /// Reads an item and sets when it expires, in seconds as for [`Command::expiration`].
    ///
    /// Dropped, it leaves the client of use; the time may be set.
    ///
    /// # Errors
    /// As [`Client::get`].
    #[doc(alias = "gat")]
    pub async fn get_and_touch(
        &mut self,
        key: &[u8],
        expiration: u32,
    ) -> Outcome<Option<Item<'_>>, S> {
        self.fetch(&Command::get_and_touch(key, expiration)).await
    }

    /// Reads an item with any of the commands that do so: GET, GETK, GAT, GATK.
    ///
    /// Dropped, it leaves the client of use; the reply is dropped when it comes, and the time of GAT may be set.
    ///
    /// # Errors
    /// As [`Client::get`]; [`RequestError::WrongCommand`] for any other command.
    pub async fn fetch(&mut self, command: &Command<'_>) -> Outcome<Option<Item<'_>>, S> {
        let opcode = command.opcode();
        if !matches!(
            opcode,
            Opcode::GET | Opcode::GETK | Opcode::GAT | Opcode::GATK
        ) {
            return Err(RequestError::WrongCommand(opcode).into());
        }
        let arrived = self.call(command).await?;
        match self.exchange.accepted(&arrived) {
            Ok(_) => {}
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        }
        match Item::read(&self.exchange.response(&arrived)) {
            Err(kind) => Err(self.exchange.reject(kind, &arrived)),
            // Read again, as the borrow of the first time would outlive the other way out.
            Ok(_) => Ok(Item::read(&self.exchange.response(&arrived)).ok()),
        }
    }

    /// Reads an item whose value may be longer than the client's buffer: `each` gets it piece by piece, in order.
    ///
    /// Dropped, it leaves the client of use; the pieces that are left are dropped when they come.
    ///
    /// # Errors
    /// An error after the first piece means that the value is incomplete.
    pub async fn get_pieces(
        &mut self,
        key: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Outcome<Option<Touched>, S> {
        let opaque = self.start(&Command::get(key)).await?;
        let arrived = self.wait_head(opaque).await?;
        let Response { status, opcode, .. } = self.exchange.response(&arrived);
        match status {
            Status::SUCCESS => {}
            Status::KEY_ENOENT => return Ok(None),
            status => return Err(Error::Refused { opcode, status }),
        }
        let touched = match self.exchange.touched(&arrived) {
            Ok(touched) => touched,
            Err(kind) => return Err(self.exchange.reject(kind, &arrived)),
        };
        loop {
            match self.exchange.poll_value()? {
                Some([]) => return Ok(Some(touched)),
                Some(piece) => each(piece),
                None => self.fill().await?,
            }
        }
    }

    /// Reads an item into `target`, however short the client's own buffer is. The value is the first
    /// [`value_len`](Touched::value_len) bytes of it afterwards.
    ///
    /// Dropped, it leaves the client of use, and anything in `target`.
    ///
    /// # Errors
    /// [`Error::TooLong`], with the length that `target` would have to have, when the value does not fit it.
    pub async fn get_into(&mut self, key: &[u8], target: &mut [u8]) -> Outcome<Option<Touched>, S> {
        let len = target.len();
        let mut rest = target;
        let touched = self
            .get_pieces(key, |piece| {
                if let Some((place, behind)) =
                    core::mem::take(&mut rest).split_at_mut_checked(piece.len())
                {
                    place.copy_from_slice(piece);
                    rest = behind;
                }
            })
            .await?;
        match touched {
            Some(Touched { value_len, .. }) if value_len as usize > len => {
                Err(Error::TooLong { value_len })
            }
            touched => Ok(touched),
        }
    }

    /// Stores an item, whether or not there is one; returns its CAS.
    ///
    /// Dropped, the change is made or not, and the client stays of use, but for a value cut short:
    /// [what dropping leaves](super#what-dropping-a-future-leaves).
    pub async fn set(&mut self, key: &[u8], value: &[u8]) -> Outcome<u64, S> {
        self.store(&Command::set(key, value)).await
    }

    /// Stores an item if there is none; returns its CAS.
    ///
    /// Dropped, the change is made or not, and the client stays of use, but for a value cut short:
    /// [what dropping leaves](super#what-dropping-a-future-leaves).
    ///
    /// # Errors
    /// [`Status::KEY_EEXISTS`] if there is one.
    pub async fn add(&mut self, key: &[u8], value: &[u8]) -> Outcome<u64, S> {
        self.store(&Command::add(key, value)).await
    }

    /// Stores an item if there is one; returns its CAS.
    ///
    /// Dropped, the change is made or not, and the client stays of use, but for a value cut short:
    /// [what dropping leaves](super#what-dropping-a-future-leaves).
    ///
    /// # Errors
    /// [`Status::KEY_ENOENT`] if there is none.
    pub async fn replace(&mut self, key: &[u8], value: &[u8]) -> Outcome<u64, S> {
        self.store(&Command::replace(key, value)).await
    }

    /// Puts `value` behind that of an item; returns its CAS.
    ///
    /// Dropped, the change is made or not, and the client stays of use, but for a value cut short:
    /// [what dropping leaves](super#what-dropping-a-future-leaves).
    ///
    /// # Errors
    /// [`Status::NOT_STORED`] if there is none.
    pub async fn append(&mut self, key: &[u8], value: &[u8]) -> Outcome<u64, S> {
        self.store(&Command::append(key, value)).await
    }

    /// Puts `value` before that of an item; returns its CAS.
    ///
    /// Dropped, the change is made or not, and the client stays of use, but for a value cut short:
    /// [what dropping leaves](super#what-dropping-a-future-leaves).
    ///
    /// # Errors
    /// [`Status::NOT_STORED`] if there is none.
    pub async fn prepend(&mut self, key: &[u8], value: &[u8]) -> Outcome<u64, S> {
        self.store(&Command::prepend(key, value)).await
    }

    /// Sends a command that is answered with a status and a CAS: SET, ADD, REPLACE, APPEND, PREPEND, DELETE, with flags,
    /// expiration and the CAS that the item must have. Returns the new CAS; 0 after DELETE.
    ///
    /// Dropped, the change is made or not, and the client stays of use, but for a value cut short:
    /// [what dropping leaves](super#what-dropping-a-future-leaves).
    ///
    /// # Errors
    /// [`Status::KEY_EEXISTS`] when the CAS is another; [`Status::KEY_ENOENT`] or [`Status::NOT_STORED`] when there is
    /// no item that the command could change.
    pub async fn store(&mut self, command: &Command<'_>) -> Outcome<u64, S> {
        let arrived = self.call(command).await?;
        Ok(self.exchange.accepted(&arrived)?.cas)
    }

    /// Deletes an item; whether there was one.
    ///
    /// Dropped, the item is deleted or not; the client stays of use.
    pub async fn delete(&mut self, key: &[u8]) -> Outcome<bool, S> {
        found(self.store(&Command::delete(key)).await)
    }

    /// Sets when an item expires, in seconds as for [`Command::expiration`]; whether there is one.
    ///
    /// Dropped, the time is set or not; the client stays of use.
    pub async fn touch(&mut self, key: &[u8], expiration: u32) -> Outcome<bool, S> {
        found(self.store(&Command::touch(key, expiration)).await)
    }

    /// Adds to a counter, modulo 2^64, and returns its value; `None` when there is none.
    ///
    /// Dropped, the counter has changed or not; the client stays of use.
    ///
    /// # Errors
    /// [`Status::DELTA_BADVAL`] when the item is no number.
    #[doc(alias = "incr")]
    pub async fn increment(&mut self, key: &[u8], delta: u64) -> Outcome<Option<u64>, S> {
        let counter = self.count(&Command::increment(key, delta)).await?;
        Ok(counter.map(|counter| counter.value))
    }

    /// Subtracts from a counter, down to 0, and returns its value; `None` when there is none.
    ///
    /// Dropped, the counter has changed or not; the client stays of use.
    ///
    /// # Errors
    /// [`Status::DELTA_BADVAL`] when the item is no number.
    #[doc(alias = "decr")]
    pub async fn decrement(&mut self, key: &[u8], delta: u64) -> Outcome<Option<u64>, S> {
        let counter = self.count(&Command::decrement(key, delta)).await?;
        Ok(counter.map(|counter| counter.value))
    }

    /// Changes a counter with a command of its own: [`Command::increment`] or [`Command::decrement`] with an initial
    /// value, an expiration, a CAS. `None` when there is none and no initial value.
    ///
    /// Dropped, the counter has changed or not; the client stays of use.
    ///
    /// # Errors
    /// As [`Client::increment`]; [`RequestError::WrongCommand`] for any other command.
    pub async fn count(&mut self, command: &Command<'_>) -> Outcome<Option<Counter>, S> {
        let opcode = command.opcode();
        if !matches!(opcode, Opcode::INCREMENT | Opcode::DECREMENT) {
            return Err(RequestError::WrongCommand(opcode).into());
        }
        let arrived = self.call(command).await?;
        let counter = match self.exchange.accepted(&arrived) {
            Ok(response) => Counter::read(&response),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        counter
            .map(Some)
            .map_err(|kind| self.exchange.reject(kind, &arrived))
    }

    /// Deletes everything, now (0) or at a time, in seconds as for [`Command::expiration`].
    ///
    /// Dropped, everything is deleted or not; the client stays of use.
    pub async fn flush(&mut self, when: u32) -> Outcome<(), S> {
        self.store(&Command::flush(when)).await.map(|_| ())
    }

    /// Asks for a sign of life.
    ///
    /// Dropped, it leaves the client of use; the reply is dropped when it comes.
    pub async fn noop(&mut self) -> Outcome<(), S> {
        self.store(&Command::noop()).await.map(|_| ())
    }

    /// The server's version, as it says it.
    ///
    /// Dropped, it leaves the client of use; the reply is dropped when it comes.
    pub async fn version(&mut self) -> Outcome<&[u8], S> {
        let arrived = self.call(&Command::version()).await?;
        Ok(self.exchange.accepted(&arrived)?.value)
    }

    /// Sets how much the server logs.
    ///
    /// memcached has no such command in the binary protocol, and waits for the body of an unknown one twice: from it there
    /// is no answer until the client's time is over.
    ///
    /// Dropped, the level is set or not; the client stays of use.
    pub async fn verbosity(&mut self, level: u32) -> Outcome<(), S> {
        self.store(&Command::verbosity(level)).await.map(|_| ())
    }

    /// Asks for a group of statistics (the empty one is the general group): `each` gets name and value of one after the
    /// other.
    ///
    /// Dropped, it leaves the client of use; the statistics that are left are dropped when they come.
    ///
    /// # Errors
    /// [`Status::KEY_ENOENT`] for a group that the server does not know.
    pub async fn stats(
        &mut self,
        group: &[u8],
        mut each: impl FnMut(&[u8], &[u8]),
    ) -> Outcome<(), S> {
        let opaque = self.start(&Command::stat(group)).await?;
        loop {
            let arrived = self.wait(opaque).await?;
            if !arrived.is_last && !arrived.is_whole {
                // A statistic that nobody has room for must not hide the others.
                continue;
            }
            let response = self.exchange.accepted(&arrived)?;
            if arrived.is_last {
                return Ok(());
            }
            each(response.key, response.value);
        }
    }

    /// [`Client::stats`] as a list.
    ///
    /// Dropped, it loses what has come, and leaves the client of use.
    #[cfg(feature = "alloc")]
    #[doc(alias = "StatValue")]
    pub async fn stats_list(
        &mut self,
        group: &[u8],
    ) -> Outcome<alloc::vec::Vec<(alloc::string::String, alloc::string::String)>, S> {
        let mut list = alloc::vec::Vec::new();
        self.stats(group, |name, value| list.push((text(name), text(value))))
            .await?;
        Ok(list)
    }

    /// [`Client::stats`] by name; of several values of a name the last.
    ///
    /// Dropped, it loses what has come, and leaves the client of use.
    #[cfg(feature = "alloc")]
    pub async fn stats_map(
        &mut self,
        group: &[u8],
    ) -> Outcome<alloc::collections::BTreeMap<alloc::string::String, alloc::string::String>, S>
    {
        let mut map = alloc::collections::BTreeMap::new();
        self.stats(group, |name, value| {
            map.insert(text(name), text(value));
        })
        .await?;
        Ok(map)
    }

    /// Says goodbye and waits for the answer; the client is of no more use then.
    ///
    /// Dropped, the server may close: the next operation says so.
    pub async fn quit(&mut self) -> Outcome<(), S> {
        let arrived = self.call(&Command::custom(Opcode::QUIT)).await?;
        self.exchange.accepted(&arrived)?;
        let machine = self.exchange.machine_mut();
        let _ = machine.abandon(ReplyErrorKind::Ended);
        Ok(())
    }

    /// The mechanisms that the server offers for logging in.
    ///
    /// memcached forgets a login that was there when it is asked this.
    ///
    /// Dropped, it leaves the client of use; the reply is dropped when it comes.
    #[doc(alias = "AuthList")]
    pub async fn sasl_mechanisms(&mut self) -> Outcome<Mechanisms<'_>, S> {
        let arrived = self.call(&Command::custom(Opcode::SASL_LIST_MECHS)).await?;
        Ok(Mechanisms(self.exchange.accepted(&arrived)?.value))
    }

    /// Logs in with PLAIN, if the server offers it. The password goes over the connection as it is.
    ///
    /// Dropped, the login is done or not; the client stays of use, and it may be repeated.
    ///
    /// # Errors
    /// [`Error::NoPlain`]; [`Status::AUTH_ERROR`] when user or password is wrong; [`Status::UNKNOWN_COMMAND`] when the
    /// server wants no login.
    #[doc(alias = "Auth")]
    pub async fn authenticate(&mut self, user: &[u8], password: &[u8]) -> Outcome<(), S> {
        if !self.sasl_mechanisms().await?.contains(b"PLAIN") {
            return Err(Error::NoPlain);
        }
        // The first field, on whose behalf the user acts, stays empty.
        let message: [&[u8]; 4] = [b"\0", user, b"\0", password];
        let command = Command::custom(Opcode::SASL_AUTH).key(b"PLAIN");
        let arrived = self.call_pieces(&command, &message).await?;
        match self.exchange.accepted(&arrived) {
            Err(error) if error.status() == Some(Status::AUTH_CONTINUE) => {
                Err(Error::UnexpectedChallenge)
            }
            accepted => accepted.map(|_| ()),
        }
    }

    /// Starts to log in with any mechanism and its first message.
    ///
    /// Dropped, nobody knows how far the login has come: start it again.
    ///
    /// # Errors
    /// [`Status::AUTH_ERROR`] when the server refuses.
    pub async fn sasl_start(
        &mut self,
        mechanism: &[u8],
        message: &[u8],
    ) -> Outcome<SaslAnswer<'_>, S> {
        self.sasl(Opcode::SASL_AUTH, mechanism, message).await
    }

    /// Goes on logging in, with the answer to a challenge.
    ///
    /// Dropped, nobody knows how far the login has come: start it again.
    ///
    /// # Errors
    /// [`Status::AUTH_ERROR`] when the server refuses.
    pub async fn sasl_step(
        &mut self,
        mechanism: &[u8],
        message: &[u8],
    ) -> Outcome<SaslAnswer<'_>, S> {
        self.sasl(Opcode::SASL_STEP, mechanism, message).await
    }

    async fn sasl(
        &mut self,
        opcode: Opcode,
        mechanism: &[u8],
        message: &[u8],
    ) -> Outcome<SaslAnswer<'_>, S> {
        let arrived = self
            .call(&Command::custom(opcode).key(mechanism).value(message))
            .await?;
        let response = self.exchange.whole(&arrived)?;
        match response.status {
            Status::SUCCESS => Ok(SaslAnswer::Done(response.value)),
            Status::AUTH_CONTINUE => Ok(SaslAnswer::Continue(response.value)),
            status => Err(Error::Refused { opcode, status }),
        }
    }
}
