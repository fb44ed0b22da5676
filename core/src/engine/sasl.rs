//! SASL_LIST_MECHS, SASL_AUTH, SASL_STEP (memcached binary protocol: SASL).

use super::session::{Exchange, Session};
use super::storage::len_u32;
use super::{Credentials, Engine, Host, Statistics, same_bytes};
use crate::handler::{Outcome, Reply};
use crate::store::Shards;
use crate::wire::{Opcode, Request, Status};

/// The longest name of a mechanism in bytes.
pub(super) const MECHANISM_LEN_MAX: usize = 32;

const PLAIN: &[u8] = b"PLAIN";

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    #[inline(never)]
    pub(super) fn sasl(
        &mut self,
        session: &mut Session,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        if !self.credentials.required() {
            return reply.error(Status::UNKNOWN_COMMAND).into();
        }
        if request.opcode == Opcode::SASL_LIST_MECHS {
            return reply.send(&[], &[], PLAIN, 0).into();
        }
        if request.key.len() > MECHANISM_LEN_MAX {
            return reply.error(Status::EINVAL).into();
        }
        if self.are_credentials_too_large(len_u32(request.value.len())) {
            return reply.error(Status::ENOMEM).into();
        }
        // Whatever comes of it, the earlier login ends here.
        session.authenticated = false;
        let authenticated = match (request.opcode, session.exchange) {
            (Opcode::SASL_AUTH, Exchange::Finished) => {
                session.exchange = Exchange::None;
                false
            }
            (Opcode::SASL_AUTH, _) if !request.key.eq_ignore_ascii_case(PLAIN) => {
                session.exchange = Exchange::None;
                false
            }
            (Opcode::SASL_AUTH, _) if request.value.is_empty() => {
                session.exchange = Exchange::Started;
                return reply
                    .send_status(Status::AUTH_CONTINUE, &[], &[], &[], 0)
                    .into();
            }
            (Opcode::SASL_AUTH, _) => {
                session.exchange = Exchange::None;
                self.verify(request.value)
            }
            (_, Exchange::Started) => self.verify(request.value),
            // A step too many leaves the exchange finished, so that the next AUTH still fails.
            (_, Exchange::Finished | Exchange::None) => false,
        };
        Statistics::raise(&mut self.statistics.auth_cmds);
        if authenticated {
            session.authenticated = true;
            session.exchange = Exchange::Finished;
            return reply.send(&[], &[], b"Authenticated", 0).into();
        }
        Statistics::raise(&mut self.statistics.auth_errors);
        reply.error(Status::AUTH_ERROR).into()
    }

    /// memcached holds credentials in an item of one chunk, at most half the largest item.
    pub(super) fn are_credentials_too_large(&self, value_len: u32) -> bool {
        value_len > self.settings.item_size_max / 2
    }

    /// Judges a PLAIN message: `authzid NUL user NUL password`, where the first may be empty or the user again.
    fn verify(&self, message: &[u8]) -> bool {
        let mut parts = message.split(|&byte| byte == 0);
        let (Some(authorized), Some(user), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        if user.is_empty()
            || password.is_empty()
            || !(authorized.is_empty() || same_bytes(authorized, user))
        {
            return false;
        }
        self.credentials.verify(user, password)
    }
}
