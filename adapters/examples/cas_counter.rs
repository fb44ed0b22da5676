//! Threads that change one item and lose no change: each reads it, changes it, and stores it only if nobody else was faster.
//!
//! Increment does that for numbers; this does it for anything. `cargo run -p memlet --example cas_counter -- 127.0.0.1:11211`

use std::error::Error;
use std::thread;

use memlet::client::{Change, Update};
use memlet::std::{ConnectOptions, connect};

/// Notes 100 visits of a thread in a text such as `anna:100 bert:100`.
fn visit(server: &str, name: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut client = connect(server, &ConnectOptions::default())?;
    for _ in 0..100 {
        client.update(Update::new(b"visits").attempts(1000), |item| {
            let text = String::from_utf8_lossy(item.map_or(b"", |item| item.value));
            Change::Store(with_one_more(&text, name))
        })?;
    }
    Ok(())
}

fn with_one_more(text: &str, name: &str) -> String {
    let counts = text.split(' ').filter_map(|entry| entry.split_once(':'));
    let mut counts: Vec<(&str, u32)> = counts
        .map(|(name, count)| (name, count.parse().unwrap_or(0)))
        .collect();
    match counts.iter_mut().find(|(other, _)| *other == name) {
        Some((_, count)) => *count += 1,
        None => counts.push((name, 1)),
    }
    let entries = counts.iter().map(|(name, count)| format!("{name}:{count}"));
    entries.collect::<Vec<_>>().join(" ")
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = std::env::args().nth(1).ok_or("which server?")?;
    let mut client = connect(&server, &ConnectOptions::default())?;
    client.delete(b"visits")?;
    thread::scope(|scope| {
        let visits = ["anna", "bert", "carl"].map(|name| scope.spawn(|| visit(&server, name)));
        visits.into_iter().try_for_each(|visit| match visit.join() {
            Ok(outcome) => outcome,
            Err(_) => Err("a thread panicked".into()),
        })
    })?;
    let visits = client.get(b"visits")?;
    println!(
        "{}",
        String::from_utf8_lossy(visits.map_or(b"", |item| item.value))
    );
    Ok(())
}
