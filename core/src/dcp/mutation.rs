//! MUTATION, 0x57.

use super::fields::{Fields, Fixed, Parts, cut_metadata, metadata_len};
use crate::wire::{EmitError, Opcode, Packet, ParseError};

/// Where in the extras the length of the extended metadata stands.
const METADATA_LEN_AT: u32 = 28;

/// MUTATION: a document was stored (memcached binary protocol: UPR and DCP).
///
/// ```text
///  extras, 31:  seqno u64 | revision u64 | flags u32 | expiration u32 | lock time u32 | metadata length u16 | nru u8
///  key:         the document's, with its collection id where collections are on (CollectionKey)
///  value:       the document, then the extended metadata
/// ```
///
/// CAS and data type stand in the header: [`Message::cas`](super::Message::cas),
/// [`Message::datatype`](super::Message::datatype).
#[doc(alias = "UprMutation")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mutation<'a> {
    /// The change's number in its vbucket.
    pub seqno: u64,
    /// How often the document has been changed.
    #[doc(alias = "RevSeqno")]
    pub revision: u64,
    /// The flags of the item.
    pub flags: u32,
    /// When the item expires, in unix seconds; 0 for never.
    pub expiration: u32,
    /// How long the item is locked, in seconds.
    pub lock_time: u32,
    /// How recently the item was used, in the producer's own scale.
    pub nru: u8,
    /// The key.
    pub key: &'a [u8],
    /// The document, without the extended metadata.
    pub value: &'a [u8],
    /// Extended metadata of UPR in 2015, at most 65535 bytes; none since.
    #[doc(alias = "MetadataSize")]
    #[doc(alias = "nmeta")]
    pub metadata: &'a [u8],
}

format_fields!(Mutation {
    seqno,
    revision,
    flags,
    expiration,
    lock_time,
    nru,
    key: Text,
    value: Length,
    metadata: Length,
});

impl<'a> Mutation<'a> {
    /// Length of the extras in bytes.
    pub const EXTRAS_LEN: usize = 31;

    pub(super) fn parse(packet: &Packet<'a>) -> Result<Mutation<'a>, ParseError> {
        let mut fields = Fields::new(packet.extras);
        let (seqno, revision) = (fields.u64(), fields.u64());
        let (flags, expiration, lock_time) = (fields.u32(), fields.u32(), fields.u32());
        let (value, metadata) = cut_metadata(packet, fields.u16(), METADATA_LEN_AT)?;
        Ok(Mutation {
            seqno,
            revision,
            flags,
            expiration,
            lock_time,
            nru: fields.u8(),
            key: packet.key,
            value,
            metadata,
        })
    }

    pub(super) fn parts(&self) -> Result<Parts<'a>, EmitError> {
        let fixed = Fixed::new()
            .u64(self.seqno)
            .u64(self.revision)
            .u32(self.flags)
            .u32(self.expiration)
            .u32(self.lock_time)
            .u16(metadata_len(self.metadata)?)
            .u8(self.nru);
        Ok(Parts {
            key: self.key,
            value: self.value,
            metadata: self.metadata,
            ..Parts::new(Opcode::DCP_MUTATION, fixed)
        })
    }
}
