//! PREPARE, 0x60, SEQNO_ACKNOWLEDGED, 0x61, COMMIT, 0x62, and ABORT, 0x63: durable writes, which a replica holds before
//! they count.

use super::fields::{Fields, Fixed, Parts};
use crate::wire::{Opcode, Packet};

/// PREPARE: a durable write that is not yet decided (memcached binary protocol: UPR and DCP).
///
/// ```text
///  extras, 31:  seqno u64 | revision u64 | flags u32 | expiration u32 | lock time u32 | nru u8 | deleted u8 |
///               durability level u8
///  key:         the document's
///  value:       the document; of a deletion its extended attributes alone
/// ```
#[doc(alias = "UprPrepare")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Prepare<'a> {
    /// The change's number in its vbucket.
    pub seqno: u64,
    /// How often the document has been changed.
    pub revision: u64,
    /// The flags of the item.
    pub flags: u32,
    /// When the item expires, in unix seconds; 0 for never.
    pub expiration: u32,
    /// How long the item is locked, in seconds.
    pub lock_time: u32,
    /// How recently the item was used, in the producer's own scale.
    pub nru: u8,
    /// 1 when the write is a deletion, else 0.
    pub deleted: u8,
    /// 1 majority, 2 majority and persisted on the active one, 3 persisted on the majority.
    pub durability_level: u8,
    /// The key.
    pub key: &'a [u8],
    /// The document.
    pub value: &'a [u8],
}

format_fields!(Prepare {
    seqno,
    revision,
    flags,
    expiration,
    lock_time,
    nru,
    deleted,
    durability_level,
    key: Text,
    value: Length,
});

impl<'a> Prepare<'a> {
    pub(super) fn parse(packet: &Packet<'a>) -> Prepare<'a> {
        let mut fields = Fields::new(packet.extras);
        Prepare {
            seqno: fields.u64(),
            revision: fields.u64(),
            flags: fields.u32(),
            expiration: fields.u32(),
            lock_time: fields.u32(),
            nru: fields.u8(),
            deleted: fields.u8(),
            durability_level: fields.u8(),
            key: packet.key,
            value: packet.value,
        }
    }

    pub(super) fn parts(&self) -> Parts<'a> {
        let fixed = Fixed::new()
            .u64(self.seqno)
            .u64(self.revision)
            .u32(self.flags)
            .u32(self.expiration)
            .u32(self.lock_time)
            .u8(self.nru)
            .u8(self.deleted)
            .u8(self.durability_level);
        Parts {
            key: self.key,
            value: self.value,
            ..Parts::new(Opcode::DCP_PREPARE, fixed)
        }
    }
}

/// SEQNO_ACKNOWLEDGED: the replica holds every prepared write up to here (memcached binary protocol: UPR and DCP).
///
/// ```text
///  extras, 8:  prepared seqno u64
/// ```
#[doc(alias = "UprSeqnoAcknowledged")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SeqnoAcknowledged {
    /// Seqno of the last prepared write that it holds.
    pub prepared_seqno: u64,
}

impl SeqnoAcknowledged {
    pub(super) fn parse(packet: &Packet<'_>) -> SeqnoAcknowledged {
        SeqnoAcknowledged {
            prepared_seqno: Fields::new(packet.extras).u64(),
        }
    }

    pub(super) fn parts<'a>(&self) -> Parts<'a> {
        let fixed = Fixed::new().u64(self.prepared_seqno);
        Parts::new(Opcode::DCP_SEQNO_ACKNOWLEDGED, fixed)
    }
}

/// COMMIT: a prepared write stands (memcached binary protocol: UPR and DCP).
///
/// ```text
///  extras, 16:  prepared seqno u64 | commit seqno u64
///  key:         the document's
/// ```
#[doc(alias = "UprCommit")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Commit<'a> {
    /// Seqno of the prepare.
    pub prepared_seqno: u64,
    /// The change's number in its vbucket.
    pub commit_seqno: u64,
    /// The key.
    pub key: &'a [u8],
}

format_fields!(Commit {
    prepared_seqno,
    commit_seqno,
    key: Text
});

impl<'a> Commit<'a> {
    pub(super) fn parse(packet: &Packet<'a>) -> Commit<'a> {
        let mut fields = Fields::new(packet.extras);
        Commit {
            prepared_seqno: fields.u64(),
            commit_seqno: fields.u64(),
            key: packet.key,
        }
    }

    pub(super) fn parts(&self) -> Parts<'a> {
        let fixed = Fixed::new().u64(self.prepared_seqno).u64(self.commit_seqno);
        Parts {
            key: self.key,
            ..Parts::new(Opcode::DCP_COMMIT, fixed)
        }
    }
}

/// ABORT: a prepared write is off (memcached binary protocol: UPR and DCP).
///
/// ```text
///  extras, 16:  prepared seqno u64 | abort seqno u64
///  key:         the document's
/// ```
#[doc(alias = "UprAbort")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Abort<'a> {
    /// Seqno of the prepare.
    pub prepared_seqno: u64,
    /// The change's number in its vbucket.
    pub abort_seqno: u64,
    /// The key.
    pub key: &'a [u8],
}

format_fields!(Abort {
    prepared_seqno,
    abort_seqno,
    key: Text
});

impl<'a> Abort<'a> {
    pub(super) fn parse(packet: &Packet<'a>) -> Abort<'a> {
        let mut fields = Fields::new(packet.extras);
        Abort {
            prepared_seqno: fields.u64(),
            abort_seqno: fields.u64(),
            key: packet.key,
        }
    }

    pub(super) fn parts(&self) -> Parts<'a> {
        let fixed = Fixed::new().u64(self.prepared_seqno).u64(self.abort_seqno);
        Parts {
            key: self.key,
            ..Parts::new(Opcode::DCP_ABORT, fixed)
        }
    }
}
