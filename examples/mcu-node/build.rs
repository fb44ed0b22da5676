//! Hands the linker the memory map that the board's file carries in its documentation.

use std::env;
use std::fs;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=src/board");
    let boards: Vec<PathBuf> = fs::read_dir("src/board")
        .expect("src/board is a folder")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| feature_is_set(path))
        .collect();
    let [board] = &boards[..] else {
        panic!(
            "exactly one board must be chosen by its feature, not {}",
            boards.len()
        );
    };
    let text = fs::read_to_string(board).expect("the board's file can be read");
    let map = memory_map(&text).expect("the board's documentation has a block ```ld … ```");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("memory.x"), map).expect("OUT_DIR can be written");
    // The HAL of a chip gives the names of its interrupts there. A table of vectors in the board's file has functions instead.
    if text.contains("static __INTERRUPTS") {
        fs::write(out.join("device.x"), "").expect("OUT_DIR can be written");
    }
    println!("cargo::rustc-link-search={}", out.display());
    // Where the linker puts the texts of logs, which are not flashed.
    if env::var_os("CARGO_FEATURE_DEFMT").is_some() {
        println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    }
}

/// Whether this is the file of the board whose feature is set: `src/board/mps2_an385.rs` of `mps2-an385`.
fn feature_is_set(path: &std::path::Path) -> bool {
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .to_uppercase();
    stem != "MOD" && env::var_os(format!("CARGO_FEATURE_{stem}")).is_some()
}

/// The lines of the first block that is fenced as `ld`, without the marks of a comment.
fn memory_map(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("//! ```ld\n")?;
    let (block, _) = rest.split_once("//! ```")?;
    Some(
        block
            .lines()
            .map(|line| format!("{}\n", line.trim_start_matches("//!")))
            .collect(),
    )
}
