//! Connections to one server, kept for those who need one next.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use super::{ClusterError, PoolServer};
use crate::std::{ConnectOptions, StdClient, Transport, connect, connect_unix};

/// User and password for SASL PLAIN.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientLogin {
    /// The user.
    pub user: Vec<u8>,
    /// The password, which goes over the connection as it is.
    pub password: Vec<u8>,
}

/// Shows no password.
impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = String::from_utf8_lossy(&self.user);
        f.debug_struct("ClientLogin")
            .field("user", &user)
            .finish_non_exhaustive()
    }
}

/// How connections are made and kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolOptions {
    /// How to connect, and how long to wait.
    pub connect: ConnectOptions,
    /// Logs every connection in.
    pub login: Option<ClientLogin>,
    /// Connections that are kept while nobody needs them; more are closed. There may be any number in use.
    pub idle_max: usize,
}

impl Default for PoolOptions {
    /// [`ConnectOptions::default`], no login, at most 8 idle connections.
    fn default() -> PoolOptions {
        PoolOptions {
            connect: ConnectOptions::default(),
            login: None,
            idle_max: 8,
        }
    }
}

/// Connections to one server: taken for an operation or several, and kept afterwards as long as they are healthy.
///
/// ```no_run
/// use memlet::std::{ConnectionPool, PoolOptions};
///
/// let pool = ConnectionPool::new("cache1:11211".parse()?, PoolOptions::default());
/// let mut client = pool.take()?;
/// client.set(b"greeting", b"hello")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ConnectionPool {
    server: PoolServer,
    options: PoolOptions,
    idle: Mutex<Vec<StdClient>>,
}

impl ConnectionPool {
    /// A pool without connections: the first is made when it is needed.
    #[must_use]
    pub fn new(server: PoolServer, options: PoolOptions) -> ConnectionPool {
        ConnectionPool {
            server,
            options,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &PoolServer {
        &self.server
    }

    /// Connections that nobody is using.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.connections().len()
    }

    /// A connection: the one used last, if it is still open, or a new one.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the login.
    pub fn take(&self) -> Result<PooledClient<'_>, ClusterError> {
        loop {
            let kept = self.connections().pop();
            let client = match kept {
                Some(client) if is_open(client.stream()) => client,
                Some(_) => continue,
                None => self.connect()?,
            };
            return Ok(PooledClient {
                client: Some(client),
                pool: self,
            });
        }
    }

    /// Closes the connections that nobody is using.
    pub fn clear(&self) {
        self.connections().clear();
    }

    fn connect(&self) -> Result<StdClient, ClusterError> {
        let PoolServer { host, port, .. } = &self.server;
        let options = &self.options.connect;
        let connected = if self.server.is_unix() {
            connect_unix(host, options)
        } else {
            connect((host.as_str(), *port), options)
        };
        let mut client = connected.map_err(|error| ClusterError::Connect {
            server: self.server.to_string(),
            error,
        })?;
        if let Some(login) = &self.options.login {
            client
                .authenticate(&login.user, &login.password)
                .map_err(|error| ClusterError::Client {
                    server: self.server.to_string(),
                    error,
                })?;
        }
        Ok(client)
    }

    fn connections(&self) -> MutexGuard<'_, Vec<StdClient>> {
        // A panic elsewhere leaves the list whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client on loan from a [`ConnectionPool`]: goes back when it is dropped, unless it is of no more use.
#[derive(Debug)]
pub struct PooledClient<'a> {
    /// There until it is dropped.
    client: Option<StdClient>,
    pool: &'a ConnectionPool,
}

impl Deref for PooledClient<'_> {
    type Target = StdClient;

    fn deref(&self) -> &StdClient {
        let Some(client) = &self.client else {
            unreachable!("it is taken out when it is dropped")
        };
        client
    }
}

impl DerefMut for PooledClient<'_> {
    fn deref_mut(&mut self) -> &mut StdClient {
        let Some(client) = &mut self.client else {
            unreachable!("it is taken out when it is dropped")
        };
        client
    }
}

impl Drop for PooledClient<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take().filter(StdClient::is_healthy) {
            let mut idle = self.pool.connections();
            if idle.len() < self.pool.options.idle_max {
                idle.push(client);
            }
        }
    }
}

/// Whether a connection that nobody has used for a while is open and silent, as it must be: a server that has stopped
/// meanwhile has closed it, and what it said last is no answer to what comes next.
fn is_open(transport: &Transport) -> bool {
    let socket = match transport {
        Transport::Tcp(stream) => stream.as_fd(),
        Transport::Unix(stream) => stream.as_fd(),
    };
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    matches!(
        recv(socket.as_raw_fd(), &mut [0], flags),
        Err(Errno::EAGAIN)
    )
}

/// A pool is shared by threads.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<ConnectionPool>();
};
