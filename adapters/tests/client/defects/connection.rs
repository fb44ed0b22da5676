//! The connection: what is under way, and what ends it.

use super::*;

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
