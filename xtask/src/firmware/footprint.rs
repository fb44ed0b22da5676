//! Flash and RAM of a linked image by whose it is: memlet's, the TCP/IP stack's, the rest's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use object::{File, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use crate::shell;
use crate::size::Footprint;

/// The smallest instruction of the target, in bytes.
const STEP: usize = 2;
/// The variable of the example that is handed to the store.
const STORE_MEMORY: &str = "STORE_MEMORY";
/// The variable of the example that holds the TCP stack's receive and transmit buffers.
const SOCKET_BUFFERS: &str = "SOCKET_BUFFERS";

/// What the names of variables of the TCP/IP stack and of the network's driver contain.
const NETWORK: [&str; 3] = ["::RESOURCES", "::board::", "network::run::"];

/// Whose a piece of an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Core and adapters.
    Memlet,
    /// embassy-net and smoltcp.
    Network,
    /// Executor and timers.
    Executor,
    /// The example: drivers, tasks, settings.
    Node,
    /// The compiler's library, and what belongs to nobody.
    Rest,
}

/// What an image takes.
#[derive(Debug)]
pub(super) struct ImageSize {
    pub(super) sections: Footprint,
    /// Bytes of code by whose source lines they come from, wherever they were inlined.
    pub(super) code: BTreeMap<Part, u64>,
    /// The memory handed to the store.
    pub(super) store: u64,
    /// The TCP stack's buffers of all connections.
    pub(super) socket_buffers: u64,
    /// What else the TCP/IP stack and the network's driver have in variables.
    pub(super) network: u64,
    /// Variables beside the store's memory and the sockets' buffers, the largest first.
    pub(super) variables: Vec<(String, u64)>,
    /// Functions of an allocator: there must be none.
    pub(super) allocator: Vec<String>,
}

impl ImageSize {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
        let image = File::parse(&*bytes)?;
        let mut size = Self {
            sections: Footprint::read(path)?,
            code: code(path, &image)?,
            store: 0,
            socket_buffers: 0,
            network: 0,
            variables: Vec::new(),
            allocator: Vec::new(),
        };
        for symbol in image.symbols() {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name()?));
            if name.contains("__rust_alloc") || name.contains("__rg_alloc") {
                size.allocator.push(name);
            } else if symbol.kind() != SymbolKind::Data {
                continue;
            } else if name.contains(STORE_MEMORY) {
                size.store += symbol.size();
            } else if name.contains(SOCKET_BUFFERS) {
                size.socket_buffers += symbol.size();
            } else if is_variable(&image, &symbol) {
                if NETWORK.iter().any(|part| name.contains(part)) {
                    size.network += symbol.size();
                }
                size.variables.push((name, symbol.size()));
            }
        }
        size.variables
            .sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        Ok(size)
    }

    /// RAM beyond the store and what is TCP/IP's.
    pub(super) fn ram_beyond(&self) -> u64 {
        let others = self.store + self.socket_buffers + self.network;
        self.sections.ram().saturating_sub(others)
    }

    pub(super) fn code_of(&self, part: Part) -> u64 {
        self.code.get(&part).copied().unwrap_or(0)
    }
}

/// Whether a symbol lies in RAM: constants do not.
fn is_variable<'data>(image: &File<'data>, symbol: &impl ObjectSymbol<'data>) -> bool {
    let section = symbol
        .section_index()
        .and_then(|index| image.section_by_index(index).ok());
    section.is_some_and(|section| {
        matches!(
            section.kind(),
            SectionKind::Data | SectionKind::UninitializedData
        )
    })
}

/// Bytes of code by part: each instruction counts as that of the innermost source line that is not the library's.
fn code(path: &Path, image: &File<'_>) -> Result<BTreeMap<Part, u64>> {
    let lines = addr2line::Loader::new(path).map_err(|error| anyhow!("no line tables: {error}"))?;
    let mut code: BTreeMap<Part, u64> = BTreeMap::new();
    for section in image
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
    {
        let range = section.address()..section.address() + section.size();
        for address in range.step_by(STEP) {
            let mut found = Part::Rest;
            if let Ok(mut frames) = lines.find_frames(address) {
                while let Ok(Some(frame)) = frames.next() {
                    let file = frame.location.and_then(|location| location.file);
                    if let Some(part) = file.and_then(part) {
                        found = part;
                        break;
                    }
                }
            }
            *code.entry(found).or_default() += STEP as u64;
        }
    }
    Ok(code)
}

/// Whose a source file is; the library's own files are their callers'.
fn part(file: &str) -> Option<Part> {
    let root = shell::root().to_string_lossy();
    if let Some(ours) = file.strip_prefix(&*root) {
        let ours = ours.trim_start_matches('/');
        let is_node = ours.starts_with("examples/");
        return Some(if is_node { Part::Node } else { Part::Memlet });
    }
    let (_, name) = file.rsplit_once("/registry/src/")?;
    let name = name.split_once('/')?.1;
    if name.starts_with("smoltcp") || name.starts_with("embassy-net") {
        Some(Part::Network)
    } else if name.starts_with("embassy-") {
        Some(Part::Executor)
    } else {
        // Containers and the like, which are their callers' too, as the library is.
        None
    }
}
