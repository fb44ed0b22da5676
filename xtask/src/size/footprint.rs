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
pub(super) struct Footprint {
    pub(super) text: u64,
    pub(super) rodata: u64,
    /// Variables with initial values: they take flash and RAM.
    pub(super) data: u64,
    /// Variables that start as zero, without the store's memory.
    pub(super) bss: u64,
    /// Functions by size, the largest first.
    pub(super) functions: Vec<(String, u64)>,
}

impl Footprint {
    pub(super) fn read(path: &Path) -> Result<Self> {
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

    pub(super) fn flash(&self) -> u64 {
        self.text + self.rodata + self.data
    }

    pub(super) fn ram(&self) -> u64 {
        self.data + self.bss
    }
}
