//! A server to talk to, and a client's part of a talk.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use embassy_net::tcp::{ConnectError, TcpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, with_timeout};
use memlet::embassy::{AcceptOptions, Buffers, Ended, Observer, accept};
use memlet_core::engine::{Engine, EngineSettings};
use memlet_core::handler::Handler;
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{Opcode, Request};

use crate::network::{ADDRESS, Network, PORT, Task};

/// The output is longer than what a socket can send at once, so that it is that which bounds answers.
pub(crate) const OUTPUT_LEN: usize = 1100;

pub(crate) type Cache = Engine<Store<Vec<u8>>>;

pub(crate) fn cache() -> Rc<RefCell<Cache>> {
    let store = Store::new(vec![0; 32 << 10], StoreOptions::default()).unwrap();
    let engine = Engine::new(store, EngineSettings::default());
    Rc::new(RefCell::new(engine))
}

/// Counts connections and keeps how the last ones ended.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) opened: Cell<usize>,
    pub(crate) closed: Cell<usize>,
    pub(crate) endings: RefCell<Vec<Ended>>,
}

impl Observer for Seen {
    fn opened(&self, peer: Option<IpEndpoint>) {
        assert!(peer.is_some());
        self.opened.set(self.opened.get() + 1);
    }

    fn closed(&self, ended: Ended) {
        self.closed.set(self.closed.get() + 1);
        self.endings.borrow_mut().push(ended);
    }
}

/// Has so many sockets accept connections.
pub(crate) fn serve<H: Handler + 'static>(
    network: &mut Network,
    handler: &Rc<RefCell<H>>,
    sockets: usize,
    options: AcceptOptions,
) -> (Rc<Seen>, Vec<Task>) {
    let seen = Rc::new(Seen::default());
    let output = Rc::new(RefCell::new([0; OUTPUT_LEN]));
    let mut tasks = Vec::new();
    for _ in 0..sockets {
        let (handler, seen, stack) = (Rc::clone(handler), Rc::clone(&seen), network.server);
        let output = Rc::clone(&output);
        tasks.push(network.spawn(async move {
            let (mut receive, mut transmit, mut input) = ([0; 1024], [0; 1024], [0; 512]);
            let buffers = Buffers {
                receive: &mut receive,
                transmit: &mut transmit,
                input: &mut input,
                output: &*output,
            };
            let clock = || 1_700_000_000;
            let error = accept(stack, PORT, buffers, &handler, &options, clock, &*seen).await;
            panic!("{error}");
        }));
    }
    (seen, tasks)
}

/// Waits until so many connections have ended.
pub(crate) async fn closed(seen: Rc<Seen>, count: usize) {
    while seen.closed.get() < count {
        embassy_time::Timer::after_millis(1).await;
    }
}

pub(crate) fn packet(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![0; request.encoded_len().unwrap()];
    request.emit(&mut bytes).unwrap();
    bytes
}

pub(crate) fn with_key(opcode: Opcode, key: &[u8]) -> Vec<u8> {
    packet(&Request {
        key,
        ..Request::new(opcode)
    })
}

pub(crate) fn set(key: &[u8], value: &[u8]) -> Vec<u8> {
    packet(&Request {
        extras: &[0; 8],
        key,
        value,
        ..Request::new(Opcode::SET)
    })
}

/// A connected socket of a client.
pub(crate) struct Peer(pub(crate) TcpSocket<'static>);

impl Peer {
    pub(crate) async fn connect(stack: Stack<'static>) -> Result<Peer, ConnectError> {
        // The socket has to own its memory here; a test is over before that matters.
        let [receive, transmit] = Box::leak(Box::new([[0; 1500], [0; 1500]]));
        let mut socket = TcpSocket::new(stack, receive, transmit);
        socket.connect((ADDRESS, PORT)).await?;
        Ok(Peer(socket))
    }

    /// Connects as soon as a socket listens.
    pub(crate) async fn connect_patiently(stack: Stack<'static>) -> Peer {
        loop {
            if let Ok(peer) = Peer::connect(stack).await {
                return peer;
            }
            embassy_time::Timer::after_millis(10).await;
        }
    }

    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let len = self.0.write(rest).await.unwrap();
            rest = &rest[len..];
        }
    }

    /// Reads so many bytes.
    pub(crate) async fn hear(&mut self, len: usize) -> Vec<u8> {
        let mut heard = vec![0; len];
        let mut filled = 0;
        while filled < len {
            let read = self.0.read(&mut heard[filled..]).await.unwrap();
            assert!(read > 0, "closed after {filled} of {len} bytes");
            filled += read;
        }
        heard
    }

    /// Reads all there is until the server closes.
    pub(crate) async fn hear_all(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut piece = [0; 300];
        loop {
            match self.0.read(&mut piece).await {
                Ok(len) if len > 0 => heard.extend_from_slice(&piece[..len]),
                _ => return heard,
            }
        }
    }

    /// Closes and waits until the server has closed too.
    pub(crate) async fn close(mut self) {
        self.0.close();
        self.hear_all().await;
        let flushed = with_timeout(Duration::from_secs(60), self.0.flush()).await;
        assert!(flushed.is_ok());
    }

    /// Resets the connection.
    pub(crate) async fn reset(mut self) {
        self.0.abort();
        let _ = self.0.flush().await;
    }
}
