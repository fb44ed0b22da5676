//! The store's interface, from outside.
use memlet_core::store::{Attributes, SetMode, Store, StoreOptions};

#[test]
fn a_stored_value_is_found() {
    let mut store = Store::new(vec![0u8; 4096], StoreOptions::default()).expect("4 KiB is enough");
    let key = store.key(b"key");
    let cas = store
        .set(
            SetMode::Set,
            key,
            b"value",
            Attributes {
                flags: 7,
                expiration: 0,
            },
            0,
            1,
        )
        .expect("fits");
    let item = store.get(key, 1).expect("stored");
    assert_eq!(
        (item.cas, item.flags, item.value == *b"value".as_slice()),
        (cas, 7, true)
    );
    store.delete(key, 0, 1).expect("there");
    assert!(store.get(key, 1).is_none());
}
