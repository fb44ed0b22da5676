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

/// The `len` bytes at `at`, or none of them.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(target_pointer_width = "32", inline(never))]
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
    // This becomes a memcpy; `copy_from_slice` would keep a panic for unequal lengths when optimised for size.
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    from.len().min(to.len())
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
