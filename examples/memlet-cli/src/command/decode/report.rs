//! The figures of a capture, for people and for programs.

use std::io::Write;

use memlet::capture::{OpcodeStatistics, Statistics};
use memlet_core::wire::{Dialect, Escaped};
use serde_json::Value;

use super::capture::opcode_name;
use crate::failure::Failure;
use crate::output;

/// Keys that are printed.
const KEYS_MAX: usize = 20;
/// Quantiles of latencies that are printed.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];

pub(super) fn print(
    statistics: &Statistics,
    dialect: Dialect,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if as_json {
        output::json_line(out, &json(statistics, dialect))
    } else {
        Ok(text(statistics, dialect, out)?)
    }
}

fn quantile(statistics: &OpcodeStatistics, quantile: f64) -> Option<f64> {
    let histogram = statistics.latency.as_ref()?;
    Some(histogram.value_at_quantile(quantile) as f64 / 1e3)
}

fn seconds(statistics: &Statistics) -> f64 {
    let (first, last) = statistics.times.unwrap_or_default();
    (last - first) as f64 / 1e9
}

fn text(
    statistics: &Statistics,
    dialect: Dialect,
    out: &mut impl Write,
) -> Result<(), std::io::Error> {
    write!(
        out,
        "{:<24} {:>10} {:>10} {:>8} {:>6} {:>14} {:>14}",
        "opcode", "requests", "responses", "silent", "lost", "request bytes", "response bytes"
    )?;
    for (name, _) in QUANTILES {
        write!(out, " {:>10}", format!("{name} µs"))?;
    }
    writeln!(out)?;
    for ((from_server, opcode), of_opcode) in &statistics.opcodes {
        write!(
            out,
            "{:<24} {:>10} {:>10} {:>8} {:>6} {:>14} {:>14}",
            opcode_name(*from_server, *opcode, dialect),
            of_opcode.requests,
            of_opcode.responses,
            of_opcode.silent,
            of_opcode.lost,
            of_opcode.request_bytes,
            of_opcode.response_bytes,
        )?;
        for (_, part) in QUANTILES {
            match quantile(of_opcode, part) {
                Some(microseconds) => write!(out, " {microseconds:>10.1}")?,
                None => write!(out, " {:>10}", "-")?,
            }
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "\nstreams {}, packets cut {}, {:.6} s",
        statistics.streams,
        statistics.cut,
        seconds(statistics)
    )?;
    if let Some(ratio) = statistics.hit_ratio() {
        let (hits, misses) = (statistics.hits, statistics.misses);
        let percent = ratio * 100.0;
        writeln!(
            out,
            "gets: {hits} hits, {misses} misses, {percent:.1} % hits"
        )?;
    }
    for (status, count) in &statistics.errors {
        writeln!(out, "status {status}: {count}")?;
    }
    for (kind, count) in &statistics.notices {
        writeln!(out, "notices of kind {}: {count}", kind.name())?;
    }
    for counted in statistics.keys.most(KEYS_MAX) {
        writeln!(
            out,
            "key \"{}\": {} times{}",
            Escaped(&counted.key),
            counted.count,
            if counted.overestimate > 0 {
                format!(", or up to {} less", counted.overestimate)
            } else {
                String::new()
            }
        )?;
    }
    Ok(())
}

fn json(statistics: &Statistics, dialect: Dialect) -> Value {
    let opcodes = statistics
        .opcodes
        .iter()
        .map(|((from_server, opcode), of_opcode)| {
            let mut members = output::object([
                ("opcode", opcode_name(*from_server, *opcode, dialect).into()),
                ("opcode_value", opcode.0.into()),
                ("requests", of_opcode.requests.into()),
                ("responses", of_opcode.responses.into()),
                ("silent", of_opcode.silent.into()),
                ("lost", of_opcode.lost.into()),
                ("request_bytes", of_opcode.request_bytes.into()),
                ("response_bytes", of_opcode.response_bytes.into()),
            ]);
            for (name, part) in QUANTILES {
                let value = quantile(of_opcode, part);
                members.insert(
                    format!("latency_us_{name}"),
                    value.map_or(Value::Null, Value::from),
                );
            }
            Value::Object(members)
        });
    let keys = statistics.keys.most(KEYS_MAX).map(|counted| {
        let mut members: serde_json::Map<_, _> =
            output::bytes("key", &counted.key).into_iter().collect();
        members.insert("count".into(), counted.count.into());
        members.insert("overestimate".into(), counted.overestimate.into());
        Value::Object(members)
    });
    let errors: serde_json::Map<_, _> = statistics
        .errors
        .iter()
        .map(|(status, count)| (status.to_string(), (*count).into()))
        .collect();
    let notices: serde_json::Map<_, _> = statistics
        .notices
        .iter()
        .map(|(kind, count)| (kind.name().to_owned(), (*count).into()))
        .collect();
    output::object([
        ("opcodes", opcodes.collect::<Vec<_>>().into()),
        ("streams", statistics.streams.into()),
        ("cut", statistics.cut.into()),
        ("seconds", seconds(statistics).into()),
        ("hits", statistics.hits.into()),
        ("misses", statistics.misses.into()),
        (
            "hit_ratio",
            statistics.hit_ratio().map_or(Value::Null, Value::from),
        ),
        ("errors", errors.into()),
        ("notices", notices.into()),
        ("keys", keys.collect::<Vec<_>>().into()),
    ])
    .into()
}
