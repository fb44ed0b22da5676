//! Connecting a client, with limits on how long anything may take.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use memlet_core::connection::feed::{DcpOptions, DcpStream};
use memlet_core::counters::Tally;
use socket2::{Domain, SockAddr, Socket, Type};

use super::clock::Clock;
use crate::blocking::{Client, DcpFeed};
use crate::client::ClientSettings;

/// A blocking client over a socket, with buffers that grow.
pub type StdClient<T = ()> = Client<Transport, Vec<u8>, T>;

/// How to connect, and how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// How long connecting may take, over all addresses of a name; `None` for as long as the system tries.
    pub connect_timeout: Option<Duration>,
    /// How long to wait for the next bytes of a reply; `None` for ever.
    ///
    /// It bounds each read, not the whole operation: a large value may take as long as it keeps coming, and so may one
    /// that a server sends byte by byte on purpose. Whoever asks servers that are not trusted bounds the operation from
    /// outside, by shutting the socket down.
    pub read_timeout: Option<Duration>,
    /// How long to wait until the system takes the next bytes of a request; `None` for ever.
    pub write_timeout: Option<Duration>,
    /// The client's own settings.
    pub client: ClientSettings,
}

impl Default for ConnectOptions {
    /// 5 seconds to connect, 10 for each read or write; 64 KiB that the system holds unread, as it does everywhere.
    fn default() -> ConnectOptions {
        let client = ClientSettings {
            unread_len_max: 64 << 10,
            ..ClientSettings::default()
        };
        ConnectOptions {
            connect_timeout: Some(Duration::from_secs(5)),
            read_timeout: Some(Duration::from_secs(10)),
            write_timeout: Some(Duration::from_secs(10)),
            client,
        }
    }
}

/// Connects to a server over TCP; the addresses of a name are tried one after the other.
///
/// # Errors
/// Of the last address tried: [`io::ErrorKind::TimedOut`] when the time was over, whatever the system says else.
pub fn connect(address: impl ToSocketAddrs, options: &ConnectOptions) -> io::Result<StdClient> {
    let transport = Transport::tcp(address, options)?;
    Ok(transport.client(options, ()))
}

/// Connects to a server over a unix socket.
///
/// # Errors
/// As [`connect`].
pub fn connect_unix(path: impl AsRef<Path>, options: &ConnectOptions) -> io::Result<StdClient> {
    let transport = Transport::unix(path, options)?;
    Ok(transport.client(options, ()))
}

/// A DCP feed over a socket, with buffers that grow; its clock is the system's.
pub type StdDcpFeed<T = ()> = DcpFeed<Transport, Vec<u8>, Vec<DcpStream>, fn() -> u32, T>;

/// Connects to a server over TCP for a DCP feed of up to `streams` vbuckets at the same time.
///
/// The read timeout bounds each wait for an event; it is what notices a producer that has fallen silent.
///
/// # Errors
/// As [`connect`].
#[doc(alias = "upr_feed")]
pub fn dcp_feed(
    address: impl ToSocketAddrs,
    connect: &ConnectOptions,
    options: &DcpOptions,
    streams: usize,
) -> io::Result<StdDcpFeed> {
    let transport = Transport::tcp(address, connect)?;
    Ok(transport.dcp_feed(options, vec![DcpStream::EMPTY; streams]))
}

/// A connected socket whose timeouts are errors of that name.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transport {
    /// Over TCP; small requests go out at once.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
}

impl Transport {
    /// Connects over TCP.
    ///
    /// # Errors
    /// As [`connect`].
    pub fn tcp(address: impl ToSocketAddrs, options: &ConnectOptions) -> io::Result<Transport> {
        let deadline = options
            .connect_timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let mut failed = None;
        for address in address.to_socket_addrs()? {
            match connect_tcp(address, deadline) {
                Ok(stream) => {
                    // The client writes requests in one piece; to hold them back for an acknowledgement costs 40 ms.
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(options.read_timeout)?;
                    stream.set_write_timeout(options.write_timeout)?;
                    return Ok(Transport::Tcp(stream));
                }
                Err(error) => failed = Some(error),
            }
        }
        let no_address = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        Err(failed.unwrap_or_else(no_address))
    }

    /// Connects to a unix socket.
    ///
    /// # Errors
    /// As [`connect`].
    pub fn unix(path: impl AsRef<Path>, options: &ConnectOptions) -> io::Result<Transport> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let address = SockAddr::unix(path)?;
        // A unix socket connects at once, or waits for a place in the listener's queue as long as it would for a write.
        socket.set_write_timeout(options.connect_timeout)?;
        socket.connect(&address).map_err(timed_out)?;
        socket.set_read_timeout(options.read_timeout)?;
        socket.set_write_timeout(options.write_timeout)?;
        let stream = UnixStream::from(std::os::fd::OwnedFd::from(socket));
        Ok(Transport::Unix(stream))
    }

    /// Sets how long to wait for the next bytes from now on; `None` for ever. A feed may be silent for minutes.
    ///
    /// # Errors
    /// What the system says of a time of 0.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => stream.set_read_timeout(timeout),
            Transport::Unix(stream) => stream.set_read_timeout(timeout),
        }
    }

    /// A client over it, whose packets are counted by `tally`.
    pub fn client<T: Tally>(self, options: &ConnectOptions, tally: T) -> StdClient<T> {
        Client::with(self, options.client, Vec::new(), Vec::new(), tally)
    }

    /// A DCP feed over it, with new slots for streams or those of an earlier feed.
    pub fn dcp_feed(self, options: &DcpOptions, streams: Vec<DcpStream>) -> StdDcpFeed {
        DcpFeed::new(self, options, streams, unix_now)
    }
}

/// Unix time in seconds, as the system's clock was at the first call and monotonic from there on.
fn unix_now() -> u32 {
    static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::start);
    CLOCK.now()
}

fn connect_tcp(address: SocketAddr, deadline: Option<Instant>) -> io::Result<TcpStream> {
    match deadline {
        None => TcpStream::connect(address),
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            TcpStream::connect_timeout(&address, left)
        }
    }
}

/// What the system calls "would block" on a socket with a timeout is that its time was over.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

impl embedded_io::ErrorType for Transport {
    type Error = io::Error;
}

impl embedded_io::Read for Transport {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => stream.read(buffer),
            Transport::Unix(stream) => stream.read(buffer),
        }
        .map_err(timed_out)
    }
}

impl embedded_io::Write for Transport {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => stream.write(bytes),
            Transport::Unix(stream) => stream.write(bytes),
        }
        .map_err(timed_out)
    }

    /// Does nothing: a socket holds nothing back.
    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
