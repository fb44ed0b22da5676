//! Writing into the caller's buffer: all of it or nothing.

use super::error::EmitError;

/// Puts pieces one behind the other into an output that has been found long enough for all of them.
pub(crate) struct Writer<'a> {
    rest: &'a mut [u8],
}

impl<'a> Writer<'a> {
    /// A writer of exactly `needed` bytes at the front of `out`.
    #[inline(always)]
    pub(crate) fn new(out: &'a mut [u8], needed: usize) -> Result<Writer<'a>, EmitError> {
        let available = out.len();
        match out.get_mut(..needed) {
            Some(rest) => Ok(Writer { rest }),
            None => Err(output_too_short(needed, available)),
        }
    }

    /// Appends the `N` bytes that `write` fills in. Like a piece, they are left out past the announced length.
    #[inline(always)]
    pub(crate) fn put_array<const N: usize>(&mut self, write: impl FnOnce(&mut [u8; N])) {
        if let Some((place, rest)) = core::mem::take(&mut self.rest).split_first_chunk_mut() {
            write(place);
            self.rest = rest;
        }
    }

    /// Appends `piece`. A piece past the announced length would be left out; the callers announce what they put.
    #[inline(always)]
    pub(crate) fn put(&mut self, piece: &[u8]) {
        if piece.is_empty() {
            return;
        }
        if let Some((place, rest)) =
            core::mem::take(&mut self.rest).split_at_mut_checked(piece.len())
        {
            // A loop, as a copy of slices may be left with a check of their lengths that panics; it becomes one all
            // the same.
            for (to, from) in place.iter_mut().zip(piece) {
                *to = *from;
            }
            self.rest = rest;
        }
    }
}

#[cold]
fn output_too_short(needed: usize, available: usize) -> EmitError {
    EmitError::OutputTooShort { needed, available }
}
