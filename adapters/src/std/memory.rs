//! The memory of a shard: taken from the system page by page, in large pages if that is wanted.

use std::io;

use memmap2::MmapMut;

/// Memory that a shard's store lives in: zeroed, and given by the system as it is first written.
///
/// A lookup touches one place of the index and one of a log, far from each other. In pages of 4 KiB each of them also
/// may also cost a walk through the page tables; large pages save that. They are given whole, so an empty store that has
/// them takes megabytes where one without takes kilobytes.
#[derive(Debug)]
pub struct ShardMemory(MmapMut);

impl ShardMemory {
    /// Takes `len` bytes, in large pages if the system has them and `large_pages` asks for them.
    ///
    /// # Errors
    /// What the system says when it has no room for them.
    pub fn new(len: usize, large_pages: bool) -> io::Result<ShardMemory> {
        let map = MmapMut::map_anon(len)?;
        #[cfg(target_os = "linux")]
        if large_pages && let Err(error) = map.advise(memmap2::Advice::HugePage) {
            tracing::debug!(%error, "no large pages for a shard");
        }
        Ok(ShardMemory(map))
    }
}

impl AsRef<[u8]> for ShardMemory {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for ShardMemory {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
