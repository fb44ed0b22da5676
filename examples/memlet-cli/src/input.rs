//! What a command reads: files and standard input.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// All bytes of standard input.
pub(crate) fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// All bytes of a file.
pub(crate) fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// Hands the keys of a command line to `work` in batches; `-` stands for those on standard input, one a line.
pub(crate) fn in_batches(
    keys: &[OsString],
    mut work: impl FnMut(&[Vec<u8>]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut batch = Vec::new();
    let mut add = |key: &[u8]| {
        batch.push(key.to_vec());
        if batch.len() < BATCH_LEN {
            return Ok(());
        }
        work(&std::mem::take(&mut batch))
    };
    for key in keys {
        if key != "-" {
            add(key.as_bytes())?;
            continue;
        }
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            add(line.strip_suffix(b"\n").unwrap_or(&line))?;
            line.clear();
        }
    }
    if batch.is_empty() {
        return Ok(());
    }
    work(&batch)
}

/// A value: the argument itself, standard input for `-`, or a file.
pub(crate) fn value(argument: Option<&OsStr>, path: Option<&PathBuf>) -> Result<Vec<u8>, Failure> {
    match (argument, path) {
        (_, Some(path)) => file(path),
        (Some(argument), None) if argument != "-" => Ok(argument.as_bytes().to_vec()),
        _ => standard_input(),
    }
}

fn unreadable(error: io::Error) -> Failure {
    Failure::Usage(format!("standard input: {error}"))
}

/// Keys that are asked for together.
const BATCH_LEN: usize = 1000;
