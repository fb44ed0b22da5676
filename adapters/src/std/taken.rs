//! A connection that a service has taken out of the event loop.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::{Interest, Registry, Token};

use super::Figures;
use super::net::Stream;

/// What is done with a connection that was taken out of the event loop, in a thread of its own.
pub type Task = Box<dyn FnOnce(TakenConnection) + Send>;

/// A connection that a [`Service`](super::Service) has taken out of the event loop.
///
/// Reading gives first what had arrived behind the last request that was handled. Neither reading nor writing blocks.
#[derive(Debug)]
pub struct TakenConnection {
    stream: Stream,
    /// What had arrived, of which `read` bytes have been read.
    input: Vec<u8>,
    read: usize,
    figures: Arc<Figures>,
}

impl TakenConnection {
    pub(super) fn new(stream: Stream, input: Vec<u8>, figures: Arc<Figures>) -> TakenConnection {
        TakenConnection {
            stream,
            input,
            read: 0,
            figures,
        }
    }

    /// The other end, for logs.
    #[must_use]
    pub fn peer(&self) -> String {
        self.stream.peer()
    }

    /// The server's unix time in seconds.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.figures.clock.now()
    }

    /// Whether the server stops, so that the connection should end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        !self.figures.is_accepting()
    }

    pub(super) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.stream.register(registry, token, interests)
    }
}

impl Read for TakenConnection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read < self.input.len() {
            let len = (&self.input[self.read..]).read(buffer)?;
            self.read += len;
            return Ok(len);
        }
        self.stream.read(buffer)
    }
}

impl Write for TakenConnection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
