//! Which module and which crate may use which: read from the parsed sources and from the manifests.
//!
//! Tests may use anything of their crate; the arrows are about what a user links.

mod manifests;
mod sources;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::shell;

/// The modules at the top of core, and those that each may use.
const CORE: [(&str, &[&str]); 11] = [
    ("format", &[]),
    ("wire", &["format"]),
    ("placement", &["format"]),
    ("store", &["format"]),
    ("counters", &["format", "wire"]),
    ("text", &["format", "wire"]),
    ("tap", &["format", "wire"]),
    ("dcp", &["format", "wire"]),
    ("handler", &["format", "wire", "text", "counters"]),
    (
        "connection",
        &[
            "format", "wire", "text", "handler", "counters", "tap", "dcp",
        ],
    ),
    (
        "engine",
        &["format", "wire", "text", "handler", "store", "counters"],
    ),
];

/// A use of one thing by another that is not allowed.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: PathBuf,
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.strip_prefix(shell::root()).unwrap_or(&self.file);
        write!(formatter, "{}:{}: {}", file.display(), self.line, self.what)
    }
}

pub(crate) fn run() -> Result<()> {
    let root = shell::root();
    let mut violations = Vec::new();
    let mut count = 0_usize;

    let uses = sources::crate_uses(&root.join("core/src/lib.rs"))?;
    count += uses.len();
    violations.extend(uses.iter().filter_map(judge_core));

    let wasm = root.join("wasm/src/lib.rs");
    if wasm.is_file() {
        let uses = sources::crate_uses(&wasm)?;
        count += uses.len();
        violations.extend(uses.iter().filter_map(judge_wasm));
    }

    let dependencies = manifests::dependencies(root)?;
    count += dependencies.len();
    violations.extend(dependencies.iter().filter_map(manifests::judge));

    for violation in &violations {
        eprintln!("{violation}");
    }
    if !violations.is_empty() {
        bail!("{} forbidden arrows", violations.len());
    }
    println!("{count} uses between modules and crates, all along the allowed arrows");
    Ok(())
}

/// A use inside core of a module at its top, by another one.
fn judge_core(found: &sources::Use) -> Option<Violation> {
    let from = found.module.first()?;
    let sources::Target::Own(path) = &found.target else {
        return None;
    };
    let to = path.first().map_or("*", String::as_str);
    if from == to {
        return None;
    }
    let Some((_, allowed)) = CORE.iter().find(|(name, _)| name == from) else {
        return Some(violation(
            &found.file,
            found.line,
            format!("the module `{from}` has no place among the arrows"),
        ));
    };
    if allowed.contains(&to) {
        return None;
    }
    let what = if CORE.iter().any(|(name, _)| *name == to) {
        format!("`{from}` must not use `{to}`")
    } else {
        format!(
            "`crate::{to}` does not say which module `{from}` uses: name it by the path of its module"
        )
    };
    Some(violation(&found.file, found.line, what))
}

/// A use by the browser's crate of an adapter that is not made for it.
fn judge_wasm(found: &sources::Use) -> Option<Violation> {
    let sources::Target::Foreign(path) = &found.target else {
        return None;
    };
    let [name, module, ..] = path.as_slice() else {
        return None;
    };
    (name == "memlet" && module != "capture").then(|| {
        violation(
            &found.file,
            found.line,
            format!("wasm may use memlet::capture, not memlet::{module}"),
        )
    })
}

fn violation(file: &Path, line: usize, what: String) -> Violation {
    Violation {
        file: file.to_owned(),
        line,
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(module: &str, source: &str) -> Vec<String> {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        let uses = sources::uses(Path::new("x.rs"), &module, source).unwrap();
        uses.iter()
            .filter_map(judge_core)
            .map(|violation| format!("{}: {}", violation.line, violation.what))
            .collect()
    }

    #[test]
    fn allowed_arrows_pass() {
        assert!(
            judged(
                "engine",
                "use crate::{wire::Header, store::{Store, Key}, handler};"
            )
            .is_empty()
        );
        assert!(
            judged(
                "store::log",
                "use super::Key; use crate::store::hash; use core::mem;"
            )
            .is_empty()
        );
        assert!(judged("wire::extras", "fn f(x: super::super::wire::Header) {}").is_empty());
    }

    #[test]
    fn a_forbidden_arrow_is_found_with_its_line() {
        assert_eq!(
            judged("store", "\nuse crate::wire::Header;"),
            ["2: `store` must not use `wire`"]
        );
        assert_eq!(
            judged("connection", "use crate::{\n    handler,\n    store,\n};"),
            ["3: `connection` must not use `store`"]
        );
    }

    #[test]
    fn arrows_are_found_in_types_expressions_macros_and_relative_paths() {
        for source in [
            "fn f(x: crate::engine::Engine) {}",
            "fn f() { let x = crate::engine::DEFAULT; }",
            "fn f(x: u8) -> bool { matches!(x, crate::engine::A) }",
            "use super::super::engine::Engine;",
            "fn f(x: &super::super::engine::Engine) {}",
            "mod inner { use super::super::super::engine::Engine; }",
            "impl crate::engine::Trait for u8 {}",
            "macro_rules! m { () => { $crate::engine::f() } }",
            "#[derive(Clone)] struct A<T: crate::engine::Bound>(T);",
        ] {
            assert_eq!(
                judged("wire::packet", source),
                ["1: `wire` must not use `engine`"],
                "{source}"
            );
        }
    }

    #[test]
    fn tests_and_documentation_may_use_anything() {
        assert!(
            judged(
                "wire",
                "#[cfg(test)] mod tests { use crate::engine::Engine; }"
            )
            .is_empty()
        );
        assert!(
            judged(
                "wire",
                "/// [`crate::engine`]\n#[cfg(all(test, unix))] use crate::store::Store;"
            )
            .is_empty()
        );
        assert_eq!(
            judged("wire", "#[cfg(not(test))] use crate::store::Store;").len(),
            1
        );
    }

    #[test]
    fn names_that_hide_their_module_are_refused() {
        assert_eq!(judged("store", "use crate::Header;").len(), 1);
        assert_eq!(judged("store", "use crate::*;").len(), 1);
        assert_eq!(judged("novelty", "use crate::wire::Header;").len(), 1);
    }

    #[test]
    fn wasm_may_use_only_the_capture_adapter() {
        let judged = |source| {
            let uses = sources::uses(Path::new("x.rs"), &[], source).unwrap();
            uses.iter().filter_map(judge_wasm).count()
        };
        assert_eq!(
            judged("use memlet::capture::Reader; use memlet_core::wire::Header;"),
            0
        );
        assert_eq!(judged("use memlet::std::Server;"), 1);
        assert_eq!(judged("fn f(x: ::memlet::std::Server) {}"), 1);
    }
}
