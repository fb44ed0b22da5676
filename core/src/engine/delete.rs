//! DELETE and its quiet twin (memcached binary protocol: what each command does).

use super::{Credentials, Engine, Host, Statistics};
use crate::handler::{Outcome, Reply};
use crate::store::{DeleteError, Shards};
use crate::wire::{Request, Status};

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    #[inline(never)]
    pub(super) fn delete(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let deleted = self.shards.with(request.key, |store, key| {
            store.delete(key, request.cas, now)
        });
        match deleted {
            Ok(()) => {
                Statistics::raise(&mut self.statistics.delete_hits);
                if request.opcode.is_quiet() {
                    Outcome::Done
                } else {
                    reply.success(0).into()
                }
            }
            Err(DeleteError::Exists) => reply.error(Status::KEY_EEXISTS).into(),
            Err(_) => {
                Statistics::raise(&mut self.statistics.delete_misses);
                reply.error(Status::KEY_ENOENT).into()
            }
        }
    }
}
