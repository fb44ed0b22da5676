//! Keeps a copy of all that a server holds: what is there, then every change, as the server tells it by TAP.
//!
//! Says after each message how many items there are. `cargo run -p memlet --example feed_reader -- 127.0.0.1:11211`

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use memlet::blocking::TapFeed;
use memlet::std::{ConnectOptions, Transport};
use memlet_core::tap::{Connect, ConnectFlags, Message};

fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).ok_or("which server?")?;
    let transport = Transport::tcp(server, &ConnectOptions::default())?;
    // Producers that have nothing to tell send a sign of life every 200 seconds.
    transport.set_read_timeout(Some(Duration::from_secs(450)))?;
    let mut feed = TapFeed::new(transport);
    feed.connect(&Connect {
        backfill: Some(Connect::EVERYTHING),
        flags: Some(ConnectFlags::SUPPORT_ACK | ConnectFlags::FIX_FLAG_BYTEORDER),
        ..Connect::new(b"feed-reader")
    })?;

    let mut items: HashMap<(u16, Vec<u8>), Vec<u8>> = HashMap::new();
    // To ask for the next message says that this one has been dealt with.
    while let Some(message) = feed.next_message()? {
        let vbucket = message.head().vbucket;
        match &message {
            Message::Mutation(mutation) => {
                let (key, value) = (mutation.key.to_vec(), mutation.value.to_vec());
                items.insert((vbucket, key), value);
            }
            Message::Deletion(deletion) => {
                items.remove(&(vbucket, deletion.key.to_vec()));
            }
            Message::Flush(_) => items.retain(|(other, _), _| *other != vbucket),
            _ => {}
        }
        println!("{message}: {} items", items.len());
    }
    Ok(())
}
