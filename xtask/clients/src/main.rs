//! One client that reads many items, and nothing else, so that its CPU time is that of the client.
//!
//! `memlet-clients ADDRESS CLIENT COUNT`: CLIENT is `fill` (stores the keys), `memlet`, `memlet-bulk` (100 keys at a time),
//! `memcache-binary` or `memcache-ascii`.

use std::env;
use std::error::Error;

use memlet::std::{ConnectOptions, StdClient, connect};

/// How many different keys there are.
const KEYS: usize = 1000;
/// Length of a value in bytes.
const VALUE_LEN: usize = 100;
/// Keys of one bulk get.
const BULK: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, client, count] = arguments.as_slice() else {
        return Err("usage: memlet-clients ADDRESS CLIENT COUNT".into());
    };
    let count: usize = count.parse()?;
    let keys: Vec<String> = (0..KEYS).map(|n| format!("key-{n:0>14}")).collect();
    let bytes = match client.as_str() {
        "fill" => fill(&mut memlet_client(address)?, &keys)?,
        "memlet" => one_by_one(&mut memlet_client(address)?, &keys, count)?,
        "memlet-bulk" => in_bulk(&mut memlet_client(address)?, &keys, count)?,
        "memcache-binary" | "memcache-ascii" => {
            let (_, protocol) = client.split_once('-').unwrap_or_default();
            memcache_crate(address, protocol, &keys, count)?
        }
        _ => return Err(format!("no client {client}").into()),
    };
    if bytes != count * VALUE_LEN {
        return Err(format!("{bytes} bytes of values came").into());
    }
    Ok(())
}

fn memlet_client(address: &str) -> Result<StdClient, Box<dyn Error>> {
    Ok(connect(address, &ConnectOptions::default())?)
}

fn fill(client: &mut StdClient, keys: &[String]) -> Result<usize, Box<dyn Error>> {
    let items: Vec<_> = keys.iter().map(|key| (key, [7; VALUE_LEN])).collect();
    let mut refused = 0;
    client.set_many(&items, |_, _| refused += 1)?;
    if refused > 0 {
        return Err(format!("{refused} items were refused").into());
    }
    // Nothing is to be read.
    Ok(0)
}

fn one_by_one(
    client: &mut StdClient,
    keys: &[String],
    count: usize,
) -> Result<usize, Box<dyn Error>> {
    let mut bytes = 0;
    for key in keys.iter().cycle().take(count) {
        let item = client.get(key.as_bytes())?;
        bytes += item.map_or(0, |item| item.value.len());
    }
    Ok(bytes)
}

fn in_bulk(client: &mut StdClient, keys: &[String], count: usize) -> Result<usize, Box<dyn Error>> {
    let mut bytes = 0;
    for some in keys.chunks(BULK).cycle().take(count / BULK) {
        client.get_each(some, |_, item| bytes += item.value.len())?;
    }
    Ok(bytes)
}

fn memcache_crate(
    address: &str,
    protocol: &str,
    keys: &[String],
    count: usize,
) -> Result<usize, Box<dyn Error>> {
    let url = format!("memcache://{address}?protocol={protocol}&tcp_nodelay=true");
    let client = memcache::connect(url)?;
    let mut bytes = 0;
    for key in keys.iter().cycle().take(count) {
        let value: Option<Vec<u8>> = client.get(key)?;
        bytes += value.map_or(0, |value| value.len());
    }
    Ok(bytes)
}
