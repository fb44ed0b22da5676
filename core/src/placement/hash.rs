//! The hashes that libmemcached places keys by.

/// A hash of 32 bits that is fed in pieces.
///
/// libmemcached's default is [`OneAtATime`]; with the feature `md5` there is `Md5`. Others of its hashes can be added by
/// implementing this.
pub trait KeyHash: Default {
    /// Takes the next bytes.
    fn update(&mut self, bytes: &[u8]);

    /// The hash of all bytes taken.
    fn finish(self) -> u32;
}

/// Bob Jenkins's one-at-a-time hash: libmemcached's default.
///
/// Bytes from 0x80 on are taken for negative numbers, as libmemcached takes them where C's `char` is signed: on x86,
/// but not on ARM. Clients on machines of both kinds disagree about keys with such bytes; this one agrees with x86.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneAtATime(u32);

impl KeyHash for OneAtATime {
    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let sign_extended = i32::from(byte.cast_signed()).cast_unsigned();
            self.0 = self.0.wrapping_add(sign_extended);
            self.0 = self.0.wrapping_add(self.0 << 10);
            self.0 ^= self.0 >> 6;
        }
    }

    fn finish(self) -> u32 {
        let mut hash = self.0;
        hash = hash.wrapping_add(hash << 3);
        hash ^= hash >> 11;
        hash.wrapping_add(hash << 15)
    }
}

/// The first four bytes of the MD5 digest, the first of them the least: libmemcached's hash of weighted ketama.
///
/// Good for placing keys, not for secrets: MD5 has been broken.
#[cfg(feature = "md5")]
#[derive(Clone, Default)]
pub struct Md5(md5::Md5);

#[cfg(feature = "md5")]
impl Md5 {
    /// The digest as four numbers.
    pub(super) fn words(self) -> [u32; 4] {
        use md5::Digest;
        let digest: [u8; 16] = self.0.finalize().into();
        let (words, _) = digest.as_chunks();
        match words {
            [a, b, c, d] => [a, b, c, d].map(|word| u32::from_le_bytes(*word)),
            // A digest has 16 bytes.
            _ => [0; 4],
        }
    }
}

#[cfg(feature = "md5")]
impl core::fmt::Debug for Md5 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Md5")
    }
}

#[cfg(feature = "md5")]
impl KeyHash for Md5 {
    fn update(&mut self, bytes: &[u8]) {
        use md5::Digest;
        self.0.update(bytes);
    }

    fn finish(self) -> u32 {
        let [first, ..] = self.words();
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed<H: KeyHash>(pieces: &[&[u8]]) -> u32 {
        let mut hash = H::default();
        for piece in pieces {
            hash.update(piece);
        }
        hash.finish()
    }

    /// The values that the hash's author gives.
    #[test]
    fn one_at_a_time_gives_the_published_values() {
        assert_eq!(hashed::<OneAtATime>(&[b"a"]), 0xca2e_9442);
        assert_eq!(
            hashed::<OneAtATime>(&[b"The quick brown fox ", b"jumps over the lazy dog"]),
            0x519e_91f5
        );
        assert_eq!(hashed::<OneAtATime>(&[]), 0);
    }

    #[cfg(feature = "md5")]
    #[test]
    fn md5_gives_the_front_of_the_digest_in_little_endian() {
        // MD5("abc") is 900150983cd24fb0d6963f7d28e17f72 (RFC 1321, A.5).
        assert_eq!(hashed::<Md5>(&[b"a", b"bc"]), 0x9850_0190);
        let mut hash = Md5::default();
        hash.update(b"abc");
        assert_eq!(
            hash.words(),
            [0x9850_0190, 0xb04f_d23c, 0x7d3f_96d6, 0x727f_e128]
        );
    }
}
