//! What a client takes from its server.

use crate::wire::{Dialect, Limits};

/// How a [`ClientConnection`](super::ClientConnection) judges what it sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ClientOptions {
    /// Longest key and body of a response. One that announces more is refused by its header.
    pub limits: Limits,
    /// Whose meaning the opcodes have, as far as it decides which of them are quiet.
    pub dialect: Dialect,
    /// The opaque of the first request; the others follow by one.
    pub first_opaque: u32,
}

impl ClientOptions {
    /// 32 MiB: more than the largest item of any server (20 MiB at Couchbase) with all that belongs to it.
    pub const BODY_LEN_MAX: u32 = 32 << 20;
}

impl Default for ClientOptions {
    /// memcached's opcodes; keys as long as can be said, bodies of [`ClientOptions::BODY_LEN_MAX`].
    fn default() -> ClientOptions {
        ClientOptions {
            limits: Limits {
                key_len_max: u16::MAX,
                body_len_max: ClientOptions::BODY_LEN_MAX,
            },
            dialect: Dialect::Memcached,
            first_opaque: 1,
        }
    }
}
