//! The consumer's machine: what it gives of a producer's bytes, what it answers, and how streams end.

use memlet_core::connection::feed::{TapAcks, TapConsumer, TapEnd, TapNext, TapOptions};
use memlet_core::counters::Tally;
use memlet_core::tap::{Connect, ConnectFlags, Head, Message, MessageFlags, Opaque, Subtype};
use memlet_core::wire::{Limits, Magic, Opcode, Packet, ParseErrorKind, Request, Response, Status};

use crate::samples::{HEAD, samples};

const OPAQUE: u32 = 0x5151_5151;

/// A consumer that has connected.
fn connected(options: &TapOptions) -> TapConsumer {
    let mut consumer = TapConsumer::new(options);
    connect(&mut consumer);
    consumer
}

fn connect<T: Tally>(consumer: &mut TapConsumer<T>) {
    let connect = Connect {
        opaque: OPAQUE,
        ..Connect::new(b"reader")
    };
    let mut output = [0; 64];
    let len = consumer.connect(&connect, &mut output).unwrap();
    assert_eq!(len, connect.encoded_len().unwrap());
    assert_eq!(output[..2], [0x80, 0x40]);
}

fn manual() -> TapOptions {
    TapOptions {
        acks: TapAcks::Manual,
        ..TapOptions::default()
    }
}

fn emit(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = vec![0; message.encoded_len().unwrap()];
    message.emit(&mut bytes).unwrap();
    bytes
}

fn emit_packet(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len().unwrap()];
    packet.emit(&mut bytes).unwrap();
    bytes
}

/// The message that ends a stream.
fn close(flags: MessageFlags, sequence: u32) -> Message<'static> {
    Message::Opaque(Opaque {
        head: Head {
            sequence,
            flags,
            ..Head::default()
        },
        subtype: Subtype::CLOSE_TAP_STREAM,
        engine: b"",
    })
}

fn noop() -> Vec<u8> {
    emit_packet(&Request::new(Opcode::NOOP).to_packet().unwrap())
}

fn response(response: &Response<'_>) -> Vec<u8> {
    emit_packet(&response.to_packet().unwrap())
}

/// Everything that comes of these pieces, as text; then what was written, and how it ended.
fn deliver(
    consumer: &mut TapConsumer,
    pieces: &[&[u8]],
    output_len: usize,
) -> (Vec<String>, Vec<u8>, TapEnd) {
    let mut output = vec![0; output_len];
    let (mut events, mut sent, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            let progress = consumer.handle_input(&kept, &mut output);
            let consumed = progress.consumed;
            sent.extend_from_slice(&output[..progress.written]);
            let next = progress.next;
            match next {
                TapNext::Read { missing } => {
                    assert!(missing > 0);
                    kept.drain(..consumed);
                    break;
                }
                TapNext::Write { room } => {
                    assert!(room > output.len() - progress.written, "room enough");
                    let len = output.len().max(room);
                    output.resize(len, 0);
                }
                TapNext::End(end) => return (events, sent, end),
                other => events.push(format!("{other:?}")),
            }
            kept.drain(..consumed);
        }
    }
    let end = consumer.handle_end_of_input(&kept);
    (events, sent, end)
}

/// A whole session: the connect's success, every message, a keep-alive, something unheard of, the end.
fn session() -> Vec<u8> {
    let mut bytes = response(&Response {
        opaque: OPAQUE,
        ..Response::new(Opcode::TAP_CONNECT, Status::SUCCESS)
    });
    for (_, _, message) in samples() {
        bytes.extend(message);
        bytes.extend(noop());
    }
    bytes.extend(emit_packet(&Packet {
        opcode: Opcode(0x4d),
        value: b"unheard of",
        ..Packet::default()
    }));
    bytes.extend(emit(&close(MessageFlags::ACK, 0x0304_0506)));
    bytes
}

#[test]
fn every_message_arrives_and_is_answered_in_order() {
    let mut consumer = connected(&TapOptions::default());
    let (events, sent, end) = deliver(&mut consumer, &[&session()], 4096);
    let mut expected: Vec<String> = samples()
        .iter()
        .map(|(_, message, _)| format!("{:?}", TapNext::Message(*message)))
        .collect();
    assert_eq!(events[..expected.len()], expected);
    assert!(events[expected.len()].starts_with("Unknown"));
    assert!(events[expected.len() + 1].contains("Subtype(7)"));
    assert_eq!(events.len(), expected.len() + 2);
    assert_eq!(end, TapEnd::Closed);
    assert_eq!(consumer.keep_alives(), samples().len() as u64);

    // Every sample asks for an answer, and so does the end.
    expected.clear();
    let mut answers = Vec::new();
    for (_, message, _) in samples() {
        let mut answer = [0; 24];
        message.ack().emit(&mut answer).unwrap();
        answers.extend(answer);
    }
    let mut answer = [0; 24];
    close(MessageFlags(0), HEAD.sequence)
        .ack()
        .emit(&mut answer)
        .unwrap();
    answers.extend(answer);
    assert_eq!(sent, answers);
}

#[test]
fn pieces_and_outputs_of_any_length_give_the_same() {
    let session = session();
    let whole = deliver(&mut connected(&TapOptions::default()), &[&session], 4096);
    for at in 0..session.len() {
        let (first, second) = session.split_at(at);
        let mut consumer = connected(&TapOptions::default());
        assert_eq!(
            deliver(&mut consumer, &[first, second], 24 * (at % 3)),
            whole,
            "at {at}"
        );
    }
    let bytes: Vec<&[u8]> = session.chunks(1).collect();
    let mut consumer = connected(&TapOptions::default());
    assert_eq!(deliver(&mut consumer, &bytes, 30), whole);
}

#[test]
fn every_truncation_is_told_from_an_end() {
    let session = session();
    let mut boundaries = vec![0];
    let mut at = 0;
    while at < session.len() {
        at += 24 + session[at + 11] as usize;
        boundaries.push(at);
    }
    for len in 0..session.len() {
        let mut consumer = connected(&TapOptions::default());
        let (_, _, end) = deliver(&mut consumer, &[&session[..len]], 4096);
        if boundaries.contains(&len) {
            assert_eq!(end, TapEnd::EndOfInput, "at {len}");
        } else {
            let start = boundaries.iter().rfind(|&&start| start < len).unwrap();
            let come = len - start;
            let whole = if come < 24 {
                24
            } else {
                24 + session[start + 11] as usize
            };
            let missing = (whole - come) as u64;
            assert_eq!(end, TapEnd::Truncated { missing }, "at {len}");
        }
        // It stays so.
        assert_eq!(consumer.handle_end_of_input(b""), end);
        assert_eq!(consumer.handle_input(b"", &mut []).next, TapNext::End(end));
    }
}

#[test]
fn an_answer_goes_out_only_when_the_next_message_is_asked_for() {
    let (_, message, bytes) = &samples()[0];
    let mut consumer = connected(&TapOptions::default());
    let mut output = [0; 24];
    let progress = consumer.handle_input(bytes, &mut output);
    assert_eq!(
        (progress.next, progress.written),
        (TapNext::Message(*message), 0)
    );
    assert_eq!(progress.consumed, bytes.len());
    // Without room for it nothing else happens.
    let progress = consumer.handle_input(b"", &mut output[..23]);
    assert_eq!(
        (progress.next, progress.written),
        (TapNext::Write { room: 24 }, 0)
    );
    let progress = consumer.handle_input(b"", &mut output);
    assert_eq!(
        (progress.next, progress.written),
        (TapNext::Read { missing: 24 }, 24)
    );
    assert_eq!(output[..2], [0x81, 0x41]);
    // Once.
    let progress = consumer.handle_input(b"", &mut output);
    assert_eq!(progress.written, 0);
}

#[test]
fn messages_that_do_not_ask_are_not_answered() {
    let bytes = emit(&close(MessageFlags(0), 1));
    let mut consumer = connected(&TapOptions::default());
    let (events, sent, end) = deliver(&mut consumer, &[&bytes], 4096);
    assert_eq!((events.len(), sent.len(), end), (1, 0, TapEnd::Closed));
}

#[test]
fn a_caller_that_answers_itself_is_not_forestalled() {
    let mut consumer = connected(&manual());
    let (events, sent, end) = deliver(&mut consumer, &[&session()], 4096);
    assert_eq!(
        (events.len(), sent.len(), end),
        (samples().len() + 2, 0, TapEnd::Closed)
    );

    let mut output = [0; 30];
    let ack = samples()[2].1.ack();
    assert_eq!(consumer.acknowledge(&ack, &mut output), Ok(24));
    assert_eq!(
        output[..16],
        [0x81, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 5, 6]
    );
    assert!(consumer.acknowledge(&ack, &mut output[..23]).is_err());
}

#[test]
fn a_refused_message_is_answered_with_the_status() {
    for acks in [TapAcks::Automatic, TapAcks::Manual] {
        let mut consumer = connected(&TapOptions {
            acks,
            ..TapOptions::default()
        });
        let mut output = [0; 64];
        // Nothing has come that could be refused.
        consumer.refuse(Status::TMPFAIL);
        let (_, _, bytes) = &samples()[0];
        assert_eq!(consumer.handle_input(bytes, &mut output).written, 0);
        consumer.refuse(Status::TMPFAIL);
        assert_eq!(consumer.handle_input(b"", &mut output).written, 24);
        assert_eq!(output[..8], [0x81, 0x41, 0, 0, 0, 0, 0, 0x86]);
    }
}

#[test]
fn a_message_without_travels_left_is_refused_and_not_delivered() {
    let mut message = emit(&close(MessageFlags(0), 9));
    message[28] = 0;
    let mut consumer = connected(&manual());
    let (events, sent, end) = deliver(&mut consumer, &[&message], 4096);
    assert_eq!((events.len(), end), (0, TapEnd::EndOfInput));
    assert_eq!(sent[..8], [0x81, 0x44, 0, 0, 0, 0, 0, 0x04]);
    assert_eq!(sent[12..16], [0, 0, 0, 9]);
}

#[test]
fn a_refusal_is_told_with_its_text() {
    let bytes = response(&Response {
        opaque: OPAQUE,
        value: b"no such engine",
        ..Response::new(Opcode::TAP_CONNECT, Status::NOT_SUPPORTED)
    });
    let mut consumer = connected(&TapOptions::default());
    let progress = consumer.handle_input(&bytes, &mut []);
    let TapNext::Refused(refusal) = progress.next else {
        panic!("{progress:?}");
    };
    assert_eq!(
        (refusal.value, refusal.status),
        (&b"no such engine"[..], Status::NOT_SUPPORTED)
    );
    let end = TapEnd::Refused(Status::NOT_SUPPORTED);
    assert_eq!(consumer.handle_input(b"", &mut []).next, TapNext::End(end));
    assert_eq!(consumer.handle_end_of_input(b""), end);
    assert_eq!(end.to_string(), "tap connection failed: NOT_SUPPORTED");
}

#[test]
fn a_successful_connect_is_no_failure_and_its_request_form_no_refusal() {
    let success = response(&Response {
        opaque: OPAQUE,
        ..Response::new(Opcode::TAP_CONNECT, Status::SUCCESS)
    });
    let mut consumer = connected(&TapOptions::default());
    assert_eq!(
        deliver(&mut consumer, &[&success], 0),
        (vec![], vec![], TapEnd::EndOfInput)
    );
    let request = emit_packet(&Packet {
        opcode: Opcode::TAP_CONNECT,
        ..Packet::default()
    });
    let mut consumer = connected(&TapOptions::default());
    let progress = consumer.handle_input(&request, &mut []);
    assert!(matches!(progress.next, TapNext::Unknown(_)));
}

#[test]
fn responses_that_answer_nothing_end_the_stream() {
    let connect = Response {
        opaque: OPAQUE,
        ..Response::new(Opcode::TAP_CONNECT, Status::EINTERNAL)
    };
    for unexpected in [
        Response {
            opaque: OPAQUE + 1,
            ..connect
        },
        Response {
            opcode: Opcode::TAP_MUTATION,
            ..connect
        },
        Response {
            magic: Magic::SERVER_RESPONSE,
            ..connect
        },
    ] {
        let mut consumer = connected(&TapOptions::default());
        let (events, _, end) = deliver(&mut consumer, &[&response(&unexpected)], 0);
        assert!(events.is_empty());
        assert_eq!(
            end,
            TapEnd::UnexpectedResponse {
                magic: unexpected.magic,
                opcode: unexpected.opcode,
                opaque: unexpected.opaque,
                expected: OPAQUE,
            }
        );
        assert!(end.to_string().contains("0x51515151"), "{end}");
    }
}

#[test]
fn malformed_messages_end_the_stream_with_the_reason() {
    let deletion = samples()[2].2.clone();
    let changed = |at: usize, byte: u8| {
        let mut bytes = deletion.clone();
        bytes[at] = byte;
        bytes
    };
    for (bytes, kind) in [
        (changed(0, 0x7f), ParseErrorKind::UnknownMagic),
        (changed(4, 9), ParseErrorKind::ExtrasLength),
        (changed(25, 9), ParseErrorKind::EngineBytesTooLong),
        (changed(11, 7), ParseErrorKind::PartsExceedBody),
        (changed(8, 0xff), ParseErrorKind::BodyTooLong),
        (changed(1, 0x43), ParseErrorKind::KeyForbidden),
    ] {
        let mut consumer = connected(&TapOptions::default());
        let (events, _, end) = deliver(&mut consumer, &[&noop(), &bytes], 0);
        assert!(events.is_empty());
        let TapEnd::Malformed(error) = end else {
            panic!("{end:?}");
        };
        assert_eq!(error.kind, kind);
        assert!(end.to_string().starts_with("malformed message: "));
    }
}

#[test]
fn a_message_longer_than_the_input_ends_the_stream_by_its_header() {
    let (_, message, bytes) = &samples()[0];
    let len = bytes.len();
    let mut consumer = connected(&TapOptions::for_buffer(len));
    assert_eq!(
        consumer.handle_input(&bytes[..24], &mut []).next,
        TapNext::Read {
            missing: len as u64 - 24
        }
    );
    assert_eq!(
        consumer.handle_input(bytes, &mut []).next,
        TapNext::Message(*message)
    );

    for input in [&bytes[..24], bytes] {
        let mut consumer = connected(&TapOptions::for_buffer(len - 1));
        let end = TapEnd::TooLong {
            needed: len as u64,
            allowed: len as u32 - 1,
        };
        let progress = consumer.handle_input(input, &mut []);
        assert_eq!((progress.next, progress.consumed), (TapNext::End(end), 0));
        assert!(end.to_string().contains(&len.to_string()));
    }
}

#[test]
fn limits_are_the_callers() {
    let options = TapOptions {
        limits: Limits {
            key_len_max: 4,
            ..Limits::NONE
        },
        ..TapOptions::default()
    };
    let mut consumer = connected(&options);
    let samples = samples();
    let progress = consumer.handle_input(&samples[0].2, &mut []);
    let TapNext::End(TapEnd::Malformed(error)) = progress.next else {
        panic!("{progress:?}");
    };
    assert_eq!(error.kind, ParseErrorKind::KeyTooLong);
    // By default a document of 20 MiB passes.
    let default = TapOptions::default();
    assert!(default.limits.body_len_max > 20 << 20 && default.input_capacity > 20 << 20);
}

/// Writes down what it is told.
#[derive(Default)]
struct Log(Vec<(char, Opcode, u64, bool)>);

impl Tally for Log {
    fn sent(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        self.0.push(('s', opcode, bytes, failed));
    }

    fn fed(&mut self, opcode: Opcode, bytes: u64, failed: bool) {
        self.0.push(('f', opcode, bytes, failed));
    }
}

#[test]
fn every_packet_is_counted() {
    let mut log = Log::default();
    let mut consumer = TapConsumer::with_tally(&TapOptions::default(), &mut log);
    connect(&mut consumer);
    let (_, _, mutation) = &samples()[0];
    let mut output = [0; 24];
    consumer.handle_input(mutation, &mut output);
    let mut rest = noop();
    rest.extend([0x80, 0x42, 0]);
    let progress = consumer.handle_input(&rest, &mut output);
    assert_eq!(progress.next, TapNext::Read { missing: 21 });
    consumer.handle_end_of_input(&rest[progress.consumed..]);
    assert_eq!(
        log.0,
        [
            ('s', Opcode::TAP_CONNECT, 42, false),
            ('f', Opcode::TAP_MUTATION, mutation.len() as u64, false),
            ('s', Opcode::TAP_MUTATION, 24, false),
            ('f', Opcode::NOOP, 24, false),
            ('f', Opcode::TAP_DELETE, 3, true),
        ]
    );
}

#[test]
fn the_request_is_sent_as_given() {
    let request = Connect {
        flags: Some(ConnectFlags::DUMP),
        ..Connect::new(b"x")
    };
    let mut consumer = TapConsumer::new(&TapOptions::default());
    let mut output = [0; 64];
    assert!(consumer.connect(&request, &mut output[..36]).is_err());
    let len = consumer.connect(&request, &mut output).unwrap();
    let mut expected = [0; 64];
    request.emit(&mut expected).unwrap();
    assert_eq!((len, output), (37, expected));
}
