//! What a connection has to know about its caller's buffers.

use crate::wire::Limits;

/// Sizes of the caller's buffers, and the limits on packets.
///
/// A server sets `input_capacity` and `output_capacity` to what its buffers may grow to, so that an item of the largest
/// size fits, and `stream_from` to the size of the buffer it normally reads into. A device sets all three to the size of
/// its fixed buffers: values up to the store's limit still arrive, in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionOptions {
    /// The longest packet in bytes, header included, that the caller can present in one piece.
    ///
    /// At least [`ConnectionOptions::INPUT_CAPACITY_MIN`], or requests with long keys are refused with 0x03.
    pub input_capacity: u32,
    /// Of packets longer than this many bytes the handler is asked whether it takes the value in pieces.
    ///
    /// More than `input_capacity` counts as `input_capacity`.
    pub stream_from: u32,
    /// The longest response in bytes that the caller can take in one piece.
    ///
    /// At least [`REPLY_ROOM_MIN`](crate::handler::REPLY_ROOM_MIN); below 278 bytes the echo of a long key may not fit.
    pub output_capacity: u32,
    /// Limits on key and body of a request.
    pub limits: Limits,
}

impl ConnectionOptions {
    /// The longest header, extras and key of a command of memcached: 24 + 20 + 250 bytes.
    pub const INPUT_CAPACITY_MIN: u32 = 294;

    /// Options for an input and an output buffer of fixed size.
    ///
    /// Limits are memcached's: a key of at most 250 bytes, a body of less than 2^30 bytes.
    #[must_use]
    pub fn for_buffers(input_len: usize, output_len: usize) -> ConnectionOptions {
        let input_capacity = u32::try_from(input_len).unwrap_or(u32::MAX);
        ConnectionOptions {
            input_capacity,
            stream_from: input_capacity,
            output_capacity: u32::try_from(output_len).unwrap_or(u32::MAX),
            ..ConnectionOptions::default()
        }
    }
}

impl Default for ConnectionOptions {
    /// For buffers that grow to an item of 1 MiB; packets over 16 KiB come in pieces.
    fn default() -> ConnectionOptions {
        ConnectionOptions {
            input_capacity: (1 << 20) + 1024,
            stream_from: 16 << 10,
            output_capacity: (1 << 20) + 1024,
            limits: Limits {
                key_len_max: 250,
                body_len_max: (1 << 30) - 1,
            },
        }
    }
}
