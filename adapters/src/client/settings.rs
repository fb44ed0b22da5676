//! How a client behaves.

use memlet_core::connection::client::ClientOptions;
use memlet_core::wire::KEY_LEN_MAX;

/// Limits and sizes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ClientSettings {
    /// What is taken from the server: limits of a reply, meaning of the opcodes.
    pub connection: ClientOptions,
    /// Longest key that is sent, in bytes; a longer one is refused here, as the server would close.
    pub key_len_max: usize,
    /// The vbucket of every command that does not name its own.
    pub vbucket: u16,
    /// How many bytes the transport holds in one direction while nobody reads there: what both ends' buffers take.
    ///
    /// A batch has no more requests unanswered than fit this, or than whose answers do; so client and server never
    /// both wait for the other to read. Larger is faster over a long way, as long as it is true.
    pub unread_len_max: usize,
    /// How far an output buffer that can grow may do so, in bytes. A longer value is sent from where it is.
    pub output_len_max: usize,
}

impl Default for ClientSettings {
    /// For any server and transport: keys of 250 bytes, 16 KiB unread, 64 KiB of output.
    fn default() -> ClientSettings {
        ClientSettings {
            connection: ClientOptions::default(),
            key_len_max: KEY_LEN_MAX,
            vbucket: 0,
            unread_len_max: 16 << 10,
            output_len_max: 64 << 10,
        }
    }
}
