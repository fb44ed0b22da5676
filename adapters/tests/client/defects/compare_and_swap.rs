//! Compare and swap.

use super::*;

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
