//! Peers that behave.

use std::cell::RefCell;
use std::rc::Rc;

use embassy_time::Timer;
use memlet::asynch::Client;
use memlet::client::ClientSettings;
use memlet::embassy::{AcceptOptions, Buffers, Ended, ListenError, accept};
use memlet::serve::BufferError;
use memlet_core::connection::CloseReason;
use memlet_core::wire::Opcode;

use crate::network::{Network, PORT};
use crate::talk::{Peer, cache, closed, serve, set, with_key};

#[test]
fn the_async_client_talks_to_the_server_over_sockets_of_the_stack() {
    let mut network = Network::new();
    let (seen, _) = serve(&mut network, &cache(), 2, AcceptOptions::default());
    let stack = network.client;
    network.run(async move {
        let peer = Peer::connect(stack).await.unwrap();
        let settings = ClientSettings::default();
        let mut client: Client<_, _, (), 4> =
            Client::with(peer.0, settings, [0; 512], [0; 512], ());
        client.set(b"key", &[7; 400]).await.unwrap();
        assert_eq!(client.get(b"key").await.unwrap().unwrap().value, [7; 400]);
        // Longer than the server's input, and than the client's output.
        client.set(b"long", &[8; 3000]).await.unwrap();
        client.append(b"key", b"more").await.unwrap();
        assert_eq!(client.get(b"key").await.unwrap().unwrap().value.len(), 404);
        let mut names = 0;
        client.stats(b"", |_, _| names += 1).await.unwrap();
        assert!(names > 20);
        Peer(client.into_inner()).close().await;
    });
    network.run(closed(Rc::clone(&seen), 1));
    assert_eq!(
        *seen.endings.borrow(),
        [Ended::Closed(CloseReason::EndOfInput)]
    );
}

#[test]
fn clients_at_the_same_time_share_the_store() {
    const CLIENTS: u8 = 6;
    let mut network = Network::new();
    let (seen, _) = serve(
        &mut network,
        &cache(),
        CLIENTS.into(),
        AcceptOptions::default(),
    );
    let done = Rc::new(RefCell::new(0));
    for number in 0..CLIENTS {
        let (stack, done) = (network.client, Rc::clone(&done));
        network.spawn(async move {
            let mut peer = Peer::connect(stack).await.unwrap();
            for round in 0..100_u8 {
                let value = vec![round; 10 * usize::from(number) + 100];
                peer.say(&set(&[number], &value)).await;
                assert_eq!(peer.hear(24).await[6..8], [0, 0]);
                peer.say(&with_key(Opcode::GET, &[number])).await;
                assert_eq!(peer.hear(28 + value.len()).await[28..], value);
            }
            peer.close().await;
            *done.borrow_mut() += 1;
        });
    }
    network.run(closed(Rc::clone(&seen), CLIENTS.into()));
    assert_eq!(*done.borrow(), CLIENTS);
}

#[test]
fn quit_is_answered_and_the_connection_closed_in_order() {
    let mut network = Network::new();
    let (seen, _) = serve(&mut network, &cache(), 1, AcceptOptions::default());
    let stack = network.client;
    network.run(async move {
        let mut peer = Peer::connect(stack).await.unwrap();
        peer.say(&with_key(Opcode::QUIT, b"")).await;
        Timer::after_millis(500).await;
        // The end comes in order, however late it is read.
        assert_eq!(peer.hear(24).await[1], Opcode::QUIT.0);
        assert_eq!(peer.0.read(&mut [0]).await, Ok(0));
        peer.close().await;
    });
    network.run(closed(Rc::clone(&seen), 1));
    assert_eq!(
        *seen.endings.borrow(),
        [Ended::Closed(CloseReason::Requested)]
    );
}

#[test]
fn garbage_and_text_end_the_connection_and_the_next_one_is_served() {
    let mut network = Network::new();
    let (seen, _) = serve(&mut network, &cache(), 1, AcceptOptions::default());
    let stack = network.client;
    network.run(async move {
        let mut peer = Peer::connect(stack).await.unwrap();
        peer.say(b"get key\r\n").await;
        assert!(peer.hear_all().await.starts_with(b"ERROR"));
        peer.close().await;
        let mut peer = Peer::connect_patiently(stack).await;
        // More than the server reads before it closes.
        peer.say(&[&with_key(Opcode::NOOP, b"")[..], &[0x17; 1400]].concat())
            .await;
        assert_eq!(peer.hear_all().await.len(), 24);
        peer.close().await;
        let mut peer = Peer::connect_patiently(stack).await;
        peer.say(&with_key(Opcode::NOOP, b"")).await;
        peer.hear(24).await;
        peer.close().await;
    });
    network.run(closed(Rc::clone(&seen), 3));
    assert_eq!(
        *seen.endings.borrow(),
        [
            Ended::Closed(CloseReason::Text),
            Ended::Closed(CloseReason::Magic),
            Ended::Closed(CloseReason::EndOfInput)
        ]
    );
}

#[test]
fn what_cannot_work_is_returned() {
    let mut network = Network::new();
    let stack = network.server;
    let errors = network.run(async move {
        let (mut receive, mut transmit) = ([0; 100], [0; 100]);
        let mut errors = Vec::new();
        for (port, input_len) in [(0, 512), (PORT, 10)] {
            let (mut input, output) = (vec![0; input_len], RefCell::new([0; 512]));
            let buffers = Buffers {
                receive: &mut receive,
                transmit: &mut transmit,
                input: &mut input,
                output: &output,
            };
            let options = AcceptOptions::default();
            errors.push(accept(stack, port, buffers, &cache(), &options, || 0, &()).await);
        }
        errors
    });
    let too_short = BufferError::Input {
        len: 10,
        needed: 24,
    };
    assert_eq!(errors, [ListenError::Port, ListenError::Buffer(too_short)]);
}

#[test]
fn the_future_of_a_connection_is_small() {
    let network = Network::new();
    let cache = cache();
    let (mut receive, mut transmit) = ([0; 100], [0; 100]);
    let (mut input, output) = ([0; 512], RefCell::new([0; 512]));
    let buffers = Buffers {
        receive: &mut receive,
        transmit: &mut transmit,
        input: &mut input,
        output: &output,
    };
    let options = AcceptOptions::default();
    let future = accept(network.server, PORT, buffers, &cache, &options, || 0, &());
    // Pointers are twice as long here as on the devices that it is made for.
    let len = size_of_val(&future);
    assert!(len <= 2 * 384, "{len} bytes");
}

#[test]
fn answers_as_long_as_the_transmit_buffer_come_whole_and_longer_ones_are_refused() {
    let mut network = Network::new();
    serve(&mut network, &cache(), 1, AcceptOptions::default());
    let stack = network.client;
    network.run(async move {
        let mut peer = Peer::connect(stack).await.unwrap();
        for len in [996, 997] {
            peer.say(&set(b"key", &vec![7; len])).await;
            peer.hear(24).await;
            peer.say(&with_key(Opcode::GET, b"key")).await;
            let head = peer.hear(24).await;
            let body_len = u32::from_be_bytes(head[8..12].try_into().unwrap());
            let body = peer.hear(body_len as usize).await;
            match len {
                996 => assert_eq!(body[4..], vec![7; len]),
                _ => assert_eq!(head[6..8], [0, 0x82]),
            }
        }
        peer.close().await;
    });
}

#[test]
fn answers_of_several_connections_that_have_to_wait_for_room_do_not_get_mixed() {
    const CLIENTS: u8 = 4;
    const GETS: usize = 300;
    let mut network = Network::new();
    let (seen, _) = serve(
        &mut network,
        &cache(),
        CLIENTS.into(),
        AcceptOptions::default(),
    );
    for number in 0..CLIENTS {
        let stack = network.client;
        network.spawn(async move {
            let mut peer = Peer::connect(stack).await.unwrap();
            // Of lengths with which the answers come to lie anywhere in the ring.
            let len = 211 * (usize::from(number) + 1);
            peer.say(&set(&[number], &vec![number; len])).await;
            peer.hear(24).await;
            let gets = with_key(Opcode::GET, &[number]).repeat(GETS);
            let (mut said, mut heard, mut piece) = (0, Vec::new(), [0; 97]);
            while heard.len() < GETS * (28 + len) {
                if said < gets.len() {
                    let write = peer.0.write(&gets[said..]);
                    let wait = embassy_time::Duration::from_millis(1);
                    if let Ok(sent) = embassy_time::with_timeout(wait, write).await {
                        said += sent.unwrap();
                    }
                }
                let read = peer.0.read(&mut piece).await.unwrap();
                heard.extend_from_slice(&piece[..read]);
            }
            for answer in heard.chunks(28 + len) {
                assert_eq!(answer[..2], [0x81, 0]);
                assert_eq!(answer[28..], vec![number; len]);
            }
            peer.close().await;
        });
    }
    network.run(closed(Rc::clone(&seen), CLIENTS.into()));
    for ended in seen.endings.borrow().iter() {
        assert_eq!(*ended, Ended::Closed(CloseReason::EndOfInput));
    }
}
