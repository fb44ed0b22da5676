//! Two stacks, a wire, an executor, and a clock that is moved on when nobody has anything to do.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use embassy_net::driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_net::{Config, Ipv4Address, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_time::{Duration, Instant, MockDriver};

/// The sockets that a stack has room for.
const SOCKETS: usize = 12;

/// Frames on their way to one side, and who waits for them.
#[derive(Default)]
struct Lane {
    frames: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
}

/// A wire that can be cut.
#[derive(Default)]
pub(crate) struct Wire {
    lanes: [RefCell<Lane>; 2],
    /// Frames are lost, and nobody is told.
    pub(crate) is_cut: Cell<bool>,
}

/// One end of the wire.
struct Port {
    wire: Rc<Wire>,
    side: usize,
}

struct Receive(Vec<u8>);

struct Transmit<'a>(&'a Port);

impl RxToken for Receive {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        if !self.0.wire.is_cut.get() {
            let mut lane = self.0.wire.lanes[1 - self.0.side].borrow_mut();
            lane.frames.push_back(frame);
            if let Some(waker) = lane.waker.take() {
                waker.wake();
            }
        }
        result
    }
}

impl Driver for Port {
    type RxToken<'a> = Receive;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Receive, Transmit<'_>)> {
        let mut lane = self.wire.lanes[self.side].borrow_mut();
        let Some(frame) = lane.frames.pop_front() else {
            lane.waker = Some(context.waker().clone());
            return None;
        };
        drop(lane);
        Some((Receive(frame), Transmit(self)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Transmit<'_>> {
        Some(Transmit(self))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet([2, 0, 0, 0, 0, self.side as u8 + 1])
    }
}

/// Set when a task has something to do.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A task that has not ended, and whether it has been woken.
type Entry = (Option<Pin<Box<dyn Future<Output = ()>>>>, Arc<Flag>);

/// A task's number.
pub(crate) type Task = usize;

/// An executor that polls only what has been woken.
pub(crate) struct Network {
    tasks: Vec<Entry>,
    pub(crate) wire: Rc<Wire>,
    pub(crate) server: Stack<'static>,
    pub(crate) client: Stack<'static>,
    /// There is one clock in a process.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

pub(crate) const ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
pub(crate) const PORT: u16 = 11211;

impl Network {
    pub(crate) fn new() -> Network {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = Rc::new(Wire::default());
        let mut runners = Vec::new();
        let mut stacks = Vec::new();
        for side in 0..2 {
            let port = Port {
                wire: Rc::clone(&wire),
                side,
            };
            let config = Config::ipv4_static(StaticConfigV4 {
                address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, side as u8 + 1), 24),
                gateway: None,
                dns_servers: Default::default(),
            });
            // A stack lives as long as the program, on a device and here.
            let resources = Box::leak(Box::new(StackResources::<SOCKETS>::new()));
            let (stack, runner) = embassy_net::new(port, config, resources, 7 + side as u64);
            stacks.push(stack);
            runners.push(runner);
        }
        let mut network = Network {
            tasks: Vec::new(),
            wire,
            server: stacks[0],
            client: stacks[1],
            _turn: turn,
        };
        for mut runner in runners {
            network.spawn(async move { runner.run().await });
        }
        network
    }

    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> Task {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        self.tasks.push((Some(Box::pin(future)), flag));
        self.tasks.len() - 1
    }

    /// Ends a task by dropping its future.
    pub(crate) fn drop_task(&mut self, task: Task) {
        self.tasks[task].0 = None;
    }

    /// Gives every task that has been woken a turn; whether there was one.
    fn turn(&mut self) -> bool {
        let mut was_busy = false;
        for (place, flag) in &mut self.tasks {
            if let Some(future) = place
                && flag.0.swap(false, Ordering::SeqCst)
            {
                was_busy = true;
                let waker = Waker::from(Arc::clone(flag));
                let mut context = Context::from_waker(&waker);
                if future.as_mut().poll(&mut context) == Poll::Ready(()) {
                    *place = None;
                }
            }
        }
        was_busy
    }

    /// Runs all tasks until this future has its output, at most an hour of theirs.
    pub(crate) fn run<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> T {
        let output = Rc::new(RefCell::new(None));
        let place = Rc::clone(&output);
        self.spawn(async move {
            let value = future.await;
            *place.borrow_mut() = Some(value);
        });
        let end = Instant::now() + Duration::from_secs(3600);
        loop {
            let was_busy = self.turn();
            if let Some(output) = output.borrow_mut().take() {
                return output;
            }
            if !was_busy {
                MockDriver::get().advance(Duration::from_millis(1));
                assert!(Instant::now() < end, "nothing comes of it");
            }
        }
    }
}
