//! Handlers that wait for something outside, in the event loop and in the loop that blocks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use memlet::std::{Listen, Server, ServerHandle, ServerOptions, serve};
use memlet_core::handler::{Handler, Outcome, Reply};
use memlet_core::wire::{Opcode, Request, Status};

/// Long enough for a busy machine, short enough for a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a GET waits for.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    open: bool,
    wakers: Vec<Waker>,
    waited: u32,
    ended: u32,
}

impl Gate {
    fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.open = true;
        state.wakers.drain(..).for_each(Waker::wake);
    }

    /// Waits until so many calls were told to wait.
    fn until_waited(&self, count: u32) {
        while self.0.lock().unwrap().waited < count {
            thread::yield_now();
        }
    }
}

/// Answers NOOP at once and all else once the gate is open.
struct Guarded {
    gate: Gate,
    /// Whether it wakes whoever waits, or leaves them to ask.
    wakes: bool,
}

impl Handler for Guarded {
    type Session = ();

    fn handle(
        &mut self,
        (): &mut (),
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        _now: u32,
    ) -> Outcome {
        let mut state = self.gate.0.lock().unwrap();
        match request.opcode {
            Opcode::NOOP => reply.success(0).into(),
            _ if state.open => reply.error(Status::KEY_ENOENT).into(),
            _ => {
                state.waited += 1;
                Outcome::Wait
            }
        }
    }

    fn poll_wait(&mut self, (): &mut (), context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.gate.0.lock().unwrap();
        if state.open || !self.wakes {
            return Poll::Ready(());
        }
        state.wakers.push(context.waker().clone());
        Poll::Pending
    }

    fn end_session(&mut self, (): &mut ()) {
        self.gate.0.lock().unwrap().ended += 1;
    }
}

fn packet(opcode: Opcode, opaque: u32, key: &[u8]) -> Vec<u8> {
    let request = Request {
        key,
        opaque,
        ..Request::new(opcode)
    };
    let mut bytes = vec![0; request.encoded_len().unwrap()];
    request.emit(&mut bytes).unwrap();
    bytes
}

/// Opcode and opaque of the next answer.
fn answer(stream: &mut impl Read) -> (Opcode, u8) {
    let mut header = [0; 24];
    stream.read_exact(&mut header).unwrap();
    let body_len = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    stream.read_exact(&mut vec![0; body_len as usize]).unwrap();
    (Opcode(header[1]), header[15])
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn start(gate: &Gate, wakes: bool) -> (SocketAddr, ServerHandle, thread::JoinHandle<()>) {
    let mut options = ServerOptions::default();
    options.threads = 1;
    options.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
    let server = Server::bind(options).unwrap();
    let Listen::Tcp(address) = server.addresses()[0] else {
        panic!("no TCP address");
    };
    let handle = server.handle();
    let gate = gate.clone();
    let service = move |_| Guarded {
        gate: gate.clone(),
        wakes,
    };
    let thread = thread::spawn(move || server.run(&service).unwrap());
    (address, handle, thread)
}

#[test]
fn a_connection_that_waits_keeps_its_order_and_nobody_else_from_being_served() {
    for wakes in [true, false] {
        let gate = Gate::default();
        let (address, handle, thread) = start(&gate, wakes);
        let mut waiting: Vec<_> = (0..3).map(|_| connect(address)).collect();
        for stream in &mut waiting {
            let parts = [
                packet(Opcode::NOOP, 1, b""),
                packet(Opcode::GET, 2, b"k"),
                packet(Opcode::NOOP, 3, b""),
            ];
            stream.write_all(&parts.concat()).unwrap();
            assert_eq!(answer(stream), (Opcode::NOOP, 1), "what precedes is sent");
        }
        gate.until_waited(3);
        let mut other = connect(address);
        for opaque in 0..100 {
            other.write_all(&packet(Opcode::NOOP, opaque, b"")).unwrap();
            assert_eq!(answer(&mut other), (Opcode::NOOP, opaque as u8));
        }
        // More of a connection that waits changes nothing of that.
        waiting[0].write_all(&packet(Opcode::NOOP, 4, b"")).unwrap();
        gate.open();
        for stream in &mut waiting {
            assert_eq!(answer(stream), (Opcode::GET, 2));
            assert_eq!(answer(stream), (Opcode::NOOP, 3));
        }
        assert_eq!(answer(&mut waiting[0]), (Opcode::NOOP, 4));
        drop((waiting, other));
        handle.drain();
        thread.join().unwrap();
        assert_eq!(gate.0.lock().unwrap().ended, 4);
    }
}

#[test]
fn a_connection_that_ends_while_it_waits_is_told_of_to_the_handler() {
    let gate = Gate::default();
    let (address, handle, thread) = start(&gate, true);
    let mut stream = connect(address);
    stream.write_all(&packet(Opcode::GET, 1, b"k")).unwrap();
    gate.until_waited(1);
    drop(stream);
    gate.open();
    handle.drain();
    thread.join().unwrap();
    assert_eq!(gate.0.lock().unwrap().ended, 1);
}

#[test]
fn a_thread_that_serves_one_connection_sleeps_while_it_waits() {
    for wakes in [true, false] {
        let gate = Gate::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = connect(listener.local_addr().unwrap());
        let (accepted, _) = listener.accept().unwrap();
        let mut handler = Guarded {
            gate: gate.clone(),
            wakes,
        };
        let thread = thread::spawn(move || serve(accepted, &mut handler).unwrap());
        let parts = [packet(Opcode::GET, 1, b"k"), packet(Opcode::NOOP, 2, b"")];
        stream.write_all(&parts.concat()).unwrap();
        gate.until_waited(1);
        gate.open();
        assert_eq!(answer(&mut stream), (Opcode::GET, 1));
        assert_eq!(answer(&mut stream), (Opcode::NOOP, 2));
        drop(stream);
        thread.join().unwrap();
        assert_eq!(gate.0.lock().unwrap().ended, 1);
    }
}
