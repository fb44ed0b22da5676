//! The dependencies between the project's own crates, as their manifests state them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::{Violation, violation};

/// Folders that hold crates of the project, each or through its subfolders.
const FOLDERS: [&str; 10] = [
    "core",
    "core/fuzz",
    "adapters",
    "adapters/fuzz",
    "wasm",
    "xtask",
    "xtask/cycles",
    "xtask/probe",
    "xtask/image",
    "examples",
];

/// A dependency of one of the project's crates on another.
#[derive(Debug)]
pub(super) struct Dependency {
    file: PathBuf,
    line: usize,
    from: String,
    to: String,
    /// It is compiled only for tests, examples and benches.
    is_dev: bool,
    has_default_features: bool,
    features: Vec<String>,
}

/// All dependencies between the project's crates.
pub(super) fn dependencies(root: &Path) -> Result<Vec<Dependency>> {
    let mut files: Vec<PathBuf> = FOLDERS
        .iter()
        .map(|folder| root.join(folder).join("Cargo.toml"))
        .collect();
    for entry in fs::read_dir(root.join("examples"))? {
        files.push(entry?.path().join("Cargo.toml"));
    }
    files.retain(|file| file.is_file());
    let mut manifests = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let manifest: Table = text
            .parse()
            .with_context(|| format!("can't parse {}", file.display()))?;
        manifests.push((file, text, manifest));
    }
    let workspace: Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    let shared = workspace
        .get("workspace")
        .and_then(|table| table.get("dependencies"))
        .and_then(Value::as_table);
    let names: Vec<String> = manifests
        .iter()
        .filter_map(|(_, _, manifest)| name(manifest))
        .collect();

    let mut found = Vec::new();
    for (file, text, manifest) in &manifests {
        collect(file, text, manifest, &names, shared, &mut found);
    }
    Ok(found)
}

fn name(manifest: &Table) -> Option<String> {
    manifest
        .get("package")?
        .get("name")?
        .as_str()
        .map(str::to_owned)
}

fn collect(
    file: &Path,
    text: &str,
    manifest: &Table,
    names: &[String],
    shared: Option<&Table>,
    found: &mut Vec<Dependency>,
) {
    let Some(from) = name(manifest) else { return };
    let per_target = manifest.get("target").and_then(Value::as_table);
    let tables = std::iter::once(manifest).chain(
        per_target
            .into_iter()
            .flat_map(Table::values)
            .filter_map(Value::as_table),
    );
    for table in tables {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let Some(entries) = table.get(kind).and_then(Value::as_table) else {
                continue;
            };
            for (key, entry) in entries {
                let to = entry
                    .get("package")
                    .and_then(Value::as_str)
                    .unwrap_or(key)
                    .to_owned();
                if !names.contains(&to) {
                    continue;
                }
                let inherited = shared.and_then(|shared| shared.get(key));
                let has_default_features = entry
                    .get("default-features")
                    .or_else(|| inherited.and_then(|inherited| inherited.get("default-features")))
                    .and_then(Value::as_bool)
                    .unwrap_or(true);
                let features = entry
                    .get("features")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                found.push(Dependency {
                    file: file.to_owned(),
                    line: line_of(text, key),
                    from: from.clone(),
                    to,
                    is_dev: kind == "dev-dependencies",
                    has_default_features,
                    features: features
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                });
            }
        }
    }
}

/// The line on which a dependency is named first.
fn line_of(text: &str, key: &str) -> usize {
    let is_entry = |line: &str| {
        line.trim_start()
            .trim_start_matches('"')
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with([' ', '.', '=', '"']))
    };
    text.lines().position(is_entry).map_or(1, |index| index + 1)
}

/// core uses none of ours, adapters use core, wasm uses core and the capture adapter, everything else what it likes, and
/// nothing uses the tools or the examples.
pub(super) fn judge(dependency: &Dependency) -> Option<Violation> {
    let Dependency { from, to, .. } = dependency;
    let is_library = ["memlet-core", "memlet", "memlet-wasm"].contains(&to.as_str());
    let what = match from.as_str() {
        _ if !is_library => Some("is no library"),
        "memlet-core" => Some("is above core"),
        "memlet" if to != "memlet-core" => Some("is above the adapters"),
        "memlet-wasm" if to == "memlet" && !dependency.is_dev => {
            let only_capture =
                !dependency.has_default_features && dependency.features == ["capture"];
            (!only_capture).then_some("may be used only with its feature `capture` alone")
        }
        _ => None,
    }?;
    Some(violation(
        &dependency.file,
        dependency.line,
        format!("`{from}` must not use `{to}`, which {what}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(manifest: &str) -> Vec<String> {
        let names = [
            "memlet-core",
            "memlet",
            "memlet-wasm",
            "memlet-server",
            "xtask",
        ]
        .map(str::to_owned);
        let shared: Table = "memlet = { path = 'adapters', default-features = false }"
            .parse()
            .unwrap();
        let mut found = Vec::new();
        collect(
            Path::new("Cargo.toml"),
            manifest,
            &manifest.parse().unwrap(),
            &names,
            Some(&shared),
            &mut found,
        );
        found
            .iter()
            .filter_map(judge)
            .map(|violation| format!("{}: {}", violation.line, violation.what))
            .collect()
    }

    #[test]
    fn core_uses_none_of_ours_and_adapters_only_core() {
        assert_eq!(
            judged(
                "[package]\nname = 'memlet-core'\n[dev-dependencies]\nnom = '8'\nmemlet = { workspace = true }"
            ),
            ["5: `memlet-core` must not use `memlet`, which is above core"]
        );
        assert!(
            judged("[package]\nname = 'memlet'\n[dependencies]\nmemlet-core.workspace = true")
                .is_empty()
        );
        assert_eq!(
            judged("[package]\nname = 'memlet'\n[target.'cfg(unix)'.dependencies]\nxtask = '1'")
                .len(),
            1
        );
    }

    #[test]
    fn wasm_uses_the_adapters_only_for_captures() {
        let with = |entry: &str| {
            judged(&format!(
                "[package]\nname = 'memlet-wasm'\n[dependencies]\nmemlet = {entry}"
            ))
            .len()
        };
        assert_eq!(with("{ workspace = true, features = ['capture'] }"), 0);
        assert_eq!(
            with("{ workspace = true, features = ['capture', 'std'] }"),
            1
        );
        assert_eq!(
            with("{ workspace = true, features = ['capture'], default-features = true }"),
            1
        );
    }
}
