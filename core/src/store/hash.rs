//! The keyed hash of a key, computed once per request.

use super::item::{KeyBytes, Value};

/// The longest key in bytes (memcached binary protocol: limits).
pub const KEY_LEN_MAX: usize = 250;

/// What makes the hash of one store unlike that of any other.
///
/// Keys arrive from the network: with a seed that outsiders don't know nobody can choose keys that collide. Take it from
/// the system's or the chip's random source. All shards of one cache share one seed, so that a key is hashed once.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Seed(pub [u64; 2]);

// A seed is a secret: it must not reach a log by way of a derived form.
impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Seed {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Seed(..)");
    }
}

impl Seed {
    /// The 64-bit SipHash-1-3 of `bytes` under this seed.
    #[must_use]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let [key_0, key_1] = self.0;
        let mut state = State([
            key_0 ^ 0x736f_6d65_7073_6575,
            key_1 ^ 0x646f_7261_6e64_6f6d,
            key_0 ^ 0x6c79_6765_6e65_7261,
            key_1 ^ 0x7465_6462_7974_6573,
        ]);
        let (words, rest) = bytes.as_chunks::<8>();
        let last = last_word(bytes, rest) | (bytes.len() as u64) << 56;
        if cfg!(target_pointer_width = "32") {
            state.absorb_all(words, last);
        } else {
            for word in words {
                state.absorb(u64::from_le_bytes(*word));
            }
            state.absorb(last);
            state.0[2] ^= 0xff;
            for _ in 0..3 {
                state.round();
            }
        }
        let [a, b, c, d] = state.0;
        a ^ b ^ c ^ d
    }

    /// The same for a key that lies in the store.
    pub(super) fn hash_pieces(&self, key: Value<'_>) -> u64 {
        let (first, second) = key.pieces();
        if second.is_empty() {
            self.hash(first)
        } else {
            self.hash_wrapped(key)
        }
    }

    #[cold]
    fn hash_wrapped(&self, key: Value<'_>) -> u64 {
        let mut bytes = KeyBytes::new();
        key.copy_key_to(&mut bytes);
        self.hash(&bytes)
    }
}

/// The bytes that are too few for a word, in one.
#[inline]
fn last_word(bytes: &[u8], rest: &[u8]) -> u64 {
    if cfg!(target_pointer_width = "64")
        && let Some(word) = bytes.last_chunk::<8>()
    {
        // One load instead of a copy of unknown length, where flash does not count.
        let unwanted = 64 - 8 * rest.len() as u32;
        return u64::from_le_bytes(*word).checked_shr(unwanted).unwrap_or(0);
    }
    let mut word = [0; 8];
    for (place, byte) in word.iter_mut().zip(rest) {
        *place = *byte;
    }
    u64::from_le_bytes(word)
}

/// The four words of SipHash.
struct State([u64; 4]);

impl State {
    /// All words, then the last one, then three rounds without a word: on a device one loop with the round in it once, so
    /// that the state stays in registers.
    #[inline(always)]
    fn absorb_all(&mut self, words: &[[u8; 8]], last: u64) {
        let mut words = words.iter();
        loop {
            let word = words.next();
            self.absorb(word.map_or(last, |word| u64::from_le_bytes(*word)));
            if word.is_none() {
                break;
            }
        }
        self.0[2] ^= 0xff;
        for _ in 0..3 {
            self.round();
        }
    }

    #[inline(always)]
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(always)]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32);
        c = c.wrapping_add(b);
        a = a.wrapping_add(d);
        b = b.rotate_left(17) ^ c;
        d = d.rotate_left(21) ^ a;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }
}

/// A key with its hash.
///
/// The top 16 bits of the hash are free for the choice of a shard; within a store the lower 48 bits are used.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    bytes: &'a [u8],
    hash: u64,
}

/// The bytes alone: a hash would tell of the seed.
#[cfg(feature = "defmt")]
impl defmt::Format for Key<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::format::Text(self.bytes).format(f);
    }
}

impl<'a> Key<'a> {
    /// Hashes `bytes` under the seed of the store that will be asked.
    ///
    /// Any bytes are a key here; one that is empty or longer than [`KEY_LEN_MAX`] is never found and cannot be stored.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a [u8], seed: &Seed) -> Self {
        Key {
            bytes,
            hash: seed.hash(bytes),
        }
    }

    pub(super) fn with_hash(bytes: &'a [u8], hash: u64) -> Self {
        Key { bytes, hash }
    }

    /// The key's bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The key's hash under the seed it was made with.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn a_device_hashes_as_a_server_does() {
        let words = [*b"a key of", *b" a cache"];
        let mut device = State([1, 2, 3, 4]);
        device.absorb_all(&words, 77);
        let mut server = State([1, 2, 3, 4]);
        for word in words.iter().map(|word| u64::from_le_bytes(*word)) {
            server.absorb(word);
        }
        server.absorb(77);
        server.0[2] ^= 0xff;
        for _ in 0..3 {
            server.round();
        }
        assert_eq!(device.0, server.0);
    }
}
