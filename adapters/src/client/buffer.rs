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

/// Moves the bytes from `start` to `end` to the front, in pieces that do not overlap.
///
/// What the library has for it, `copy_within`, cannot be compiled without a place that panics.
pub(crate) fn move_to_front(buffer: &mut [u8], start: usize, end: usize) {
    let len = end.saturating_sub(start);
    let mut moved = 0;
    while start > 0 && moved < len {
        let piece = start.min(len - moved);
        let Some((front, back)) = buffer.split_at_mut_checked(start + moved) else {
            return;
        };
        let places = front.iter_mut().skip(moved).take(piece);
        for (place, byte) in places.zip(back) {
            *place = *byte;
        }
        moved += piece;
    }
}

#[cfg(test)]
mod tests {
    use super::move_to_front;

    #[test]
    fn what_moves_to_the_front_stays_as_it_is() {
        for start in 0..12 {
            for end in start..12 {
                let mut buffer: [u8; 12] = core::array::from_fn(|index| index as u8);
                let wanted = buffer[start..end].to_vec();
                move_to_front(&mut buffer, start, end);
                assert_eq!(buffer[..end - start], wanted, "{start}..{end}");
            }
        }
    }
}
