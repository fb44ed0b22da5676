//! What a server says of itself.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response};

use super::{LoadError, Target};

/// The server's general statistics (memcached binary protocol: stat), by name.
///
/// # Errors
/// If the server cannot be reached, hangs up, or answers with something else.
pub fn server_statistics(target: &Target) -> Result<BTreeMap<String, String>, LoadError> {
    match target {
        Target::Tcp(address) => ask(TcpStream::connect(address).map_err(LoadError::Connect)?),
        Target::Unix(path) => ask(UnixStream::connect(path).map_err(LoadError::Connect)?),
    }
}

fn ask(mut stream: impl Read + Write) -> Result<BTreeMap<String, String>, LoadError> {
    let mut request = [0; 24];
    Request::new(Opcode::STAT)
        .emit(&mut request)
        .map_err(|_| LoadError::Options("a header has 24 bytes"))?;
    stream.write_all(&request).map_err(LoadError::Transport)?;
    let mut found = BTreeMap::new();
    let mut input = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).map_err(LoadError::Transport)?;
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
