//! The feeds of the server of this crate, whose futures are dropped again and again.

use std::collections::BTreeSet;

use crate::awaited::{Awaited, wait};
use crate::dropped::poll;
use crate::support::Running;
use memlet::asynch::{DcpFeed, TapFeed};
use memlet_core::connection::feed::{DcpEvent, DcpOptions, DcpStream};
use memlet_core::dcp::{Body, Open, OpenFlags, StreamFlags, StreamOpaque, StreamRequest};
use memlet_core::tap::{Connect, ConnectFlags, Message};

const ITEMS: usize = 3000;
/// More than the server has; those that it has not are refused.
const VBUCKETS: u16 = 16;

fn filled() -> Running {
    let server = Running::start();
    let items: Vec<(String, [u8; 50])> = (0..ITEMS)
        .map(|n| (format!("key {n}"), [n as u8; 50]))
        .collect();
    let fail = |place, status| panic!("{place}: {status}");
    server.client().set_many(&items, fail).unwrap();
    server
}

#[test]
fn a_dcp_feed_gives_each_item_once() {
    let server = filled();
    let stream = Awaited(server.transport());
    let slots = [DcpStream::EMPTY; VBUCKETS as usize];
    // So small a window that answers have to be sent in between.
    let options = DcpOptions {
        window: 4096,
        ..DcpOptions::default()
    };
    let mut feed = DcpFeed::new(stream, &options, slots, || 0);
    let open = Open {
        name: b"dropped",
        flags: OpenFlags::PRODUCER,
        ..Open::default()
    };
    wait(feed.open(&open)).unwrap();
    for vbucket in 0..VBUCKETS {
        let stream = StreamOpaque {
            application: 1,
            vbucket,
        };
        let request = feed.resume_stream(stream, StreamFlags::NONE, StreamRequest::NO_END);
        // Dropped while it is sent: it goes out with the next.
        let _ = poll(request, usize::from(vbucket % 3) + 1);
    }
    let (mut keys, mut polls) = (BTreeSet::new(), 0);
    while keys.len() < ITEMS {
        polls = polls % 5 + 1;
        let Some(event) = poll(feed.next_event(), polls) else {
            continue;
        };
        if let DcpEvent::Message(message) = event.unwrap()
            && let Body::Mutation(mutation) = message.body
        {
            assert_eq!(mutation.value.len(), 50);
            assert!(keys.insert(mutation.key.to_vec()), "twice");
        }
    }
}

#[test]
fn a_tap_feed_gives_each_item_once() {
    let server = filled();
    let mut feed = TapFeed::new(Awaited(server.transport()));
    let request = Connect {
        backfill: Some(Connect::EVERYTHING),
        flags: Some(ConnectFlags::DUMP | ConnectFlags::SUPPORT_ACK),
        ..Connect::new(b"dropped")
    };
    let _ = poll(feed.connect(&request), 2);
    let (mut keys, mut polls) = (BTreeSet::new(), 0);
    loop {
        polls = polls % 5 + 1;
        let Some(message) = poll(feed.next_message(), polls) else {
            continue;
        };
        match message.unwrap() {
            Some(Message::Mutation(mutation)) => {
                assert!(keys.insert(mutation.key.to_vec()), "twice");
            }
            Some(_) => {}
            None => break,
        }
    }
    assert_eq!(keys.len(), ITEMS);
}
