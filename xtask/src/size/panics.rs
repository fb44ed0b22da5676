//! Which call sites of an image lead to a panic: read from the relocations that the linker was asked to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use object::{
    File, Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind, SymbolKind,
};

use crate::shell;

/// The function that the probe's panic handler calls.
const PANIC_END: &str = "memlet_must_not_panic";

/// How many of the lines that a call was inlined into are named; further ones are of no help.
const POSITIONS_SHOWN: usize = 4;

/// One call: from the function and address to the function called.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    caller: String,
    address: u64,
    callee: String,
}

/// One line for each call from memlet's code into the library's panic machinery, by source position, innermost first.
pub(super) fn describe(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let calls = calls(&File::parse(&*bytes)?)?;
    let machinery = machinery(&calls);
    let lines = addr2line::Loader::new(path).map_err(|error| anyhow!("no line tables: {error}"))?;
    let mut described = BTreeSet::new();
    for call in &calls {
        if machinery.contains(&call.callee) && !machinery.contains(&call.caller) {
            described.insert(format!(
                "  {} calls {}\n",
                position(&lines, call),
                call.callee
            ));
        }
    }
    if described.is_empty() {
        described.insert(format!(
            "  only through function pointers; the image holds {machinery:?}\n"
        ));
    }
    Ok(described.into_iter().collect())
}

/// Where in the project a call stands, and the lines into which it was inlined.
fn position(lines: &addr2line::Loader, call: &Call) -> String {
    let root = shell::root().to_string_lossy();
    let mut positions = Vec::new();
    if let Ok(mut frames) = lines.find_frames(call.address) {
        while let Ok(Some(frame)) = frames.next() {
            let Some(location) = frame.location else {
                continue;
            };
            let Some(file) = location.file.and_then(|file| file.strip_prefix(&*root)) else {
                continue;
            };
            positions.push(format!(
                "{}:{}",
                file.trim_start_matches('/'),
                location.line.unwrap_or(0)
            ));
        }
    }
    positions.truncate(POSITIONS_SHOWN);
    if positions.is_empty() {
        call.caller.clone()
    } else {
        positions.join(" < ")
    }
}

fn calls(image: &File<'_>) -> Result<Vec<Call>> {
    let mut functions = BTreeMap::new();
    for symbol in image
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
    {
        // On Thumb the lowest bit of a function's address says which instruction set it is in.
        let start = symbol.address() & !1;
        functions.insert(start, (start + symbol.size(), demangled(symbol.name()?)));
    }
    let mut calls = Vec::new();
    for section in image
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
    {
        for (address, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let target = image.symbol_by_index(index)?;
            let callee = match target.kind() {
                SymbolKind::Text => demangled(target.name()?),
                _ => continue,
            };
            let caller = functions
                .range(..=address)
                .next_back()
                .filter(|(_, (end, _))| address < *end);
            let caller = caller.map_or_else(String::new, |(_, (_, name))| name.clone());
            if caller != callee {
                calls.push(Call {
                    caller,
                    address,
                    callee,
                });
            }
        }
    }
    Ok(calls)
}

fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// The functions of the library that end in the panic handler.
fn machinery(calls: &[Call]) -> BTreeSet<String> {
    // The optimiser may have folded the handler into its callers, so these count as its end as well.
    let ends = calls
        .iter()
        .map(|call| &call.callee)
        .filter(|name| name.starts_with("core::panicking::"));
    let mut found: BTreeSet<String> = ends.cloned().collect();
    found.insert(PANIC_END.to_owned());
    loop {
        let before = found.len();
        for call in calls {
            if found.contains(&call.callee) && is_library(&call.caller) {
                found.insert(call.caller.clone());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

fn is_library(function: &str) -> bool {
    let name = function.trim_start_matches(['<', '&', '[']);
    name.starts_with("core::") || name.starts_with("__rustc") || name.contains("rust_begin_unwind")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(caller: &str, callee: &str) -> Call {
        Call {
            caller: caller.to_owned(),
            address: 0,
            callee: callee.to_owned(),
        }
    }

    #[test]
    fn machinery_is_the_library_part_of_the_ways_to_the_handler() {
        let calls = [
            call("__rustc::rust_begin_unwind", PANIC_END),
            call("core::panicking::panic_fmt", "__rustc::rust_begin_unwind"),
            call(
                "core::panicking::panic_bounds_check",
                "core::panicking::panic_fmt",
            ),
            call(
                "memlet_core::store::Store::get",
                "core::panicking::panic_bounds_check",
            ),
            call("core::slice::copy", "memset"),
        ];
        let found = machinery(&calls);
        assert!(found.contains("core::panicking::panic_bounds_check"));
        assert!(!found.contains("memlet_core::store::Store::get"));
        assert!(!found.contains("core::slice::copy"));
    }
}
