//! What a command reads: files and standard input.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// A time that is written in seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    seconds
        .filter(|seconds| *seconds <= SECONDS_MAX)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("seconds are a number above 0 and at most {SECONDS_MAX} (a year)"))
}

/// Hands the keys of a command line to `work` in batches; `-` stands for those on standard input, one a line.
///
/// A line that cannot be a key is left out, and is the failure when all the others are done.
pub(crate) fn in_batches(
    keys: &[OsString],
    work: impl FnMut(&[Vec<u8>]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    checked_in_batches(keys, check, work)
}

/// [`in_batches`] of anything, for commands without a server: empty and long keys have a place as well.
pub(crate) fn any_in_batches(
    keys: &[OsString],
    work: impl FnMut(&[Vec<u8>]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    checked_in_batches(keys, |_| Ok(()), work)
}

fn checked_in_batches(
    keys: &[OsString],
    check: impl Fn(&[u8]) -> Result<(), String>,
    mut work: impl FnMut(&[Vec<u8>]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for key in keys {
        check(key.as_bytes()).map_err(Failure::Usage)?;
    }
    let mut no_keys = NoKeys::default();
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
        let mut number = 0_u64;
        while input.read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            number += 1;
            let key = line.strip_suffix(b"\n").unwrap_or(&line);
            match check(key) {
                Ok(()) => add(key)?,
                Err(text) => no_keys.note(number, text),
            }
            line.clear();
        }
    }
    if !batch.is_empty() {
        work(&batch)?;
    }
    no_keys.end()
}

/// Lines of standard input that cannot be keys.
#[derive(Default)]
struct NoKeys {
    /// The first, by its number, and what is wrong with it.
    first: Option<(u64, String)>,
    others: u64,
}

impl NoKeys {
    fn note(&mut self, number: u64, text: String) {
        if self.first.is_none() {
            self.first = Some((number, text));
        } else {
            self.others += 1;
        }
    }

    fn end(self) -> Result<(), Failure> {
        let Some((number, text)) = self.first else {
            return Ok(());
        };
        let others = match self.others {
            0 => String::new(),
            others => format!(", and {others} more lines that cannot be keys"),
        };
        Err(Failure::Usage(format!(
            "standard input, line {number}: {text}{others}; all other lines are done"
        )))
    }
}

/// Judges what the client would refuse in the middle of a batch.
fn check(key: &[u8]) -> Result<(), String> {
    match key.len() {
        0 => Err("an empty key".into()),
        1..=KEY_LEN_MAX => Ok(()),
        found => Err(format!(
            "a key of {found} bytes; at most {KEY_LEN_MAX} are allowed"
        )),
    }
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

/// Longer than anybody waits, and short enough for every clock.
const SECONDS_MAX: f64 = 31_536_000.0;
/// Keys of memcached are no longer, in bytes.
const KEY_LEN_MAX: usize = 250;
/// Keys that are asked for together.
const BATCH_LEN: usize = 1000;
