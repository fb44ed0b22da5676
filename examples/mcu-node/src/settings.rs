//! All sizes and addresses of the node, chosen by how much memory the board has. The README says what each costs.
//!
//! Three of them can be set from outside for a measurement, without touching this file: the environment variables
//! `MEMLET_NODE_CONNECTIONS`, `MEMLET_NODE_STORE` (bytes) and `MEMLET_NODE_IDLE` (seconds), when the image is built.

use crate::board::{Board, ThisBoard};

const IS_SMALL: bool = ThisBoard::RAM_LEN <= 64 << 10;
const IS_LARGE: bool = ThisBoard::RAM_LEN >= 2 << 20;

/// Bytes of memory for the items, their index included.
pub(crate) const STORE_LEN: usize = from_environment(
    option_env!("MEMLET_NODE_STORE"),
    match () {
        () if IS_SMALL => 16 << 10,
        () if IS_LARGE => 1 << 20,
        () => 128 << 10,
    },
);

/// Sockets that listen for clients: as many can be connected. One that finds all of them taken is refused, and one socket
/// is busy for a moment after its client has gone, so this is more than the number of clients that are expected: twice
/// that where there is memory for it.
pub(crate) const SOCKETS: usize = from_environment(
    option_env!("MEMLET_NODE_CONNECTIONS"),
    match () {
        () if IS_SMALL => 8,
        () if IS_LARGE => 16,
        () => 8,
    },
);

/// Bytes that TCP takes for a socket before the node has read them, which is how much a client may have on its way.
///
/// Short, as network devices on boards have room for few frames: when many clients send long values at once what does not
/// fit is lost, and sent again only after a second.
pub(crate) const SOCKET_RX_LEN: usize = 768;
/// Bytes that TCP keeps for a socket until the client has confirmed them.
pub(crate) const SOCKET_TX_LEN: usize = if IS_SMALL { 1536 } else { 4096 };

/// Bytes of a connection's buffer for requests: header, extras and the longest key. Values may be longer.
pub(crate) const INPUT_LEN: usize = 304;
/// Bytes of the buffer for answers, which all sockets share; no longer value can be fetched, less 28 bytes and the key.
pub(crate) const OUTPUT_LEN: usize = if IS_SMALL { 1536 } else { 2048 };
const _: () = assert!(
    OUTPUT_LEN <= SOCKET_TX_LEN,
    "an answer has to fit a socket's buffer too"
);

/// Bytes that a serial port takes while the node is busy, such as with sending answers. Without flow control a host must
/// not have more than this and [`INPUT_LEN`] on the way at a time, but for the value of one request.
#[cfg(feature = "uart")]
pub(crate) const SERIAL_RECEIVE_LEN: usize = if IS_SMALL { 512 } else { 4096 };
/// Bytes of answers that wait for a serial port.
#[cfg(feature = "uart")]
pub(crate) const SERIAL_SEND_LEN: usize = 256;
/// Bits a second on a serial port; 8 data bits, no parity, 1 stop bit.
#[cfg(feature = "uart")]
pub(crate) const SERIAL_BAUD: u32 = 115_200;
/// Milliseconds of silence in the middle of a request that end it, and after which bytes that made no sense are over.
#[cfg(feature = "uart")]
pub(crate) const SERIAL_GAP_MS: u32 = 500;
#[cfg(feature = "uart")]
pub(crate) const SERIAL_QUIET_MS: u32 = 100;

/// Seconds after which a client that says nothing is disconnected.
pub(crate) const IDLE_SECONDS: u64 = from_environment(option_env!("MEMLET_NODE_IDLE"), 300) as u64;
/// Seconds after which a client that does not take all of its answers is disconnected.
pub(crate) const UNREAD_SECONDS: u64 = 10;
/// Seconds of silence after which a client is asked whether it is still there, and after which it is taken for gone.
pub(crate) const KEEP_ALIVE_SECONDS: u64 = 10;
pub(crate) const VANISHED_SECONDS: u64 = 30;

/// Where the node listens.
pub(crate) const PORT: u16 = 11211;
/// Its address, unless a DHCP server gives it one (feature `dhcp`).
#[cfg(not(feature = "dhcp"))]
pub(crate) const ADDRESS: [u8; 4] = [10, 0, 2, 15];
#[cfg(not(feature = "dhcp"))]
pub(crate) const ADDRESS_PREFIX_LEN: u8 = 24;
#[cfg(not(feature = "dhcp"))]
pub(crate) const GATEWAY: [u8; 4] = [10, 0, 2, 2];

/// The memcached that a near cache asks (feature `near`): as it is, port 11311 of the machine on which QEMU runs.
#[cfg(feature = "near")]
pub(crate) const UPSTREAM: ([u8; 4], u16) = ([10, 0, 2, 2], 11311);
/// Seconds for which a near cache serves an item without asking again.
#[cfg(feature = "near")]
pub(crate) const NEAR_TTL: u32 = 10;
/// Requests to upstream that a near cache has under way at the same time, and the bytes of the longest request or answer.
#[cfg(feature = "near")]
pub(crate) const NEAR_REQUESTS: usize = if IS_SMALL { 3 } else { 16 };
#[cfg(feature = "near")]
pub(crate) const NEAR_LEN: usize = if IS_SMALL { 768 } else { OUTPUT_LEN };

/// The unix time that the node takes its start for. A device without a clock does not know better; see the README for what
/// that means for expiration.
pub(crate) const UNIX_TIME_AT_START: u32 = 1_767_225_600;

/// Milliseconds between two looks at whether all tasks still run. The boards' watchdogs wait several times as long.
pub(crate) const HEARTBEAT_MS: u64 = 1000;

/// The number in `text`, or else `default`.
const fn from_environment(text: Option<&str>, default: usize) -> usize {
    let Some(text) = text else { return default };
    match usize::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("MEMLET_NODE_… must be a number"),
    }
}
