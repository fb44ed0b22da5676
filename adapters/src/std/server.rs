//! The listening side: binds, accepts, and hands connections to the threads.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use mio::{Events, Interest, Poll, Token, Waker};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::{debug, info, warn};

use super::net::{Listener, Stream};
use super::worker::{Inbox, Worker};
use super::{Figures, Listen, ServerOptions, Service};

/// What a connection beyond the limit is told, as by memcached.
const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

/// Descriptors that a server needs beside those of its connections and for each of its threads.
const DESCRIPTORS_BASE: u64 = 32;
const DESCRIPTORS_PER_THREAD: u64 = 3;

/// How long to wait before accepting again when the system has run out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Rejected connections are logged at most so often.
const REJECT_LOG_PAUSE: Duration = Duration::from_secs(1);

const WAKE: Token = Token(usize::MAX);

/// A server that listens; see the [module](super) for an example.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    listeners: Vec<Listener>,
    figures: Arc<Figures>,
    stop: Arc<Stop>,
}

/// Stops a server from another thread.
#[derive(Clone, Debug)]
pub struct ServerHandle(Arc<Stop>);

#[derive(Debug)]
struct Stop {
    asked: AtomicBool,
    waker: Waker,
}

/// Why a server could not start or go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// An address cannot be listened on: it is in use, not this machine's, or not allowed.
    Listen {
        /// The address.
        listen: Listen,
        /// What the system says.
        error: io::Error,
    },
    /// There was no address to listen on.
    NoAddress,
    /// The system allows fewer open files than the connection limit needs.
    Descriptors {
        /// How many would be needed.
        needed: u64,
        /// How many are allowed.
        allowed: u64,
    },
    /// The system failed otherwise.
    System(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerError::Listen { listen, error } => {
                write!(f, "cannot listen on {listen}: {error}")
            }
            ServerError::NoAddress => f.write_str("there is no address to listen on"),
            ServerError::Descriptors { needed, allowed } => write!(
                f,
                "the connection limit needs {needed} open files and the system allows {allowed}: \
                 raise its limit (ulimit -Hn) or lower the connection limit"
            ),
            ServerError::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServerError::Listen { error, .. } | ServerError::System(error) => Some(error),
            ServerError::NoAddress | ServerError::Descriptors { .. } => None,
        }
    }
}

impl From<io::Error> for ServerError {
    fn from(error: io::Error) -> ServerError {
        ServerError::System(error)
    }
}

impl ServerHandle {
    /// Tells the server to stop: it accepts nobody any more, answers what has arrived, and hangs up.
    ///
    /// Returns at once; [`Server::run`] returns when it is done, after
    /// [`drain_timeout`](ServerOptions::drain_timeout) at the latest.
    pub fn drain(&self) {
        self.0.asked.store(true, Ordering::Release);
        // It fails only if the server is gone, and then nobody has to be woken.
        let _ = self.0.waker.wake();
    }
}

impl Server {
    /// Listens, and allows the process as many open files as the connection limit needs.
    ///
    /// Connections are made from now on, and served once [`run`](Server::run) is called.
    ///
    /// # Errors
    /// [`ServerError`] says which address or limit it was.
    pub fn bind(options: ServerOptions) -> Result<Server, ServerError> {
        if options.listen.is_empty() {
            return Err(ServerError::NoAddress);
        }
        allow_descriptors(&options)?;
        let poll = Poll::new()?;
        let mut listeners = Vec::new();
        for (number, listen) in options.listen.iter().enumerate() {
            let failed = |error| ServerError::Listen {
                listen: listen.clone(),
                error,
            };
            let mut listener = Listener::bind(listen, options.backlog).map_err(failed)?;
            poll.registry()
                .register(listener.source(), Token(number), Interest::READABLE)?;
            listeners.push(listener);
        }
        let addresses = listeners
            .iter()
            .zip(&options.listen)
            .map(|(listener, asked)| listener.address(asked))
            .collect();
        let waker = Waker::new(poll.registry(), WAKE)?;
        let stop = Arc::new(Stop {
            asked: AtomicBool::new(false),
            waker,
        });
        Ok(Server {
            poll,
            listeners,
            figures: Arc::new(Figures::new(options, addresses)),
            stop,
        })
    }

    /// Where it listens, with the ports that were chosen for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[Listen] {
        self.figures.addresses()
    }

    /// What it counts.
    #[must_use]
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// What stops it.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(Arc::clone(&self.stop))
    }

    /// Stops when the process is sent SIGTERM or SIGINT. The second of them ends the process at once. SIGHUP, which asks
    /// memcached to read its files again, does nothing.
    ///
    /// # Errors
    /// When the signals cannot be caught or no thread can be started.
    pub fn drain_on_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let handle = self.handle();
        thread::Builder::new()
            .name("memlet-signals".into())
            .spawn(move || {
                let asked = signals.forever().filter(|&signal| signal != SIGHUP);
                for (count, signal) in asked.enumerate() {
                    info!(signal, "told to stop");
                    handle.drain();
                    if count > 0 {
                        // Whoever asks twice does not want to wait. It cannot fail for these two signals.
                        let _ = signal_hook::low_level::emulate_default_handler(signal);
                    }
                }
            })?;
        Ok(())
    }

    /// Serves until it is told to stop and has finished.
    ///
    /// The calling thread accepts; [`threads`](ServerOptions::threads) others serve, each with a handler that `service`
    /// makes.
    ///
    /// # Errors
    /// When a thread cannot be started or the system's poller fails.
    pub fn run<V: Service>(mut self, service: &V) -> Result<(), ServerError> {
        for address in self.figures.addresses() {
            info!(%address, "listening");
        }
        let mut inboxes = Vec::new();
        let mut polls = Vec::new();
        for _ in 0..self.figures.options.threads.max(1) {
            let poll = Poll::new()?;
            inboxes.push(Arc::new(Inbox::new(&poll)?));
            polls.push(poll);
        }
        let result = thread::scope(|scope| {
            let mut threads = Vec::new();
            for (number, poll) in polls.into_iter().enumerate() {
                let (figures, inbox) = (Arc::clone(&self.figures), Arc::clone(&inboxes[number]));
                let serve = move || Worker::new(number, service, figures, inbox, poll, scope).run();
                threads.push(
                    thread::Builder::new()
                        .name(format!("memlet-{number}"))
                        .spawn_scoped(scope, serve)?,
                );
            }
            let accepted = self.accept_all(&inboxes);
            for inbox in &inboxes {
                inbox.drain()?;
            }
            let mut result = accepted;
            for thread in threads {
                let served = thread
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("a thread of the server panicked")));
                result = result.and(served);
            }
            result
        });
        info!(connections = self.figures.connections_total(), "drained");
        Ok(result?)
    }

    /// Accepts until it is told to stop, and then those who have come by then.
    fn accept_all(&mut self, inboxes: &[Arc<Inbox>]) -> io::Result<()> {
        let mut acceptor = Acceptor {
            figures: Arc::clone(&self.figures),
            inboxes,
            next: 0,
            rejects: Rejects::default(),
        };
        let mut events = Events::with_capacity(64);
        let mut pause = None;
        loop {
            let stopping = self.stop.asked.load(Ordering::Acquire);
            let paused = acceptor.accept_waiting(&self.listeners)?;
            if stopping {
                self.figures.accepting.store(false, Ordering::Relaxed);
                self.listeners.clear();
                return Ok(());
            }
            if paused {
                pause = Some(ACCEPT_PAUSE);
            }
            match self.poll.poll(&mut events, pause.take()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => result?,
            }
        }
    }
}

/// Hands new connections to the threads in turn.
struct Acceptor<'a> {
    figures: Arc<Figures>,
    inboxes: &'a [Arc<Inbox>],
    next: usize,
    rejects: Rejects,
}

impl Acceptor<'_> {
    /// Accepts everybody who waits; returns whether the system has run out of something.
    fn accept_waiting(&mut self, listeners: &[Listener]) -> io::Result<bool> {
        for listener in listeners {
            loop {
                match listener.accept() {
                    Ok(stream) => self.handle_stream(stream)?,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // The peer has gone before it was accepted, or a signal came.
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                        ) => {}
                    Err(error) => {
                        warn!(%error, "cannot accept");
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn handle_stream(&mut self, mut stream: Stream) -> io::Result<()> {
        if self.figures.connections() >= self.figures.options.connections_max {
            self.figures.rejected.fetch_add(1, Ordering::Relaxed);
            self.rejects.note(&stream);
            // The socket is new, so that there is room; a peer that is gone cannot be told.
            let _ = stream.write(TOO_MANY);
            return Ok(());
        }
        self.figures.accepted.fetch_add(1, Ordering::Relaxed);
        self.figures.current.fetch_add(1, Ordering::Relaxed);
        let inbox = &self.inboxes[self.next];
        self.next = (self.next + 1) % self.inboxes.len();
        inbox.give(stream)
    }
}

/// Logs rejected connections without letting them flood the log.
#[derive(Default)]
struct Rejects {
    unlogged: u64,
    logged: Option<Instant>,
}

impl Rejects {
    fn note(&mut self, stream: &Stream) {
        self.unlogged += 1;
        if self
            .logged
            .is_none_or(|logged| logged.elapsed() >= REJECT_LOG_PAUSE)
        {
            warn!(
                peer = stream.peer(),
                count = self.unlogged,
                "rejected: too many open connections"
            );
            self.logged = Some(Instant::now());
            self.unlogged = 0;
        } else {
            debug!(peer = stream.peer(), "rejected: too many open connections");
        }
    }
}

/// Raises the process's limit on open files to what the options need.
fn allow_descriptors(options: &ServerOptions) -> Result<(), ServerError> {
    let others = DESCRIPTORS_BASE
        + options.listen.len() as u64
        + DESCRIPTORS_PER_THREAD * options.threads as u64;
    let needed = (options.connections_max as u64).saturating_add(others);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(io::Error::from)?;
    if soft >= needed {
        return Ok(());
    }
    // Only root may raise the upper limit; it is tried anyway, and what the system refuses is reported.
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed)).map_err(|_| {
        ServerError::Descriptors {
            needed,
            allowed: hard,
        }
    })
}
