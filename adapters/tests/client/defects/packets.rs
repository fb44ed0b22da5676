//! Packets.

use super::*;

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
