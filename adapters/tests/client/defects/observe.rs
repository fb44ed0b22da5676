//! Observe.

use super::*;

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
