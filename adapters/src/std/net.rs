//! TCP and unix sockets behind one type each for listening and talking.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use nix::sys::stat::{Mode, umask};
use socket2::{Domain, Protocol, Socket, Type};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listen {
    /// A TCP address. Port 0 lets the system choose; [`Server::addresses`](super::Server::addresses) says which it was.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix {
        /// Its path. A socket that is left over there from an earlier run is replaced, unless somebody listens on it.
        path: PathBuf,
        /// Its permissions, as in memcached's `-a`: 0o700 lets the owner connect and nobody else.
        mode: u32,
    },
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix { path, .. } => path.display().fmt(f),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens, with at most `backlog` connections waiting to be accepted.
    pub(super) fn bind(listen: &Listen, backlog: u32) -> io::Result<Listener> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        match listen {
            Listen::Tcp(address) => Listener::bind_tcp(*address, backlog),
            Listen::Unix { path, mode } => Listener::bind_unix(path, *mode, backlog),
        }
    }

    fn bind_tcp(address: SocketAddr, backlog: i32) -> io::Result<Listener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        // A restart must not wait for the connections of the last run to time out.
        socket.set_reuse_address(true)?;
        // A peer that vanished without a word is noticed some day; accepted sockets inherit it.
        socket.set_keepalive(true)?;
        if address.is_ipv6() {
            // So that 0.0.0.0 and [::] can both be listened on.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(backlog)?;
        Ok(Listener::Tcp(TcpListener::from_std(socket.into())))
    }

    fn bind_unix(path: &Path, mode: u32, backlog: i32) -> io::Result<Listener> {
        if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
            match UnixStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                // Somebody listens there, or may: to take the path away would leave a server that nobody can reach.
                Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(error) => return Err(error),
            }
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let address = socket2::SockAddr::unix(path)?;
        // The mask holds while the file is made: a change of its mode afterwards would leave it open for a moment.
        let before = umask(Mode::from_bits_truncate(!mode & 0o777));
        let bound = socket.bind(&address);
        umask(before);
        bound?;
        socket.listen(backlog)?;
        Ok(Listener::Unix(
            UnixListener::from_std(OwnedFd::from(socket).into()),
            path.to_owned(),
        ))
    }

    /// Where it listens in fact: the port that was chosen for port 0.
    pub(super) fn address(&self, asked: &Listen) -> Listen {
        match self {
            Listener::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| asked.clone(), Listen::Tcp),
            Listener::Unix(..) => asked.clone(),
        }
    }

    /// Accepts a connection; "would block" when none waits.
    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // Answers are written in one piece: to hold a small one back would only add 40 ms. Failure costs no
                // more than that.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Listener::Unix(listener, _) => {
                listener.accept().map(|(stream, _)| Stream::Unix(stream))
            }
        }
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            Listener::Tcp(listener) => listener,
            Listener::Unix(listener, _) => listener,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // The path is of no use without the listener. If it is gone already that is as well.
            let _ = fs::remove_file(path);
        }
    }
}

/// A connected socket that does not block.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.register(registry, token, interests),
            Stream::Unix(stream) => stream.register(registry, token, interests),
        }
    }

    pub(super) fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.reregister(registry, token, interests),
            Stream::Unix(stream) => stream.reregister(registry, token, interests),
        }
    }

    pub(super) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => registry.deregister(stream),
            Stream::Unix(stream) => registry.deregister(stream),
        }
    }

    /// Tells the peer that nothing more will come, while its own words can still arrive.
    pub(super) fn finish(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// The other end, for logs.
    pub(super) fn peer(&self) -> String {
        match self {
            Stream::Tcp(stream) => stream
                .peer_addr()
                .map_or_else(|_| "unknown".into(), |peer| peer.to_string()),
            Stream::Unix(_) => "unix".into(),
        }
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
