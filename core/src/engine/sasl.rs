//! SASL_LIST_MECHS, SASL_AUTH, SASL_STEP (memcached binary protocol: SASL).

use super::session::{Exchange, Session};
use super::storage::len_u32;
use super::{Credentials, Engine, Host, Statistics, same_bytes};
use crate::handler::{Outcome, Reply};
use crate::store::Shards;
use crate::wire::{Opcode, Request, Status};

/// The longest name of a mechanism in bytes.
const MECHANISM_LEN_MAX: usize = 32;

const PLAIN: &[u8] = b"PLAIN";

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    #[inline(never)]
    pub(super) fn sasl(
        &mut self,
        session: &mut Session,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        if let Err(status) = self.check_login(request, len_u32(request.value.len())) {
            return reply.error(status).into();
        }
        if request.opcode == Opcode::SASL_LIST_MECHS {
            return reply.send(&[], &[], PLAIN, 0).into();
        }
        // Whatever comes of it, the earlier login ends here.
        session.authenticated = false;
        let earlier = session.exchange;
        // A step too many leaves the exchange finished, so that the next AUTH still fails.
        let mut is_expected = earlier == Exchange::Started;
        if request.opcode == Opcode::SASL_AUTH {
            session.exchange = Exchange::None;
            is_expected = earlier != Exchange::Finished && is_plain(request.key);
            if is_expected && request.value.is_empty() {
                session.exchange = Exchange::Started;
                return reply
                    .send_status(Status::AUTH_CONTINUE, &[], &[], &[], 0)
                    .into();
            }
        }
        let authenticated = is_expected && self.verify(request.value);
        Statistics::raise(&mut self.statistics.auth_cmds);
        if authenticated {
            session.authenticated = true;
            session.exchange = Exchange::Finished;
            return reply.send(&[], &[], b"Authenticated", 0).into();
        }
        Statistics::raise(&mut self.statistics.auth_errors);
        reply.error(Status::AUTH_ERROR).into()
    }

    /// Whether a login can be looked at: there are users, and the name of the mechanism and the credentials are not too
    /// long. memcached holds credentials in an item of one chunk, at most half the largest item.
    #[inline]
    pub(super) fn check_login(&self, request: &Request<'_>, value_len: u32) -> Result<(), Status> {
        if self.credentials.required() {
            check_lens(request, value_len, self.settings.item_size_max)
        } else {
            Err(Status::UNKNOWN_COMMAND)
        }
    }

    /// Judges a PLAIN message: `authzid NUL user NUL password`, where the first may be empty or the user again.
    fn verify(&self, message: &[u8]) -> bool {
        let Some((authorized, rest)) = split_at_nul(message) else {
            return false;
        };
        let Some((user, password)) = split_at_nul(rest) else {
            return false;
        };
        if user.is_empty()
            || password.is_empty()
            || split_at_nul(password).is_some()
            || !(authorized.is_empty() || same_bytes(authorized, user))
        {
            return false;
        }
        self.credentials.verify(user, password)
    }
}

/// Whether this is the name of the mechanism, in letters of either case.
fn is_plain(name: &[u8]) -> bool {
    // Letters differ from their other case in one bit, and PLAIN has nothing but letters.
    const CASE: u8 = 0x20;
    let mut pairs = name.iter().zip(PLAIN);
    name.len() == PLAIN.len() && pairs.all(|(byte, letter)| byte & !CASE == *letter)
}

#[inline(never)]
fn check_lens(request: &Request<'_>, value_len: u32, item_size_max: u32) -> Result<(), Status> {
    if request.key.len() > MECHANISM_LEN_MAX {
        Err(Status::EINVAL)
    } else if value_len > item_size_max / 2 {
        Err(Status::ENOMEM)
    } else {
        Ok(())
    }
}

/// What stands before the first NUL, and what behind it.
#[inline(never)]
fn split_at_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == 0)?;
    let (before, nul_and_rest) = bytes.split_at_checked(at)?;
    Some((before, nul_and_rest.get(1..)?))
}
