//! Flash and RAM of a linked image, from its sections and symbols.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::elf::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE};
use object::{File, Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind, SymbolKind};

/// The probe's variable that stands for the memory handed to the store.
const STORE_MEMORY: &str = "MEMLET_STORE_MEMORY";

/// What an image takes, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    pub(crate) text: u64,
    pub(crate) rodata: u64,
    /// Variables with initial values: they take flash and RAM.
    pub(crate) data: u64,
    /// Variables that start as zero, without the store's memory.
    pub(crate) bss: u64,
    /// Functions by size, the largest first.
    pub(crate) functions: Vec<(String, u64)>,
}

impl Footprint {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
        Self::of(&File::parse(&*bytes)?)
    }

    fn of(image: &File<'_>) -> Result<Self> {
        let mut footprint = Self::default();
        for section in image.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else {
                continue;
            };
            let has = |flag: u32| sh_flags & u64::from(flag) != 0;
            let name = section.name()?;
            // Tables for unwinding, which no firmware with `panic = "abort"` keeps.
            if !has(SHF_ALLOC) || name.starts_with(".ARM.ex") {
                continue;
            }
            let size = section.size();
            if has(SHF_EXECINSTR) {
                footprint.text += size;
            } else if !has(SHF_WRITE) {
                footprint.rodata += size;
            } else if section.kind() == SectionKind::UninitializedData {
                footprint.bss += size;
            } else {
                footprint.data += size;
            }
        }
        for symbol in image.symbols() {
            let name = symbol.name()?;
            if name == STORE_MEMORY {
                footprint.bss = footprint.bss.saturating_sub(symbol.size());
            } else if symbol.kind() == SymbolKind::Text && symbol.size() > 0 {
                footprint.functions.push((
                    format!("{:#}", rustc_demangle::demangle(name)),
                    symbol.size(),
                ));
            }
        }
        footprint
            .functions
            .sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        Ok(footprint)
    }

    /// Bytes of functions by the part of the project or the library that they belong to, the largest first. What the
    /// optimiser put into a caller counts as the caller's.
    pub(crate) fn parts(&self) -> Vec<(String, u64)> {
        let mut parts = std::collections::BTreeMap::new();
        for (name, size) in &self.functions {
            *parts.entry(part(name)).or_default() += size;
        }
        let mut parts: Vec<(String, u64)> = parts.into_iter().collect();
        parts.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        parts
    }

    pub(crate) fn flash(&self) -> u64 {
        self.text + self.rodata + self.data
    }

    pub(crate) fn ram(&self) -> u64 {
        self.data + self.bss
    }
}

/// The module of core that a function belongs to, or the crate, or for a function without a path all those alike.
fn part(function: &str) -> String {
    if let Some((_, path)) = function.split_once("memlet_core::") {
        let module: String = path
            .chars()
            .take_while(|char| char.is_alphanumeric() || *char == '_')
            .collect();
        return format!("core::{module}");
    }
    match function
        .trim_start_matches(['<', '&', '['])
        .split_once("::")
    {
        Some((name, _)) => format!("crate {name}"),
        None if function.starts_with("OUTLINED") => "shared pieces".to_owned(),
        None if function.starts_with("__aeabi")
            || function.starts_with("mem") && !function.starts_with("memlet") =>
        {
            "crate compiler_builtins".to_owned()
        }
        None => "probe".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn functions_belong_to_modules_and_crates() {
        assert_eq!(part("memlet_core::store::log::Log::entry"), "core::store");
        assert_eq!(
            part("memlet_core::engine::<impl memlet_core::engine::Engine<S>>::join"),
            "core::engine"
        );
        assert_eq!(
            part("<siphasher::sip::SipHasher13 as core::hash::Hasher>::finish"),
            "crate siphasher"
        );
        assert_eq!(part("__aeabi_memcpy8"), "crate compiler_builtins");
        assert_eq!(part("memlet_serve"), "probe");
    }
}
