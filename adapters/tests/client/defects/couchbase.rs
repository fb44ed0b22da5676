//! HELLO and buckets.

use super::*;

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
