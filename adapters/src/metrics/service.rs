//! A service whose handlers are counted.

use std::sync::Arc;

use memlet_core::handler::{Counted, Handler};

use super::{CounterWriter, SharedCounters};
use crate::std::{Figures, Service, Task};

/// Counts by opcode what another service is asked and what it answers.
///
/// Requests are counted as received, responses as sent.
#[derive(Debug)]
pub struct CountedService<V> {
    service: V,
    counters: SharedCounters,
}

impl<V> CountedService<V> {
    /// Lets `counters` know what `service` does; each thread gets a writer of its own.
    pub fn new(service: V, counters: SharedCounters) -> CountedService<V> {
        CountedService { service, counters }
    }
}

impl<V: Service> Service for CountedService<V> {
    type Handler = Counted<V::Handler, CounterWriter>;

    fn handler(&self, thread: usize, figures: &Arc<Figures>) -> Self::Handler {
        Counted::new(
            self.service.handler(thread, figures),
            self.counters.writer(),
        )
    }

    fn take(&self, session: &mut <Self::Handler as Handler>::Session) -> Option<Task> {
        self.service.take(session.inner_mut())
    }

    #[inline]
    fn publish(&self, thread: usize, handler: &mut Self::Handler) {
        self.service.publish(thread, handler.inner_mut());
    }
}
