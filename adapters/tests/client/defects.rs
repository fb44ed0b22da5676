//! What clients of this protocol have got wrong, each as a test.

use crate::Client;
use crate::support::{Asked, Running, Scripted, bytes};
use memlet::client::{
    Answer, Change, Command, Error, Observed, Outcome, Persistence, RequestError, SaslAnswer,
    Update, UpdateStep,
};
use memlet_core::connection::client::ReplyErrorKind;
use memlet_core::counters::Counters;
use memlet_core::wire::{DataType, EmitError, Field, Magic, Opcode, Request, Response, Status};

/// The kind of the error that ended a client.
#[track_caller]
fn broken<T: std::fmt::Debug>(result: Result<T, Error<std::io::Error>>) -> ReplyErrorKind {
    match result.unwrap_err() {
        Error::Reply(error) => error.kind,
        other => panic!("{other}"),
    }
}

// Packets.

#[test]
fn a_key_and_extras_longer_than_the_body_are_malformed() {
    let mut client = Scripted::new(|asked| {
        let mut reply = asked.item(b"value", 0, 1);
        reply[2..4].copy_from_slice(&100_u16.to_be_bytes());
        reply
    })
    .client();
    assert!(matches!(
        broken(client.get(b"key")),
        ReplyErrorKind::Malformed(_)
    ));
    assert!(!client.is_healthy());
}

#[test]
fn a_body_of_4_gib_is_refused_by_its_header() {
    let mut client = Scripted::new(|asked| {
        let mut reply = asked.item(b"", 0, 1);
        reply[8..12].fill(0xff);
        reply
    })
    .client();
    assert!(matches!(
        broken(client.get(b"key")),
        ReplyErrorKind::Malformed(_)
    ));
}

#[test]
fn a_value_of_20_mib_is_taken_and_sent() {
    let value = vec![7; 20 << 20];
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::GET => asked.item(&vec![7; 20 << 20], 0, 1),
        _ => asked.done(),
    })
    .client();
    assert!(client.get(b"key").unwrap().unwrap().value == value);
    client.set(b"key", &value).unwrap();
    let asked = client.into_inner().asked;
    assert!(asked[1].value == value);
}

#[test]
fn a_response_to_a_tap_opcode_keeps_its_key_and_value() {
    let mut client = Scripted::new(|asked| {
        asked.answer_with(&Response {
            key: b"key",
            value: b"value",
            ..Response::new(asked.opcode, Status::SUCCESS)
        })
    })
    .client();
    let response = client.send(&Request::new(Opcode(0x41))).unwrap();
    assert_eq!((response.key, response.value), (&b"key"[..], &b"value"[..]));
}

#[test]
fn the_data_type_is_kept_in_both_directions() {
    let mut client = Scripted::new(|asked| {
        asked.answer_with(&Response {
            extras: &[0; 4],
            datatype: DataType(1),
            ..Response::new(asked.opcode, Status::SUCCESS)
        })
    })
    .client();
    assert_eq!(client.get(b"key").unwrap().unwrap().datatype, DataType(1));
}

#[test]
fn what_no_header_can_tell_is_refused_and_nothing_is_sent() {
    let mut client = Scripted::new(Asked::done).client();
    let long_key = vec![b'k'; 70_000];
    let long_extras = [0; 256];
    for (request, field) in [
        (
            Request {
                key: &long_key,
                ..Request::new(Opcode::NOOP)
            },
            Field::Key,
        ),
        (
            Request {
                extras: &long_extras,
                ..Request::new(Opcode::NOOP)
            },
            Field::Extras,
        ),
    ] {
        match client.send(&request) {
            Err(Error::Request(RequestError::Emit(EmitError::TooLong {
                field: found, ..
            }))) => {
                assert_eq!(found, field);
            }
            other => panic!("{other:?}"),
        }
    }
    client.noop().unwrap();
    assert_eq!(client.into_inner().asked.len(), 1);
}

#[test]
fn all_bytes_of_a_request_are_counted_however_long_its_value_is() {
    let stream = Scripted::new(Asked::done);
    let mut client: Client<_, Vec<u8>, Counters> = Client::with(
        stream,
        Default::default(),
        Vec::new(),
        Vec::new(),
        Counters::new(),
    );
    for len in [0, 127, 128, 100_000] {
        let before = client.tally().sent.get(Opcode::SET).bytes;
        client.set(b"key", &vec![0; len]).unwrap();
        let after = client.tally().sent.get(Opcode::SET).bytes;
        assert_eq!(after - before, 24 + 8 + 3 + len as u64);
    }
}

#[test]
fn a_request_where_a_response_should_be_is_no_reply() {
    let mut client = Scripted::new(|asked| {
        let mut reply = asked.done();
        reply[0] = Magic::CLIENT_REQUEST.0;
        reply
    })
    .client();
    assert!(matches!(
        broken(client.noop()),
        ReplyErrorKind::Malformed(_)
    ));
}

#[test]
fn replies_that_arrive_together_are_told_apart() {
    let mut client = Scripted::new(|asked| asked.item(&asked.key, 0, 1)).client();
    let mut found = Vec::new();
    let commands = [b"a", b"b", b"c"].map(|key| Command::get(key));
    client
        .batch(commands, |index, answer| match answer {
            Answer::Response(response) => found.push((index, response.value.to_vec())),
            other => panic!("{other:?}"),
        })
        .unwrap();
    assert_eq!(
        found,
        [(0, b"a".to_vec()), (1, b"b".to_vec()), (2, b"c".to_vec())]
    );
    assert_eq!(client.into_inner().writes, 1);
}

#[test]
fn a_stream_cut_anywhere_in_a_reply_is_truncated() {
    for len in 1..24 + 4 + 5 {
        let mut client = Scripted::new(|asked| asked.item(b"value", 0, 1)[..len].to_vec())
            .closing()
            .client();
        let kind = broken(client.get(b"key"));
        assert!(
            matches!(kind, ReplyErrorKind::Truncated { .. }),
            "{len}: {kind:?}"
        );
        assert!(!client.is_healthy());
    }
    let mut client = Scripted::new(|_| Vec::new()).closing().client();
    assert_eq!(broken(client.get(b"key")), ReplyErrorKind::Closed);
}

// The connection.

#[test]
fn receiving_with_nothing_under_way_or_no_connection_is_an_error() {
    let mut client = Scripted::new(Asked::done).client();
    assert!(matches!(
        client.receive(),
        Err(Error::Request(RequestError::NothingToReceive))
    ));
    assert!(client.is_healthy());
    client.quit().unwrap();
    assert_eq!(broken(client.receive()), ReplyErrorKind::Ended);
}

#[test]
fn send_and_receive_judge_by_one_rule_that_a_status_breaks_nothing() {
    for status in [
        Status::KEY_ENOENT,
        Status::EINVAL,
        Status::E2BIG,
        Status::DELTA_BADVAL,
        Status::NOT_MY_VBUCKET,
        Status::UNKNOWN_COMMAND,
        Status::TMPFAIL,
        Status(0x7777),
    ] {
        let mut client = Scripted::new(|asked| asked.answer(status, b"why")).client();
        let request = Request::new(Opcode::NOOP);
        assert_eq!(client.send(&request).unwrap().status, status);
        assert!(client.is_healthy());
        client.transmit(&request).unwrap();
        assert_eq!(client.receive().unwrap().status, status);
        assert!(client.is_healthy());
        let error = client.noop().unwrap_err();
        assert_eq!((error.status(), error.is_fatal()), (Some(status), false));
        assert!(client.is_healthy());
    }
}

#[test]
fn a_client_that_broke_stays_so_whatever_is_tried() {
    let mut client = Scripted::new(|asked| match asked.opcode {
        Opcode::GET => vec![b'?'; 24],
        _ => asked.done(),
    })
    .client();
    let kind = broken(client.get(b"key"));
    assert_eq!(broken(client.noop()), kind);
    assert_eq!(
        broken(client.send(&Request::new(Opcode::NOOP)).map(|_| ())),
        kind
    );
    assert_eq!(broken(client.get_many(&[b"key"])), kind);
    assert!(!client.is_healthy());
    assert_eq!(client.into_inner().asked.len(), 1);
}

#[test]
fn requests_are_numbered_and_replies_with_another_number_refused() {
    let mut client = Scripted::new(Asked::done).client();
    for _ in 0..3 {
        client.noop().unwrap();
    }
    let numbers: Vec<u32> = client.into_inner().asked.iter().map(|a| a.opaque).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));

    let mut client = Scripted::new(|asked| {
        bytes(&Response {
            opaque: asked.opaque + 1,
            extras: &[0; 4],
            value: b"stale",
            ..Response::new(asked.opcode, Status::SUCCESS)
        })
    })
    .client();
    assert_eq!(broken(client.get(b"key")), ReplyErrorKind::Unasked);
}

#[test]
fn a_quiet_request_is_not_waited_for() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::SETQ => Vec::new(),
        _ => asked.done(),
    })
    .client();
    let quiet = Request {
        key: b"key",
        extras: &[0; 8],
        ..Request::new(Opcode::SETQ)
    };
    for result in [
        client.send(&quiet).map(|_| ()),
        client.store(&Command::set(b"key", b"").quiet()).map(|_| ()),
    ] {
        assert!(matches!(
            result,
            Err(Error::Request(RequestError::Quiet(Opcode::SETQ)))
        ));
    }
    client.transmit(&quiet).unwrap();
    assert!(matches!(
        client.receive(),
        Err(Error::Request(RequestError::NothingToReceive))
    ));
    client.transmit(&Request::new(Opcode::NOOP)).unwrap();
    assert_eq!(client.receive().unwrap().opcode, Opcode::NOOP);
}

#[test]
fn a_timeout_is_no_miss_and_ends_the_client() {
    let mut client = Scripted::new(|_| Vec::new()).client();
    let error = client.get(b"key").unwrap_err();
    assert!(error.is_timeout() && error.is_fatal() && !error.is_not_found());
    // The answer, should it come now, answers nobody's question.
    assert_eq!(broken(client.get(b"key")), ReplyErrorKind::Transport);
}

// Logging in.

#[test]
fn a_mechanism_is_found_by_its_whole_name() {
    let mut client = Scripted::new(|asked| match asked.opcode {
        Opcode::SASL_LIST_MECHS => asked.answer(Status::SUCCESS, b"XPLAIN SCRAM-SHA1"),
        _ => asked.done(),
    })
    .client();
    assert!(matches!(
        client.authenticate(b"user", b"password"),
        Err(Error::NoPlain)
    ));
    let mechanisms = client.sasl_mechanisms().unwrap();
    let names: Vec<&[u8]> = mechanisms.iter().collect();
    assert_eq!(names, [&b"XPLAIN"[..], b"SCRAM-SHA1"]);
    assert!(client.is_healthy());
    let asked = client.into_inner().asked;
    assert!(
        asked
            .iter()
            .all(|asked| asked.opcode == Opcode::SASL_LIST_MECHS)
    );
}

#[test]
fn plain_sends_user_and_password_as_its_message_says() {
    let mut client = Scripted::new(|asked| match asked.opcode {
        Opcode::SASL_LIST_MECHS => asked.answer(Status::SUCCESS, b"CRAM-MD5 PLAIN"),
        _ => asked.done(),
    })
    .client();
    client.authenticate(b"user", b"password").unwrap();
    let asked = client.into_inner().asked;
    assert_eq!(
        (&asked[1].key[..], &asked[1].value[..]),
        (&b"PLAIN"[..], &b"\0user\0password"[..])
    );
}

#[test]
fn a_challenge_is_answered_with_another_step() {
    let mut client = Scripted::new(|asked| match asked.opcode {
        Opcode::SASL_AUTH => asked.answer(Status::AUTH_CONTINUE, b"challenge"),
        Opcode::SASL_STEP => asked.answer(Status::SUCCESS, b"Authenticated"),
        _ => asked.answer(Status::SUCCESS, b"PLAIN"),
    })
    .client();
    let first = client.sasl_start(b"CRAM-MD5", b"").unwrap();
    assert_eq!(first, SaslAnswer::Continue(b"challenge"));
    let second = client.sasl_step(b"CRAM-MD5", b"response").unwrap();
    assert_eq!(second, SaslAnswer::Done(b"Authenticated"));
    let plain = client.authenticate(b"user", b"password");
    assert!(matches!(plain, Err(Error::UnexpectedChallenge)));
}

// Commands.

#[test]
fn flags_and_expiration_are_two_numbers_of_four_bytes() {
    let mut client = Scripted::new(Asked::done).client();
    let command = Command::set(b"key", b"value")
        .flags(0x0102_0304)
        .expiration(0xffff_fffe);
    client.store(&command).unwrap();
    let asked = client.into_inner().asked;
    assert_eq!(asked[0].extras, [1, 2, 3, 4, 0xff, 0xff, 0xff, 0xfe]);
}

#[test]
fn a_counter_of_another_length_than_eight_bytes_is_no_counter() {
    for len in [0, 3, 7, 9] {
        let mut client =
            Scripted::new(|asked| asked.answer(Status::SUCCESS, &[0; 9][..len])).client();
        let kind = broken(client.increment(b"key", 1));
        let wanted = ReplyErrorKind::Length {
            field: Field::Value,
            found: len as u32,
            allowed: 8,
        };
        assert_eq!(kind, wanted);
        assert!(!client.is_healthy());
    }
}

#[test]
fn an_item_without_its_flags_is_no_item() {
    let mut client = Scripted::new(|asked| asked.answer(Status::SUCCESS, b"value")).client();
    assert!(matches!(
        broken(client.get(b"key")),
        ReplyErrorKind::Length { .. }
    ));
    let mut client = Scripted::new(|asked| asked.answer(Status::SUCCESS, b"value")).client();
    assert!(matches!(
        broken(client.get_many(&[b"key"])),
        ReplyErrorKind::Length { .. }
    ));
}

#[test]
fn a_key_the_server_would_close_over_is_not_sent() {
    let mut client = Scripted::new(Asked::done).client();
    let long = vec![b'k'; 251];
    assert!(matches!(
        client.get(&long),
        Err(Error::Request(RequestError::KeyTooLong {
            found: 251,
            allowed: 250
        }))
    ));
    assert!(matches!(
        client.delete(b""),
        Err(Error::Request(RequestError::KeyMissing(Opcode::DELETE)))
    ));
    assert!(client.is_healthy());
    assert!(client.into_inner().asked.is_empty());
}

// Bulk gets.

#[test]
fn a_bulk_get_of_no_keys_is_empty_and_sends_nothing() {
    let mut client = Scripted::new(Asked::done).client();
    assert!(client.get_many::<&[u8]>(&[]).unwrap().is_empty());
    client.set_many::<&[u8], &[u8]>(&[], |_, _| {}).unwrap();
    assert_eq!(client.delete_many::<&[u8]>(&[]).unwrap(), 0);
    assert_eq!(client.into_inner().writes, 0);
}

#[test]
fn an_unexpected_reply_in_a_bulk_get_ends_the_client() {
    for wrong in [Opcode::GET, Opcode::SETQ] {
        let mut client = Scripted::new(|asked| {
            bytes(&Response {
                opaque: asked.opaque,
                extras: &[0; 4],
                ..Response::new(wrong, Status::SUCCESS)
            })
        })
        .client();
        let kind = broken(client.get_many(&[b"a", b"b"]));
        assert_eq!(kind, ReplyErrorKind::WrongOpcode);
        assert!(!client.is_healthy());
    }
}

#[test]
fn a_bulk_get_that_cannot_be_written_is_an_error_and_ends_the_client() {
    let mut stream = Scripted::new(Asked::done);
    stream.fails_to_write = true;
    let mut client = stream.client();
    let error = client.get_many(&[b"a", b"b"]).unwrap_err();
    assert_eq!(error.kind(), Some(embedded_io::ErrorKind::BrokenPipe));
    assert!(!client.is_healthy());
}

#[test]
fn an_answered_miss_does_not_end_a_bulk_get() {
    let mut client = Scripted::new(|asked| match (&asked.key[..], asked.opcode) {
        (b"a", _) => asked.answer(Status::KEY_ENOENT, b"Not found"),
        (_, Opcode::NOOP) => asked.done(),
        _ => asked.item(b"value", 0, 1),
    })
    .client();
    let items = client.get_many(&[b"a", b"b"]).unwrap();
    assert!(items[0].is_none() && items[1].is_some());
    assert_eq!(client.into_inner().writes, 1);
}

#[test]
fn a_refusal_in_a_bulk_get_is_told_once_the_rest_has_been_read() {
    let mut client = Scripted::new(|asked| match (&asked.key[..], asked.opcode) {
        (b"a", _) => asked.answer(Status::TMPFAIL, b"later"),
        (_, Opcode::NOOP) => asked.done(),
        _ => asked.item(b"value", 0, 1),
    })
    .client();
    let mut seen = 0;
    let error = client
        .get_each(&[b"a", b"b"], |_, _| seen += 1)
        .unwrap_err();
    assert_eq!((error.status(), seen), (Some(Status::TMPFAIL), 1));
    assert!(client.is_healthy());
    client.noop().unwrap();
}

#[test]
fn a_malformed_item_in_a_bulk_get_names_its_request() {
    let mut client = Scripted::new(|asked: &Asked| match &asked.key[..] {
        b"b" => asked.answer(Status::SUCCESS, b"no flags"),
        b"" => asked.done(),
        _ => asked.item(b"value", 0, 1),
    })
    .client();
    let error = client.get_many(&[b"a", b"b"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "reply with 0 bytes of extras, allowed 4; expected GETQ with opaque 2; \
         found GETQ with opaque 2 and status SUCCESS"
    );
    assert!(!client.is_healthy());
}

// Couchbase.

#[test]
fn hello_lists_what_is_granted_and_a_bucket_is_selected() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::HELLO => asked.answer(Status::SUCCESS, &[0, 7, 0, 10]),
        _ => asked.done(),
    })
    .client();
    let granted = client.hello(b"memlet", &[7, 10, 0x1e]).unwrap();
    assert_eq!(granted.iter().collect::<Vec<u16>>(), [7, 10]);
    assert!(granted.contains(7) && !granted.contains(0x1e));
    client.select_bucket(b"travel").unwrap();
    client.set_vbucket(1023);
    client.delete(b"key").unwrap();
    client.store(&Command::delete(b"key").vbucket(5)).unwrap();
    let long = [0; 65];
    assert!(matches!(
        client.hello(b"memlet", &long),
        Err(Error::Request(RequestError::TooLong))
    ));
    let asked = client.into_inner().asked;
    assert_eq!(asked[0].value, [0, 7, 0, 10, 0, 0x1e]);
    assert_eq!(
        (&asked[1].key[..], asked[1].opcode.0),
        (&b"travel"[..], 0x89)
    );
    assert_eq!((asked[2].vbucket, asked[3].vbucket), (1023, 5));
}

// Observe.

#[test]
fn observe_reads_state_cas_and_times_and_checks_vbucket_and_key() {
    let answer = |asked: &Asked, vbucket: u16, key: &[u8]| {
        let mut value = vbucket.to_be_bytes().to_vec();
        value.extend((key.len() as u16).to_be_bytes());
        value.extend(key);
        value.push(1);
        value.extend(99_u64.to_be_bytes());
        asked.answer_with(&Response {
            value: &value,
            cas: 5 << 32 | 7,
            ..Response::new(asked.opcode, Status::SUCCESS)
        })
    };
    let mut client = Scripted::new(|asked| answer(asked, 3, b"key")).client();
    let observed = client.observe(3, b"key").unwrap();
    let Observed {
        persist_time_ms,
        replication_time_ms,
        ..
    } = observed;
    assert_eq!((persist_time_ms, replication_time_ms), (5, 7));
    assert_eq!(
        observed.check_persistence(99, false),
        Persistence::Persisted
    );
    assert_eq!(
        observed.check_persistence(98, false),
        Persistence::Overwritten
    );
    for (vbucket, key) in [(4, &b"key"[..]), (3, b"kez"), (3, b"keys")] {
        let mut client = Scripted::new(|asked| answer(asked, vbucket, key)).client();
        broken(client.observe(3, b"key"));
        assert!(!client.is_healthy());
    }
    let mut client = Scripted::new(|asked| asked.answer(Status::SUCCESS, &[0; 5])).client();
    assert!(matches!(
        broken(client.observe(3, b"key")),
        ReplyErrorKind::Length { .. }
    ));
}

#[test]
fn observe_refuses_a_key_whose_length_it_cannot_tell() {
    let mut client = Scripted::new(Asked::done).client();
    let long = vec![b'k'; 65_536];
    assert!(matches!(
        client.observe(0, &long),
        Err(Error::Request(RequestError::KeyTooLong { .. }))
    ));
    assert!(client.into_inner().asked.is_empty());
}

#[test]
fn the_disk_has_a_change_by_these_rules() {
    use memlet::client::KeyState;
    let observed = |state, cas| Observed {
        state,
        cas,
        persist_time_ms: 0,
        replication_time_ms: 0,
    };
    for (state, cas, deletion, wanted) in [
        (KeyState::NOT_FOUND, 0, true, Persistence::Persisted),
        (KeyState::NOT_FOUND, 0, false, Persistence::Overwritten),
        (KeyState::PERSISTED, 5, false, Persistence::Persisted),
        (KeyState::PERSISTED, 6, false, Persistence::Overwritten),
        (KeyState::NOT_PERSISTED, 5, false, Persistence::Pending),
        (KeyState::DELETED, 5, true, Persistence::Pending),
    ] {
        let found = observed(state, cas).check_persistence(5, deletion);
        assert_eq!(found, wanted, "{state:?} {cas} {deletion}");
    }
}

// Compare and swap.

#[test]
fn a_transport_that_fails_in_the_middle_of_a_change_is_an_error() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::GET => asked.item(b"old", 0, 5),
        _ => Vec::new(),
    })
    .client();
    let error = client
        .update(Update::new(b"key"), |_| Change::Store(b"new"))
        .unwrap_err();
    assert!(error.is_timeout());
}

#[test]
fn a_change_keeps_the_items_flags_and_sets_the_expiration_given() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::GET => asked.item(b"old", 0xdead_beef, 5),
        _ => asked.done(),
    })
    .client();
    let update = Update::new(b"key").expiration(60).new_flags(1);
    client.update(update, |_| Change::Store(b"new")).unwrap();
    let asked = client.into_inner().asked;
    assert_eq!((asked[1].opcode, asked[1].cas), (Opcode::SET, 5));
    assert_eq!(asked[1].extras, [0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 60]);
}

#[test]
fn a_missing_item_is_added_with_the_flags_given() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::GET => asked.answer(Status::KEY_ENOENT, b""),
        _ => asked.done(),
    })
    .client();
    let update = Update::new(b"key").expiration(60).new_flags(1);
    client
        .update(update, |item| {
            assert!(item.is_none());
            Change::Store(b"new")
        })
        .unwrap();
    let asked = client.into_inner().asked;
    assert_eq!((asked[1].opcode, asked[1].cas), (Opcode::ADD, 0));
    assert_eq!(asked[1].extras, [0, 0, 0, 1, 0, 0, 0, 60]);
}

#[test]
fn an_item_that_vanished_meanwhile_is_read_again() {
    for change in [Change::Store(b"new"), Change::Delete] {
        let mut gets = 0;
        let mut client = Scripted::new(move |asked: &Asked| match asked.opcode {
            Opcode::GET => {
                gets += 1;
                match gets {
                    1 => asked.item(b"old", 0, 5),
                    _ => asked.answer(Status::KEY_ENOENT, b""),
                }
            }
            Opcode::SET | Opcode::DELETE => asked.answer(Status::KEY_ENOENT, b""),
            _ => asked.done(),
        })
        .client();
        let mut seen = Vec::new();
        let outcome = client
            .update(Update::new(b"key"), |item| {
                seen.push(item.map(|item| item.value.to_vec()));
                change
            })
            .unwrap();
        assert_eq!(seen, [Some(b"old".to_vec()), None]);
        let wanted = match change {
            Change::Delete => Outcome::Missing,
            _ => Outcome::Stored { cas: 0 },
        };
        assert_eq!(outcome, wanted);
    }
}

#[test]
fn deleting_and_leaving_are_decided_by_the_operation() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::GET => asked.item(b"old", 0, 5),
        _ => asked.done(),
    })
    .client();
    assert_eq!(
        client
            .update(Update::new(b"key"), |_| Change::<&[u8]>::Quit)
            .unwrap(),
        Outcome::Quit
    );
    assert_eq!(
        client
            .update(Update::new(b"key"), |_| Change::<&[u8]>::Delete)
            .unwrap(),
        Outcome::Deleted
    );
    let asked = client.into_inner().asked;
    let sent: Vec<(Opcode, u64)> = asked.iter().map(|a| (a.opcode, a.cas)).collect();
    assert_eq!(
        sent,
        [(Opcode::GET, 0), (Opcode::GET, 0), (Opcode::DELETE, 5)]
    );
}

#[test]
fn a_change_is_tried_no_more_often_than_allowed() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::GET => asked.item(b"old", 0, 5),
        _ => asked.answer(Status::KEY_EEXISTS, b""),
    })
    .client();
    let update = Update::new(b"key").attempts(3);
    let error = client
        .update(update, |_| Change::Store(b"new"))
        .unwrap_err();
    assert!(matches!(error, Error::Contended { attempts: 3 }));
    assert!(client.is_healthy());
    let asked = client.into_inner().asked;
    let sets = asked.iter().filter(|asked| asked.opcode == Opcode::SET);
    assert_eq!(sets.count(), 3);
}

#[test]
fn a_change_goes_step_by_step_too() {
    let server = Running::start();
    let (mut client, mut other) = (server.client(), server.client());
    other.set(b"key", b"first").unwrap();
    let mut update = Update::new(b"key");
    let item = client.update_start(&mut update).unwrap().unwrap();
    assert_eq!(item.value, b"first");
    other.set(b"key", b"second").unwrap();
    let step = client.update_next(&mut update, &Change::Store(b"third"));
    let UpdateStep::Again(Some(item)) = step.unwrap() else {
        panic!("nobody noticed");
    };
    assert_eq!(item.value, b"second");
    assert_eq!(update.failed_attempts(), 1);
    let step = client.update_next(&mut update, &Change::Store(b"third"));
    assert!(matches!(
        step.unwrap(),
        UpdateStep::Done(Outcome::Stored { .. })
    ));
    assert_eq!(other.get(b"key").unwrap().unwrap().value, b"third");
}

#[test]
fn items_without_a_cas_are_not_changed_blindly() {
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::GET => asked.item(b"old", 0, 0),
        _ => asked.done(),
    })
    .client();
    let result = client.update(Update::new(b"key"), |_| Change::Store(b"new"));
    assert!(matches!(result, Err(Error::NoCas)));
    assert_eq!(client.into_inner().asked.len(), 1);
}

// Statistics.

#[test]
fn statistics_are_checked_and_read_to_their_end() {
    let statistic = |asked: &Asked, name: &[u8]| {
        asked.answer_with(&Response {
            key: name,
            value: b"1",
            ..Response::new(asked.opcode, Status::SUCCESS)
        })
    };
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::STAT => [
            statistic(asked, b"a"),
            statistic(asked, b"b"),
            statistic(asked, b"a"),
            asked.done(),
        ]
        .concat(),
        _ => asked.done(),
    })
    .client();
    let list = client.stats_list(b"").unwrap();
    let names: Vec<&str> = list.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "a"]);
    assert_eq!(client.stats_map(b"").unwrap().len(), 2);
    client.noop().unwrap();

    let mut client = Scripted::new(|asked: &Asked| {
        let mut other = statistic(asked, b"b");
        other[15] ^= 1;
        [statistic(asked, b"a"), other].concat()
    })
    .client();
    broken(client.stats_list(b""));
    assert!(!client.is_healthy());

    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::STAT => [
            statistic(asked, b"a"),
            asked.answer(Status::ENOMEM, b"Out of memory"),
        ]
        .concat(),
        _ => asked.done(),
    })
    .client();
    assert_eq!(
        client.stats_list(b"").unwrap_err().status(),
        Some(Status::ENOMEM)
    );
    client.noop().unwrap();
}

#[test]
fn packets_are_counted_by_client() {
    let client = || -> Client<_, Vec<u8>, Counters> {
        Client::with(
            Scripted::new(Asked::done),
            Default::default(),
            Vec::new(),
            Vec::new(),
            Counters::new(),
        )
    };
    let (mut one, two) = (client(), client());
    one.noop().unwrap();
    assert_eq!(one.tally().sent.total().operations, 1);
    assert_eq!(one.tally().received.total().bytes, 24);
    assert!(two.tally().sent.total().is_zero());
}

#[test]
fn a_failure_counts_in_the_direction_in_which_it_happened() {
    let client = |fails_to_write| -> Client<_, Vec<u8>, Counters> {
        let mut stream = Scripted::new(|_: &Asked| Vec::new());
        stream.fails_to_write = fails_to_write;
        let settings = Default::default();
        Client::with(stream, settings, Vec::new(), Vec::new(), Counters::new())
    };
    for (fails_to_write, wanted) in [(true, (1, 0)), (false, (0, 1))] {
        let mut client = client(fails_to_write);
        client.noop().unwrap_err();
        let Counters { sent, received, .. } = client.tally();
        let errors = (sent.total().errors, received.total().errors);
        assert_eq!(errors, wanted);
    }
}
