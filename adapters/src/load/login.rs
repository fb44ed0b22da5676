//! Logging in on a connection, before it is loaded.

use std::fmt;
use std::io::{Read, Write};

use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

use super::LoadError;

/// User and password for SASL PLAIN.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: Vec<u8>,
    /// The password.
    pub password: Vec<u8>,
}

/// Without the password, which does not belong in logs.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &String::from_utf8_lossy(&self.user))
            .finish_non_exhaustive()
    }
}

impl Login {
    /// Logs in over a stream that blocks.
    pub(super) fn over(&self, stream: &mut (impl Read + Write)) -> Result<(), LoadError> {
        // The first field, on whose behalf the user acts, stays empty.
        let message = [b"\0", self.user.as_slice(), b"\0", &self.password].concat();
        let request = Request {
            key: b"PLAIN",
            value: &message,
            ..Request::new(Opcode::SASL_AUTH)
        };
        let too_long = |_| LoadError::Options("user and password are too long for a packet");
        let mut output = vec![0; request.encoded_len().map_err(too_long)?];
        request.emit(&mut output).map_err(too_long)?;
        stream.write_all(&output).map_err(LoadError::of_wait)?;
        let mut input = Vec::new();
        let mut piece = [0; 256];
        loop {
            let count = stream.read(&mut piece).map_err(LoadError::of_wait)?;
            if count == 0 {
                return Err(LoadError::Closed);
            }
            input.extend_from_slice(&piece[..count]);
            let limits = Limits::default();
            if let Parsed::Complete { value, .. } =
                Response::parse(&input, &limits).map_err(LoadError::Parse)?
            {
                return match value.status {
                    Status::SUCCESS => Ok(()),
                    status => Err(LoadError::Login(status)),
                };
            }
        }
    }
}
