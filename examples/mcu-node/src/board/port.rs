//! Serial ports: what the interrupt handlers and the tasks have in common, whatever the UART.
//!
//! ```text
//!            handle_receive              read
//!   UART ───────────────────▶ received ────────▶ task
//!   UART ◀─────────────────── to_send  ◀──────── task
//!            handle_send                 write
//! ```
//!
//! A full ring stops the receive interrupt, and reading lets it go on. So the UART's own FIFO fills up, which holds off a
//! host that heeds RTS. Without flow control the UART then loses bytes and says so.

use core::cell::Cell;
use core::fmt;
use core::future::poll_fn;
use core::marker::PhantomData;
use core::task::Poll;

use critical_section::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embassy_sync::waitqueue::AtomicWaker;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

use crate::settings::{SERIAL_RECEIVE_LEN, SERIAL_SEND_LEN};

/// What a UART's driver gives. Its interrupt handlers call [`Port::handle_receive`] and [`Port::handle_send`].
pub(crate) trait Uart: 'static {
    /// Takes a byte that has come. `Err` says that it is wrong, or that others were lost before it.
    fn receive() -> Option<Result<u8, LineError>>;

    /// Lets the receive interrupt come, or keeps it back. It need not come for bytes that are there already.
    fn listen(is_listening: bool);

    /// Whether there is room for a byte to be sent. If there is none, an interrupt comes once there is.
    fn may_send() -> bool;

    /// Sends a byte, after [`may_send`](Uart::may_send).
    fn send(byte: u8);
}

/// Bytes were lost or received wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineError;

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes were lost or received wrong")
    }
}

impl core::error::Error for LineError {}

impl embedded_io_async::Error for LineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// A UART and its rings.
pub(crate) struct Port<U> {
    received: Pipe<CriticalSectionRawMutex, SERIAL_RECEIVE_LEN>,
    to_send: Pipe<CriticalSectionRawMutex, SERIAL_SEND_LEN>,
    /// Bytes were lost after those in the ring. Until the reader knows, what follows is dropped.
    has_lost: Mutex<Cell<bool>>,
    reader: AtomicWaker,
    writer: AtomicWaker,
    uart: PhantomData<fn() -> U>,
}

impl<U: Uart> Port<U> {
    pub(crate) const fn new() -> Self {
        Self {
            received: Pipe::new(),
            to_send: Pipe::new(),
            has_lost: Mutex::new(Cell::new(false)),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            uart: PhantomData,
        }
    }

    /// Takes what the UART has received, as far as there is room.
    pub(crate) fn handle_receive(&self) {
        critical_section::with(|section| {
            let has_lost = self.has_lost.borrow(section);
            // First, lest a byte come unnoticed after the last look.
            U::listen(true);
            while !self.received.is_full() {
                match U::receive() {
                    None => break,
                    Some(Err(LineError)) => has_lost.set(true),
                    Some(Ok(_)) if has_lost.get() => {}
                    Some(Ok(byte)) => {
                        // There is room.
                        let _ = self.received.try_write(&[byte]);
                    }
                }
            }
            if self.received.is_full() {
                U::listen(false);
            }
        });
        self.reader.wake();
    }

    /// Gives the UART what is to be sent, as far as it has room.
    pub(crate) fn handle_send(&self) {
        critical_section::with(|_| {
            let mut byte = [0];
            while U::may_send() && self.to_send.try_read(&mut byte).is_ok() {
                U::send(byte[0]);
            }
        });
        self.writer.wake();
    }

    /// What has been received, or that something was lost after all that had been.
    fn take(&self, buffer: &mut [u8]) -> Option<Result<usize, LineError>> {
        let taken = critical_section::with(|section| match self.received.try_read(buffer) {
            Ok(len) => Some(Ok(len)),
            Err(_) if self.has_lost.borrow(section).take() => Some(Err(LineError)),
            Err(_) => None,
        });
        if taken.is_some() {
            // There may be bytes that had no room.
            self.handle_receive();
        }
        taken
    }
}

/// The end of a [`Port`] that the task has.
pub(crate) struct Serial<U: 'static>(pub(super) &'static Port<U>);

impl<U> ErrorType for Serial<U> {
    type Error = LineError;
}

impl<U: Uart> Read for Serial<U> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, LineError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| {
            self.0.reader.register(context.waker());
            self.0.take(buffer).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl<U: Uart> Write for Serial<U> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, LineError> {
        if bytes.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| {
            self.0.writer.register(context.waker());
            match self.0.to_send.try_write(bytes) {
                Ok(len) => {
                    self.0.handle_send();
                    Poll::Ready(Ok(len))
                }
                Err(_) => Poll::Pending,
            }
        })
        .await
    }

    /// Waits until the UART has all bytes; its FIFO may still hold some.
    async fn flush(&mut self) -> Result<(), LineError> {
        poll_fn(|context| {
            self.0.writer.register(context.waker());
            if self.0.to_send.is_empty() {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await
    }
}
