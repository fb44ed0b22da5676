//! Every command against the server of this crate.

use crate::support::Running;
use memlet::client::{Change, Command, Outcome, Update};
use memlet_core::wire::Status;

#[test]
fn every_command_does_what_it_says() {
    let server = Running::start();
    let mut client = server.client();
    assert_eq!(client.get(b"key").unwrap(), None);
    let cas = client
        .store(&Command::set(b"key", b"value").flags(7))
        .unwrap();
    let item = client.get(b"key").unwrap().unwrap();
    assert_eq!((item.value, item.flags, item.cas), (&b"value"[..], 7, cas));
    assert!(client.add(b"key", b"other").unwrap_err().is_conflict());
    assert!(client.replace(b"none", b"x").unwrap_err().is_not_found());
    client.append(b"key", b">").unwrap();
    client.prepend(b"key", b"<").unwrap();
    assert_eq!(client.get(b"key").unwrap().unwrap().value, b"<value>");
    assert_eq!(client.increment(b"n", 1).unwrap(), None);
    let counter = Command::increment(b"n", 1).initial(u64::MAX);
    assert_eq!(client.count(&counter).unwrap().unwrap().value, u64::MAX);
    assert_eq!(client.increment(b"n", 3).unwrap(), Some(2));
    assert_eq!(client.decrement(b"n", 3).unwrap(), Some(0));
    assert!(client.touch(b"n", 100).unwrap());
    assert!(!client.touch(b"none", 100).unwrap());
    assert!(client.delete(b"n").unwrap());
    assert!(!client.delete(b"n").unwrap());
    assert!(!client.version().unwrap().is_empty());
    assert!(client.stats_map(b"").unwrap().contains_key("pid"));
    let unknown = client.stats(b"none", |_, _| {}).unwrap_err();
    assert_eq!(unknown.status(), Some(Status::KEY_ENOENT));
    client.noop().unwrap();
    client.flush(0).unwrap();
    assert_eq!(client.get(b"key").unwrap(), None);
    client.quit().unwrap();
    assert!(!client.is_healthy());
    assert!(client.noop().unwrap_err().is_closed());
}

#[test]
fn ten_thousand_keys_come_in_one_bulk_get_with_misses_in_between() {
    let server = Running::start();
    let mut client = server.client();
    let items: Vec<(String, String)> = (0..10_000)
        .map(|n| (format!("key {n}"), format!("value {n}")))
        .collect();
    let stored: Vec<_> = items
        .iter()
        .filter(|(key, _)| !key.ends_with('3'))
        .cloned()
        .collect();
    client
        .set_many(&stored, |index, status| panic!("{index}: {status}"))
        .unwrap();
    let keys: Vec<&String> = items.iter().map(|(key, _)| key).collect();
    let found = client.get_many(&keys).unwrap();
    assert_eq!(found.len(), 10_000);
    for ((key, value), found) in items.iter().zip(found) {
        let wanted = (!key.ends_with('3')).then(|| value.clone().into_bytes());
        assert_eq!(found.map(|item| item.value), wanted);
    }
    assert_eq!(client.delete_many(&keys).unwrap(), 9_000);
}

#[test]
fn a_change_that_others_were_faster_with_is_made_again_of_what_they_left() {
    let server = Running::start();
    let (mut client, mut other) = (server.client(), server.client());
    let mut tries = 0;
    let outcome = client
        .update(Update::new(b"list").expiration(100), |item| {
            tries += 1;
            if tries < 4 {
                let value = format!("other {tries};");
                other
                    .store(&Command::set(b"list", value.as_bytes()).flags(9))
                    .unwrap();
            }
            let mut value = item.map_or(Vec::new(), |item| item.value.to_vec());
            value.extend(b"mine");
            Change::Store(value)
        })
        .unwrap();
    assert_eq!(tries, 4);
    let item = client.get(b"list").unwrap().unwrap();
    assert_eq!((item.value, item.flags), (&b"other 3;mine"[..], 9));
    assert_eq!(outcome, Outcome::Stored { cas: item.cas });
}
