//! No public type is forgotten.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders whose types devices use, with those that no log shows.
const NOT_LOGGED: &[(&str, &[&str])] = &[
    ("core/src", CORE),
    (
        "adapters/src/asynch",
        &["Client", "Connection", "DcpFeed", "TapFeed"],
    ),
    (
        "adapters/src/blocking",
        &["Client", "Connection", "DcpFeed", "TapFeed"],
    ),
    ("adapters/src/client", &["Change", "Update"]),
    (
        "adapters/src/embassy",
        &["Buffers", "Upstream", "UpstreamSocket"],
    ),
    (
        "adapters/src/near",
        &["NearCache", "NearMemory", "NearSession"],
    ),
    ("adapters/src/serve", &["Connection"]),
];

const CORE: &[&str] = &[
    // They hold memory, machines, outputs or programs of the caller's; their statistics, states and errors are logged.
    "ClientConnection",
    "Counted",
    "CountedSession",
    "DcpConsumer",
    "Engine",
    "Ketama",
    "Figures",
    "Reply", // The handler's output; the replies of clients and DCP are others.
    "Reservation",
    "ServerConnection",
    "Session",
    "Store",
    "TapConsumer",
    "TapProducer",
    // They have no contents.
    "Alone",
    "NoCredentials",
    // They hold passwords, or parts of hashes.
    "Md5",
    "OneAtATime",
    "UserList",
    // Iterators: what they yield is logged.
    "CacheRecordsIter",
    "FailoverEntries",
    "FrameInfos",
    "VbucketSeqnosIter",
    "XattrsIter",
];

#[test]
fn every_public_type_can_be_logged_or_is_known_not_to_be() {
    for (folder, not_logged) in NOT_LOGGED {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(folder);
        let mut files = Vec::new();
        collect(&root, &mut files);
        let mut missing = Vec::new();
        let mut count = 0;
        for file in files {
            let source = fs::read_to_string(&file).unwrap();
            for name in public_types(&source) {
                count += 1;
                if !is_logged(&source, name) && !not_logged.contains(&name) {
                    missing.push(format!("{}: {name}", file.display()));
                }
            }
        }
        assert!(count > 0, "{folder}: only {count} types found");
        assert!(missing.is_empty(), "no defmt::Format for {missing:#?}");
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What explains packets to people is for hosts.
        if path.ends_with("wire/fields") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The names of the types at the top of a file; those that a macro makes are left to the macro.
fn public_types(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("pub struct ")
            .or_else(|| line.strip_prefix("pub enum "))?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
    })
}

fn is_logged(source: &str, name: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let mentions = |text: &str| {
        source
            .match_indices(text)
            .any(|(at, _)| ends(&source[at + text.len()..]))
    };
    if mentions(&format!("defmt::Format for {name}")) || mentions(&format!("format_fields!({name}"))
    {
        return true;
    }
    // The derive stands among the attributes, which start after the line of the item before.
    ["struct", "enum"].iter().any(|kind| {
        let head = format!("\npub {kind} {name}");
        source.match_indices(&head).any(|(at, _)| {
            let attributes = &source[..at];
            let start = attributes.rfind("\n\n").unwrap_or(0);
            ends(&source[at + head.len()..])
                && attributes[start..].contains("derive(defmt::Format)")
        })
    })
}
