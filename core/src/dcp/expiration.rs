//! EXPIRATION, 0x59.

use super::deletion::METADATA_LEN_AT;
use super::fields::{Fields, Fixed, Parts, cut_metadata, metadata_len};
use crate::wire::{EmitError, Opcode, Packet, ParseError};

/// Length of the extras of the second form in bytes.
const V2_LEN: usize = 20;

/// Which of its layouts an expiration has, and what that one has beyond the other.
#[doc(alias = "UprExpirationForm")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpirationForm<'a> {
    /// 18 bytes of extras, in 2015.
    V1 {
        /// Extended metadata, at most 65535 bytes.
        metadata: &'a [u8],
    },
    /// 20 bytes of extras, today.
    V2 {
        /// When the document expired, in unix seconds.
        delete_time: u32,
    },
}

#[cfg(feature = "defmt")]
impl defmt::Format for ExpirationForm<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            ExpirationForm::V1 { metadata } => {
                defmt::write!(f, "V1 {{ metadata: {=usize} bytes }}", metadata.len());
            }
            ExpirationForm::V2 { delete_time } => {
                defmt::write!(f, "V2 {{ delete_time: {=u32} }}", delete_time);
            }
        }
    }
}

impl Default for ExpirationForm<'_> {
    fn default() -> Self {
        ExpirationForm::V2 { delete_time: 0 }
    }
}

/// EXPIRATION: a document expired (memcached binary protocol: UPR and DCP).
///
/// ```text
///  V1  extras, 18:  seqno u64 | revision u64 | metadata length u16
///  V2  extras, 20:  seqno u64 | revision u64 | delete time u32
///  key:             the document's
///  value:           none, or its extended attributes with no document behind them; then the extended metadata
/// ```
///
/// Today's producers send it only when [`Control::ENABLE_EXPIRY_OPCODE`](super::Control::ENABLE_EXPIRY_OPCODE) is on,
/// and a deletion otherwise.
#[doc(alias = "UprExpiration")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Expiration<'a> {
    /// The change's number in its vbucket.
    pub seqno: u64,
    /// How often the document has been changed.
    pub revision: u64,
    /// The key.
    pub key: &'a [u8],
    /// What is left of the document, without the extended metadata.
    pub value: &'a [u8],
    /// The layout.
    pub form: ExpirationForm<'a>,
}

format_fields!(Expiration {
    seqno,
    revision,
    key: Text,
    value: Length,
    form
});

impl<'a> Expiration<'a> {
    pub(super) fn parse(packet: &Packet<'a>) -> Result<Expiration<'a>, ParseError> {
        let mut fields = Fields::new(packet.extras);
        let (seqno, revision) = (fields.u64(), fields.u64());
        let (value, form) = if packet.extras.len() == V2_LEN {
            let delete_time = fields.u32();
            (packet.value, ExpirationForm::V2 { delete_time })
        } else {
            let (value, metadata) = cut_metadata(packet, fields.u16(), METADATA_LEN_AT)?;
            (value, ExpirationForm::V1 { metadata })
        };
        Ok(Expiration {
            seqno,
            revision,
            key: packet.key,
            value,
            form,
        })
    }

    pub(super) fn parts(&self) -> Result<Parts<'a>, EmitError> {
        let fixed = Fixed::new().u64(self.seqno).u64(self.revision);
        let (fixed, metadata) = match self.form {
            ExpirationForm::V1 { metadata } => (fixed.u16(metadata_len(metadata)?), metadata),
            ExpirationForm::V2 { delete_time } => (fixed.u32(delete_time), [].as_slice()),
        };
        Ok(Parts {
            key: self.key,
            value: self.value,
            metadata,
            ..Parts::new(Opcode::DCP_EXPIRATION, fixed)
        })
    }
}
