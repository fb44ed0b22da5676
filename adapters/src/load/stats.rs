//! What a server says of itself.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response};

use super::connection::Blocking;
use super::{LoadError, LoadOptions};

/// The server's general statistics (memcached binary protocol: stat), by name.
///
/// # Errors
/// If the server cannot be reached, refuses the login, hangs up, falls silent, or answers with something else.
pub fn server_statistics(options: &LoadOptions) -> Result<BTreeMap<String, String>, LoadError> {
    match Blocking::open(options)? {
        Blocking::Tcp(stream) => ask(stream),
        Blocking::Unix(stream) => ask(stream),
    }
}

fn ask(mut stream: impl Read + Write) -> Result<BTreeMap<String, String>, LoadError> {
    let mut request = [0; 24];
    Request::new(Opcode::STAT)
        .emit(&mut request)
        .map_err(|_| LoadError::Options("a header has 24 bytes"))?;
    stream.write_all(&request).map_err(LoadError::of_wait)?;
    let mut found = BTreeMap::new();
    let mut input = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).map_err(LoadError::of_wait)?;
        if count == 0 {
            return Err(LoadError::Closed);
        }
        input.extend_from_slice(&piece[..count]);
        let mut used = 0;
        while let Parsed::Complete {
            value: response,
            consumed,
        } = Response::parse(&input[used..], &Limits::default()).map_err(LoadError::Parse)?
        {
            used += consumed;
            // A response without a name ends the list.
            if response.key.is_empty() {
                return Ok(found);
            }
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.insert(text(response.key), text(response.value));
        }
        input.drain(..used);
    }
}
