//! How much memory the servers take at the same limit, and how many items they hold in it.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::peer::{Kind, Peer};
use super::{Options, Programs, loader, report};

/// The most that a filled memlet-server may have resident, as part of its limit.
const RESIDENT_MAX: f64 = 1.1;
/// The fewest items that it must hold, as part of memcached's.
const ITEMS_MIN: f64 = 1.25;
/// Items are sent until they would fill the limit so many times, without any metadata.
const OVERFILL: f64 = 1.2;

/// A server that is full.
struct Filled {
    kind: Kind,
    items: u64,
    resident: u64,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<()> {
    let limit = u64::from(options.memory) << 20;
    let item = u64::from(options.key + options.value);
    let keys = (limit as f64 / item as f64 * OVERFILL) as u32;
    println!(
        "filling with {keys} items of {}-byte keys and {}-byte values",
        options.key, options.value
    );
    let mut filled = Vec::new();
    for kind in [Kind::Memcached, Kind::Memlet] {
        let server = Peer::start(kind, programs, options)?;
        let mut command = loader(programs);
        command.args([
            &server.address(),
            "--json",
            "--only-preload",
            "--connections",
            "10",
            "--depth",
            "50",
        ]);
        for (name, number) in [
            ("--keys", keys),
            ("--key", options.key),
            ("--value", options.value),
        ] {
            command.args([name, &number.to_string()]);
        }
        let report = report(&mut command).with_context(|| format!("filling {}", kind.name()))?;
        let figure = |name: &str| {
            report
                .get("server")
                .and_then(|server| server.get(name))
                .and_then(Value::as_u64)
        };
        let items =
            figure("curr_items").context("the server does not say how many items it holds")?;
        if items >= u64::from(keys) {
            bail!(
                "{} holds all {keys} items: it has not been filled",
                kind.name()
            );
        }
        filled.push(Filled {
            kind,
            items,
            resident: server.resident_bytes()?,
        });
    }
    let verdict = print(options, limit, item, &filled);
    if options.check { verdict } else { Ok(()) }
}

fn print(options: &Options, limit: u64, item: u64, filled: &[Filled]) -> Result<()> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "\n-m {}: {item} bytes of key and value in an item",
        options.memory
    );
    println!(
        "{:<18}{:>14}{:>14}{:>12}{:>16}",
        "", "items", "resident MiB", "of limit", "bytes an item"
    );
    for Filled {
        kind,
        items,
        resident,
    } in filled
    {
        let share = *resident as f64 / limit as f64;
        let each = *resident as f64 / *items as f64;
        println!(
            "{:<18}{items:>14}{:>14.1}{share:>12.3}{each:>16.1}",
            kind.name(),
            mib(*resident)
        );
    }
    let find = |wanted: Kind| filled.iter().find(|filled| filled.kind == wanted);
    let (Some(theirs), Some(ours)) = (find(Kind::Memcached), find(Kind::Memlet)) else {
        bail!("a server is missing")
    };
    let items = ours.items as f64 / theirs.items as f64;
    let resident = ours.resident as f64 / limit as f64;
    let word = |met: bool| if met { "met" } else { "MISSED" };
    println!(
        "goal: resident at most {RESIDENT_MAX} of the limit: {resident:.3}, {}",
        word(resident <= RESIDENT_MAX)
    );
    println!(
        "goal: at least {ITEMS_MIN} times memcached's items: {items:.3}, {}",
        word(items >= ITEMS_MIN)
    );
    if options.json {
        println!(
            "{}",
            json!({ "items_ratio": items, "resident_of_limit": resident, "items": ours.items })
        );
    }
    if resident > RESIDENT_MAX || items < ITEMS_MIN {
        bail!("resident {resident:.3} of the limit, {items:.3} times memcached's items");
    }
    Ok(())
}
