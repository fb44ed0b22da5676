//! The two lists in a TAP_CONNECT, borrowed from its bytes or from the caller's numbers.

use core::fmt;

use crate::wire::emit::Writer;
use crate::wire::{EmitError, Field};

use super::frame::length;

/// Where the entries of a list stand.
#[derive(Clone, Copy)]
enum Entries<'a, T> {
    /// In a packet, behind the count.
    Wire(&'a [u8]),
    /// With the caller.
    Numbers(&'a [T]),
}

macro_rules! list {
    ($(#[$meta:meta])* $name:ident, $entry:ty, $entry_len:literal, $read:expr, $write:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy)]
        pub struct $name<'a>(Entries<'a, $entry>);

        impl<'a> $name<'a> {
            /// Length of an entry on the wire in bytes.
            pub const ENTRY_LEN: u8 = $entry_len;

            /// Entries as they stand in a packet, behind the count.
            pub(super) fn from_wire(entries: &'a [u8]) -> $name<'a> {
                $name(Entries::Wire(entries))
            }

            /// How many entries there are.
            #[must_use]
            pub fn len(&self) -> usize {
                match self.0 {
                    Entries::Wire(bytes) => bytes.len() / $entry_len,
                    Entries::Numbers(numbers) => numbers.len(),
                }
            }

            /// Whether there is no entry.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The entries in their order.
            pub fn iter(&self) -> impl Iterator<Item = $entry> + Clone + use<'a> {
                let (bytes, numbers) = match self.0 {
                    Entries::Wire(bytes) => (bytes, &[][..]),
                    Entries::Numbers(numbers) => (&[][..], numbers),
                };
                let (chunks, _) = bytes.as_chunks::<$entry_len>();
                chunks.iter().map($read).chain(numbers.iter().copied())
            }

            /// Length on the wire in bytes, with the count.
            pub(super) fn encoded_len(&self) -> Result<u64, EmitError> {
                let entries = length(Field::Value, self.len() as u64)?;
                Ok(2 + u64::from(entries) * $entry_len)
            }

            /// Writes count and entries; [`Self::encoded_len`] has found that the count can be told.
            pub(super) fn put(&self, writer: &mut Writer<'_>) {
                let entries = u16::try_from(self.len()).unwrap_or(u16::MAX);
                writer.put(&entries.to_be_bytes());
                for entry in self.iter() {
                    writer.put(&$write(entry));
                }
            }
        }

        impl<'a> From<&'a [$entry]> for $name<'a> {
            fn from(numbers: &'a [$entry]) -> $name<'a> {
                $name(Entries::Numbers(numbers))
            }
        }

        impl<'a, const N: usize> From<&'a [$entry; N]> for $name<'a> {
            fn from(numbers: &'a [$entry; N]) -> $name<'a> {
                $name(Entries::Numbers(numbers))
            }
        }

        impl PartialEq for $name<'_> {
            fn eq(&self, other: &$name<'_>) -> bool {
                self.iter().eq(other.iter())
            }
        }

        impl Eq for $name<'_> {}

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.iter()).finish()
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $name<'_> {
            fn format(&self, f: defmt::Formatter<'_>) {
                crate::format::list(f, self.iter());
            }
        }
    };
}

list! {
    /// Vbuckets, at most 65535; none stands for all.
    VbucketList, u16, 2, |bytes| u16::from_be_bytes(*bytes), u16::to_be_bytes
}

list! {
    /// Vbuckets with the checkpoint that the consumer has of each, at most 65535.
    CheckpointList, (u16, u64), 10, read_checkpoint, write_checkpoint
}

fn read_checkpoint(bytes: &[u8; 10]) -> (u16, u64) {
    let [v0, v1, id @ ..] = *bytes;
    (u16::from_be_bytes([v0, v1]), u64::from_be_bytes(id))
}

fn write_checkpoint((vbucket, id): (u16, u64)) -> [u8; 10] {
    let [v0, v1] = vbucket.to_be_bytes();
    let [a, b, c, d, e, f, g, h] = id.to_be_bytes();
    [v0, v1, a, b, c, d, e, f, g, h]
}
