//! A stream in memory, with a peer that has said all it has to say.

use std::collections::VecDeque;
use std::fmt;

use embedded_io::ErrorKind;

/// What a stream of a device's may report; it is told from any other by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) ErrorKind, pub(crate) u32);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {} ({})", self.1, self.0)
    }
}

impl std::error::Error for Fault {}

impl embedded_io::Error for Fault {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

/// Gives its pieces one read each, then the end of the input.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) pieces: VecDeque<Result<Vec<u8>, Fault>>,
    /// What has been written and flushed.
    pub(crate) heard: Vec<u8>,
    /// What has been written and not flushed.
    pub(crate) held: Vec<u8>,
    /// How many bytes it takes with one write.
    pub(crate) write_max: usize,
    /// How often it was written to.
    pub(crate) writes: usize,
    /// Said once by the next write.
    pub(crate) write_fault: Option<Fault>,
}

impl Script {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Vec<u8>>) -> Script {
        Script {
            pieces: pieces.into_iter().map(Ok).collect(),
            write_max: usize::MAX,
            ..Script::default()
        }
    }

    /// Gives so many bytes at once.
    pub(crate) fn cut(input: &[u8], piece_len: usize) -> Script {
        Script::new(input.chunks(piece_len).map(<[u8]>::to_vec))
    }

    /// Gives the bytes before and behind `at`.
    pub(crate) fn cut_at(input: &[u8], at: usize) -> Script {
        let (front, back) = input.split_at(at);
        let pieces = [front, back].into_iter();
        Script::new(pieces.filter(|piece| !piece.is_empty()).map(<[u8]>::to_vec))
    }
}

impl embedded_io::ErrorType for Script {
    type Error = Fault;
}

impl embedded_io::Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        assert!(!buffer.is_empty(), "a read of nothing ends the connection");
        let Some(piece) = self.pieces.pop_front() else {
            return Ok(0);
        };
        let mut piece = piece?;
        let len = piece.len().min(buffer.len());
        buffer[..len].copy_from_slice(&piece[..len]);
        if len < piece.len() {
            self.pieces.push_front(Ok(piece.split_off(len)));
        }
        Ok(len)
    }
}

impl embedded_io::Write for Script {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        assert!(!bytes.is_empty(), "there was nothing to write");
        if let Some(fault) = self.write_fault.take() {
            return Err(fault);
        }
        let len = bytes.len().min(self.write_max);
        self.held.extend_from_slice(&bytes[..len]);
        self.writes += 1;
        Ok(len)
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.heard.append(&mut self.held);
        Ok(())
    }
}
