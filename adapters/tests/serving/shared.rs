//! Several connections of one executor over one handler.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use memlet::asynch::serve;
use memlet_core::connection::CloseReason;
use memlet_core::handler::{Handler, Outcome, Reply};
use memlet_core::wire::{Opcode, Request};

use crate::awaited::{Awaited, poll};
use crate::stream::Script;
use crate::talk::{BUFFER_LEN, cache, clock, increment, packet, set, with_key};

/// The value of the only answer in `heard`.
fn value(heard: &[u8]) -> &[u8] {
    &heard[24..]
}

#[test]
fn connections_interleaved_in_any_order_share_what_they_store() {
    const CONNECTIONS: usize = 8;
    const INCREMENTS: usize = 50;
    for seed in 1..20_u64 {
        let cache = RefCell::new(cache());
        let mut streams: Vec<Awaited> = (0..CONNECTIONS)
            .map(|index| {
                let own = set(
                    Opcode::SETQ,
                    format!("own{index}").as_bytes(),
                    &[index as u8; 900],
                );
                let said = [increment(b"shared").repeat(INCREMENTS), own].concat();
                Awaited {
                    script: Script::cut(&said, 17 + index),
                    pauses: index % 3,
                }
            })
            .collect();
        let mut buffers = vec![([0; BUFFER_LEN], [0; BUFFER_LEN]); CONNECTIONS];
        let mut tasks: Vec<Option<Pin<Box<dyn Future<Output = _> + '_>>>> = streams
            .iter_mut()
            .zip(&mut buffers)
            .map(|(stream, (input, output))| {
                let task = serve(stream, &cache, input, output, clock);
                Some(Box::pin(task) as Pin<Box<dyn Future<Output = _>>>)
            })
            .collect();
        let mut random = seed;
        let mut context = Context::from_waker(Waker::noop());
        while tasks.iter().any(Option::is_some) {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let place = &mut tasks[(random >> 33) as usize % CONNECTIONS];
            if let Some(task) = place
                && task.as_mut().poll(&mut context).is_ready()
            {
                *place = None;
            }
        }
        drop(tasks);
        let asked = [
            with_key(Opcode::GET, b"shared"),
            with_key(Opcode::STAT, b"reset"),
        ]
        .concat();
        let mut stream = Awaited {
            script: Script::new([asked]),
            pauses: 0,
        };
        let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
        let ended = poll(
            serve(&mut stream, &cache, &mut input, &mut output, clock),
            9,
        );
        assert_eq!(ended.unwrap(), Ok(CloseReason::EndOfInput));
        let total = (CONNECTIONS * INCREMENTS).to_string();
        assert!(value(&stream.script.heard)[4..].starts_with(total.as_bytes()));
        for stream in &streams {
            assert_eq!(stream.script.heard.len(), INCREMENTS * 32);
        }
    }
}

/// A peer that sends requests without end, and takes every answer at once.
struct Endless<'a> {
    request: &'a [u8],
    reads: &'a Cell<usize>,
}

impl embedded_io::ErrorType for Endless<'_> {
    type Error = Infallible;
}

impl embedded_io_async::Read for Endless<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        self.reads.set(self.reads.get() + 1);
        for (place, byte) in buffer.iter_mut().zip(self.request.iter().cycle()) {
            *place = *byte;
        }
        let whole = buffer.len() / self.request.len() * self.request.len();
        Ok(whole)
    }
}

impl embedded_io_async::Write for Endless<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn a_peer_that_sends_without_end_lets_the_other_tasks_have_their_turn() {
    let noop = packet(&Request::new(Opcode::NOOP));
    let quiet = set(Opcode::SETQ, b"key", b"value");
    for request in [noop, quiet] {
        let reads = Cell::new(0);
        let cache = RefCell::new(cache());
        let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
        let peer = Endless {
            request: &request,
            reads: &reads,
        };
        let mut task = pin!(serve(peer, &cache, &mut input, &mut output, clock));
        let mut context = Context::from_waker(Waker::noop());
        for turn in 1..100 {
            // If it kept the executor, the first poll would not come back.
            assert!(task.as_mut().poll(&mut context).is_pending());
            assert!(reads.get() <= 2 * turn, "{} reads", reads.get());
        }
        assert!(reads.get() > 50, "it gets on nevertheless");
    }
}

#[test]
fn a_handler_that_somebody_holds_is_waited_for() {
    let cache = RefCell::new(cache());
    let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
    let mut stream = Awaited {
        script: Script::new([with_key(Opcode::NOOP, b"")]),
        pauses: 0,
    };
    {
        let mut task = pin!(serve(&mut stream, &cache, &mut input, &mut output, clock));
        let mut context = Context::from_waker(Waker::noop());
        let held = cache.borrow_mut();
        for _ in 0..10 {
            assert!(task.as_mut().poll(&mut context).is_pending());
        }
        drop(held);
        assert!(poll(task, 10).is_some());
    }
    assert_eq!(stream.script.heard.len(), 24);
}

/// Answers a request only once somebody else has let it.
#[derive(Default)]
struct Gate {
    is_open: bool,
    asked: usize,
    ended: usize,
    waker: Option<Waker>,
}

impl Handler for Gate {
    type Session = ();

    fn handle(&mut self, (): &mut (), _: &Request<'_>, reply: &mut Reply<'_>, _: u32) -> Outcome {
        self.asked += 1;
        match self.is_open {
            true => reply.success(0).into(),
            false => Outcome::Wait,
        }
    }

    fn poll_wait(&mut self, (): &mut (), context: &mut Context<'_>) -> Poll<()> {
        if self.is_open {
            return Poll::Ready(());
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn end_session(&mut self, (): &mut ()) {
        self.ended += 1;
    }
}

#[test]
fn a_handler_that_waits_is_called_again_once_it_is_ready() {
    let gate = RefCell::new(Gate::default());
    let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
    let mut stream = Awaited {
        script: Script::new([with_key(Opcode::NOOP, b"").repeat(3)]),
        pauses: 1,
    };
    {
        let mut task = pin!(serve(&mut stream, &gate, &mut input, &mut output, clock));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            assert!(task.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(gate.borrow().asked, 1, "it is asked once until it is ready");
        gate.borrow_mut().is_open = true;
        gate.borrow_mut().waker.take().unwrap().wake();
        assert_eq!(poll(task, 20), Some(Ok(CloseReason::EndOfInput)));
    }
    assert_eq!(stream.script.heard.len(), 3 * 24);
    assert_eq!((gate.borrow().asked, gate.borrow().ended), (4, 1));
}

#[test]
fn a_connection_that_is_dropped_while_its_handler_waits_ends_the_session() {
    let gate = RefCell::new(Gate::default());
    let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
    let stream = Awaited {
        script: Script::new([with_key(Opcode::NOOP, b"")]),
        pauses: 0,
    };
    assert!(poll(serve(stream, &gate, &mut input, &mut output, clock), 5).is_none());
    assert_eq!(gate.borrow().ended, 1);
}
