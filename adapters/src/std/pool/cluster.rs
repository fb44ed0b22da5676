//! One client over several servers.

use std::io;
use std::time::Instant;

use memlet_core::connection::client::ReplyErrorKind;
use memlet_core::placement::PlacementError;
use memlet_core::wire::Status;

use super::health::Health;
use super::{
    ClusterError, ConnectionPool, Distribution, FailurePolicy, PartFailure, Placement, PoolOptions,
    PoolServer, PooledClient,
};
use crate::client::{Answer, Command, Counter, Error, Item, OwnedItem, refusal};
use crate::std::StdClient;

/// How a [`ClusterClient`] behaves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ClusterOptions {
    /// How keys are spread over the servers.
    pub distribution: Distribution,
    /// What happens when a server fails.
    pub failure: FailurePolicy,
    /// How connections are made and kept, for each server.
    pub connections: PoolOptions,
}

/// A client over several servers: each key lives on one of them, by its [`Distribution`].
///
/// Any number of threads may share it. Every operation takes a connection to the key's server, an idle one or a new one,
/// and gives it back afterwards. Operations on many keys go out to all their servers before the first answer is read.
///
/// A server that fails is put out for a while, as [`FailurePolicy`] says. An operation that fails is not tried again,
/// as nobody knows whether the server did it; with [`FailurePolicy::eject`] the next one on the key goes elsewhere.
///
/// ```no_run
/// use memlet::std::{ClusterClient, ClusterOptions};
///
/// let servers = ["cache1:11211", "cache2:11211", "cache3:11211"];
/// let servers = servers.iter().map(|server| server.parse()).collect::<Result<_, _>>()?;
/// let client = ClusterClient::new(servers, ClusterOptions::default())?;
/// client.set(b"user:17", b"Anna")?;
/// let (items, failures) = client.get_many(&[b"user:17", b"user:18"]);
/// assert!(failures.is_empty() && items[0].is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClusterClient {
    placement: Placement,
    nodes: Vec<Node>,
    policy: FailurePolicy,
}

/// A server of the pool.
#[derive(Debug)]
struct Node {
    connections: ConnectionPool,
    health: Health,
}

impl ClusterClient {
    /// A client over these servers; connects to none yet.
    ///
    /// # Errors
    /// No servers.
    pub fn new(
        servers: Vec<PoolServer>,
        options: ClusterOptions,
    ) -> Result<ClusterClient, PlacementError> {
        let placement = Placement::new(&servers, options.distribution)?;
        let node = |server| Node {
            connections: ConnectionPool::new(server, options.connections.clone()),
            health: Health::default(),
        };
        Ok(ClusterClient {
            placement,
            nodes: servers.into_iter().map(node).collect(),
            policy: options.failure,
        })
    }

    /// The server that holds `key` while none is out.
    #[must_use]
    pub fn server_of(&self, key: &[u8]) -> &PoolServer {
        self.nodes[self.placement.locate(key)].connections.server()
    }

    /// The servers that are not out after failures.
    pub fn servers_in(&self) -> impl Iterator<Item = &PoolServer> {
        let now = Instant::now();
        self.nodes
            .iter()
            .filter(move |node| node.health.is_in(now))
            .map(|node| node.connections.server())
    }

    /// Reads an item; `None` when there is none.
    ///
    /// # Errors
    /// The key's server is out, cannot be reached, or the operation fails there.
    pub fn get(&self, key: &[u8]) -> Result<Option<OwnedItem>, ClusterError> {
        self.with_server_of(key, |client| {
            let item = client.get(key)?;
            Ok(item.map(|item| item.to_owned()))
        })
    }

    /// Stores an item, whether or not there is one; returns its CAS.
    ///
    /// # Errors
    /// As [`ClusterClient::get`].
    pub fn set(&self, key: &[u8], value: &[u8]) -> Result<u64, ClusterError> {
        self.store(&Command::set(key, value))
    }

    /// Sends a command that is answered with a status and a CAS, as [`Client::store`](crate::blocking::Client::store).
    ///
    /// # Errors
    /// As [`ClusterClient::get`]; the refusal of the server.
    pub fn store(&self, command: &Command<'_>) -> Result<u64, ClusterError> {
        self.with_server_of(command.key_bytes(), |client| client.store(command))
    }

    /// Deletes an item; whether there was one.
    ///
    /// # Errors
    /// As [`ClusterClient::get`].
    pub fn delete(&self, key: &[u8]) -> Result<bool, ClusterError> {
        self.with_server_of(key, |client| client.delete(key))
    }

    /// Sets when an item expires, in seconds as for [`Command::expiration`]; whether there is one.
    ///
    /// # Errors
    /// As [`ClusterClient::get`].
    pub fn touch(&self, key: &[u8], expiration: u32) -> Result<bool, ClusterError> {
        self.with_server_of(key, |client| client.touch(key, expiration))
    }

    /// Changes a counter with [`Command::increment`] or [`Command::decrement`]; `None` when there is none and no initial
    /// value.
    ///
    /// # Errors
    /// As [`ClusterClient::get`]; [`Status::DELTA_BADVAL`] when the item is no number.
    pub fn count(&self, command: &Command<'_>) -> Result<Option<Counter>, ClusterError> {
        self.with_server_of(command.key_bytes(), |client| client.count(command))
    }

    /// Reads the items of many keys: the item of each, or `None` where there is none, and what failed: servers, or single
    /// keys that a server refused.
    pub fn get_many<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
    ) -> (Vec<Option<OwnedItem>>, Vec<PartFailure>) {
        let mut items = vec![None; keys.len()];
        let mut refused = Vec::new();
        let commands = keys.iter().map(|key| Command::get(key.as_ref()).quiet());
        let failures = self.run_batch(commands, |node, place, answer| {
            match &answer {
                Answer::Response(response) if response.status == Status::SUCCESS => {
                    items[place] = Some(Item::read(response)?.to_owned());
                }
                _ => {
                    if let Some(error) = refusal(&answer) {
                        refused.push(PartFailure {
                            error: node.client_error(error),
                            places: vec![place],
                        });
                    }
                }
            }
            Ok(())
        });
        refused.extend(failures);
        (items, refused)
    }

    /// Stores many items: the place and status of each that was refused, and what failed.
    pub fn set_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        items: &[(K, V)],
    ) -> (Vec<(usize, Status)>, Vec<PartFailure>) {
        let commands = items.iter();
        let commands = commands.map(|(key, value)| Command::set(key.as_ref(), value.as_ref()));
        self.store_many(commands)
    }

    /// Sends commands that store or delete, each in its quiet form: the place and status of each that was refused, and
    /// what failed. All others succeeded.
    pub fn store_many<'c>(
        &self,
        commands: impl IntoIterator<Item = Command<'c>>,
    ) -> (Vec<(usize, Status)>, Vec<PartFailure>) {
        let mut refused = Vec::new();
        let quiet = commands.into_iter().map(Command::quiet);
        let failures = self.batch(quiet, |place, answer| {
            if let Answer::Response(response) = answer
                && response.status != Status::SUCCESS
            {
                refused.push((place, response.status));
            }
        });
        (refused, failures)
    }

    /// Sends any commands, loud and quiet, each to the server of its key, and tells `each`, by their place, what became
    /// of them: in order for each server, but not over all. What a server failed to do is returned.
    ///
    /// Each server gets its commands in one batch, as by [`Client::batch`](crate::blocking::Client::batch); all servers
    /// have theirs before the first answer is read.
    pub fn batch<'c>(
        &self,
        commands: impl IntoIterator<Item = Command<'c>>,
        mut each: impl FnMut(usize, Answer<'_>),
    ) -> Vec<PartFailure> {
        self.run_batch(commands, |_, place, answer| {
            each(place, answer);
            Ok(())
        })
    }

    /// [`ClusterClient::batch`], where `each` is also told the server, and says what is wrong with an answer.
    fn run_batch<'c>(
        &self,
        commands: impl IntoIterator<Item = Command<'c>>,
        mut each: impl FnMut(&Node, usize, Answer<'_>) -> Result<(), ReplyErrorKind>,
    ) -> Vec<PartFailure> {
        let (parts, mut failures) = self.divide(commands);
        let mut under_way = Vec::new();
        for (node, Part { commands, places }) in self.nodes.iter().zip(parts) {
            if commands.is_empty() {
                continue;
            }
            let begun =
                node.take().and_then(
                    |mut client| match client.begin_batch(commands.into_iter()) {
                        Ok(begun) => Ok((client, begun)),
                        Err(error) => Err(node.client_error(error)),
                    },
                );
            match begun {
                Ok((client, begun)) => under_way.push((node, client, begun, places)),
                Err(error) => failures.push(self.failure(node, error, places)),
            }
        }
        for (node, mut client, begun, places) in under_way {
            let mut wrong = None;
            let finished = client.finish_batch(begun, |index, answer| {
                if let Some(place) = places.get(index) {
                    wrong = wrong.or(each(node, *place, answer).err());
                }
            });
            let outcome = finished.and_then(|()| match wrong {
                Some(kind) => Err(client.give_up(kind)),
                None => Ok(()),
            });
            match outcome {
                Ok(()) => node.health.succeeded(),
                Err(error) => {
                    failures.push(self.failure(node, node.client_error(error), places));
                }
            }
        }
        failures
    }

    /// Does something with a connection to the server of `key`.
    ///
    /// # Errors
    /// The server is out or cannot be reached; the error of `work`.
    pub fn with_server_of<R>(
        &self,
        key: &[u8],
        work: impl FnOnce(&mut StdClient) -> Result<R, Error<io::Error>>,
    ) -> Result<R, ClusterError> {
        let node = self.node_of(key)?;
        self.with_node(node, work)
    }

    /// Does something with a connection to every server that is not out, one after the other: flush, statistics.
    pub fn with_each_server<R>(
        &self,
        mut work: impl FnMut(&PoolServer, &mut StdClient) -> Result<R, Error<io::Error>>,
    ) -> Vec<Result<R, ClusterError>> {
        let on_one = |node: &Node| {
            let server = node.connections.server();
            if !node.health.is_in(Instant::now()) {
                return Err(node.out());
            }
            self.with_node(node, |client| work(server, client))
        };
        self.nodes.iter().map(on_one).collect()
    }

    fn with_node<R>(
        &self,
        node: &Node,
        work: impl FnOnce(&mut StdClient) -> Result<R, Error<io::Error>>,
    ) -> Result<R, ClusterError> {
        let outcome = node
            .take()
            .and_then(|mut client| work(&mut client).map_err(|error| node.client_error(error)));
        match &outcome {
            Err(error) => self.note(node, error),
            Ok(_) => node.health.succeeded(),
        }
        outcome
    }

    /// The server that is to be asked for a key.
    fn node_of(&self, key: &[u8]) -> Result<&Node, ClusterError> {
        let now = Instant::now();
        if self.policy.eject {
            let is_in = |index: usize| self.nodes[index].health.is_in(now);
            let found = self.placement.locate_where(key, is_in);
            return found
                .map(|index| &self.nodes[index])
                .ok_or(ClusterError::AllOut);
        }
        let node = &self.nodes[self.placement.locate(key)];
        if node.health.is_in(now) {
            Ok(node)
        } else {
            Err(node.out())
        }
    }

    /// The commands of each server, with their places; and those whose server is out.
    fn divide<'c>(
        &self,
        commands: impl IntoIterator<Item = Command<'c>>,
    ) -> (Vec<Part<'c>>, Vec<PartFailure>) {
        let now = Instant::now();
        // Asked once: a server must not go out between two keys of one operation.
        let is_in: Vec<bool> = self
            .nodes
            .iter()
            .map(|node| node.health.is_in(now))
            .collect();
        let mut parts: Vec<Part<'c>> = self.nodes.iter().map(|_| Part::default()).collect();
        let mut without = Part::default();
        for (place, command) in commands.into_iter().enumerate() {
            let key = command.key_bytes();
            let index = if self.policy.eject {
                self.placement.locate_where(key, |index| is_in[index])
            } else {
                Some(self.placement.locate(key))
            };
            index
                .map_or(&mut without, |index| &mut parts[index])
                .push(place, command);
        }
        let mut failures = Vec::new();
        if !without.places.is_empty() {
            failures.push(PartFailure {
                error: ClusterError::AllOut,
                places: without.places,
            });
        }
        for (index, part) in parts.iter_mut().enumerate() {
            if !is_in[index] && !part.places.is_empty() {
                failures.push(PartFailure {
                    error: self.nodes[index].out(),
                    places: std::mem::take(part).places,
                });
            }
        }
        (parts, failures)
    }

    fn failure(&self, node: &Node, error: ClusterError, places: Vec<usize>) -> PartFailure {
        self.note(node, &error);
        PartFailure { error, places }
    }

    /// Judges a server by an error.
    fn note(&self, node: &Node, error: &ClusterError) {
        if !error.is_failure() {
            node.health.succeeded();
        } else if node.health.failed(&self.policy, Instant::now()) {
            // The idle connections are no better than the one that failed.
            node.connections.clear();
        }
    }
}

/// What one server is to do.
#[derive(Default)]
struct Part<'c> {
    commands: Vec<Command<'c>>,
    places: Vec<usize>,
}

impl<'c> Part<'c> {
    fn push(&mut self, place: usize, command: Command<'c>) {
        self.commands.push(command);
        self.places.push(place);
    }
}

impl Node {
    fn take(&self) -> Result<PooledClient<'_>, ClusterError> {
        self.connections.take()
    }

    fn client_error(&self, error: Error<io::Error>) -> ClusterError {
        ClusterError::Client {
            server: self.connections.server().to_string(),
            error,
        }
    }

    fn out(&self) -> ClusterError {
        ClusterError::Out {
            server: self.connections.server().to_string(),
        }
    }
}
