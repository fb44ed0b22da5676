//! Handlers of one's own, as gomemcached's users write them (its server side: a handler that answers, answers nothing,
//! or ends the connection).

use crate::support::{Wire, bytes, noop, storing, with_key};
use memlet_core::connection::{CloseReason, ConnectionOptions};
use memlet_core::handler::{Admission, Handler, Outcome, Reply, ValueStart};
use memlet_core::wire::{Header, Opcode, Request, Status};
use std::collections::HashMap;

#[test]
fn a_closure_answers() {
    let mut handler = |request: &Request<'_>, reply: &mut Reply<'_>| -> Outcome {
        reply.send(b"ex", request.key, b"value", 42).into()
    };
    let answer = Wire::server().ask_one(
        &mut handler,
        &bytes(&Request {
            opaque: 7,
            ..with_key(Opcode(0x99), b"key")
        }),
    );
    assert_eq!(
        (answer.opcode, answer.opaque, answer.cas, answer.status),
        (Opcode(0x99), 7, 42, Status::SUCCESS)
    );
    let parts = (
        answer.extras.as_slice(),
        answer.key.as_slice(),
        answer.value.as_slice(),
    );
    assert_eq!(parts, (&b"ex"[..], &b"key"[..], &b"value"[..]));
}

#[test]
fn a_handler_that_answers_nothing_sends_nothing() {
    let mut seen = 0;
    let mut handler = |_: &Request<'_>, _: &mut Reply<'_>| {
        seen += 1;
        Outcome::Done
    };
    assert_eq!(
        Wire::server().ask(&mut handler, &[noop(1), noop(2)].concat()),
        []
    );
    assert_eq!(seen, 2);
}

#[test]
fn a_fatal_answer_is_sent_before_the_connection_ends() {
    let mut handler =
        |_: &Request<'_>, reply: &mut Reply<'_>| match reply.error_text(Status::EINTERNAL, "no") {
            Ok(()) => Outcome::Close,
            Err(no_room) => Outcome::NeedOutput(no_room.needed),
        };
    let mut wire = Wire::server();
    let answer = wire.ask_one(&mut handler, &[noop(1), noop(2)].concat());
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (Status::EINTERNAL, "no")
    );
    assert_eq!(wire.closed, Some(CloseReason::Requested));
}

#[test]
fn several_answers_to_one_request_in_outputs_of_any_size() {
    let mut handler = |_: &Request<'_>, reply: &mut Reply<'_>| {
        let mut next = reply.cursor();
        while next < 100 {
            let value = [next as u8; 70];
            if let Err(no_room) = reply.send(&[], b"n", &value, 0) {
                return if next == reply.cursor() {
                    Outcome::NeedOutput(no_room.needed)
                } else {
                    Outcome::Again(next)
                };
            }
            next += 1;
        }
        Outcome::Done
    };
    for output_len in [96, 100, 200, 1000, 10_000] {
        let mut wire = Wire::new(ConnectionOptions::default(), output_len);
        let answers = wire.ask(&mut handler, &[noop(1), noop(2)].concat());
        assert_eq!(answers.len(), 200);
        assert!(
            answers
                .iter()
                .enumerate()
                .all(|(at, answer)| answer.value == [(at % 100) as u8; 70])
        );
        assert!(
            answers
                .iter()
                .enumerate()
                .all(|(at, answer)| answer.opaque == 1 + (at / 100) as u32)
        );
    }
}

#[test]
fn a_handler_that_wants_more_than_there_can_be_is_answered_for() {
    for wanted in [0, 10, 96, 1 << 30, usize::MAX] {
        let mut handler = |request: &Request<'_>, reply: &mut Reply<'_>| match request.opcode {
            Opcode::GET => Outcome::NeedOutput(wanted),
            _ => reply.success(0).into(),
        };
        let mut wire = Wire::new(ConnectionOptions::for_buffers(512, 512), 512);
        let answers = wire.ask(
            &mut handler,
            &[bytes(&with_key(Opcode::GET, b"k")), noop(1)].concat(),
        );
        assert_eq!(
            (answers[0].status, answers[1].status),
            (Status::ENOMEM, Status::SUCCESS),
            "{wanted}"
        );
    }
}

#[test]
fn a_closure_waits_for_what_fits_the_buffer_and_refuses_the_rest() {
    let mut handler = |request: &Request<'_>, reply: &mut Reply<'_>| -> Outcome {
        reply
            .send(&[], &[], &(request.value.len() as u32).to_be_bytes(), 0)
            .into()
    };
    let options = ConnectionOptions {
        stream_from: 64,
        ..ConnectionOptions::for_buffers(512, 512)
    };
    let mut wire = Wire::new(options, 512);
    let fits = vec![1; 512 - 24];
    let answer = wire.ask_one(
        &mut handler,
        &bytes(&Request {
            value: &fits,
            ..Request::new(Opcode::HELLO)
        }),
    );
    assert_eq!(answer.value, (fits.len() as u32).to_be_bytes());
    let beyond = vec![1; 512 - 23];
    let answers = wire.ask(
        &mut handler,
        &[
            bytes(&Request {
                value: &beyond,
                ..Request::new(Opcode::HELLO)
            }),
            noop(1),
        ]
        .concat(),
    );
    assert_eq!(
        (answers[0].status, answers[1].status),
        (Status::E2BIG, Status::SUCCESS)
    );
}

/// gomemcached's sample server, with what it does not do: checks the extras, copies no more than the value.
#[derive(Default)]
struct Sample {
    items: HashMap<Vec<u8>, (u32, u64, Vec<u8>)>,
    cas: u64,
    arriving: Vec<(usize, Vec<u8>)>,
}

impl Handler for Sample {
    /// The key of a value that arrives in pieces.
    type Session = Option<Vec<u8>>;

    fn admit(&self, _: &Self::Session, header: &Header) -> Admission {
        match header.opcode {
            Opcode::SET if header.extras_len != 8 => Admission::Reject(Status::EINVAL),
            _ => Admission::Accept,
        }
    }

    fn handle(
        &mut self,
        _: &mut Self::Session,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        assert_eq!(now, crate::support::NOW);
        match request.opcode {
            Opcode::SET => {
                self.cas += 1;
                self.items
                    .insert(request.key.to_vec(), (0, self.cas, request.value.to_vec()));
                reply.success(self.cas).into()
            }
            Opcode::GET => match self.items.get(request.key) {
                Some((flags, cas, value)) => {
                    reply.send(&flags.to_be_bytes(), &[], value, *cas).into()
                }
                None => reply.error_text(Status::KEY_ENOENT, "").into(),
            },
            Opcode::DELETE => {
                self.items.remove(request.key);
                reply.success(0).into()
            }
            Opcode::FLUSH => {
                self.items.clear();
                reply.success(0).into()
            }
            _ => reply.error(Status::UNKNOWN_COMMAND).into(),
        }
    }

    fn begin_value(
        &mut self,
        session: &mut Self::Session,
        head: &Request<'_>,
        value_len: u32,
        _: &mut Reply<'_>,
        _: u32,
    ) -> ValueStart {
        if head.opcode != Opcode::SET {
            return ValueStart::Close;
        }
        *session = Some(head.key.to_vec());
        self.arriving.push((value_len as usize, Vec::new()));
        ValueStart::Stream
    }

    fn handle_value(&mut self, _: &mut Self::Session, offset: u32, bytes: &[u8]) {
        let (_, value) = self.arriving.last_mut().unwrap();
        assert_eq!(value.len(), offset as usize);
        value.extend_from_slice(bytes);
    }

    fn finish_value(
        &mut self,
        session: &mut Self::Session,
        reply: &mut Reply<'_>,
        _: u32,
    ) -> Outcome {
        let (len, value) = self.arriving.pop().unwrap();
        assert_eq!(value.len(), len);
        self.cas += 1;
        self.items
            .insert(session.take().unwrap(), (0, self.cas, value));
        reply.success(self.cas).into()
    }

    fn abandon_value(&mut self, session: &mut Self::Session) {
        *session = None;
        self.arriving.pop();
    }
}

#[test]
fn a_server_of_ones_own() {
    let mut sample = Sample::default();
    let mut wire = Wire::new(ConnectionOptions::for_buffers(512, 8192), 8192);
    assert_eq!(
        wire.ask_one(&mut sample, &bytes(&with_key(Opcode::GET, b"k")))
            .status,
        Status::KEY_ENOENT
    );
    for len in [0, 10, 475, 476, 477, 478, 479, 5000] {
        let value = vec![len as u8; len];
        let cas = wire
            .ask_one(&mut sample, &storing(Opcode::SET, b"k", &value, 0, 0, 0))
            .cas;
        let answer = wire.ask_one(&mut sample, &bytes(&with_key(Opcode::GET, b"k")));
        assert_eq!((answer.cas, answer.value), (cas, value));
    }
    assert_eq!(
        wire.ask_one(&mut sample, &bytes(&with_key(Opcode::DELETE, b"other")))
            .status,
        Status::SUCCESS
    );
    assert_eq!(
        wire.ask_one(&mut sample, &bytes(&Request::new(Opcode::FLUSH)))
            .status,
        Status::SUCCESS
    );
    assert_eq!(
        wire.ask_one(&mut sample, &noop(1)).status,
        Status::UNKNOWN_COMMAND
    );
    assert_eq!(
        wire.ask_one(&mut sample, &bytes(&with_key(Opcode::SET, b"k")))
            .status,
        Status::EINVAL
    );
    assert_eq!(wire.closed, Some(CloseReason::Rejected));
}

#[test]
fn a_value_taken_in_pieces_is_abandoned_with_the_connection() {
    let mut sample = Sample::default();
    let mut wire = Wire::new(ConnectionOptions::for_buffers(512, 8192), 8192);
    wire.send(
        &mut sample,
        &storing(Opcode::SET, b"k", &[1; 5000], 0, 0, 0)[..1000],
    );
    assert!(wire.connection.session().is_some() && !wire.connection.is_between_requests());
    wire.connection.abandon(&mut sample);
    assert!(wire.connection.session().is_none() && sample.arriving.is_empty());
}

#[test]
fn a_handler_may_close_on_a_long_value() {
    let mut sample = Sample::default();
    let mut wire = Wire::new(ConnectionOptions::for_buffers(512, 8192), 8192);
    let request = bytes(&Request {
        value: &[1; 5000],
        ..Request::new(Opcode::HELLO)
    });
    assert_eq!(wire.ask(&mut sample, &request), []);
    assert_eq!(wire.closed, Some(CloseReason::Requested));
}

#[test]
fn too_long_parts_are_no_response() {
    let mut output = vec![0; 1 << 20];
    let mut reply = Reply::new(&mut output, Opcode::GET, 1);
    assert!(reply.send(&[0; 256], &[], &[], 0).is_err());
    assert!(reply.send(&[], &[0; 65_536], &[], 0).is_err());
    assert_eq!(reply.written(), 0);
    assert!(reply.send(&[0; 255], &[0; 65_535], &[1], 9).is_ok());
    assert_eq!(reply.written(), 24 + 255 + 65_535 + 1);
}

#[test]
fn a_response_fits_to_the_byte() {
    let mut output = [0xee; 34];
    for len in 0..34 {
        let mut reply = Reply::new(&mut output[..len], Opcode::GET, 1);
        let no_room = reply.send(b"ex", b"key", b"value", 0).unwrap_err();
        assert_eq!(
            (no_room.needed, reply.written(), reply.room()),
            (34, 0, len)
        );
        assert!(
            output.iter().all(|&byte| byte == 0xee),
            "the output stays as it was"
        );
    }
    let mut reply = Reply::new(&mut output, Opcode::GET, 1);
    assert!(reply.send(b"ex", b"key", b"value", 0).is_ok());
    assert_eq!((reply.written(), reply.room()), (34, 0));
}
