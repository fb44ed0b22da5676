//! A stream over the caller's memory, for a server that blocks or is awaited.

use core::cell::Cell;
use core::convert::Infallible;

use crate::Served;

/// A stream that has the input to read and the output to write to, and then is at its end or makes wait.
pub(crate) struct Slices<'a> {
    pub(crate) input: &'a [u8],
    pub(crate) output: &'a mut [u8],
    pub(crate) served: &'a Cell<Served>,
}

/// Copies as much as fits; returns how much that was.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let mut len = 0;
    for (place, byte) in to.iter_mut().zip(from) {
        *place = *byte;
        len += 1;
    }
    len
}

impl Slices<'_> {
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let mut served = self.served.get();
        let rest = self.input.get(served.consumed..).unwrap_or_default();
        let len = copy(rest, buffer);
        served.consumed += len;
        self.served.set(served);
        len
    }

    fn give(&mut self, bytes: &[u8]) -> usize {
        let mut served = self.served.get();
        let rest = self.output.get_mut(served.written..).unwrap_or_default();
        let len = copy(bytes, rest);
        served.written += len;
        self.served.set(served);
        len
    }
}

impl embedded_io_async::ErrorType for Slices<'_> {
    type Error = Infallible;
}

#[cfg(not(feature = "blocking"))]
impl embedded_io_async::Read for Slices<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let len = self.take(buffer);
        if len == 0 {
            core::future::pending::<()>().await;
        }
        Ok(len)
    }
}

#[cfg(not(feature = "blocking"))]
impl embedded_io_async::Write for Slices<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.give(bytes))
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[cfg(feature = "blocking")]
impl embedded_io::Read for Slices<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        Ok(self.take(buffer))
    }
}

#[cfg(feature = "blocking")]
impl embedded_io::Write for Slices<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.give(bytes))
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
