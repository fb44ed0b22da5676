//! SNAPSHOT_MARKER, 0x56.

use super::fields::{Fields, Fixed, Parts, bit_flags, wrong_value_len};
use crate::wire::{Allowed, Field, HEADER_LEN, Opcode, Packet, ParseError, ParseErrorKind};

bit_flags! {
    /// Where a snapshot comes from and what is expected (memcached binary protocol: snapshot markers). Bits without a
    /// name are kept.
    #[doc(alias = "UprSnapshotType")]
    SnapshotFlags(u32) {
        /// It comes from memory.
        MEMORY = 0x01, "memory";
        /// It comes from disk.
        DISK = 0x02, "disk";
        /// A checkpoint starts with it.
        CHECKPOINT = 0x04, "checkpoint";
        /// The marker has to be answered.
        ACK = 0x08, "ack";
        /// It holds all versions of its documents.
        HISTORY = 0x10, "history";
        /// A key may occur more than once.
        MAY_CONTAIN_DUPLICATES = 0x20, "may-contain-duplicates";
    }
}

/// Which of its layouts a snapshot marker has, and what that one has beyond the first.
#[doc(alias = "UprMarkerForm")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MarkerForm {
    /// The fields are extras.
    #[default]
    V1,
    /// The fields are the value, and two more.
    V2_0 {
        /// Highest seqno that readers may see.
        max_visible_seqno: u64,
        /// Highest seqno of a durable write that is decided.
        high_completed_seqno: u64,
    },
    /// The fields are the value, and four more.
    V2_2 {
        /// Highest seqno that readers may see.
        max_visible_seqno: u64,
        /// Highest seqno of a durable write that is decided.
        high_completed_seqno: u64,
        /// Up to where deletions have been purged.
        purge_seqno: u64,
        /// Highest seqno of a durable write that is prepared.
        high_prepared_seqno: u64,
    },
}

/// SNAPSHOT_MARKER: the changes that follow, up to and with the end, are one consistent picture (memcached binary
/// protocol: snapshot markers).
///
/// ```text
///  V1    extras, 20:  start u64 | end u64 | flags u32
///  V2.0  extras, 1:   0
///        value, 36:   start u64 | end u64 | flags u32 | max visible seqno u64 | high completed seqno u64
///  V2.2  extras, 1:   2
///        value, 52:   as V2.0 | purge seqno u64 | high prepared seqno u64
/// ```
///
/// Answered only when the flag [`SnapshotFlags::ACK`] is set.
#[doc(alias = "UprSnapshotMarker")]
#[doc(alias = "UprSnapshot")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SnapshotMarker {
    /// Lowest seqno of the snapshot.
    pub start_seqno: u64,
    /// Highest seqno of the snapshot.
    pub end_seqno: u64,
    /// Where it comes from and what is expected.
    pub flags: SnapshotFlags,
    /// The layout.
    pub form: MarkerForm,
}

/// Version bytes of the second form, and the lengths of the values that go with them, in bytes.
const V2_0: u8 = 0;
const V2_2: u8 = 2;
const V2_0_LEN: usize = 36;
const V2_2_LEN: usize = 52;

impl SnapshotMarker {
    pub(super) fn parse(packet: &Packet<'_>) -> Result<SnapshotMarker, ParseError> {
        let (fields, value_len, version) = match packet.extras {
            [V2_0] => (packet.value, V2_0_LEN, V2_0),
            [V2_2] => (packet.value, V2_2_LEN, V2_2),
            &[version] => {
                let offset = HEADER_LEN.saturating_add(packet.framing_extras.len()) as u32;
                return Err(ParseError::new(
                    ParseErrorKind::UnknownVersion,
                    Field::Extras,
                    offset,
                    version.into(),
                    Allowed::OneOf(&[V2_0, V2_2]),
                ));
            }
            extras => (extras, 0, 1),
        };
        if packet.value.len() != value_len {
            return Err(wrong_value_len(packet, Allowed::Bits(1 << value_len)));
        }
        let mut fields = Fields::new(fields);
        Ok(SnapshotMarker {
            start_seqno: fields.u64(),
            end_seqno: fields.u64(),
            flags: SnapshotFlags(fields.u32()),
            form: match version {
                V2_0 => MarkerForm::V2_0 {
                    max_visible_seqno: fields.u64(),
                    high_completed_seqno: fields.u64(),
                },
                V2_2 => MarkerForm::V2_2 {
                    max_visible_seqno: fields.u64(),
                    high_completed_seqno: fields.u64(),
                    purge_seqno: fields.u64(),
                    high_prepared_seqno: fields.u64(),
                },
                _ => MarkerForm::V1,
            },
        })
    }

    pub(super) fn parts<'a>(&self) -> Parts<'a> {
        let in_value = |version| {
            Fixed::new()
                .u8(version)
                .value_u64(self.start_seqno)
                .value_u64(self.end_seqno)
                .value_u32(self.flags.0)
        };
        let fixed = match self.form {
            MarkerForm::V1 => Fixed::new()
                .u64(self.start_seqno)
                .u64(self.end_seqno)
                .u32(self.flags.0),
            MarkerForm::V2_0 {
                max_visible_seqno,
                high_completed_seqno,
            } => in_value(V2_0)
                .value_u64(max_visible_seqno)
                .value_u64(high_completed_seqno),
            MarkerForm::V2_2 {
                max_visible_seqno,
                high_completed_seqno,
                purge_seqno,
                high_prepared_seqno,
            } => in_value(V2_2)
                .value_u64(max_visible_seqno)
                .value_u64(high_completed_seqno)
                .value_u64(purge_seqno)
                .value_u64(high_prepared_seqno),
        };
        Parts::new(Opcode::DCP_SNAPSHOT_MARKER, fixed)
    }
}
