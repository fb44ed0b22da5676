//! What a server does with requests: one handler for each thread.

use std::sync::Arc;

use memlet_core::handler::Handler;

use super::Figures;

/// Makes the handlers of a server, one for each thread that serves connections.
///
/// A closure that returns a [`Handler`] is a service; so is [`Cache`](super::Cache).
pub trait Service: Sync {
    /// Answers the requests of one thread.
    type Handler: Handler;

    /// Makes the handler of thread number `thread`, within that thread.
    fn handler(&self, thread: usize, figures: &Arc<Figures>) -> Self::Handler;

    /// Called before answers are sent, so that whoever has read one finds it counted by every thread.
    fn publish(&self, thread: usize, handler: &mut Self::Handler) {
        let _ = (thread, handler);
    }
}

impl<F, H> Service for F
where
    F: Fn(usize) -> H + Sync,
    H: Handler,
{
    type Handler = H;

    fn handler(&self, thread: usize, _figures: &Arc<Figures>) -> H {
        self(thread)
    }
}
