//! Logging in.

use super::*;

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
