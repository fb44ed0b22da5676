//! The opaque of a stream.

/// What a consumer puts into the opaque of a stream's messages; the producer repeats it in all of them
/// (memcached binary protocol: gomemcached's use of UPR).
///
/// ```text
///  bits 31..16              15..0
///  the application's own    vbucket
/// ```
///
/// Streams of one vbucket that are open at the same time differ in the application's half.
#[doc(alias = "UprOpaque")]
#[doc(alias = "composeOpaque")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StreamOpaque {
    /// A number of the consumer's own.
    pub application: u16,
    /// The vbucket of the stream.
    pub vbucket: u16,
}

impl StreamOpaque {
    /// The two halves of an opaque.
    #[must_use]
    pub const fn from_opaque(opaque: u32) -> StreamOpaque {
        StreamOpaque {
            application: (opaque >> 16) as u16,
            vbucket: opaque as u16,
        }
    }

    /// The opaque as it stands in a header.
    #[must_use]
    pub const fn to_opaque(self) -> u32 {
        (self.application as u32) << 16 | self.vbucket as u32
    }
}
