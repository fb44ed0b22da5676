//! Memory for a client's input and output.

/// A client's buffer: of fixed size, or one that grows.
///
/// Implemented for arrays and slices, which are as long as they are, and with the feature `alloc` for `Vec<u8>`, which
/// starts empty and grows to the longest packet there was.
pub trait Buffer: AsRef<[u8]> + AsMut<[u8]> {
    /// How long it may become, in bytes.
    fn len_max(&self) -> usize;

    /// Makes it at least `len` bytes long, or as long as it may become; what it holds stays.
    fn grow(&mut self, len: usize);
}

impl Buffer for &mut [u8] {
    #[inline]
    fn len_max(&self) -> usize {
        self.len()
    }

    #[inline]
    fn grow(&mut self, _len: usize) {}
}

impl<const N: usize> Buffer for [u8; N] {
    #[inline]
    fn len_max(&self) -> usize {
        N
    }

    #[inline]
    fn grow(&mut self, _len: usize) {}
}

#[cfg(feature = "alloc")]
impl Buffer for alloc::vec::Vec<u8> {
    #[inline]
    fn len_max(&self) -> usize {
        usize::MAX
    }

    fn grow(&mut self, len: usize) {
        if len > self.len() {
            self.resize(len, 0);
        }
    }
}
