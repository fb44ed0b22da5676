//! Couchbase's commands that a client of key and value needs.

use embedded_io_async::{Read, Write};
use memlet_core::counters::Tally;
use memlet_core::wire::Opcode;

use super::Client;
use super::client::Outcome;
use crate::client::{Buffer, Command, Features, ObserveRequest, Observed};

impl<S: Read + Write, B: Buffer, T: Tally, const RUNS: usize> Client<S, B, T, RUNS> {
    /// Chooses the bucket that all commands after it are about.
    ///
    /// Dropped, the bucket is chosen or not; the client stays of use.
    pub async fn select_bucket(&mut self, name: &[u8]) -> Outcome<(), S> {
        self.store(&Command::custom(Opcode::SELECT_BUCKET).key(name))
            .await
            .map(|_| ())
    }

    /// Says who the client is, and asks for features by their numbers; returns those that the server grants.
    ///
    /// Of those that change the connection, the client supports what changes the contents of packets. It expects the
    /// replies in order, so unordered execution (0x0e) must not be asked for, nor requests of the server (0x0c).
    ///
    /// Dropped, the features are granted or not; the client stays of use.
    ///
    /// # Errors
    /// [`RequestError::TooLong`](crate::client::RequestError::TooLong) for more than [`Features::ASKED_MAX`] features.
    pub async fn hello(&mut self, agent: &[u8], features: &[u16]) -> Outcome<Features<'_>, S> {
        let mut bytes = [0; 2 * Features::ASKED_MAX];
        let list = Features::write(features, &mut bytes)?;
        let arrived = self
            .call(&Command::custom(Opcode::HELLO).key(agent).value(list))
            .await?;
        Ok(Features(self.exchange.accepted(&arrived)?.value))
    }

    /// Asks whether the last change of a key has reached the disk.
    ///
    /// [`Observed::check_persistence`] reads the answer.
    ///
    /// Dropped, it leaves the client of use; the reply is dropped when it comes.
    #[doc(alias = "OBSERVE")]
    pub async fn observe(&mut self, vbucket: u16, key: &[u8]) -> Outcome<Observed, S> {
        let request = ObserveRequest::new(vbucket, key, self.settings().key_len_max)?;
        let command = Command::custom(Opcode::OBSERVE).vbucket(vbucket);
        let arrived = self.call_pieces(&command, &[&request.head, key]).await?;
        let observed = self
            .exchange
            .accepted(&arrived)
            .map(|response| request.read(&response))?;
        observed.map_err(|kind| self.exchange.reject(kind, &arrived))
    }
}
