//! SYSTEM_EVENT, 0x5f.

use super::fields::{Fields, Fixed, Parts, found_len, open_number};
use crate::wire::{Allowed, Field, Opcode, Packet, ParseError, ParseErrorKind};

open_number! {
    /// What happened (memcached binary protocol: system events).
    #[doc(alias = "UprSystemEventKind")]
    SystemEventKind(u32) {
        /// A collection begins: it was created, or flushed.
        COLLECTION_BEGIN = 0, "collection-begin";
        /// A collection is gone.
        COLLECTION_END = 1, "collection-end";
        /// A scope was created.
        SCOPE_CREATE = 3, "scope-create";
        /// A scope is gone.
        SCOPE_DROP = 4, "scope-drop";
        /// A collection has other properties.
        COLLECTION_MODIFY = 5, "collection-modify";
    }
}

/// SYSTEM_EVENT: a scope or a collection came, changed or went (memcached binary protocol: system events).
///
/// ```text
///  extras, 13:  seqno u64 | event u32 | version u8
///  key:         the name of what came or changed
///  value:       see SystemEventDetails
/// ```
#[doc(alias = "UprSystemEvent")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SystemEvent<'a> {
    /// The change's number in its vbucket.
    pub seqno: u64,
    /// What happened.
    pub event: SystemEventKind,
    /// The layout of the value.
    pub version: u8,
    /// The name, or nothing.
    pub key: &'a [u8],
    /// The details as they came.
    pub value: &'a [u8],
}

format_fields!(SystemEvent {
    seqno,
    event,
    version,
    key: Text,
    value: Length
});

/// The value of a [`SystemEvent`] (memcached binary protocol: system events).
///
/// ```text
///  event              version 0                                              version 1
///  collection begins  manifest uid u64 | scope u32 | collection u32          as 0 | max TTL u32
///  collection ends    manifest uid u64 | scope u32 | collection u32          -
///  scope created      manifest uid u64 | scope u32                           -
///  scope dropped      manifest uid u64 | scope u32                           -
/// ```
#[doc(alias = "UprSystemEventDetails")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemEventDetails<'a> {
    /// Of a collection that begins or ends.
    Collection {
        /// Version of the list of scopes and collections since which this holds.
        manifest_uid: u64,
        /// The collection's scope.
        scope: u32,
        /// The collection.
        collection: u32,
        /// How long its documents live at most, in seconds; only version 1 tells it.
        max_ttl: Option<u32>,
    },
    /// Of a scope that was created or dropped.
    Scope {
        /// Version of the list of scopes and collections since which this holds.
        manifest_uid: u64,
        /// The scope.
        scope: u32,
    },
    /// A FlatBuffers table: version 2.
    FlatBuffers(&'a [u8]),
    /// An event or a version that has no layout here.
    Unknown(&'a [u8]),
}

#[cfg(feature = "defmt")]
impl defmt::Format for SystemEventDetails<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            SystemEventDetails::Collection {
                manifest_uid,
                scope,
                collection,
                max_ttl,
            } => defmt::write!(
                f,
                "Collection {{ manifest_uid: {=u64}, scope: {=u32}, collection: {=u32}, max_ttl: {} }}",
                manifest_uid,
                scope,
                collection,
                max_ttl
            ),
            SystemEventDetails::Scope {
                manifest_uid,
                scope,
            } => defmt::write!(
                f,
                "Scope {{ manifest_uid: {=u64}, scope: {=u32} }}",
                manifest_uid,
                scope
            ),
            SystemEventDetails::FlatBuffers(value) => {
                defmt::write!(f, "FlatBuffers({=usize} bytes)", value.len());
            }
            SystemEventDetails::Unknown(value) => {
                defmt::write!(f, "Unknown({=usize} bytes)", value.len());
            }
        }
    }
}

impl<'a> SystemEvent<'a> {
    /// The version of values in FlatBuffers.
    pub const FLATBUFFERS: u8 = 2;

    /// What the value says.
    ///
    /// # Errors
    /// [`ParseErrorKind::ValueLength`] when its length is not that of the event and version; the offset is 0, the
    /// value's start.
    pub fn details(&self) -> Result<SystemEventDetails<'a>, ParseError> {
        type Kind = SystemEventKind;
        let value_len: u8 = match (self.event, self.version) {
            (_, SystemEvent::FLATBUFFERS) => {
                return Ok(SystemEventDetails::FlatBuffers(self.value));
            }
            (Kind::COLLECTION_BEGIN | Kind::COLLECTION_END, 0) => 16,
            (Kind::COLLECTION_BEGIN, 1) => 20,
            (Kind::SCOPE_CREATE | Kind::SCOPE_DROP, 0) => 12,
            _ => return Ok(SystemEventDetails::Unknown(self.value)),
        };
        if self.value.len() != usize::from(value_len) {
            return Err(ParseError::new(
                ParseErrorKind::ValueLength,
                Field::Value,
                0,
                found_len(self.value),
                Allowed::Bits(1 << value_len),
            ));
        }
        let mut fields = Fields::new(self.value);
        let (manifest_uid, scope) = (fields.u64(), fields.u32());
        if value_len == 12 {
            return Ok(SystemEventDetails::Scope {
                manifest_uid,
                scope,
            });
        }
        Ok(SystemEventDetails::Collection {
            manifest_uid,
            scope,
            collection: fields.u32(),
            max_ttl: (value_len == 20).then(|| fields.u32()),
        })
    }

    pub(super) fn parse(packet: &Packet<'a>) -> SystemEvent<'a> {
        let mut fields = Fields::new(packet.extras);
        SystemEvent {
            seqno: fields.u64(),
            event: SystemEventKind(fields.u32()),
            version: fields.u8(),
            key: packet.key,
            value: packet.value,
        }
    }

    pub(super) fn parts(&self) -> Parts<'a> {
        let fixed = Fixed::new()
            .u64(self.seqno)
            .u32(self.event.0)
            .u8(self.version);
        Parts {
            key: self.key,
            value: self.value,
            ..Parts::new(Opcode::DCP_SYSTEM_EVENT, fixed)
        }
    }
}
