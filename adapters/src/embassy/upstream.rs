//! Connections of a near cache to its upstream.

use core::time::Duration;

use embassy_net::tcp::{ConnectError, Error, TcpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_time::Timer;
use embedded_io_async::{ErrorType, Read, Write};

use crate::near::Connect;

/// Makes connections to one endpoint, one at a time, over a socket of the stack.
///
/// The stack's `StackResources` need a place for it.
pub struct Upstream<'b> {
    stack: Stack<'b>,
    endpoint: IpEndpoint,
    receive: &'b mut [u8],
    transmit: &'b mut [u8],
}

impl<'b> Upstream<'b> {
    /// To `endpoint`, with TCP's two buffers: neither may be empty, and what upstream sends at once should fit `receive`.
    #[must_use]
    pub fn new(
        stack: Stack<'b>,
        endpoint: impl Into<IpEndpoint>,
        receive: &'b mut [u8],
        transmit: &'b mut [u8],
    ) -> Upstream<'b> {
        Upstream {
            stack,
            endpoint: endpoint.into(),
            receive,
            transmit,
        }
    }
}

impl Connect for Upstream<'_> {
    type Stream<'a>
        = UpstreamSocket<'a>
    where
        Self: 'a;
    type Error = ConnectError;

    async fn connect(&mut self) -> Result<UpstreamSocket<'_>, ConnectError> {
        let mut socket = TcpSocket::new(self.stack, self.receive, self.transmit);
        socket.connect(self.endpoint).await?;
        Ok(UpstreamSocket(socket))
    }
}

/// A connected socket that is not waited for when something was written: its own flush takes until upstream has
/// acknowledged it, and it sends without.
#[expect(
    missing_debug_implementations,
    reason = "embassy-net's socket has none either"
)]
pub struct UpstreamSocket<'a>(TcpSocket<'a>);

impl ErrorType for UpstreamSocket<'_> {
    type Error = Error;
}

impl Read for UpstreamSocket<'_> {
    async fn read(&mut self, space: &mut [u8]) -> Result<usize, Error> {
        self.0.read(space).await
    }
}

impl Write for UpstreamSocket<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Waits in embassy's time, for [`keep_connected`](crate::near::keep_connected): to the millisecond.
pub fn delay(duration: Duration) -> Timer {
    let millis = duration.as_secs().saturating_mul(1000);
    Timer::after_millis(millis.saturating_add(duration.subsec_millis().into()))
}
