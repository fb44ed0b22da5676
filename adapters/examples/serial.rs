//! Asks a cache at the other end of a serial line.
//!
//! ```sh
//! stty -F /dev/ttyACM0 115200 raw -echo min 0 time 20    # and crtscts, if RTS and CTS are connected
//! cargo run -p memlet --example serial -- /dev/ttyACM0
//! ```
//!
//! `min 0 time 20` lets a read give nothing after 2 seconds: the client takes that for the end of the connection, and this
//! program for the silence in which both sides forget what was before.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read};

use embedded_io_adapters::std::FromStd;
use memlet::blocking::Client;

/// A client over a line of which nobody knows what went over it before.
///
/// A device that serves a line forgets a request that stops halfway, and listens again after nonsense, when it was silent
/// for a while: so nothing is said until what is still on its way has come.
fn begin_anew(line: &File) -> io::Result<Client<FromStd<File>, Vec<u8>>> {
    const TRIES: u32 = 10;
    for _ in 0..TRIES {
        let mut dropped = [0; 4096];
        while (&*line).read(&mut dropped)? > 0 {}
        let mut client = Client::new(FromStd::new(line.try_clone()?));
        match client.noop() {
            Ok(()) => return Ok(client),
            Err(error) => println!("{error}; once more"),
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "nobody answers"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("which device? /dev/ttyACM0?")?;
    let line = File::options().read(true).write(true).open(path)?;
    let mut client = begin_anew(&line)?;

    client.set(b"greeting", b"hello")?;
    let item = client.get(b"greeting")?.ok_or("it was evicted at once")?;
    println!("greeting: {}", String::from_utf8_lossy(item.value));
    for (name, value) in client.stats_list(b"")? {
        println!("{name} {value}");
    }
    Ok(())
}
