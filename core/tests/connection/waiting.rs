//! Handlers that wait for something outside, as a proxy does.

use std::task::{Context, Poll, Waker};

use crate::support::{Answer, Wire, bytes, noop, storing, with_key};
use memlet_core::connection::{CloseReason, ConnectionOptions, Next, ServerConnection};
use memlet_core::counters::Counters;
use memlet_core::handler::{Counted, Handler, Outcome, Reply, ValueStart};
use memlet_core::wire::{Opcode, Request, Status};

/// Answers all but NOOP only once it was told the answer.
#[derive(Default)]
struct Asking {
    /// What somebody else has answered.
    answer: Option<u64>,
    /// How often it was called.
    calls: u32,
    /// Sessions that have ended.
    ended: Vec<u32>,
    /// Parts that an answer has had.
    in_parts: bool,
}

#[derive(Default)]
struct Asked(u32);

impl Asking {
    fn reply(&mut self, reply: &mut Reply<'_>) -> Outcome {
        self.calls += 1;
        if self.in_parts && reply.cursor() == 0 {
            let _ = reply.success(1);
            return Outcome::Again(1);
        }
        match self.answer.take() {
            None => Outcome::Wait,
            Some(cas) => reply.success(cas).into(),
        }
    }
}

impl Handler for Asking {
    type Session = Asked;

    fn handle(
        &mut self,
        session: &mut Asked,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        _now: u32,
    ) -> Outcome {
        session.0 += 1;
        match request.opcode {
            Opcode::NOOP => reply.success(0).into(),
            Opcode::QUIT => Outcome::Close,
            _ => self.reply(reply),
        }
    }

    fn begin_value(
        &mut self,
        _: &mut Asked,
        _: &Request<'_>,
        _: u32,
        _: &mut Reply<'_>,
        _: u32,
    ) -> ValueStart {
        ValueStart::Stream
    }

    fn finish_value(&mut self, _: &mut Asked, reply: &mut Reply<'_>, _now: u32) -> Outcome {
        self.reply(reply)
    }

    fn poll_wait(&mut self, _: &mut Asked, _: &mut Context<'_>) -> Poll<()> {
        match self.answer {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        }
    }

    fn end_session(&mut self, session: &mut Asked) {
        self.ended.push(session.0);
    }
}

fn summary(answers: &[Answer]) -> Vec<(Opcode, u32, u64)> {
    let parts = |answer: &Answer| (answer.opcode, answer.opaque, answer.cas);
    answers.iter().map(parts).collect()
}

#[test]
fn what_waits_is_presented_again_and_nothing_behind_it_before() {
    let (mut handler, mut wire) = (Asking::default(), Wire::server());
    let get = bytes(&with_key(Opcode::GET, b"k"));
    let answers = wire.ask(
        &mut handler,
        &[noop(1), get, noop(2), noop(3)[..10].to_vec()].concat(),
    );
    assert_eq!(summary(&answers), [(Opcode::NOOP, 1, 0)]);
    for _ in 0..5 {
        assert_eq!(wire.ask(&mut handler, b""), []);
    }
    handler.answer = Some(42);
    assert_eq!(
        summary(&wire.ask(&mut handler, b"")),
        [(Opcode::GET, 0, 42), (Opcode::NOOP, 2, 0)]
    );
    assert_eq!(
        summary(&wire.ask(&mut handler, &noop(3)[10..])),
        [(Opcode::NOOP, 3, 0)]
    );
    assert_eq!(handler.calls, 7);
}

#[test]
fn what_is_written_before_the_wait_is_handed_over() {
    let mut handler = Asking::default();
    let mut connection = ServerConnection::new(&ConnectionOptions::default());
    let input = [noop(1), bytes(&with_key(Opcode::GET, b"k"))].concat();
    let progress = connection.handle_input(&mut handler, &input, &mut [0; 200], 0);
    assert_eq!(
        (progress.consumed, progress.written, progress.next),
        (24, 24, Next::Wait)
    );
}

#[test]
fn an_answer_in_parts_waits_in_the_middle() {
    let mut handler = Asking {
        in_parts: true,
        ..Asking::default()
    };
    let mut wire = Wire::server();
    let get = bytes(&with_key(Opcode::GET, b"k"));
    let first = wire.ask(&mut handler, &[get, noop(2)].concat());
    assert_eq!(summary(&first), [(Opcode::GET, 0, 1)]);
    assert!(!wire.connection.is_between_requests());
    handler.answer = Some(2);
    assert_eq!(
        summary(&wire.ask(&mut handler, b"")),
        [(Opcode::GET, 0, 2), (Opcode::NOOP, 2, 0)]
    );
}

#[test]
fn a_value_that_was_taken_in_pieces_waits_for_its_answer() {
    let mut handler = Asking::default();
    let options = ConnectionOptions {
        stream_from: 64,
        ..ConnectionOptions::default()
    };
    let mut wire = Wire::new(options, 1024);
    let set = storing(Opcode::SET, b"k", &[7; 500], 0, 0, 0);
    assert_eq!(wire.ask(&mut handler, &[set, noop(2)].concat()), []);
    assert_eq!(wire.ask(&mut handler, b""), []);
    handler.answer = Some(9);
    assert_eq!(
        summary(&wire.ask(&mut handler, b"")),
        [(Opcode::SET, 0, 9), (Opcode::NOOP, 2, 0)]
    );
}

#[test]
fn every_session_ends_once_whichever_way() {
    let get = bytes(&with_key(Opcode::GET, b"k"));
    let mut handler = Asking::default();
    // Given up while a request waits.
    let mut wire = Wire::server();
    wire.send(&mut handler, &get);
    wire.connection.abandon(&mut handler);
    wire.connection.abandon(&mut handler);
    assert_eq!(handler.ended, [1]);
    // Closed by the peer while a request waits.
    let mut wire = Wire::server();
    wire.send(&mut handler, &[noop(1), get].concat());
    let kept = wire.kept.len();
    assert_eq!(
        wire.connection.handle_end_of_input(&mut handler, kept),
        CloseReason::Truncated
    );
    assert_eq!(handler.ended, [1, 2]);
    // Closed by the handler, and by what is no request.
    for (end, calls) in [(bytes(&Request::new(Opcode::QUIT)), 2), (vec![0; 24], 1)] {
        let mut wire = Wire::server();
        wire.send(&mut handler, &[noop(1), end].concat());
        wire.send(&mut handler, b"");
        wire.connection.abandon(&mut handler);
        assert_eq!(handler.ended.pop(), Some(calls));
        assert_eq!(handler.ended, [1, 2]);
    }
}

#[test]
fn a_request_that_waits_is_counted_once() {
    let mut handler = Counted::new(Asking::default(), Counters::new());
    let mut wire = Wire::server();
    wire.send(&mut handler, &bytes(&with_key(Opcode::GET, b"k")));
    wire.send(&mut handler, b"");
    assert_eq!(handler.tally().received.get(Opcode::GET).operations, 0);
    let mut context = Context::from_waker(Waker::noop());
    let session = wire.connection.session_mut();
    assert_eq!(handler.poll_wait(session, &mut context), Poll::Pending);
    handler.inner_mut().answer = Some(1);
    assert_eq!(handler.poll_wait(session, &mut context), Poll::Ready(()));
    wire.send(&mut handler, b"");
    assert_eq!(handler.tally().received.get(Opcode::GET).operations, 1);
    assert_eq!(handler.tally().sent.get(Opcode::GET).operations, 1);
    wire.connection.abandon(&mut handler);
    assert_eq!(handler.inner().ended, [3]);
}

#[test]
fn a_handler_that_knows_nothing_of_waiting_is_ready() {
    let mut handler =
        |_: &Request<'_>, reply: &mut Reply<'_>| reply.error(Status::UNKNOWN_COMMAND).into();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(handler.poll_wait(&mut (), &mut context), Poll::Ready(()));
}
