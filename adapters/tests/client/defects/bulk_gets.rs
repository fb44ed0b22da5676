//! Bulk gets.

use super::*;

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
