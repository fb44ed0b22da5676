//! Futures that are dropped where they wait.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use embedded_io_adapters::tokio_1::FromTokio;
use memlet::asynch::serve;
use memlet::near::{NearCache, NearMemory, NearSettings, UpstreamSettings, keep_connected};
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{Opcode, Request, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::node::{answers, get, packet, set};
use super::upstream::NOW;

type Memory = NearMemory<4, 4, 1024>;
type Near<'m> = RefCell<NearCache<'m, Store<Vec<u8>>>>;

fn near(memory: &mut Memory) -> Near<'_> {
    let store = Store::new(vec![0; 64 << 10], StoreOptions::default()).unwrap();
    RefCell::new(NearCache::new(store, memory, NearSettings::default()))
}

fn poll<R>(future: Pin<&mut impl Future<Output = R>>) -> Poll<R> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets a future get as far as it can, alone.
fn run(mut future: Pin<&mut impl Future>) {
    for _ in 0..100 {
        assert!(poll(future.as_mut()).is_pending());
    }
}

/// What has come over a stream.
fn heard(stream: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    match poll(pin!(stream.read(&mut bytes))) {
        Poll::Ready(len) => bytes.truncate(len.unwrap()),
        Poll::Pending => bytes.clear(),
    }
    bytes
}

fn say(stream: &mut DuplexStream, request: &Request<'_>) {
    assert!(poll(pin!(stream.write_all(&packet(request)))).is_ready());
}

fn serve_over(near: &Near<'_>, stream: DuplexStream) -> impl Future {
    async move {
        let (mut input, mut output) = ([0; 512], [0; 512]);
        serve(
            FromTokio::new(stream),
            near,
            &mut input,
            &mut output,
            || NOW,
        )
        .await
    }
}

/// The task, over one connection; there is no second.
fn connect_over(near: &Near<'_>, stream: DuplexStream) -> impl Future {
    let mut stream = Some(FromTokio::new(stream));
    async move {
        let (mut input, mut output) = ([0; 1024], [0; 1024]);
        let connect = || std::future::ready(stream.take().ok_or(()));
        let never = |_: Duration| std::future::pending();
        let settings = UpstreamSettings::default();
        keep_connected(
            near,
            connect,
            &mut input,
            &mut output,
            &settings,
            || NOW,
            never,
        )
        .await
    }
}

#[test]
fn a_connection_dropped_while_it_waits_lets_go_of_its_place() {
    let mut memory = Memory::new();
    let near = near(&mut memory);
    let (mut far, upstream) = duplex(4096);
    let mut task = pin!(connect_over(&near, upstream));
    run(task.as_mut());
    for round in 0..10_u8 {
        for request in [get(&[round]), set(&[round], b"v")] {
            let (mut client, stream) = duplex(4096);
            let mut served = Box::pin(serve_over(&near, stream));
            say(&mut client, &request);
            run(served.as_mut());
            assert_eq!(near.borrow().waiting(), 1);
            // Half of the times upstream is asked before.
            if round % 2 == 0 {
                run(task.as_mut());
            }
            drop(served);
            assert_eq!(near.borrow().waiting(), 0);
        }
        run(task.as_mut());
        // What was asked is answered, and nobody is there to hear it.
        for request in far_requests(&heard(&mut far)) {
            let mut answer = vec![0; 24];
            answer[..2].copy_from_slice(&[0x81, request[1]]);
            answer[12..16].copy_from_slice(&request[12..16]);
            if request[1] == Opcode::GET.0 {
                answer[7] = 1;
            }
            assert!(poll(pin!(far.write_all(&answer))).is_ready());
        }
        run(task.as_mut());
    }
    // A change is made in any case; a get that nobody wants is not sent.
    assert_eq!(
        (
            near.borrow().statistics().relays,
            near.borrow().statistics().fetches
        ),
        (10, 5)
    );
}

fn far_requests(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut requests) = (bytes, Vec::new());
    while rest.len() >= 24 {
        let len = 24 + u32::from_be_bytes(rest[8..12].try_into().unwrap()) as usize;
        requests.push(rest[..len].to_vec());
        rest = &rest[len..];
    }
    requests
}

#[test]
fn whoever_waits_is_told_when_the_task_is_dropped() {
    let mut memory = Memory::new();
    let near = near(&mut memory);
    let (_far, upstream) = duplex(4096);
    let mut task = Box::pin(connect_over(&near, upstream));
    run(task.as_mut());
    let (mut client, stream) = duplex(4096);
    let mut served = pin!(serve_over(&near, stream));
    say(&mut client, &get(b"k"));
    run(served.as_mut());
    run(task.as_mut());
    assert_eq!(heard(&mut client), b"");
    drop(task);
    run(served.as_mut());
    let statuses =
        |bytes: &[u8]| -> Vec<_> { answers(bytes).iter().map(|answer| answer.status).collect() };
    assert_eq!(statuses(&heard(&mut client)), [Status::TMPFAIL]);
    assert!(!near.borrow().is_connected());
    say(&mut client, &set(b"k", b"v"));
    run(served.as_mut());
    assert_eq!(statuses(&heard(&mut client)), [Status::TMPFAIL]);
}

#[test]
fn figures_of_the_caller_follow_those_of_the_near_cache_however_small_the_output() {
    let mut memory = Memory::new();
    let store = Store::new(vec![0; 64 << 10], StoreOptions::default()).unwrap();
    let near = NearCache::new(store, &mut memory, NearSettings::default()).with_figures(|at| {
        [("stack_high_water", 4000), ("uptime", 7)]
            .get(at as usize)
            .copied()
    });
    let near = RefCell::new(near);
    let (stream, mut client) = duplex(8192);
    let mut served = pin!(serve_over(&near, stream));
    say(&mut client, &Request::new(Opcode::STAT));
    run(served.as_mut());
    let answers = answers(&heard(&mut client));
    let names: Vec<&[u8]> = answers.iter().map(|answer| &answer.key[..]).collect();
    let [.., before, first, second, end] = &names[..] else {
        panic!("{names:?}");
    };
    assert_eq!(
        (*before, *first, *second, *end),
        (
            &b"reclaimed"[..],
            &b"stack_high_water"[..],
            &b"uptime"[..],
            &b""[..]
        )
    );
    assert_eq!(answers[answers.len() - 3].value, b"4000");
    assert_eq!(names[0], b"time", "each once");
    assert_eq!(names.iter().filter(|name| **name == b"uptime").count(), 1);
}
