//! The data type byte of the header.

use core::fmt;
use core::ops::BitOr;

/// What the value is, as bits (memcached binary protocol: datatype bits).
///
/// memcached ignores it in requests and sends 0; Couchbase uses three bits. Every byte is kept as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataType(pub u8);

impl DataType {
    /// Plain bytes.
    pub const RAW: DataType = DataType(0x00);
    /// The value, once inflated and past its xattr section, is JSON.
    pub const JSON: DataType = DataType(0x01);
    /// The whole value is one raw Snappy block.
    pub const SNAPPY: DataType = DataType(0x02);
    /// The value, once inflated, starts with a section of extended attributes.
    pub const XATTR: DataType = DataType(0x04);

    /// Whether all bits of `other` are set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: DataType) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits that have no name; 0 in a well-behaved packet.
    #[inline]
    #[must_use]
    pub const fn unnamed_bits(self) -> u8 {
        self.0 & !0x07
    }
}

impl BitOr for DataType {
    type Output = DataType;

    fn bitor(self, other: DataType) -> DataType {
        DataType(self.0 | other.0)
    }
}

/// `raw`, or the names of the bits joined by `|`; bits without a name as one hexadecimal number.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == DataType::RAW {
            return f.write_str("raw");
        }
        let mut separator = "";
        for (bit, name) in [
            (DataType::JSON, "json"),
            (DataType::SNAPPY, "snappy"),
            (DataType::XATTR, "xattr"),
        ] {
            if self.contains(bit) {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        if self.unnamed_bits() != 0 {
            write!(f, "{separator}0x{:02x}", self.unnamed_bits())?;
        }
        Ok(())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for DataType {
    fn format(&self, f: defmt::Formatter<'_>) {
        if *self == DataType::RAW {
            return defmt::write!(f, "raw");
        }
        crate::format::bits(
            f,
            [(1, "json"), (2, "snappy"), (4, "xattr")]
                .map(|(bit, name)| (u32::from(self.0) & bit, name)),
            self.unnamed_bits().into(),
        );
    }
}
