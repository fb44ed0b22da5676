//! ADD_STREAM, 0x51, and STREAM_REQ, 0x53: the two that ask for a stream.

use super::fields::{Fields, Fixed, Parts, bit_flags};
use crate::wire::{Opcode, Packet};

bit_flags! {
    /// How a stream is to be (memcached binary protocol: ADD_STREAM and STREAM_REQ flags). UPR of 2015 knew the first
    /// three. Bits without a name are kept.
    #[doc(alias = "UprStreamFlags")]
    StreamFlags(u32) {
        /// The consumer takes the vbucket over.
        TAKEOVER = 0x001, "takeover";
        /// Only what is on disk, then the stream ends.
        DISK_ONLY = 0x002, "disk-only";
        /// Up to what is the highest seqno when the stream opens, in place of the asked end.
        TO_LATEST = 0x004, "to-latest";
        /// Documents come without value. Refused today: OPEN has a flag for it.
        NO_VALUE = 0x008, "no-value";
        /// Only if the vbucket is active.
        ACTIVE_ONLY = 0x010, "active-only";
        /// A uuid of 0 is refused even at seqno 0.
        STRICT_VBUCKET_UUID = 0x020, "strict-vbucket-uuid";
        /// From what is the highest seqno when the stream opens, in place of the asked start.
        FROM_LATEST = 0x040, "from-latest";
        /// No rollback because deletions have been purged.
        IGNORE_PURGED_TOMBSTONES = 0x080, "ignore-purged-tombstones";
        /// What is cached comes first, in [`CacheRecords`](super::CacheRecords).
        CACHE_TRANSFER = 0x100, "cache-transfer";
    }
}

/// ADD_STREAM: tells a consumer to ask its producer for the stream of the header's vbucket (memcached binary protocol:
/// UPR and DCP).
///
/// ```text
///  extras, 4:  flags u32
/// ```
///
/// Answered by [`ReplyBody::StreamAdded`](super::ReplyBody::StreamAdded).
#[doc(alias = "UprAddStream")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AddStream {
    /// How the stream is to be.
    pub flags: StreamFlags,
}

impl AddStream {
    pub(super) fn parse(packet: &Packet<'_>) -> AddStream {
        AddStream {
            flags: StreamFlags(Fields::new(packet.extras).u32()),
        }
    }

    pub(super) fn parts<'a>(&self) -> Parts<'a> {
        Parts::new(Opcode::DCP_ADD_STREAM, Fixed::new().u32(self.flags.0))
    }
}

/// STREAM_REQ: asks for the changes of the header's vbucket (memcached binary protocol: UPR and DCP).
///
/// ```text
///  extras, 48:  flags u32 | reserved u32 | start u64 | end u64 | vbucket uuid u64 | snapshot start u64 | snapshot end u64
///  value:       none, or JSON, see StreamFilter
/// ```
///
/// Snapshot start ≤ start ≤ snapshot end, and start ≤ end, or the answer is 0x22. Otherwise
/// [`ReplyBody::FailoverLog`](super::ReplyBody::FailoverLog), [`ReplyBody::Rollback`](super::ReplyBody::Rollback),
/// 0x07 for a vbucket that is elsewhere, 0x02 for a stream that is open.
#[doc(alias = "UprStreamRequest")]
#[doc(alias = "UprStreamReq")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StreamRequest<'a> {
    /// How the stream is to be.
    pub flags: StreamFlags,
    /// 0, and kept as it comes.
    pub reserved: u32,
    /// The last seqno that the consumer has; 0 for none.
    pub start_seqno: u64,
    /// Where the stream is to end; [`StreamRequest::NO_END`] for never.
    pub end_seqno: u64,
    /// The history that `start_seqno` belongs to; 0 when nothing is known.
    pub vbucket_uuid: u64,
    /// Where the snapshot starts that `start_seqno` is in.
    pub snapshot_start: u64,
    /// Where that snapshot ends.
    pub snapshot_end: u64,
    /// JSON, or nothing.
    pub value: &'a [u8],
}

format_fields!(StreamRequest {
    flags,
    reserved,
    start_seqno,
    end_seqno,
    vbucket_uuid,
    snapshot_start,
    snapshot_end,
    value: Length,
});

impl<'a> StreamRequest<'a> {
    /// The end of a stream that goes on with what happens next.
    pub const NO_END: u64 = u64::MAX;

    pub(super) fn parse(packet: &Packet<'a>) -> StreamRequest<'a> {
        let mut fields = Fields::new(packet.extras);
        StreamRequest {
            flags: StreamFlags(fields.u32()),
            reserved: fields.u32(),
            start_seqno: fields.u64(),
            end_seqno: fields.u64(),
            vbucket_uuid: fields.u64(),
            snapshot_start: fields.u64(),
            snapshot_end: fields.u64(),
            value: packet.value,
        }
    }

    pub(super) fn parts(&self) -> Parts<'a> {
        let fixed = Fixed::new()
            .u32(self.flags.0)
            .u32(self.reserved)
            .u64(self.start_seqno)
            .u64(self.end_seqno)
            .u64(self.vbucket_uuid)
            .u64(self.snapshot_start)
            .u64(self.snapshot_end);
        Parts {
            value: self.value,
            ..Parts::new(Opcode::DCP_STREAM_REQ, fixed)
        }
    }
}
