//! The client's side of a connection: which replies it believes.

#![allow(missing_docs)]

mod support;

use memlet_core::connection::client::{
    ClientConnection, ClientOptions, Received, ReplyError, ReplyErrorKind, StageError,
};
use memlet_core::counters::Counters;
use memlet_core::wire::{Dialect, Magic, Opcode, ParseErrorKind, Request, Response, Status};
use support::with_key;

type Connection = ClientConnection<4, Counters>;

fn connection() -> Connection {
    ClientConnection::new(ClientOptions::default(), Counters::new())
}

/// Stages a request and returns its opaque.
fn stage(connection: &mut Connection, opcode: Opcode) -> u32 {
    let mut output = [0; 64];
    let request = with_key(opcode, b"key");
    connection.stage(&request, &mut output).unwrap().opaque
}

/// The bytes of a response.
fn reply(opcode: Opcode, opaque: u32, status: Status, value: &[u8]) -> Vec<u8> {
    let response = Response {
        opaque,
        value,
        ..Response::new(opcode, status)
    };
    let mut bytes = vec![0; response.encoded_len().unwrap()];
    response.emit(&mut bytes).unwrap();
    bytes
}

fn ok(opcode: Opcode, opaque: u32) -> Vec<u8> {
    reply(opcode, opaque, Status::SUCCESS, b"")
}

/// Hands a reply over that fits: how many were silent before it, and whether it was the last of its request.
#[track_caller]
fn take(connection: &mut Connection, bytes: &[u8]) -> (u32, bool) {
    match connection.handle_input(bytes).unwrap() {
        Received::Reply(reply) => {
            assert_eq!(reply.consumed, bytes.len());
            (reply.silent, reply.is_last)
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refuse(connection: &mut Connection, bytes: &[u8]) -> ReplyError {
    let error = connection.handle_input(bytes).unwrap_err();
    assert!(!connection.is_healthy());
    // Whatever comes afterwards, right or wrong, nobody gets to see it.
    for later in [bytes, &ok(Opcode::GET, 1), &[]] {
        assert_eq!(connection.handle_input(later), Err(error));
    }
    let request = Request::new(Opcode::NOOP);
    let staged = connection.stage(&request, &mut [0; 64]);
    assert_eq!(staged, Err(StageError::Broken(error)));
    error
}

#[test]
fn a_reply_with_a_foreign_opaque_ends_the_connection() {
    let mut connection = connection();
    let opaque = stage(&mut connection, Opcode::GET);
    let error = refuse(&mut connection, &ok(Opcode::GET, opaque + 5));
    assert_eq!(error.kind, ReplyErrorKind::Unasked);
    let text = "reply to a request that was not sent; expected GET with opaque 1; \
                found GET with opaque 6 and status SUCCESS";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_reply_with_another_opcode_ends_the_connection() {
    let mut connection = connection();
    let opaque = stage(&mut connection, Opcode::GET);
    let error = refuse(&mut connection, &ok(Opcode::GETQ, opaque));
    assert_eq!(error.kind, ReplyErrorKind::WrongOpcode);
    assert_eq!(error.expected.unwrap().opcode, Opcode::GET);
    assert_eq!(error.found.unwrap().opcode, Opcode::GETQ);
}

#[test]
fn a_reply_that_comes_twice_ends_the_connection() {
    let mut connection = connection();
    let opaque = stage(&mut connection, Opcode::GET);
    take(&mut connection, &ok(Opcode::GET, opaque));
    stage(&mut connection, Opcode::GET);
    let error = refuse(&mut connection, &ok(Opcode::GET, opaque));
    assert_eq!(error.kind, ReplyErrorKind::Late);
}

#[test]
fn a_reply_to_a_quiet_get_after_its_noop_ends_the_connection() {
    let mut connection = connection();
    let quiet = stage(&mut connection, Opcode::GETQ);
    let noop = stage(&mut connection, Opcode::NOOP);
    stage(&mut connection, Opcode::GET);
    assert_eq!(take(&mut connection, &ok(Opcode::NOOP, noop)), (1, true));
    let error = refuse(&mut connection, &ok(Opcode::GETQ, quiet));
    assert_eq!(error.kind, ReplyErrorKind::Late);
    assert_eq!(error.expected.unwrap().opcode, Opcode::GET);
}

#[test]
fn a_reply_that_passes_over_one_that_must_come_ends_the_connection() {
    let mut connection = connection();
    stage(&mut connection, Opcode::SETQ);
    let missing = stage(&mut connection, Opcode::GET);
    let noop = stage(&mut connection, Opcode::NOOP);
    let error = refuse(&mut connection, &ok(Opcode::NOOP, noop));
    assert_eq!(error.kind, ReplyErrorKind::Missing);
    assert_eq!(error.expected.unwrap().opaque, missing);
}

#[test]
fn a_reply_that_passes_over_another_of_the_same_loud_opcode_ends_the_connection() {
    let mut connection = connection();
    let missing = stage(&mut connection, Opcode::GET);
    let second = stage(&mut connection, Opcode::GET);
    let error = refuse(&mut connection, &ok(Opcode::GET, second));
    assert_eq!(error.kind, ReplyErrorKind::Missing);
    assert_eq!(error.expected.unwrap().opaque, missing);
}

#[test]
fn a_reply_while_nothing_is_in_flight_ends_the_connection() {
    let mut connection = connection();
    let error = refuse(&mut connection, &ok(Opcode::NOOP, 0));
    assert_eq!(
        (error.kind, error.expected),
        (ReplyErrorKind::Unasked, None)
    );
}

#[test]
fn a_body_beyond_the_limit_is_refused_by_its_header() {
    let mut connection = connection();
    let opaque = stage(&mut connection, Opcode::GET);
    let mut bytes = ok(Opcode::GET, opaque);
    bytes[8..12].fill(0xff);
    let error = refuse(&mut connection, &bytes);
    let ReplyErrorKind::Malformed(parse) = error.kind else {
        panic!("{error}");
    };
    assert_eq!(
        (parse.kind, parse.found),
        (ParseErrorKind::BodyTooLong, u32::MAX)
    );
}

#[test]
fn a_key_longer_than_the_body_is_refused_by_its_header() {
    let mut connection = connection();
    let opaque = stage(&mut connection, Opcode::GET);
    let mut bytes = reply(Opcode::GET, opaque, Status::SUCCESS, b"value");
    bytes[3] = 6;
    let error = refuse(&mut connection, &bytes[..24]);
    assert!(matches!(error.kind, ReplyErrorKind::Malformed(_)));
}

#[test]
fn a_request_of_the_server_is_told_from_garbage() {
    for (magic, kind) in [
        (Magic::CLIENT_REQUEST.0, ParseErrorKind::WrongDirection),
        (Magic::SERVER_REQUEST.0, ParseErrorKind::WrongDirection),
        (Magic::SERVER_RESPONSE.0, ParseErrorKind::WrongDirection),
        (b'E', ParseErrorKind::UnknownMagic),
    ] {
        // Its first byte is enough.
        for len in [1, 24] {
            let mut connection = connection();
            let opaque = stage(&mut connection, Opcode::GET);
            let mut bytes = ok(Opcode::GET, opaque);
            bytes[0] = magic;
            let error = refuse(&mut connection, &bytes[..len]);
            let ReplyErrorKind::Malformed(parse) = error.kind else {
                panic!("{error}");
            };
            assert_eq!((parse.kind, parse.found), (kind, magic.into()));
        }
    }
}

#[test]
fn the_end_of_input_is_in_order_only_when_nothing_had_to_come() {
    let mut idle = connection();
    assert_eq!(idle.handle_end_of_input(0), Ok(()));
    assert_eq!(idle.error().unwrap().kind, ReplyErrorKind::Ended);

    let mut waiting = connection();
    stage(&mut waiting, Opcode::SETQ);
    let error = waiting.handle_end_of_input(0).unwrap_err();
    assert_eq!(error.kind, ReplyErrorKind::Closed);
    assert_eq!(error.expected.unwrap().opcode, Opcode::SETQ);

    let mut within = connection();
    stage(&mut within, Opcode::GET);
    let error = within.handle_end_of_input(10).unwrap_err();
    assert_eq!(error.kind, ReplyErrorKind::Truncated { received: 10 });

    let mut leaving = connection();
    stage(&mut leaving, Opcode::SETQ);
    stage(&mut leaving, Opcode::QUITQ);
    assert_eq!(leaving.handle_end_of_input(0), Ok(()));
}

#[test]
fn a_value_cut_short_by_the_end_of_input_is_an_error() {
    let mut connection = connection();
    let opaque = stage(&mut connection, Opcode::GET);
    let bytes = reply(Opcode::GET, opaque, Status::SUCCESS, b"a value");
    let Ok(Received::Reply(head)) = connection.handle_input_head(&bytes[..26]) else {
        panic!();
    };
    assert_eq!((head.value_len, head.consumed), (7, 24));
    assert_eq!(
        connection.handle_input(&bytes[24..26]),
        Ok(Received::Value(b"a "))
    );
    let error = connection.handle_end_of_input(0).unwrap_err();
    assert!(matches!(error.kind, ReplyErrorKind::Truncated { .. }));
}

#[test]
fn ten_thousand_quiet_gets_take_two_entries_and_keep_their_order() {
    let mut connection: ClientConnection<2> = ClientConnection::new(ClientOptions::default(), ());
    let mut output = [0; 64];
    let get = with_key(Opcode::GETQ, b"key");
    for _ in 0..10_000 {
        connection.stage(&get, &mut output).unwrap();
    }
    let noop = Request::new(Opcode::NOOP);
    let noop = connection.stage(&noop, &mut output).unwrap().opaque;
    assert_eq!(connection.in_flight(), 10_001);
    let mut silent = 0;
    for opaque in (7..10_000).step_by(1000) {
        let hit = ok(Opcode::GETQ, opaque);
        let Ok(Received::Reply(reply)) = connection.handle_input(&hit) else {
            panic!();
        };
        silent += reply.silent;
    }
    let noop = ok(Opcode::NOOP, noop);
    let Ok(Received::Reply(reply)) = connection.handle_input(&noop) else {
        panic!();
    };
    assert_eq!(silent + reply.silent, 9_990);
    assert_eq!(connection.in_flight(), 0);
}

#[test]
fn errors_of_quiet_commands_belong_to_the_request_of_their_opaque() {
    let mut connection = connection();
    let opaques: Vec<u32> = (0..5)
        .map(|_| stage(&mut connection, Opcode::ADDQ))
        .collect();
    let noop = stage(&mut connection, Opcode::NOOP);
    let exists = |opaque| reply(Opcode::ADDQ, opaque, Status::KEY_EEXISTS, b"Data exists");
    assert_eq!(take(&mut connection, &exists(opaques[1])), (1, true));
    assert_eq!(take(&mut connection, &exists(opaques[4])), (2, true));
    assert_eq!(take(&mut connection, &ok(Opcode::NOOP, noop)), (0, true));
}

#[test]
fn statistics_go_on_until_the_empty_one_or_an_error() {
    let mut connection = connection();
    let opaque = stage(&mut connection, Opcode::STAT);
    for _ in 0..3 {
        let bytes = reply(Opcode::STAT, opaque, Status::SUCCESS, b"1");
        assert_eq!(take(&mut connection, &bytes), (0, false));
    }
    let end = ok(Opcode::STAT, opaque);
    assert_eq!(take(&mut connection, &end), (0, true));
    let opaque = stage(&mut connection, Opcode::STAT);
    let unknown = reply(Opcode::STAT, opaque, Status::KEY_ENOENT, b"Not found");
    assert_eq!(take(&mut connection, &unknown), (0, true));
    assert_eq!(connection.in_flight(), 0);
}

#[test]
fn the_dialect_decides_which_opcodes_may_stay_silent() {
    for (dialect, wanted) in [
        (Dialect::Memcached, Ok(1)),
        (Dialect::Couchbase, Err(ReplyErrorKind::Missing)),
    ] {
        let mut options = ClientOptions::default();
        options.dialect = dialect;
        let mut connection: Connection = ClientConnection::new(options, Counters::new());
        // GATKQ, or IOCTL_SET, which is always answered.
        stage(&mut connection, Opcode(0x24));
        let opaque = stage(&mut connection, Opcode::NOOP);
        let noop = ok(Opcode::NOOP, opaque);
        let found = match connection.handle_input(&noop) {
            Ok(Received::Reply(reply)) => Ok(reply.silent),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind),
        };
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_full_table_refuses_without_a_trace_and_takes_more_once_replies_have_come() {
    let mut connection = connection();
    let opcodes = [Opcode::GET, Opcode::SET, Opcode::ADD, Opcode::DELETE];
    let first = stage(&mut connection, opcodes[0]);
    for opcode in &opcodes[1..] {
        stage(&mut connection, *opcode);
    }
    let mut output = [0xee; 64];
    let request = with_key(Opcode::TOUCH, b"key");
    let refused = connection.stage(&request, &mut output);
    assert_eq!(refused, Err(StageError::TableFull));
    assert_eq!((output, connection.in_flight()), ([0xee; 64], 4));
    // Another of the last kind joins it.
    stage(&mut connection, Opcode::DELETE);
    take(&mut connection, &ok(Opcode::GET, first));
    assert!(connection.stage(&request, &mut output).is_ok());
    assert_eq!(connection.in_flight(), 5);
}

#[test]
fn opaques_go_round_after_the_largest() {
    let options = ClientOptions::default();
    let mut options = options;
    options.first_opaque = u32::MAX - 1;
    let mut connection: Connection = ClientConnection::new(options, Counters::new());
    let opaques: Vec<u32> = (0..4)
        .map(|_| stage(&mut connection, Opcode::GETQ))
        .collect();
    assert_eq!(opaques, [u32::MAX - 1, u32::MAX, 0, 1]);
    let noop = stage(&mut connection, Opcode::NOOP);
    assert_eq!(take(&mut connection, &ok(Opcode::GETQ, 0)), (2, true));
    assert_eq!(take(&mut connection, &ok(Opcode::NOOP, noop)), (1, true));
}

#[test]
fn replies_are_the_same_however_the_input_is_cut() {
    let script = |connection: &mut Connection| {
        let quiet = stage(connection, Opcode::GETQ);
        let stat = stage(connection, Opcode::STAT);
        let mut bytes = reply(Opcode::GETQ, quiet, Status::SUCCESS, &[7; 40]);
        bytes.extend(reply(Opcode::STAT, stat, Status::SUCCESS, b"x"));
        bytes.extend(ok(Opcode::STAT, stat));
        bytes
    };
    let whole = {
        let mut connection = connection();
        let bytes = script(&mut connection);
        collect(&mut connection, &bytes, bytes.len())
    };
    assert_eq!(whole.len(), 3);
    for step in 1..90 {
        let mut connection = connection();
        let bytes = script(&mut connection);
        assert_eq!(collect(&mut connection, &bytes, step), whole, "{step}");
    }
}

/// All replies of bytes that arrive `step` at a time.
fn collect(connection: &mut Connection, bytes: &[u8], step: usize) -> Vec<(u32, Vec<u8>, bool)> {
    let (mut kept, mut replies) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(step) {
        kept.extend_from_slice(piece);
        loop {
            match connection.handle_input(&kept).unwrap() {
                Received::Reply(reply) => {
                    let Response { opaque, value, .. } = reply.response;
                    replies.push((opaque, value.to_vec(), reply.is_last));
                    kept.drain(..reply.consumed);
                }
                Received::NeedMore { missing } => {
                    assert!(missing > 0);
                    break;
                }
                Received::Value(_) => panic!("no value is in pieces"),
            }
        }
    }
    assert!(kept.is_empty());
    replies
}

#[test]
fn what_is_missing_is_exact_once_the_header_is_there() {
    let mut connection = connection();
    let opaque = stage(&mut connection, Opcode::GET);
    let bytes = reply(Opcode::GET, opaque, Status::SUCCESS, &[1; 100]);
    for len in 0..bytes.len() {
        let Ok(Received::NeedMore { missing }) = connection.handle_input(&bytes[..len]) else {
            panic!("{len}");
        };
        let whole = if len < 24 { 24 } else { bytes.len() };
        assert_eq!(missing, (whole - len) as u64);
    }
    assert_eq!(take(&mut connection, &bytes), (0, true));
}

#[test]
fn a_tally_counts_what_went_out_and_came_in_and_what_broke_the_connection() {
    let mut connection = connection();
    let opaque = stage(&mut connection, Opcode::GET);
    take(
        &mut connection,
        &reply(Opcode::GET, opaque, Status::KEY_ENOENT, b"Not found"),
    );
    stage(&mut connection, Opcode::GET);
    refuse(&mut connection, &ok(Opcode::SET, opaque + 1));
    let counters = connection.tally();
    let sent = counters.sent.get(Opcode::GET);
    assert_eq!((sent.bytes, sent.operations, sent.errors), (54, 2, 0));
    let received = counters.received.get(Opcode::GET);
    assert_eq!(
        (received.bytes, received.operations, received.errors),
        (33, 1, 0)
    );
    assert_eq!(counters.received.get(Opcode::SET).errors, 1);
}
