//! Connections, stores and engines in a log.

use memlet_core::connection::client::{ClientOptions, Received, ReplyErrorKind, Staged};
use memlet_core::connection::{CloseReason, ConnectionOptions, Next, Progress};
use memlet_core::counters::{Counters, Tally};
use memlet_core::engine::{EngineSettings, HostFigures, HostSettings, Statistics};
use memlet_core::handler::{Admission, NoRoom, Outcome, ValueStart};
use memlet_core::placement::{PlacementError, Server};
use memlet_core::store::{
    Attributes, Change, DeleteError, Key, ReserveError, SetError, SetMode, Store, StoreConfigError,
    StoreOptions, Value, WriteError,
};
use memlet_core::wire::{Limits, Opcode, Status};
use memlet_defmt::text;

/// Both forms of a value in which no number has a name.
macro_rules! assert_as_debug {
    ($( $value:expr ),* $(,)?) => {
        $( assert_eq!(text(&$value), format!("{:?}", $value)); )*
    };
}

#[test]
fn what_a_connection_wants_and_why_it_ends_is_shown_as_by_debug() {
    assert_as_debug!(
        Progress {
            consumed: 24,
            written: 32,
            next: Next::Write { room: 64 },
        },
        Next::Read { missing: 24 },
        ConnectionOptions::default(),
        ClientOptions::default(),
        Staged {
            written: 24,
            opaque: 1
        },
        Outcome::NeedOutput(99),
        ValueStart::Stream,
        NoRoom { needed: 5 },
        ReplyErrorKind::Truncated { received: 7 },
    );
    for reason in [
        CloseReason::Abandoned,
        CloseReason::EndOfInput,
        CloseReason::Magic,
        CloseReason::Lengths,
        CloseReason::Rejected,
        CloseReason::Requested,
        CloseReason::Text,
        CloseReason::Truncated,
    ] {
        assert_eq!(text(&reason), reason.to_string());
    }
    assert_eq!(
        text(&Admission::Reject(Status::AUTH_ERROR)),
        "Reject(AUTH_ERROR)"
    );
    assert_eq!(text(&Received::Value(b"secret")), "Value(6 bytes)");
}

#[test]
fn a_store_and_its_errors_are_shown_as_by_debug() {
    let mut memory = vec![0; 8 << 10];
    let options = StoreOptions::default();
    let mut store = Store::new(&mut memory[..], options).unwrap();
    let key = Key::new(b"hello", &options.seed);
    store
        .set(SetMode::Set, key, b"world", Attributes::default(), 0, 1)
        .unwrap();
    assert_eq!(text(&key), "b\"hello\"");
    let item = store.get(key, 1).unwrap();
    assert_eq!(
        text(&item),
        "Item { cas: 2, flags: 0, expiration: 0, value: 5 bytes }"
    );
    assert_as_debug!(
        store.statistics(),
        options,
        SetError::TooLarge {
            needed: 2000,
            available: 1000,
        },
        SetError::Exists,
        ReserveError::Busy,
        WriteError::OutOfRange,
        DeleteError::NotFound,
        StoreConfigError::MemoryTooSmall { len: 1, min: 2 },
    );
    let key = Value::new(b"he", b"llo");
    let expiration = 9;
    assert_eq!(
        text(&Change::Stored { key, expiration }),
        "Stored { key: b\"hello\", expiration: 9 }"
    );
    assert_eq!(text(&Change::Flushed), "Flushed");
}

#[test]
fn an_engine_is_shown_as_by_debug() {
    assert_as_debug!(
        Limits::MEMCACHED,
        EngineSettings::default(),
        Statistics::default(),
        HostFigures::default(),
        HostSettings::default(),
        PlacementError::NoServers,
        Server::new("cache-1", 11211),
    );
}

#[test]
fn counters_show_the_opcodes_that_were_counted() {
    let mut counters = Counters::new();
    counters.sent(Opcode::GET, 29, false);
    counters.sent(Opcode::GET, 1, true);
    assert_eq!(
        text(&counters.sent),
        "[GET: Count { bytes: 29, operations: 1, errors: 0 }, unknown: Count { bytes: 1, operations: 0, errors: 1 }]"
    );
    assert!(text(&counters).contains("fed: [unknown: Count { bytes: 0,"));
}
