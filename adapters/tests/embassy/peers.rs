//! Peers that are gone, that stay, and that come in too large a number.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embassy_time::{Duration, Instant, Timer, with_timeout};
use memlet::embassy::{AcceptOptions, Ended};
use memlet_core::connection::CloseReason;
use memlet_core::handler::{Handler, Outcome, Reply, ValueStart};
use memlet_core::wire::{Opcode, Request};

use crate::network::Network;
use crate::talk::{Peer, cache, closed, serve, set, with_key};

fn options() -> AcceptOptions {
    let mut options = AcceptOptions::default();
    options.idle_after = Some(Duration::from_secs(100));
    options.unread_after = Some(Duration::from_secs(5));
    options.keep_alive = Some(Duration::from_secs(10));
    options.vanished_after = Some(Duration::from_secs(25));
    options
}

/// Takes every long value in pieces and knows how many were kept and forgotten.
#[derive(Default)]
struct Uploads {
    begun: usize,
    kept: usize,
    forgotten: usize,
}

impl Handler for Uploads {
    type Session = ();

    fn handle(&mut self, (): &mut (), _: &Request<'_>, reply: &mut Reply<'_>, _: u32) -> Outcome {
        reply.success(0).into()
    }

    fn begin_value(
        &mut self,
        (): &mut (),
        _: &Request<'_>,
        _: u32,
        _: &mut Reply<'_>,
        _: u32,
    ) -> ValueStart {
        self.begun += 1;
        ValueStart::Stream
    }

    fn finish_value(&mut self, (): &mut (), reply: &mut Reply<'_>, _: u32) -> Outcome {
        self.kept += 1;
        reply.success(0).into()
    }

    fn abandon_value(&mut self, (): &mut ()) {
        self.forgotten += 1;
    }
}

#[test]
fn a_thousand_peers_that_come_and_go_in_every_way_leave_nothing_behind() {
    let mut network = Network::new();
    let cache = cache();
    let (seen, _) = serve(&mut network, &cache, 2, options());
    let stack = network.client;
    network.run(async move {
        for round in 0..1000 {
            let mut peer = Peer::connect_patiently(stack).await;
            match round % 5 {
                0 => {
                    peer.say(&set(b"key", b"value")).await;
                    peer.hear(24).await;
                    peer.close().await;
                }
                1 => {
                    peer.say(&with_key(Opcode::QUIT, b"")).await;
                    assert_eq!(peer.hear_all().await.len(), 24);
                    peer.close().await;
                }
                // In the middle of a value: closed, reset, and gone without a word.
                2 => {
                    peer.say(&set(b"long", &[1; 5000])[..2000]).await;
                    peer.close().await;
                }
                3 => {
                    peer.say(&set(b"long", &[2; 5000])[..2000]).await;
                    peer.0.flush().await.unwrap();
                    peer.reset().await;
                }
                _ => {
                    peer.say(&set(b"long", &[3; 5000])[..2000]).await;
                    peer.0.flush().await.unwrap();
                    // The stack answers in its stead that there is no such connection, once it is asked.
                    drop(peer);
                }
            }
        }
        // What is stored now may be as long as at first.
        let mut peer = Peer::connect_patiently(stack).await;
        for key in [b"a", b"b", b"c"] {
            peer.say(&set(key, &[4; 7000])).await;
            assert_eq!(peer.hear(24).await[6..8], [0, 0]);
        }
        peer.close().await;
    });
    network.run(closed(Rc::clone(&seen), 1001));
    assert_eq!(seen.opened.get(), 1001);
}

#[test]
fn a_peer_too_many_is_refused_until_another_has_gone() {
    let mut network = Network::new();
    let (seen, _) = serve(&mut network, &cache(), 3, options());
    let stack = network.client;
    network.run(async move {
        let mut peers = Vec::new();
        for _ in 0..3 {
            peers.push(Peer::connect(stack).await.unwrap());
        }
        for _ in 0..10 {
            assert!(Peer::connect(stack).await.is_err());
        }
        for peer in &mut peers {
            peer.say(&with_key(Opcode::NOOP, b"")).await;
            peer.hear(24).await;
        }
        peers.pop().unwrap().close().await;
        let mut peer = Peer::connect_patiently(stack).await;
        peer.say(&with_key(Opcode::NOOP, b"")).await;
        peer.hear(24).await;
        peer.close().await;
        for peer in peers {
            peer.close().await;
        }
    });
    network.run(closed(Rc::clone(&seen), 4));
    assert_eq!(seen.opened.get(), 4);
}

#[test]
fn peers_that_vanish_in_the_middle_of_a_value_are_noticed_and_forgotten() {
    let mut network = Network::new();
    let uploads = Rc::new(RefCell::new(Uploads::default()));
    let (seen, _) = serve(&mut network, &uploads, 3, options());
    let (stack, wire) = (network.client, Rc::clone(&network.wire));
    let took = network.run({
        let (seen, wire) = (Rc::clone(&seen), Rc::clone(&wire));
        async move {
            let mut peers = Vec::new();
            for _ in 0..3 {
                let mut peer = Peer::connect(stack).await.unwrap();
                peer.say(&set(b"key", &[7; 2000])[..1500]).await;
                peer.0.flush().await.unwrap();
                peers.push(peer);
            }
            let start = Instant::now();
            wire.is_cut.set(true);
            closed(seen, 3).await;
            // Nobody tells the peers while the wire is cut.
            wire.is_cut.set(false);
            start.elapsed()
        }
    });
    assert!(took < Duration::from_secs(60), "{took}");
    {
        let uploads = uploads.borrow();
        assert_eq!((uploads.begun, uploads.kept, uploads.forgotten), (3, 0, 3));
    }
    for ended in seen.endings.borrow().iter() {
        assert!(matches!(ended, Ended::Failed(_)), "{ended}");
    }
    network.run(async move {
        let mut peer = Peer::connect_patiently(stack).await;
        peer.say(&set(b"key", &[7; 2000])).await;
        peer.hear(24).await;
        peer.close().await;
    });
    assert_eq!(uploads.borrow().kept, 1);
}

#[test]
fn a_wire_that_is_cut_for_a_while_ends_nothing() {
    let mut network = Network::new();
    let (seen, _) = serve(&mut network, &cache(), 1, options());
    let (stack, wire) = (network.client, Rc::clone(&network.wire));
    network.run(async move {
        let mut peer = Peer::connect(stack).await.unwrap();
        let request = set(b"key", &[7; 400]);
        peer.say(&request[..200]).await;
        peer.0.flush().await.unwrap();
        wire.is_cut.set(true);
        peer.say(&request[200..]).await;
        Timer::after_secs(8).await;
        wire.is_cut.set(false);
        assert_eq!(peer.hear(24).await[6..8], [0, 0]);
        peer.close().await;
    });
    network.run(closed(Rc::clone(&seen), 1));
    assert_eq!(
        *seen.endings.borrow(),
        [Ended::Closed(CloseReason::EndOfInput)]
    );
}

#[test]
fn peers_that_get_nothing_done_are_closed() {
    let mut network = Network::new();
    let (seen, _) = serve(&mut network, &cache(), 2, options());
    let stack = network.client;
    let (silent, dripping) = network.run(async move {
        let mut silent = Peer::connect(stack).await.unwrap();
        let mut dripping = Peer::connect(stack).await.unwrap();
        let start = Instant::now();
        // A byte every 20 seconds keeps nothing open.
        let noop = with_key(Opcode::NOOP, b"");
        let mut bytes = noop.chunks(1);
        let (mut piece, wait) = ([0; 24], Duration::from_secs(20));
        let dripped = loop {
            if let Some(byte) = bytes.next() {
                dripping.say(byte).await;
            }
            match with_timeout(wait, dripping.0.read(&mut piece)).await {
                Ok(read) => break (read, start.elapsed()),
                Err(_) => continue,
            }
        };
        assert_eq!(silent.0.read(&mut piece).await, Ok(0));
        let ended = start.elapsed();
        silent.close().await;
        dripping.close().await;
        ((Ok(0), ended), dripped)
    });
    for (read, after) in [silent, dripping] {
        assert_eq!(read, Ok(0));
        let (least, most) = (Duration::from_secs(99), Duration::from_secs(125));
        assert!((least..most).contains(&after), "{after}");
    }
    network.run(closed(Rc::clone(&seen), 2));
    assert_eq!(*seen.endings.borrow(), [Ended::Idle; 2]);
}

#[test]
fn a_peer_that_talks_now_and_then_stays() {
    let mut network = Network::new();
    let (seen, _) = serve(&mut network, &cache(), 1, options());
    let stack = network.client;
    network.run(async move {
        let mut peer = Peer::connect(stack).await.unwrap();
        for _ in 0..10 {
            Timer::after_secs(90).await;
            peer.say(&with_key(Opcode::NOOP, b"")).await;
            peer.hear(24).await;
        }
        peer.close().await;
    });
    assert_eq!(seen.opened.get(), 1);
}

#[test]
fn a_peer_that_does_not_read_is_cut_off_and_hinders_nobody() {
    let mut network = Network::new();
    let (seen, _) = serve(&mut network, &cache(), 2, options());
    let stack = network.client;
    let served = network.run({
        let seen = Rc::clone(&seen);
        async move {
            let mut deaf = Peer::connect(stack).await.unwrap();
            let mut other = Peer::connect(stack).await.unwrap();
            deaf.say(&set(b"key", &[7; 400])).await;
            deaf.hear(24).await;
            let get = with_key(Opcode::GET, b"key").repeat(200);
            let mut said = 0;
            let mut served = 0;
            while seen.closed.get() == 0 {
                let rest = &get[said..];
                let wait = Duration::from_millis(50);
                if let Ok(Ok(len)) = with_timeout(wait, deaf.0.write(rest)).await {
                    said += len;
                }
                other.say(&with_key(Opcode::GET, b"key")).await;
                assert_eq!(other.hear(428).await[28..], [7; 400]);
                served += 1;
            }
            other.close().await;
            served
        }
    });
    assert!(served > 10, "{served}");
    network.run(closed(Rc::clone(&seen), 2));
    assert_eq!(seen.endings.borrow()[0], Ended::Unread);
}

#[test]
fn a_peer_that_does_not_close_holds_its_socket_for_a_while_only() {
    let mut network = Network::new();
    let (seen, _) = serve(&mut network, &cache(), 1, options());
    let stack = network.client;
    network.run({
        let seen = Rc::clone(&seen);
        async move {
            let mut stubborn = Peer::connect(stack).await.unwrap();
            stubborn.say(&with_key(Opcode::QUIT, b"")).await;
            stubborn.hear(24).await;
            let start = Instant::now();
            closed(seen, 1).await;
            assert!(start.elapsed() < Duration::from_secs(5));
            let peer = Peer::connect_patiently(stack).await;
            peer.close().await;
        }
    });
}

#[test]
fn a_task_that_is_dropped_forgets_the_value_and_tells() {
    let mut network = Network::new();
    let uploads = Rc::new(RefCell::new(Uploads::default()));
    let (seen, tasks) = serve(&mut network, &uploads, 1, options());
    let stack = network.client;
    let _peer = network.run(async move {
        let mut peer = Peer::connect(stack).await.unwrap();
        peer.say(&set(b"key", &[7; 2000])[..1500]).await;
        peer.0.flush().await.unwrap();
        Timer::after_millis(50).await;
        peer
    });
    assert_eq!(uploads.borrow().begun, 1);
    network.drop_task(tasks[0]);
    assert_eq!(uploads.borrow().forgotten, 1);
    assert_eq!(
        *seen.endings.borrow(),
        [Ended::Closed(CloseReason::Abandoned)]
    );
}

/// Answers a request only once somebody else has let it.
#[derive(Default)]
struct Gate {
    is_open: bool,
    asked: usize,
    ended: usize,
    waker: Option<Waker>,
}

impl Handler for Gate {
    type Session = ();

    fn handle(&mut self, (): &mut (), _: &Request<'_>, reply: &mut Reply<'_>, _: u32) -> Outcome {
        self.asked += 1;
        match self.is_open {
            true => reply.success(0).into(),
            false => Outcome::Wait,
        }
    }

    fn poll_wait(&mut self, (): &mut (), context: &mut Context<'_>) -> Poll<()> {
        if self.is_open {
            return Poll::Ready(());
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn end_session(&mut self, (): &mut ()) {
        self.ended += 1;
    }
}

#[test]
fn a_handler_that_waits_is_called_again_and_not_waited_for_too_long() {
    let mut network = Network::new();
    let gate = Rc::new(RefCell::new(Gate::default()));
    let (seen, _) = serve(&mut network, &gate, 1, options());
    let stack = network.client;
    network.run({
        let gate = Rc::clone(&gate);
        async move {
            let mut peer = Peer::connect(stack).await.unwrap();
            peer.say(&with_key(Opcode::NOOP, b"").repeat(2)).await;
            Timer::after_secs(30).await;
            assert_eq!(gate.borrow().asked, 1);
            gate.borrow_mut().is_open = true;
            gate.borrow_mut().waker.take().unwrap().wake();
            peer.hear(48).await;
            gate.borrow_mut().is_open = false;
            peer.say(&with_key(Opcode::NOOP, b"")).await;
            let start = Instant::now();
            assert!(peer.hear_all().await.is_empty());
            assert!(start.elapsed() < Duration::from_secs(120));
            peer.close().await;
        }
    });
    network.run(closed(Rc::clone(&seen), 1));
    assert_eq!(*seen.endings.borrow(), [Ended::Idle]);
    assert_eq!(gate.borrow().ended, 1);
}

#[test]
fn a_peer_that_was_silent_for_long_still_gets_the_answer_that_its_request_has_to_wait_for() {
    let mut network = Network::new();
    let gate = Rc::new(RefCell::new(Gate::default()));
    let (seen, _) = serve(&mut network, &gate, 1, options());
    let idle_after = options().idle_after.unwrap();
    let stack = network.client;
    network.run({
        let gate = Rc::clone(&gate);
        async move {
            let mut peer = Peer::connect(stack).await.unwrap();
            Timer::after(idle_after - Duration::from_secs(5)).await;
            peer.say(&with_key(Opcode::NOOP, b"")).await;
            Timer::after(idle_after - Duration::from_secs(5)).await;
            gate.borrow_mut().is_open = true;
            gate.borrow_mut().waker.take().unwrap().wake();
            peer.hear(24).await;
            peer.close().await;
        }
    });
    network.run(closed(Rc::clone(&seen), 1));
    assert_eq!(
        *seen.endings.borrow(),
        [Ended::Closed(CloseReason::EndOfInput)]
    );
}
