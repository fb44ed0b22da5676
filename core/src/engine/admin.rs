//! VERSION, VERBOSITY, QUIT (memcached binary protocol: what each command does).

use super::{Credentials, Engine, Host, invalid};
use crate::handler::{Outcome, Reply};
use crate::store::Shards;
use crate::wire::{Request, extras::VerbosityExtras};

impl<S: Shards, H: Host, C: Credentials> Engine<S, H, C> {
    #[inline(never)]
    pub(super) fn version(&self, reply: &mut Reply<'_>) -> Outcome {
        reply
            .send(&[], &[], self.settings.version.as_bytes(), 0)
            .into()
    }

    #[inline(never)]
    pub(super) fn verbosity(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
        let Ok(extras) = VerbosityExtras::parse(request.extras) else {
            return invalid(reply);
        };
        self.host.set_verbosity(extras.level);
        reply.success(0).into()
    }
}

/// Answers unless quiet, and closes.
pub(super) fn quit(request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
    if request.opcode.is_quiet() {
        return Outcome::Close;
    }
    match reply.success(0) {
        Ok(()) => Outcome::Close,
        Err(no_room) => Outcome::NeedOutput(no_room.needed),
    }
}
