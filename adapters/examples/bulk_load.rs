//! Fills a pool of servers from standard input, a key, a tab and a value in each line: a thousand items in one go, each to its
//! server.
//!
//! `cargo run --release -p memlet --example bulk_load -- cache1:11211,cache2:11211 < items.tsv`

use std::error::Error;
use std::io::{self, BufRead};

use memlet::std::{ClusterClient, ClusterOptions, PoolServer};

fn main() -> Result<(), Box<dyn Error>> {
    let servers = std::env::args().nth(1).ok_or("which servers?")?;
    let servers = servers.split(',').map(str::parse);
    let servers: Vec<PoolServer> = servers.collect::<Result<_, _>>()?;
    let client = ClusterClient::new(servers, ClusterOptions::default())?;
    let mut items = Vec::new();
    let (mut stored, mut lost) = (0, 0);
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (key, value) = line
            .split_once('\t')
            .ok_or("a line has a key, a tab and a value")?;
        items.push((key.to_owned(), value.to_owned()));
        if items.len() == 1000 {
            store(&client, &mut items, &mut stored, &mut lost);
        }
    }
    store(&client, &mut items, &mut stored, &mut lost);
    println!("{stored} stored, {lost} not");
    Ok(())
}

/// Stores the items, and says of those that could not be stored why.
fn store(
    client: &ClusterClient,
    items: &mut Vec<(String, String)>,
    stored: &mut usize,
    lost: &mut usize,
) {
    let (refused, failures) = client.set_many(items);
    for (place, status) in &refused {
        eprintln!("{}: {status}", items[*place].0);
    }
    for failure in &failures {
        eprintln!("{} items: {}", failure.places.len(), failure.error);
    }
    let failed: usize = failures.iter().map(|failure| failure.places.len()).sum();
    *lost += refused.len() + failed;
    *stored += items.len() - refused.len() - failed;
    items.clear();
}
