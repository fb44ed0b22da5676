//! Reads and writes of the store's memory that cannot panic: what lies outside reads as zero and is not written.
//!
//! Here and in the neighbours the small helpers are inlined on hosts, for speed, and called on devices, for flash.

/// The byte at `at`.
#[inline]
pub(super) fn load_u8(memory: &[u8], at: u32) -> u8 {
    memory.get(at as usize).copied().unwrap_or(0)
}

/// The 16-bit number at `at`.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(target_pointer_width = "32", inline(never))]
pub(super) fn load_u16(memory: &[u8], at: u32) -> u16 {
    memory
        .get(at as usize..)
        .and_then(|m| m.first_chunk())
        .map_or(0, |b| u16::from_le_bytes(*b))
}

/// The 32-bit number at `at`.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(target_pointer_width = "32", inline(never))]
pub(super) fn load_u32(memory: &[u8], at: u32) -> u32 {
    memory
        .get(at as usize..)
        .and_then(|m| m.first_chunk())
        .map_or(0, |b| u32::from_le_bytes(*b))
}

#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(target_pointer_width = "32", inline(never))]
pub(super) fn store_u16(memory: &mut [u8], at: u32, number: u16) {
    if let Some(to) = memory
        .get_mut(at as usize..)
        .and_then(|m| m.first_chunk_mut())
    {
        *to = number.to_le_bytes();
    }
}

#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(target_pointer_width = "32", inline(never))]
pub(super) fn store_u32(memory: &mut [u8], at: u32, number: u32) {
    if let Some(to) = memory
        .get_mut(at as usize..)
        .and_then(|m| m.first_chunk_mut())
    {
        *to = number.to_le_bytes();
    }
}

#[inline]
pub(super) fn store_u8(memory: &mut [u8], at: u32, number: u8) {
    if let Some(to) = memory.get_mut(at as usize) {
        *to = number;
    }
}

/// The `len` bytes at `at`, or none of them.
#[inline]
pub(super) fn slice(memory: &[u8], at: u32, len: u32) -> &[u8] {
    memory
        .get(at as usize..)
        .and_then(|m| m.get(..len as usize))
        .unwrap_or_default()
}

/// Copies `bytes` to `at`.
#[inline]
pub(super) fn put(memory: &mut [u8], at: u32, bytes: &[u8]) {
    if let Some(to) = memory
        .get_mut(at as usize..)
        .and_then(|m| m.get_mut(..bytes.len()))
    {
        copy_front(bytes, to);
    }
}

/// Copies as much as fits from the front of `from` to the front of `to`; returns how much that was.
#[inline]
pub(super) fn copy_front(from: &[u8], to: &mut [u8]) -> usize {
    if cfg!(target_pointer_width = "32") {
        return copy_words(from, to);
    }
    // This becomes a memcpy; `copy_from_slice` would keep a panic for unequal lengths when optimised for size.
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    from.len().min(to.len())
}

/// The same for a device: faster than the usual memcpy where the bytes do not lie on words, and far smaller.
#[inline(never)]
fn copy_words(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..len), to.get_mut(..len)) {
        let (from_pairs, from_rest) = from.as_chunks::<8>();
        let (to_pairs, to_rest) = to.as_chunks_mut::<8>();
        for (to, from) in to_pairs.iter_mut().zip(from_pairs) {
            // Two copies, or the compiler would see that the whole is a memcpy.
            if let ([to_low, to_high], [from_low, from_high]) =
                (to.as_chunks_mut::<4>().0, from.as_chunks::<4>().0)
            {
                *to_low = *from_low;
                *to_high = *from_high;
            }
        }
        for (to, from) in to_rest.iter_mut().zip(from_rest) {
            *to = *from;
        }
    }
    len
}

/// Whether two strings of bytes are the same.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(target_pointer_width = "32", inline(never))]
pub(super) fn equal(one: &[u8], other: &[u8]) -> bool {
    if cfg!(target_pointer_width = "64") && !cfg!(test) {
        return one == other;
    }
    // A device would call a routine that nothing else uses, and that looks at one byte at a time.
    if one.len() != other.len() {
        return false;
    }
    let (one_words, one_rest) = one.as_chunks::<4>();
    let (other_words, other_rest) = other.as_chunks::<4>();
    let same_word =
        |(one, other): (&[u8; 4], &[u8; 4])| u32::from_ne_bytes(*one) == u32::from_ne_bytes(*other);
    one_words.iter().zip(other_words).all(same_word)
        && one_rest
            .iter()
            .zip(other_rest)
            .all(|(one, other)| one == other)
}

/// Moves `len` bytes from a place to one that does not begin within it, in ascending order.
///
/// The bytes go through a small buffer: on a device a memmove for all cases takes more flash than the rest of the log.
pub(super) fn move_within(memory: &mut [u8], mut from: u32, mut to: u32, mut len: u32) {
    let mut buffer = heapless::Vec::<u8, 64>::new();
    while len != 0 && from != to {
        let step = len.min(buffer.capacity() as u32);
        buffer.clear();
        // A step is never longer than the buffer.
        let _ = buffer.extend_from_slice(slice(memory, from, step));
        put(memory, to, &buffer);
        from = from.wrapping_add(step);
        to = to.wrapping_add(step);
        len -= step;
    }
}

#[cfg(test)]
mod tests {
    use super::{copy_words, equal};

    #[test]
    fn a_devices_copy_takes_as_much_as_fits() {
        let from: [u8; 40] = core::array::from_fn(|i| i as u8 + 1);
        for from_len in 0..=from.len() {
            for to_len in 0..=from.len() {
                let mut to = [0; 48];
                let len = copy_words(&from[..from_len], &mut to[..to_len]);
                assert_eq!(len, from_len.min(to_len));
                assert_eq!(to[..len], from[..len]);
                assert_eq!(to[len..], [0; 48][len..], "{from_len} into {to_len}");
            }
        }
    }

    #[test]
    fn strings_are_equal_if_length_and_every_byte_are() {
        let bytes: [u8; 20] = core::array::from_fn(|i| i as u8);
        for len in 0..=bytes.len() {
            let same = bytes;
            assert!(equal(&bytes[..len], &same[..len]));
            for other_len in (0..=bytes.len()).filter(|&other| other != len) {
                assert!(!equal(&bytes[..len], &bytes[..other_len]));
            }
            for at in 0..len {
                let mut other = bytes;
                other[at] ^= 0x80;
                assert!(!equal(&bytes[..len], &other[..len]), "{at} of {len}");
            }
        }
    }
}
