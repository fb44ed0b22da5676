//! An upstream whose clock, pace and counts are the test's.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use memlet::std::{Listen, Server, ServerHandle, ServerOptions};
use memlet_core::connection::ConnectionOptions;
use memlet_core::engine::{Alone, Credentials, Engine, EngineSettings, Session};
use memlet_core::handler::{Admission, Handler, Outcome, Reply, ValueStart};
use memlet_core::store::{Seed, Store, StoreOptions};
use memlet_core::wire::{Header, Opcode, Request};

/// A second far from 0 and from the end of time.
pub(crate) const NOW: u32 = 1_700_000_000;

pub(crate) type MemcachedEngine = Engine<Store<Vec<u8>>, Alone, Users>;

/// Who has to log in: one user or nobody.
pub(crate) struct Users {
    wants_login: bool,
}

impl Credentials for Users {
    fn required(&self) -> bool {
        self.wants_login
    }

    fn verify(&self, user: &[u8], password: &[u8]) -> bool {
        (user, password) == (b"near", b"secret")
    }
}

/// memlet's engine, as memcached.
pub(crate) fn engine(wants_login: bool) -> MemcachedEngine {
    let options = StoreOptions {
        seed: Seed([1, 2]),
        ..StoreOptions::default()
    };
    let store = Store::new(vec![0; 4 << 20], options).unwrap();
    let users = Users { wants_login };
    Engine::with(store, EngineSettings::default(), Alone::default(), users)
}

/// What a test sees and decides of an upstream.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) clock: Arc<AtomicU32>,
    state: Arc<Mutex<State>>,
}

struct State {
    engine: MemcachedEngine,
    counts: HashMap<Opcode, u32>,
    is_held: bool,
    wakers: Vec<Waker>,
    /// Requests that it holds, or has held.
    held: u32,
}

impl Control {
    pub(crate) fn new(wants_login: bool) -> Control {
        Control {
            clock: Arc::new(AtomicU32::new(NOW)),
            state: Arc::new(Mutex::new(State {
                engine: engine(wants_login),
                counts: HashMap::new(),
                is_held: false,
                wakers: Vec::new(),
                held: 0,
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How many requests of this opcode it has answered.
    pub(crate) fn count(&self, opcode: Opcode) -> u32 {
        self.lock().counts.get(&opcode).copied().unwrap_or(0)
    }

    /// Answers nothing from now on.
    pub(crate) fn hold(&self) {
        let mut state = self.lock();
        (state.is_held, state.held) = (true, 0);
    }

    /// Waits until it holds a request.
    pub(crate) fn until_held(&self) {
        while self.lock().held == 0 {
            thread::yield_now();
        }
    }

    /// Answers what it has held back, and what comes.
    pub(crate) fn go_on(&self) {
        let mut state = self.lock();
        state.is_held = false;
        state.wakers.drain(..).for_each(Waker::wake);
    }

    pub(crate) fn advance(&self, seconds: u32) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> u32 {
        self.clock.load(Ordering::SeqCst)
    }
}

/// One thread's handler.
pub(crate) struct Shared(Control);

impl Handler for Shared {
    type Session = Session;

    fn admit(&self, session: &Session, header: &Header) -> Admission {
        self.0.lock().engine.admit(session, header)
    }

    fn handle(
        &mut self,
        session: &mut Session,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        _now: u32,
    ) -> Outcome {
        let now = self.0.now();
        let mut state = self.0.lock();
        if state.is_held {
            state.held += 1;
            return Outcome::Wait;
        }
        let outcome = state.engine.handle(session, request, reply, now);
        if !matches!(outcome, Outcome::NeedOutput(_)) {
            *state.counts.entry(request.opcode).or_default() += 1;
        }
        outcome
    }

    fn begin_value(
        &mut self,
        _: &mut Session,
        _: &Request<'_>,
        _: u32,
        _: &mut Reply<'_>,
        _: u32,
    ) -> ValueStart {
        ValueStart::Whole(memlet_core::wire::Status::E2BIG)
    }

    fn poll_wait(&mut self, _: &mut Session, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        match state.is_held {
            false => Poll::Ready(()),
            true => {
                state.wakers.push(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A server that ends with the value; its items stay with the control.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    /// At any port if `port` is 0.
    pub(crate) fn start(control: &Control, port: u16) -> Upstream {
        let mut options = ServerOptions::default();
        options.threads = 1;
        options.listen = vec![Listen::Tcp(([127, 0, 0, 1], port).into())];
        options.connection = ConnectionOptions::default();
        options.drain_timeout = std::time::Duration::ZERO;
        let server = Server::bind(options).unwrap();
        let Listen::Tcp(address) = server.addresses()[0] else {
            panic!("no TCP address");
        };
        let handle = server.handle();
        let control = control.clone();
        let service = move |_| Shared(control.clone());
        let thread = thread::spawn(move || server.run(&service).unwrap());
        Upstream {
            address,
            handle,
            thread: Some(thread),
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.handle.drain();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
