//! What a consumer sets with CONTROL (memcached binary protocol: CONTROL keys).

use memlet_core::dcp::Control;
use memlet_core::wire::Status;

/// How long a connection is silent before a NOOP, in seconds, unless the consumer says otherwise.
const NOOP_INTERVAL_S: u32 = 180;

/// The longest silence that a consumer may ask for, in seconds.
const NOOP_INTERVAL_S_MAX: u32 = 10_800;

/// The properties of a connection that mean something here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Bytes that may be sent and not acknowledged; 0 = any number.
    pub(super) window: u64,
    pub(super) noop_enabled: bool,
    pub(super) noop_interval_s: u32,
    /// A stream that the consumer closes is ended like any other.
    pub(super) tells_close: bool,
    /// The consumer knows SEQNO_ADVANCED, so it is told where a backfill has ended.
    pub(super) tells_advance: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            window: 0,
            noop_enabled: false,
            noop_interval_s: NOOP_INTERVAL_S,
            tells_close: false,
            tells_advance: false,
        }
    }
}

impl Settings {
    /// Takes a property; the status to answer with.
    pub(super) fn set(&mut self, control: &Control<'_>) -> Status {
        let (Ok(key), Ok(value)) = (str::from_utf8(control.key), str::from_utf8(control.value))
        else {
            return Status::EINVAL;
        };
        match key {
            Control::CONNECTION_BUFFER_SIZE => match value.parse::<u32>() {
                Ok(window) => self.window = window.into(),
                Err(_) => return Status::EINVAL,
            },
            Control::ENABLE_NOOP => match value {
                "true" => self.noop_enabled = true,
                "false" => self.noop_enabled = false,
                _ => return Status::EINVAL,
            },
            Control::SET_NOOP_INTERVAL => match value.parse() {
                Ok(seconds @ 1..=NOOP_INTERVAL_S_MAX) => self.noop_interval_s = seconds,
                _ => return Status::EINVAL,
            },
            Control::SEND_STREAM_END_ON_CLIENT_CLOSE_STREAM if value == "true" => {
                self.tells_close = true;
            }
            // What is in order is never wrong; the rest of the answer is wanted.
            Control::ENABLE_OUT_OF_ORDER_SNAPSHOTS => match value {
                "true" => {}
                "true_with_seqno_advanced" => self.tells_advance = true,
                _ => return Status::EINVAL,
            },
            // They change nothing: all streams have their turn, and no message is of the kind that these are about.
            Control::SET_PRIORITY
            | Control::BACKFILL_ORDER
            | Control::SUPPORTS_CURSOR_DROPPING
            | Control::SUPPORTS_CURSOR_DROPPING_VULCAN
            | Control::SUPPORTS_HIFI_MFU
            | Control::ENABLE_EXPIRY_OPCODE => {}
            Control::FORCE_VALUE_COMPRESSION if value == "false" => {}
            Control::STREAM_BUFFER_SIZE
            | Control::ENABLE_STREAM_ID
            | Control::ENABLE_SYNC_WRITES
            | Control::CHANGE_STREAMS
            | Control::MAX_MARKER_VERSION
            | Control::CACHE_TRANSFER => return Status::NOT_SUPPORTED,
            _ => return Status::EINVAL,
        }
        Status::SUCCESS
    }
}
