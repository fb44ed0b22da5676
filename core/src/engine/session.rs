//! What the engine keeps for one connection.

use super::upload::Upload;
use crate::wire::Opcode;

/// What the engine keeps for one connection: its login, and a value that is arriving in pieces.
#[derive(Debug, Default)]
pub struct Session {
    pub(super) authenticated: bool,
    pub(super) exchange: Exchange,
    pub(super) upload: Option<Upload>,
}

/// How far a SASL exchange is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Exchange {
    /// None is going on.
    #[default]
    None,
    /// The client has named its mechanism and is to send its credentials.
    Started,
    /// It has succeeded; memcached refuses the next attempt.
    Finished,
}

impl Session {
    /// Whether the client has logged in.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether a command is allowed: any after the login; before it the login itself and VERSION.
    #[inline]
    pub(super) fn may(&self, opcode: Opcode) -> bool {
        type O = Opcode;
        self.authenticated
            || matches!(
                opcode,
                O::SASL_LIST_MECHS | O::SASL_AUTH | O::SASL_STEP | O::VERSION
            )
    }
}
