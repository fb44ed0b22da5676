//! Counters as JSON.

use memlet_core::counters::{Count, Counters, Table};
use serde_json::{Map, Value, json};

/// Counters in the shape of gomemcached's debug counters (`mc` among Go's expvars).
///
/// ```text
/// {"xmit": {"bytes": {"GET": 120, "total": 120}, "ops": {"GET": 4, "total": 4}, "errs": {}}, "recv": …, "tap": …}
/// ```
///
/// `xmit` is what was sent, `recv` what was received, `tap` what came by feeds. Numbers that are 0 are left out. An opcode
/// without a name is its number (`0x99`); what ended before its opcode was known is `unknown`. A
/// response with the status of an error is counted among `ops`: `errs` are packets that did not come through.
#[must_use]
pub fn to_json(counters: &Counters) -> Value {
    json!({
        "xmit": table(&counters.sent),
        "recv": table(&counters.received),
        "tap": table(&counters.fed),
    })
}

fn table(table: &Table) -> Value {
    json!({
        "bytes": numbers(table, |count| count.bytes),
        "ops": numbers(table, |count| count.operations),
        "errs": numbers(table, |count| count.errors),
    })
}

fn numbers(table: &Table, number: fn(&Count) -> u64) -> Value {
    let named = table
        .iter()
        .map(|(opcode, count)| (opcode.to_string(), count));
    let rest = [
        ("unknown".to_string(), table.unknown()),
        ("total".to_string(), table.total()),
    ];
    let numbers: Map<String, Value> = named
        .chain(rest)
        .map(|(name, count)| (name, number(&count)))
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| (name, number.into()))
        .collect();
    Value::Object(numbers)
}

#[cfg(test)]
mod tests {
    use memlet_core::counters::Tally;
    use memlet_core::wire::{Opcode, Status};

    use super::*;

    #[test]
    fn counters_have_the_shape_of_gomemcacheds() {
        let mut counters = Counters::new();
        counters.sent(Opcode::GET, 30, false);
        counters.sent(Opcode(0x99), 24, false);
        counters.received(Opcode::GET, Status::SUCCESS, 40, false);
        counters.received(Opcode::GET, Status::SUCCESS, 1, true);
        counters.fed(Opcode::TAP_MUTATION, 50, false);
        assert_eq!(
            to_json(&counters),
            json!({
                "xmit": {
                    "bytes": {"GET": 30, "0x99": 24, "total": 54},
                    "ops": {"GET": 1, "0x99": 1, "total": 2},
                    "errs": {},
                },
                "recv": {
                    "bytes": {"GET": 40, "unknown": 1, "total": 41},
                    "ops": {"GET": 1, "total": 1},
                    "errs": {"unknown": 1, "total": 1},
                },
                "tap": {
                    "bytes": {"TAP_MUTATION": 50, "total": 50},
                    "ops": {"TAP_MUTATION": 1, "total": 1},
                    "errs": {},
                },
            })
        );
    }
}
