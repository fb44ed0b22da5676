//! Which source functions the machine code comes from, wherever it was inlined: what a function really costs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use object::{File, Object, ObjectSection, SectionKind};

use crate::shell;

/// The smallest instruction of the target, in bytes.
const STEP: usize = 2;

/// Bytes of code by file and function of the project, the largest first; the library's own functions count as those of
/// the line that calls them.
pub(super) fn by_function(path: &Path) -> Result<Vec<(String, u64)>> {
    let bytes = fs::read(path)?;
    let image = File::parse(&*bytes)?;
    let lines = addr2line::Loader::new(path).map_err(|error| anyhow!("no line tables: {error}"))?;
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for section in image
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
    {
        let range = section.address()..section.address() + section.size();
        for address in range.step_by(STEP) {
            *sizes.entry(origin(&lines, address)).or_default() += STEP as u64;
        }
    }
    let mut sizes: Vec<(String, u64)> = sizes.into_iter().collect();
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    Ok(sizes)
}

/// The file and the function of the innermost call at an address that lies in the project.
fn origin(lines: &addr2line::Loader, address: u64) -> String {
    let root = shell::root().to_string_lossy();
    if let Ok(mut frames) = lines.find_frames(address) {
        while let Ok(Some(frame)) = frames.next() {
            let file = frame.location.as_ref().and_then(|location| location.file);
            let Some(file) = file.and_then(|file| file.strip_prefix(&*root)) else {
                continue;
            };
            let name = frame
                .function
                .and_then(|name| name.demangle().ok().map(std::borrow::Cow::into_owned));
            let name = name.unwrap_or_default();
            // One function for many types is still one source.
            let name = name.split('<').next().unwrap_or_default();
            return format!("{} {name}", file.trim_start_matches('/'));
        }
    }
    "library".to_owned()
}
