//! A device at a serial line, which knows no connections: whatever came before, a host that begins anew is understood.

use crate::common::client::Client;
use crate::common::{Random, Request, op};
use crate::{Device, seed};
use std::collections::HashMap;
use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than the silence that ends a request, and that after which a device listens again.
const SILENCE: Duration = Duration::from_millis(600);
/// An answer to a host that was understood is soon there.
const ANSWER: Duration = Duration::from_secs(3);
/// For all tries together, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether the device is at such a line.
fn is_serial() -> bool {
    std::env::var_os("MEMLET_DEVICE_SERIAL").is_some()
}

/// Is silent, drops what has come, and asks for nothing; once more if there is no answer, as what is still on its way
/// takes the silence away.
#[track_caller]
fn begin_anew(client: &mut Client, opaque: &mut u32) {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "nobody answers");
        thread::sleep(SILENCE);
        drop_received(client);
        *opaque += 1;
        let noop = Request::new(op::NOOP).opaque(*opaque).bytes();
        client.send_bytes(&noop);
        client.socket.set_read_timeout(ANSWER).unwrap();
        let mut answer = [0; 24];
        let is_answered = client.socket.read_exact(&mut answer).is_ok();
        client.socket.set_read_timeout(PATIENCE).unwrap();
        if is_answered && answer[..2] == [0x81, op::NOOP] && answer[12..16] == noop[12..16] {
            return;
        }
    }
}

fn drop_received(client: &mut Client) {
    client.socket.set_nonblocking(true).unwrap();
    let mut dropped = [0; 4096];
    while matches!(client.socket.read(&mut dropped), Ok(1..)) {}
    client.socket.set_nonblocking(false).unwrap();
}

/// Something that no host should send.
fn nonsense(random: &mut Random) -> Vec<u8> {
    // Nothing is said of this key: a part of its value may be what follows on a busy machine.
    let value = random.bytes(300);
    let request = Request::set("half", value).bytes();
    let half = request[..1 + random.below(request.len() - 1)].to_vec();
    let noise_len = 1 + random.below(400);
    let noise = random.bytes(noise_len);
    match random.below(4) {
        0 => noise,
        1 => [half, noise].concat(),
        2 => [Request::new(op::QUITQ).bytes(), half].concat(),
        _ => half,
    }
}

#[test]
fn on_a_serial_line_a_host_that_begins_anew_is_understood() {
    if !is_serial() {
        println!("no serial line (MEMLET_DEVICE_SERIAL)");
        return;
    }
    let device = Device::start();
    let mut random = seed();
    let mut stored: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut opaque = 0;
    let mut client = device.connect();
    let sessions = client.figure("serial_sessions");
    let rounds = 20;
    for _ in 0..rounds {
        client.send_bytes(&nonsense(&mut random));
        if random.one_in(2) {
            // The next host has the same line.
            drop(client);
            client = device.open().unwrap();
        }
        begin_anew(&mut client, &mut opaque);
        for (key, value) in &stored {
            assert_eq!(client.call(Request::get(key)).value(), value);
        }
        let key = vec![b'k', random.below(6) as u8];
        let value_len = 1 + random.below(device.value_len_max().min(400));
        let value = random.bytes(value_len);
        assert_eq!(client.call(Request::set(&key, &value)).status(), 0);
        stored.insert(key, value);
    }
    assert!(client.figure("serial_sessions") >= sessions + rounds);
    assert_eq!(client.figure("serial_faults"), 0, "bytes were lost");
}
