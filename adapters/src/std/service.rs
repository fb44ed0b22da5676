//! What a server does with requests: one handler for each thread.

use std::sync::Arc;

use memlet_core::handler::Handler;

use super::{Figures, Task};

/// Makes the handlers of a server, one for each thread that serves connections.
///
/// A closure that returns a [`Handler`] is a service; so is [`Cache`](super::Cache).
pub trait Service: Sync {
    /// Answers the requests of one thread.
    type Handler: Handler;

    /// Makes the handler of thread number `thread`, within that thread.
    fn handler(&self, thread: usize, figures: &Arc<Figures>) -> Self::Handler;

    /// Takes a connection that its handler has ended ([`Outcome::Close`]), in order to go on with it otherwise.
    ///
    /// It is asked for once all answers have been sent, and instead of hanging up. The task runs in a thread of its own,
    /// and the server does not stop before it has returned. None: there is nothing to go on with.
    ///
    /// [`Outcome::Close`]: memlet_core::handler::Outcome::Close
    fn take(&self, session: &mut <Self::Handler as Handler>::Session) -> Option<Task> {
        let _ = session;
        None
    }

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

/// A service that is shared with whoever looks at its figures.
impl<V: Service + Send + ?Sized> Service for Arc<V> {
    type Handler = V::Handler;

    fn handler(&self, thread: usize, figures: &Arc<Figures>) -> V::Handler {
        V::handler(self, thread, figures)
    }

    fn take(&self, session: &mut <V::Handler as Handler>::Session) -> Option<Task> {
        V::take(self, session)
    }

    #[inline]
    fn publish(&self, thread: usize, handler: &mut V::Handler) {
        V::publish(self, thread, handler);
    }
}
