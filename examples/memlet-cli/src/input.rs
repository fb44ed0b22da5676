//! What a command reads: files and standard input.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;

/// All bytes of standard input.
pub(crate) fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::Usage(format!("standard input: {error}")))?;
    Ok(bytes)
}

/// All bytes of a file.
pub(crate) fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}
