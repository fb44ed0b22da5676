//! The fixed fields that stand between header and key, one type per layout.

use super::error::{Allowed, EmitError, Field, ParseError, ParseErrorKind};
use super::parse::{be_u32, be_u64, exactly};

#[cold]
fn wrong_length(found: usize, allowed: u64) -> ParseError {
    let found = u32::try_from(found).unwrap_or(u32::MAX);
    ParseError::new(
        ParseErrorKind::ExtrasLength,
        Field::Extras,
        0,
        found,
        Allowed::Bits(allowed),
    )
}

/// Puts `bytes` at the front of `out`.
#[inline]
fn put(bytes: &[u8], out: &mut [u8]) -> Result<usize, EmitError> {
    let mut writer = super::emit::Writer::new(out, bytes.len())?;
    writer.put(bytes);
    Ok(bytes.len())
}

/// One struct per layout, with fields in the order of the wire.
macro_rules! extras {
    ($( $(#[$meta:meta])* $name:ident, $len:literal { $( $(#[$field_meta:meta])* $field:ident: $type:ident, $read:ident, )+ } )+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
            #[cfg_attr(feature = "defmt", derive(defmt::Format))]
            pub struct $name { $( $(#[$field_meta])* pub $field: $type, )+ }

            impl $name {
                /// Length in bytes.
                pub const LEN: usize = $len;

                /// Reads the extras of a packet.
                ///
                /// # Errors
                #[doc = concat!("[`ParseErrorKind::ExtrasLength`] unless there are exactly ", $len, " bytes.")]
                #[inline]
                pub fn parse(extras: &[u8]) -> Result<Self, ParseError> {
                    // One number after the other: a tuple of them would go through memory.
                    let rest = extras;
                    $(
                        let Ok((rest, $field)) = $read(rest) else {
                            return Err(wrong_length(extras.len(), 1 << $len));
                        };
                    )+
                    if !rest.is_empty() {
                        return Err(wrong_length(extras.len(), 1 << $len));
                    }
                    Ok($name { $( $field, )+ })
                }

                /// The extras as they go over the wire.
                #[inline]
                #[must_use]
                pub fn to_bytes(&self) -> [u8; $len] {
                    let mut out = [0; $len];
                    let mut rest: &mut [u8] = &mut out;
                    $(
                        if let Some((place, behind)) = core::mem::take(&mut rest).split_first_chunk_mut() {
                            *place = self.$field.to_be_bytes();
                            rest = behind;
                        }
                    )+
                    let _ = rest;
                    out
                }

                /// Writes the extras to the front of `out` and returns their length in bytes.
                ///
                /// # Errors
                /// [`EmitError::OutputTooShort`]; `out` is untouched then.
                #[inline]
                pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
                    put(&self.to_bytes(), out)
                }
            }
        )+
    };
}

extras! {
    /// Request extras of SET, ADD, REPLACE and their quiet twins.
    StoreExtras, 8 {
        /// Handed back by every get; means something to the client alone.
        flags: u32, be_u32,
        /// When the item expires, in seconds: 0 never, up to 30 days from now, beyond that since 1970.
        expiration: u32, be_u32,
    }
    /// Request extras of INCREMENT, DECREMENT and their quiet twins.
    CounterExtras, 20 {
        /// How much to add or subtract.
        delta: u64, be_u64,
        /// The value of a counter that does not exist yet.
        initial: u64, be_u64,
        /// When a new counter expires, in seconds as in [`StoreExtras`]; [`CounterExtras::NO_CREATE`] for a miss instead.
        expiration: u32, be_u32,
    }
    /// Request extras of TOUCH, GAT, GATK and the quiet ones among them.
    TouchExtras, 4 {
        /// When the item expires, in seconds as in [`StoreExtras`].
        expiration: u32, be_u32,
    }
    /// Request extras of VERBOSITY.
    VerbosityExtras, 4 {
        /// How much to log; 0 is the least.
        level: u32, be_u32,
    }
    /// Response extras of every get, and of memcached's TOUCH.
    FlagsExtras, 4 {
        /// The flags of the item.
        flags: u32, be_u32,
    }
}

impl CounterExtras {
    /// The expiration that says: do not create the counter.
    pub const NO_CREATE: u32 = 0xffff_ffff;
}

/// Request extras of FLUSH and FLUSHQ, which may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FlushExtras {
    /// When to flush, in seconds as in [`StoreExtras`]; `None` and 0 for now.
    pub expiration: Option<u32>,
}

impl FlushExtras {
    /// Reads the extras of a packet.
    ///
    /// # Errors
    /// [`ParseErrorKind::ExtrasLength`] unless there are 0 or 4 bytes.
    #[inline]
    pub fn parse(extras: &[u8]) -> Result<Self, ParseError> {
        if extras.is_empty() {
            return Ok(FlushExtras { expiration: None });
        }
        match exactly(extras, be_u32) {
            Some(expiration) => Ok(FlushExtras {
                expiration: Some(expiration),
            }),
            None => Err(wrong_length(extras.len(), 1 | 1 << 4)),
        }
    }

    /// Writes the extras, if any, to the front of `out` and returns their length in bytes.
    ///
    /// # Errors
    /// [`EmitError::OutputTooShort`]; `out` is untouched then.
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        match self.expiration {
            Some(expiration) => put(&expiration.to_be_bytes(), out),
            None => Ok(0),
        }
    }
}
