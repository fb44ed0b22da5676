//! Mixed load on all connections for some time, each answer checked, with peers among it that vanish or talk nonsense.

use crate::commands::{Generator, exchange, short_len};
use crate::common::{Random, Request};
use crate::model::Model;
use crate::{Device, seed, setting};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// What one connection's load came to.
#[derive(Default)]
struct Done {
    commands: u64,
    hits: u64,
    refused: u64,
    connections: u64,
}

fn figures(device: &Device) -> BTreeMap<String, String> {
    device.expect_sockets_free();
    device.connect().stat("").into_iter().collect()
}

/// Random commands on keys of its own, over one connection after the other.
fn work(device: &Device, number: usize, random: Random, until: Instant) -> Done {
    let value_len = (device.memory / 40).min(short_len(device));
    let keys = device.memory / value_len;
    let mut generator = Generator::new(random, &format!("{number} "), keys, value_len);
    // All workers together want more than fits.
    let mut model = Model::new(true, device.item_size_max);
    let mut done = Done::default();
    let mut client = device.connect();
    while Instant::now() < until {
        let len = 1 + generator.random.below(100);
        let requests = generator.batch(&model, len);
        exchange(&mut client, &requests, &mut model);
        match generator.random.below(100) {
            // The connection ends as it is: with nothing under way, in the middle of a value, or after nonsense.
            0 => {}
            1 => {
                let large = vec![b'x'; device.value_len_max()];
                let bytes = Request::set("unfinished", large).bytes();
                client.send_bytes(&bytes[..bytes.len() / 2]);
            }
            2 => {
                let bytes = generator.random.bytes(200);
                client.send_bytes(&bytes);
            }
            _ => continue,
        }
        drop(client);
        done.connections += 1;
        client = device.connect();
    }
    done.commands = model.compared;
    done.hits = model.hits;
    done.refused = model.refused;
    done
}

#[test]
fn mixed_load_is_answered_rightly_and_leaves_nothing_behind() {
    let device = Device::start();
    let otherwise = if device.is_stand_in() { 3 } else { 10 };
    let time = Duration::from_secs(setting("MEMLET_DEVICE_SECONDS", otherwise));
    let mut random = seed();
    let before = figures(&device);
    let until = Instant::now() + time;
    let done: Vec<Done> = thread::scope(|scope| {
        let workers: Vec<_> = (0..device.connections)
            .map(|number| {
                let random = Random(random.next());
                let device = &device;
                scope.spawn(move || work(device, number, random, until))
            })
            .collect();
        let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|done| done.expect("a worker found a mistake"))
            .collect()
    });
    let after = figures(&device);
    for (number, done) in done.iter().enumerate() {
        println!(
            "connection {number}: {} commands, {} hits, {} without room, {} reconnects",
            done.commands, done.hits, done.refused, done.connections
        );
        assert!(done.hits > 0, "connection {number} read nothing");
        assert!(
            done.refused < done.commands / 20,
            "the store has no room for what is stored"
        );
    }
    for name in [
        "stack_high_water",
        "stack_size",
        "evictions",
        "curr_items",
        "bytes",
        "uptime",
    ] {
        if let Some(after) = after.get(name) {
            let before = before.get(name).map_or("", String::as_str);
            println!("{name}: {before} before, {after} after");
        }
    }
    device.expect_well();
}
