//! TAP from a running cache, by the blocking feed.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use memlet::blocking::TapFeed;
use memlet::client::TapError;
use memlet::std::{ConnectOptions, Transport};
use memlet_core::connection::feed::TapEnd;
use memlet_core::store::Attributes;
use memlet_core::tap::{Connect, ConnectFlags, Message, Subtype};
use memlet_core::wire::{Opcode, Request, Status};

use crate::follower::{Items, items};
use crate::{PATIENCE, Running, now, options, packet, set};

type Feed = TapFeed<Transport, Vec<u8>>;

fn connect(cache: &Running, connect: &Connect<'_>) -> Feed {
    let mut options = ConnectOptions::default();
    options.read_timeout = Some(PATIENCE);
    let mut feed = TapFeed::new(Transport::tcp(cache.address, &options).unwrap());
    feed.connect(connect).unwrap();
    feed
}

/// What a follower of TAP holds: values by keys, and how often it was told of backfills.
#[derive(Default)]
struct Copy {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    begins: usize,
    ends: usize,
    mutations: usize,
}

impl Copy {
    /// Takes a message; false at the end.
    fn take(&mut self, feed: &mut Feed) -> bool {
        match feed.next_message().unwrap() {
            None => return false,
            Some(Message::Mutation(mutation)) => {
                self.mutations += 1;
                self.values
                    .insert(mutation.key.to_vec(), mutation.value.to_vec());
            }
            Some(Message::Deletion(deletion)) => {
                self.values.remove(deletion.key);
            }
            Some(Message::Flush(_)) => self.values.clear(),
            Some(Message::Opaque(opaque)) => {
                self.begins += usize::from(opaque.subtype == Subtype::INITIAL_VBUCKET_STREAM);
                self.ends += usize::from(opaque.subtype == Subtype::CLOSE_BACKFILL);
            }
            Some(other) => panic!("{other:?}"),
        }
        true
    }
}

fn values(items: Items) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let items = items.into_iter();
    items.map(|(key, item)| (key, item.value)).collect()
}

#[test]
fn a_dump_is_what_is_there_and_then_the_end() {
    let cache = Running::start(options());
    for number in 0..3000 {
        cache.set(&format!("key{number}"), &[7; 300]);
    }
    for acks in [ConnectFlags(0), ConnectFlags::SUPPORT_ACK] {
        let mut feed = connect(
            &cache,
            &Connect {
                backfill: Some(Connect::EVERYTHING),
                flags: Some(ConnectFlags::DUMP | acks),
                ..Connect::new(b"dump")
            },
        );
        let mut copy = Copy::default();
        while copy.take(&mut feed) {}
        assert_eq!(copy.values, values(items(&cache.store, now())));
        let shards = cache.store.shards();
        assert_eq!((copy.begins, copy.ends), (shards, shards));
        assert_eq!(copy.mutations, 3000);
    }
}

#[test]
fn what_happens_follows_what_was_there() {
    let cache = Running::start(options());
    for number in 0..100 {
        cache.set(&format!("key{number}"), b"old");
    }
    let mut feed = connect(
        &cache,
        &Connect {
            backfill: Some(Connect::EVERYTHING),
            flags: Some(ConnectFlags::SUPPORT_ACK),
            ..Connect::new(b"live")
        },
    );
    let mut copy = Copy::default();
    while copy.ends < cache.store.shards() {
        copy.take(&mut feed);
    }
    for number in 0..5000 {
        cache.set(&format!("key{}", number % 700), &[number as u8; 50]);
        if number % 3 == 0 {
            cache.delete(&format!("key{}", number % 70));
        }
    }
    cache.set("last", b"");
    while copy.values != values(items(&cache.store, now())) {
        copy.take(&mut feed);
    }
    cache.flush(0);
    while !copy.values.is_empty() {
        copy.take(&mut feed);
    }
}

#[test]
fn without_backfill_only_what_happens_is_told() {
    let cache = Running::start(options());
    cache.set("old", b"");
    for backfill in [None, Some(Connect::NOTHING_OLD)] {
        let request = Connect {
            backfill,
            ..Connect::new(b"live")
        };
        let mut feed = connect(&cache, &request);
        // It has begun once it is shown.
        crate::wait_until(|| crate::statistics(&cache).contains("name=live\n"));
        crate::wait_until(|| crate::statistics(&cache).contains("behind=0\n"));
        cache.set("new", b"");
        let mut copy = Copy::default();
        copy.take(&mut feed);
        assert!(copy.values.contains_key(&b"new"[..]) && copy.mutations == 1);
        drop(feed);
        crate::wait_until(|| crate::statistics(&cache).starts_with("feeds=0\n"));
    }
}

#[test]
fn vbuckets_and_values_are_left_out_if_they_are_not_wanted() {
    let cache = Running::start(options());
    let attributes = Attributes {
        flags: 0x0102_0304,
        expiration: 0,
    };
    for number in 0..500 {
        set(&cache.store, &format!("key{number}"), b"value", attributes);
    }
    let mut seen = 0;
    for vbucket in 0..cache.store.shards() as u16 {
        let mut feed = connect(
            &cache,
            &Connect {
                backfill: Some(Connect::EVERYTHING),
                vbuckets: Some((&[vbucket, 9999]).into()),
                flags: Some(
                    ConnectFlags::DUMP
                        | ConnectFlags::REQUEST_KEYS_ONLY
                        | ConnectFlags::FIX_FLAG_BYTEORDER,
                ),
                ..Connect::new(b"keys")
            },
        );
        while let Some(message) = feed.next_message().unwrap() {
            if let Message::Mutation(mutation) = message {
                assert_eq!(mutation.head.vbucket, vbucket);
                assert!(mutation.value.is_empty());
                assert_eq!(mutation.item_flags(), 0x0102_0304);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 500);
}

#[test]
fn what_is_refused_for_now_comes_again() {
    let cache = Running::start(options());
    for number in 0..2000 {
        cache.set(&format!("key{number}"), &[7; 30]);
    }
    let mut feed = connect(
        &cache,
        &Connect {
            backfill: Some(Connect::EVERYTHING),
            flags: Some(ConnectFlags::DUMP | ConnectFlags::SUPPORT_ACK),
            ..Connect::new(b"busy")
        },
    );
    let mut copy = Copy::default();
    while copy.ends < 3 {
        copy.take(&mut feed);
    }
    feed.refuse(Status::TMPFAIL);
    while copy.take(&mut feed) {}
    assert_eq!(copy.values, values(items(&cache.store, now())));
    assert!(copy.mutations >= 2000);
}

#[test]
fn taking_over_is_refused_and_malformed_requests_are_unknown() {
    let cache = Running::start(options());
    let mut feed = connect(
        &cache,
        &Connect {
            flags: Some(ConnectFlags::TAKEOVER_VBUCKETS),
            ..Connect::new(b"thief")
        },
    );
    let refused = feed.next_message().unwrap_err();
    assert!(
        matches!(
            refused,
            TapError::Ended(TapEnd::Refused(Status::NOT_SUPPORTED))
        ),
        "{refused:?}"
    );
    let mut stream = cache.connect();
    let request = Request {
        extras: &[0, 0, 0],
        ..Request::new(Opcode::TAP_CONNECT)
    };
    stream.write_all(&packet(&request)).unwrap();
    let mut head = [0; 24];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[6..8], [0, 0x81]);
}

#[test]
fn a_server_that_stops_ends_the_stream() {
    let cache = Running::start(options());
    cache.set("key", b"value");
    let mut feed = connect(
        &cache,
        &Connect {
            backfill: Some(Connect::EVERYTHING),
            ..Connect::new(b"feed")
        },
    );
    let mut copy = Copy::default();
    while copy.ends < cache.store.shards() {
        copy.take(&mut feed);
    }
    cache.handle.drain();
    while copy.take(&mut feed) {}
}
