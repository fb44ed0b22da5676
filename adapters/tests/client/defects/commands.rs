//! Single commands.

use super::*;

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
