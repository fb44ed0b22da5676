//! Turns a device's log into text: `qemu-system-arm … -kernel IMAGE | memlet-defmt IMAGE`.

use std::io::{self, Read, Write};
use std::{env, fs, process};

use defmt_decoder::{DecodeError, Table};

fn main() {
    if let Err(text) = run() {
        eprintln!("memlet-defmt: {text}");
        process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let image = env::args_os()
        .nth(1)
        .ok_or("needs the image whose log it is to read")?;
    let image = fs::read(&image).map_err(|error| format!("{}: {error}", image.display()))?;
    let table = Table::parse(&image).map_err(|error| error.to_string())?;
    let table = table.ok_or("the image logs nothing: it was built without defmt")?;
    let mut decoder = table.new_stream_decoder();
    let mut out = io::stdout().lock();
    let mut bytes = [0; 4096];
    loop {
        let len = io::stdin()
            .read(&mut bytes)
            .map_err(|error| error.to_string())?;
        if len == 0 {
            return Ok(());
        }
        decoder.received(&bytes[..len]);
        loop {
            match decoder.decode() {
                Ok(frame) => {
                    let time = frame.display_timestamp();
                    let time = time.map_or(String::new(), |time| time.to_string());
                    let level = frame.level().map_or("", |level| level.as_str());
                    let text = frame.display_message();
                    // Whoever reads may have gone.
                    if writeln!(out, "{time} {level:<5} {text}").is_err() {
                        return Ok(());
                    }
                }
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) => eprintln!("(something that is no log)"),
            }
        }
    }
}
