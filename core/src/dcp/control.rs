//! CONTROL, 0x5e.

use super::fields::{Fixed, Parts};
use crate::wire::{Opcode, Packet};

/// CONTROL: sets a property of the connection (memcached binary protocol: CONTROL keys).
///
/// ```text
///  extras:  none
///  key:     the property, one of the constants
///  value:   text: decimal digits, true, false, or a word
/// ```
///
/// Answered with a status: 0x04 for what the producer does not know or allow, 0x83 for what it cannot do.
#[doc(alias = "UprControl")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Control<'a> {
    /// The property.
    pub key: &'a [u8],
    /// What it is set to.
    pub value: &'a [u8],
}

format_fields!(Control {
    key: Text,
    value: Text
});

impl<'a> Control<'a> {
    /// Bytes that the producer may have sent beyond those acknowledged; 0 is no flow control.
    pub const CONNECTION_BUFFER_SIZE: &'static str = "connection_buffer_size";
    /// As [`Control::CONNECTION_BUFFER_SIZE`] for each stream; 0x83 from every known producer.
    pub const STREAM_BUFFER_SIZE: &'static str = "stream_buffer_size";
    /// Whether the producer sends NOOP when it has had nothing to send: true or false.
    pub const ENABLE_NOOP: &'static str = "enable_noop";
    /// After how many seconds; documented as 20 to 10800.
    pub const SET_NOOP_INTERVAL: &'static str = "set_noop_interval";
    /// high, medium or low.
    pub const SET_PRIORITY: &'static str = "set_priority";
    /// round-robin or sequential.
    pub const BACKFILL_ORDER: &'static str = "backfill_order";
    /// Whether every value comes compressed: true or false. Needs HELLO Snappy.
    pub const FORCE_VALUE_COMPRESSION: &'static str = "force_value_compression";
    /// Whether the consumer lives with a stream that is ended because it is slow: true or false.
    pub const SUPPORTS_CURSOR_DROPPING: &'static str = "supports_cursor_dropping";
    /// As [`Control::SUPPORTS_CURSOR_DROPPING`], in the wording of one release.
    pub const SUPPORTS_CURSOR_DROPPING_VULCAN: &'static str = "supports_cursor_dropping_vulcan";
    /// Whether the byte `nru` of a mutation is a counter: true or false.
    pub const SUPPORTS_HIFI_MFU: &'static str = "supports_hifi_MFU";
    /// STREAM_END also after CLOSE_STREAM: true. Cannot be switched off.
    pub const SEND_STREAM_END_ON_CLIENT_CLOSE_STREAM: &'static str =
        "send_stream_end_on_client_close_stream";
    /// Whether expirations come as such: true or false. Without effect unless OPEN asked for delete times.
    pub const ENABLE_EXPIRY_OPCODE: &'static str = "enable_expiry_opcode";
    /// Several streams of one vbucket: true. Cannot be undone; 0x83 with sync writes.
    pub const ENABLE_STREAM_ID: &'static str = "enable_stream_id";
    /// PREPARE, COMMIT and ABORT are sent: true. 0x83 with stream ids.
    pub const ENABLE_SYNC_WRITES: &'static str = "enable_sync_writes";
    /// With [`Control::ENABLE_SYNC_WRITES`] makes the consumer a replica of that name, and markers of version 2.0.
    pub const CONSUMER_NAME: &'static str = "consumer_name";
    /// Backfill in the order of keys: true or true_with_seqno_advanced.
    pub const ENABLE_OUT_OF_ORDER_SNAPSHOTS: &'static str = "enable_out_of_order_snapshots";
    /// System events have values in FlatBuffers: true.
    pub const FLATBUFFERS_SYSTEM_EVENTS: &'static str = "flatbuffers_system_events";
    /// All versions of a document that the producer keeps: true. 0x83 from storage without history.
    pub const CHANGE_STREAMS: &'static str = "change_streams";
    /// Asks whether OPEN's flag for users' attributes of deletions is in force: true.
    pub const INCLUDE_DELETED_USER_XATTRS: &'static str = "include_deleted_user_xattrs";
    /// Statuses 0x0a and 0x0b in place of 0x01 and 0x02: true.
    pub const V7_DCP_STATUS_CODES: &'static str = "v7_dcp_status_codes";
    /// The newest form of snapshot marker that the consumer reads: 2.2. 0x83 without collections.
    pub const MAX_MARKER_VERSION: &'static str = "max_marker_version";
    /// Asks whether the producer sends what it has cached.
    pub const CACHE_TRANSFER: &'static str = "cache_transfer";

    /// A property set to a text.
    #[must_use]
    pub const fn new(key: &'a str, value: &'a str) -> Control<'a> {
        Control {
            key: key.as_bytes(),
            value: value.as_bytes(),
        }
    }

    pub(super) fn parse(packet: &Packet<'a>) -> Control<'a> {
        Control {
            key: packet.key,
            value: packet.value,
        }
    }

    pub(super) fn parts(&self) -> Parts<'a> {
        Parts {
            key: self.key,
            value: self.value,
            ..Parts::new(Opcode::DCP_CONTROL, Fixed::new())
        }
    }
}
