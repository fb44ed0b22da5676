//! Peers that come and go, stall, vanish, talk nonsense, or are too many.

use crate::common::client::{Client, PATIENCE};
use crate::common::{Random, Request, op, status};
use crate::{Device, seed};
use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

/// How long a peer that should not be served is given to be served all the same.
const MOMENT: Duration = Duration::from_millis(700);

/// The peer has been hung up on: end of file or reset, after whatever it was still answered.
fn is_closed(client: &mut Client) -> bool {
    let mut chunk = [0; 4096];
    loop {
        match client.socket.read(&mut chunk) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                );
            }
        }
    }
}

#[test]
fn a_thousand_reconnects() {
    let device = Device::start();
    let began = Instant::now();
    for round in 0..1000_u32 {
        let mut client = device.connect();
        let key = format!("round {}", round % 7);
        let value = round.to_string();
        assert_eq!(client.call(Request::set(&key, &value)).status(), 0);
        let answer = client.call(Request::get(&key));
        assert_eq!((answer.status(), answer.value()), (0, value.as_bytes()));
        match round % 4 {
            // It says good-bye and waits for the other side to hang up.
            0 => {
                assert_eq!(client.call(Request::new(op::QUIT)).status(), 0);
                assert!(is_closed(&mut client), "QUIT, and no close");
            }
            // It is told so without an answer.
            1 => {
                client.send(&Request::new(op::QUITQ));
                assert!(is_closed(&mut client), "QUITQ, and no close");
            }
            // It leaves without a word.
            2 => {}
            // It leaves an answer unread, which resets the connection.
            _ => client.send(&Request::get(&key)),
        }
    }
    println!("1,000 reconnects in {:.1} s", began.elapsed().as_secs_f64());
    device.expect_sockets_free();
}

#[test]
fn one_peer_more_than_sockets_waits_for_a_free_one() {
    let device = Device::start();
    for round in 0..10 {
        let mut clients: Vec<Client> = (0..device.connections).map(|_| device.connect()).collect();
        if round == 0 {
            let surplus = device.try_connect(MOMENT);
            assert!(surplus.is_none(), "a socket more than there should be");
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let value = format!("{round} {number}");
            assert_eq!(client.call(Request::set("shared", &value)).status(), 0);
            assert_eq!(
                client.call(Request::get("shared")).value(),
                value.as_bytes()
            );
        }
        clients.remove(round % device.connections);
        let mut next = device.connect();
        next.expect_alive();
        for client in &mut clients {
            client.expect_alive();
        }
    }
    device.expect_sockets_free();
}

#[test]
fn silent_peers_give_their_sockets_back() {
    let device = Device::start();
    if !device.is_impatient() {
        return;
    }
    let mut silent: Vec<Client> = (0..device.connections).map(|_| device.connect()).collect();
    // One of them stops in the middle of a header, one in the middle of a value.
    let set = Request::set("half", vec![b'h'; 200]).bytes();
    silent[0].send_bytes(&set[..10]);
    silent[1].send_bytes(&set[..100]);
    let began = Instant::now();
    let mut client = device.connect_within(device.idle * 2 + PATIENCE);
    println!(
        "a socket is free again after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    client.expect_alive();
    assert_eq!(
        client.call(Request::get("half")).status(),
        status::NOT_FOUND
    );
    for mut peer in silent {
        assert!(is_closed(&mut peer), "a silent peer was kept");
        // The one that works is no silent peer.
        client.expect_alive();
    }
    device.expect_sockets_free();
}

/// What strangers say first, and nonsense of the own protocol.
fn nonsense(random: &mut Random) -> Vec<u8> {
    let noise_len = 1 + random.below(3000);
    let request = Request::set("nonsense", "value");
    match random.below(10) {
        0 => b"GET / HTTP/1.1\r\nHost: device\r\nUser-Agent: a browser\r\n\r\n".to_vec(),
        1 => b"get key\r\nset key 0 0 5\r\nvalue\r\n".to_vec(),
        // A TLS hello begins so.
        2 => [
            &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..],
            &random.bytes(500),
        ]
        .concat(),
        3 => b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        // The magic of answers, then one that nobody knows.
        4 => request.magic(0x81).bytes(),
        5 => request.magic(0x42).bytes(),
        // Lengths that lie.
        6 => request.claim_body_len(u32::MAX).bytes(),
        7 => request.claim_extras_len(0xff).claim_key_len(0xffff).bytes(),
        8 => {
            let mut bytes = request.bytes();
            let at = random.below(24);
            bytes[at] ^= 1 << random.below(8);
            bytes.extend(random.bytes(noise_len));
            bytes
        }
        _ => random.bytes(noise_len),
    }
}

#[test]
fn garbage_harms_nobody_else() {
    let device = Device::start();
    let mut random = seed();
    let mut honest = device.connect();
    assert_eq!(honest.call(Request::set("kept", "as it was")).status(), 0);
    for _ in 0..150 {
        let mut peer = device.connect();
        let bytes = nonsense(&mut random);
        peer.send_bytes(&bytes);
        peer.end_of_input();
        assert!(is_closed(&mut peer), "kept after {bytes:02x?}");
        let answer = honest.call(Request::get("kept"));
        assert_eq!(answer.value(), b"as it was", "after {bytes:02x?}");
    }
    device.expect_well();
}

/// Peers that start to store a value as large as there can be, and vanish in the middle of it.
#[test]
fn values_that_never_arrive_leave_nothing_behind() {
    let device = Device::start();
    let len = device.value_len_max();
    let large = |number: usize| vec![b'a' + u8::try_from(number % 26).unwrap(); len];
    for round in 0..100 {
        let mut peer = device.connect();
        let bytes = Request::set("unfinished", large(round)).bytes();
        peer.send_bytes(&bytes[..bytes.len() * (round + 1) / 102]);
        match round % 3 {
            // End of file, or, with an answer left unread, a reset.
            0 => {}
            1 => peer.end_of_input(),
            _ => {
                let mut other = device.connect();
                other.expect_alive();
            }
        }
    }
    device.expect_sockets_free();
    // What is left over would be missing now: one after the other, each of the largest is stored and can be read.
    let mut client = device.connect();
    assert_eq!(
        client.call(Request::get("unfinished")).status(),
        status::NOT_FOUND
    );
    for round in 0..20 {
        let key = format!("large {}", round % 5);
        assert_eq!(client.call(Request::set(&key, large(round))).status(), 0);
        let answer = client.call(Request::get(&key));
        assert_eq!(answer.status(), 0, "{key}");
        assert!(answer.value() == large(round), "{key}: {answer:?}");
    }
}

/// A peer that asks for a lot and reads nothing stands in nobody's way, and gets it all in the end.
#[test]
fn a_slow_reader_gets_everything() {
    let device = Device::start();
    // Few and small enough that no store drops them, and so many answers that no socket's buffers hold them.
    let keys = 8;
    let len = (device.memory / 20 / keys)
        .min(device.value_len_max())
        .min(1400);
    let gets = (2 << 20) / len;
    let value = |key: usize| vec![b'A' + u8::try_from(key).unwrap(); len];
    let mut client = device.connect();
    for key in 0..keys {
        let stored = client.call(Request::set(format!("slow {key}"), value(key)));
        assert_eq!(stored.status(), 0);
    }
    let mut bytes = Vec::new();
    for opaque in 0..gets {
        let get = Request::get(format!("slow {}", opaque % keys));
        bytes.extend(get.opaque(u32::try_from(opaque).unwrap()).bytes());
    }
    let mut slow = device.connect();
    let mut writing = slow.socket.try_clone().unwrap();
    let writer = thread::spawn(move || writing.write_all(&bytes));
    // Meanwhile the others are served, though the answers to the first pile up.
    for _ in 0..100 {
        client.expect_alive();
    }
    for opaque in 0..gets {
        let answer = slow.receive();
        assert_eq!(answer.opaque(), u32::try_from(opaque).unwrap());
        assert!(answer.value() == value(opaque % keys), "{answer:?}");
    }
    writer.join().unwrap().unwrap();
    // The next one never reads, and goes.
    let mut gone = device.connect();
    let get = Request::get("slow 0").bytes();
    gone.send_bytes(&get.repeat(200));
    drop((gone, slow));
    client.expect_alive();
    drop(client);
    device.expect_sockets_free();
}

/// Requests that arrive in pieces of any size are the same requests.
#[test]
fn requests_in_pieces_are_answered_as_whole_ones() {
    let device = Device::start();
    let mut random = seed();
    let mut client = device.connect();
    for round in 0..50_u32 {
        let value = vec![b'p'; random.below(400)];
        let mut bytes = Request::set("pieces", &value).opaque(2 * round).bytes();
        bytes.extend(Request::get("pieces").opaque(2 * round + 1).bytes());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(rest.len().min(1 + random.below(60)));
            client.send_bytes(piece);
            rest = others;
        }
        assert_eq!(client.receive().status(), 0);
        let answer = client.receive();
        assert_eq!(answer.opaque(), 2 * round + 1);
        assert!(answer.value() == value, "{answer:?}");
    }
}
