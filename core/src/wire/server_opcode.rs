//! Commands that a Couchbase server sends to its client.

use core::fmt;

use super::Opcode;
use super::text::name_or_number;

/// The command of a packet whose magic is 0x82 or 0x83: numbers of their own
/// (memcached binary protocol: server-initiated opcodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerOpcode(pub u8);

impl ServerOpcode {
    /// 0x01: the cluster map has changed. Needs no answer.
    #[doc(alias = "ClustermapChangeNotification")]
    pub const CLUSTERMAP_CHANGE_NOTIFICATION: ServerOpcode = ServerOpcode(0x01);
    /// 0x02: asks the authentication provider to check a user.
    #[doc(alias = "Authenticate")]
    pub const AUTHENTICATE: ServerOpcode = ServerOpcode(0x02);
    /// 0x03: tells the authentication provider who is logged in. Needs no answer.
    #[doc(alias = "ActiveExternalUsers")]
    pub const ACTIVE_EXTERNAL_USERS: ServerOpcode = ServerOpcode(0x03);
    /// 0x04: asks the authentication provider what a user may do.
    #[doc(alias = "GetAuthorization")]
    pub const GET_AUTHORIZATION: ServerOpcode = ServerOpcode(0x04);

    /// The name, if the number has one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            ServerOpcode::CLUSTERMAP_CHANGE_NOTIFICATION => Some("CLUSTERMAP_CHANGE_NOTIFICATION"),
            ServerOpcode::AUTHENTICATE => Some("AUTHENTICATE"),
            ServerOpcode::ACTIVE_EXTERNAL_USERS => Some("ACTIVE_EXTERNAL_USERS"),
            ServerOpcode::GET_AUTHORIZATION => Some("GET_AUTHORIZATION"),
            _ => None,
        }
    }
}

impl From<ServerOpcode> for Opcode {
    fn from(opcode: ServerOpcode) -> Opcode {
        Opcode(opcode.0)
    }
}

impl fmt::Display for ServerOpcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_or_number(f, self.name(), self.0.into())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ServerOpcode {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::format::name_or_number(f, self.name(), self.0.into());
    }
}
