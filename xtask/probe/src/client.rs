//! The client over buffers of fixed size: a get, a store, a counter, a batch.

use core::convert::Infallible;

use memlet::blocking::Client;
use memlet::client::{Answer, ClientSettings, Command};
use memlet_core::wire::Status;

use crate::Served;

/// A stream that has the input to read, and the output to write to.
struct Slices<'a> {
    input: &'a [u8],
    output: &'a mut [u8],
    consumed: usize,
    written: usize,
}

impl embedded_io::ErrorType for Slices<'_> {
    type Error = Infallible;
}

impl embedded_io::Read for Slices<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let rest = self.input.get(self.consumed..).unwrap_or_default();
        let mut len = 0;
        for (place, byte) in buffer.iter_mut().zip(rest) {
            *place = *byte;
            len += 1;
        }
        self.consumed += len;
        Ok(len)
    }
}

impl embedded_io::Write for Slices<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let rest = self.output.get_mut(self.written..).unwrap_or_default();
        let mut len = 0;
        for (place, byte) in rest.iter_mut().zip(bytes) {
            *place = *byte;
            len += 1;
        }
        self.written += len;
        Ok(len)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

pub(crate) fn serve(input: &[u8], output: &mut [u8], now: u32) -> Served {
    let stream = Slices {
        input,
        output,
        consumed: 0,
        written: 0,
    };
    let settings = ClientSettings::default();
    let mut client: Client<_, [u8; 512], (), 4> =
        Client::with(stream, settings, [0; 512], [0; 512], ());
    let key = input.get(..now as usize).unwrap_or_default();
    let mut found = 0;
    let _ = match now % 4 {
        0 => client
            .get(key)
            .map(|item| found = item.map_or(0, |item| item.value.len())),
        1 => client
            .store(&Command::set(key, input).expiration(now))
            .map(|_| ()),
        2 => client.increment(key, now.into()).map(|_| ()),
        _ => {
            let commands = [
                Command::get(key).quiet(),
                Command::delete(key),
                Command::stat(key),
            ];
            client.batch(commands, |_, answer| match answer {
                Answer::Response(response) if response.status == Status::SUCCESS => {
                    found += response.value.len();
                }
                _ => {}
            })
        }
    };
    let stream = client.into_inner();
    Served {
        consumed: stream.consumed + found,
        written: stream.written,
    }
}
