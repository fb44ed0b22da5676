//! A consumer's answers.

use memlet_core::tap::{Ack, AckVerdict, Frame};
use memlet_core::wire::{EmitError, Limits, Opcode, ParseErrorKind, Parsed, Response, Status};

use crate::samples::samples;

#[test]
fn an_answer_is_a_header_with_opcode_and_sequence_of_the_message() {
    for (name, message, bytes) in samples() {
        let mut out = [0xee; 30];
        assert_eq!(message.ack().emit(&mut out), Ok(Ack::LEN), "{name}");
        let mut expected = [0; 24];
        expected[..2].copy_from_slice(&[0x81, bytes[1]]);
        expected[12..16].copy_from_slice(&[3, 4, 5, 6]);
        assert_eq!(out[..24], expected, "{name}");

        let Ok(Parsed::Complete { value, .. }) = Response::parse(&out, &Limits::NONE) else {
            panic!("{name}");
        };
        assert_eq!(Ack::from_response(&value), Ok(message.ack()), "{name}");

        let Ok(Parsed::Complete { value: frame, .. }) = Frame::parse(&bytes, &Limits::NONE) else {
            panic!("{name}");
        };
        assert_eq!(Ack::to(&frame), message.ack(), "{name}");
        let error = EmitError::OutputTooShort {
            needed: 24,
            available: 23,
        };
        assert_eq!(message.ack().emit(&mut [0; 23]), Err(error));
    }
}

#[test]
fn the_status_says_what_the_producer_is_to_do() {
    let ack = samples()[0].1.ack();
    for (status, verdict) in [
        (Status::SUCCESS, AckVerdict::Accepted),
        (Status::EBUSY, AckVerdict::BackOff),
        (Status::TMPFAIL, AckVerdict::BackOff),
        (Status::EINVAL, AckVerdict::Disconnect),
        (Status(0x7777), AckVerdict::Disconnect),
    ] {
        let ack = ack.with_status(status);
        assert_eq!(ack.verdict(), verdict);
        assert_eq!(Ack::from_response(&ack.to_response()), Ok(ack));
    }
}

#[test]
fn answers_to_other_commands_are_no_answers_to_messages() {
    for opcode in [Opcode::NOOP, Opcode::TAP_CONNECT, Opcode(0x48)] {
        let response = Response::new(opcode, Status::SUCCESS);
        let error = Ack::from_response(&response).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::ForeignOpcode);
        assert_eq!(error.found, opcode.0.into());
    }
}
