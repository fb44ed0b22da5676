//! DELETION, 0x58.

use super::fields::{Fields, Fixed, Parts, cut_metadata, metadata_len};
use crate::wire::{EmitError, Opcode, Packet, ParseError};

/// Length of the extras of the second form in bytes.
const V2_LEN: usize = 21;

/// Where in the extras of the first form the length of the extended metadata stands.
pub(super) const METADATA_LEN_AT: u32 = 16;

/// Which of its layouts a deletion has, and what that one has beyond the other.
#[doc(alias = "UprDeletionForm")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeletionForm<'a> {
    /// 18 bytes of extras.
    V1 {
        /// Extended metadata of UPR in 2015, at most 65535 bytes; none since.
        metadata: &'a [u8],
    },
    /// 21 bytes of extras; asked for with [`OpenFlags::INCLUDE_DELETE_TIMES`](super::OpenFlags::INCLUDE_DELETE_TIMES).
    V2 {
        /// When the document was deleted, in unix seconds.
        delete_time: u32,
        /// Without a meaning; kept as it comes.
        unused: u8,
    },
}

#[cfg(feature = "defmt")]
impl defmt::Format for DeletionForm<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            DeletionForm::V1 { metadata } => {
                defmt::write!(f, "V1 {{ metadata: {=usize} bytes }}", metadata.len());
            }
            DeletionForm::V2 {
                delete_time,
                unused,
            } => defmt::write!(
                f,
                "V2 {{ delete_time: {=u32}, unused: {=u8} }}",
                delete_time,
                unused
            ),
        }
    }
}

impl Default for DeletionForm<'_> {
    fn default() -> Self {
        DeletionForm::V1 { metadata: &[] }
    }
}

/// DELETION: a document was removed (memcached binary protocol: UPR and DCP).
///
/// ```text
///  V1  extras, 18:  seqno u64 | revision u64 | metadata length u16
///  V2  extras, 21:  seqno u64 | revision u64 | delete time u32 | unused u8
///  key:             the document's
///  value:           none, or its extended attributes with no document behind them; then the extended metadata
/// ```
#[doc(alias = "UprDeletion")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Deletion<'a> {
    /// The change's number in its vbucket.
    pub seqno: u64,
    /// How often the document has been changed.
    pub revision: u64,
    /// The key.
    pub key: &'a [u8],
    /// What is left of the document, without the extended metadata.
    pub value: &'a [u8],
    /// The layout.
    pub form: DeletionForm<'a>,
}

format_fields!(Deletion {
    seqno,
    revision,
    key: Text,
    value: Length,
    form
});

impl<'a> Deletion<'a> {
    pub(super) fn parse(packet: &Packet<'a>) -> Result<Deletion<'a>, ParseError> {
        let mut fields = Fields::new(packet.extras);
        let (seqno, revision) = (fields.u64(), fields.u64());
        let (value, form) = if packet.extras.len() == V2_LEN {
            let form = DeletionForm::V2 {
                delete_time: fields.u32(),
                unused: fields.u8(),
            };
            (packet.value, form)
        } else {
            let (value, metadata) = cut_metadata(packet, fields.u16(), METADATA_LEN_AT)?;
            (value, DeletionForm::V1 { metadata })
        };
        Ok(Deletion {
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
            DeletionForm::V1 { metadata } => (fixed.u16(metadata_len(metadata)?), metadata),
            DeletionForm::V2 {
                delete_time,
                unused,
            } => (fixed.u32(delete_time).u8(unused), [].as_slice()),
        };
        Ok(Parts {
            key: self.key,
            value: self.value,
            metadata,
            ..Parts::new(Opcode::DCP_DELETION, fixed)
        })
    }
}
