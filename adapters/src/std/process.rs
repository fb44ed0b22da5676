//! The process around the engines of a server: what `stat` tells about all of them together.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memlet_core::engine::{Host, HostFigures, HostSettings, Statistics};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;

use super::{Figures, Listen};

/// What the engines of a server share.
#[derive(Debug)]
pub(super) struct Process {
    figures: Arc<Figures>,
    /// What each thread's engine had counted when it last sent an answer.
    published: Box<[Published]>,
    baseline: Mutex<Baseline>,
    verbosity: AtomicU32,
    /// The first TCP address, and the unix socket, as texts.
    address: Option<String>,
    port: u16,
    socket: Option<(String, u32)>,
}

/// Counters on cache lines of their own: each thread writes its own with every answer.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Published(Mutex<Statistics>);

/// What had been counted when statistics were last reset.
#[derive(Clone, Copy, Debug, Default)]
struct Baseline {
    statistics: Statistics,
    connections_total: u64,
    connections_rejected: u64,
}

impl Process {
    pub(super) fn new(figures: Arc<Figures>, verbosity: u32) -> Process {
        let published = (0..figures.options().threads.max(1))
            .map(|_| Published::default())
            .collect();
        let tcp = figures.addresses().iter().find_map(|listen| match listen {
            Listen::Tcp(address) => Some(*address),
            Listen::Unix { .. } => None,
        });
        let socket = figures.addresses().iter().find_map(|listen| match listen {
            Listen::Unix { path, mode } => Some((path.display().to_string(), *mode)),
            Listen::Tcp(_) => None,
        });
        Process {
            published,
            baseline: Mutex::default(),
            verbosity: AtomicU32::new(verbosity),
            address: tcp.map(|address| address.ip().to_string()),
            port: tcp.map_or(0, |address| address.port()),
            socket,
            figures,
        }
    }

    /// Lets all threads see what this one's engine has counted.
    #[inline]
    pub(super) fn publish(&self, thread: usize, statistics: &Statistics) {
        *lock(&self.published[thread].0) = *statistics;
    }

    /// What all engines have counted since the start, as of the last answers that they sent.
    pub(super) fn published(&self) -> Statistics {
        let mut sum = Statistics::default();
        for published in &self.published {
            sum.add(&lock(&published.0));
        }
        sum
    }

    /// What all engines have counted since the start.
    fn sum(&self, thread: usize, own: &Statistics) -> Statistics {
        let mut sum = *own;
        for (number, published) in self.published.iter().enumerate() {
            if number != thread {
                sum.add(&lock(&published.0));
            }
        }
        sum
    }
}

/// The process as the engine of one thread sees it.
#[derive(Debug)]
pub struct CacheHost {
    process: Arc<Process>,
    thread: usize,
}

impl CacheHost {
    pub(super) fn new(process: Arc<Process>, thread: usize) -> CacheHost {
        CacheHost { process, thread }
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }
}

impl Host for CacheHost {
    fn totals(&self, own: &Statistics) -> Option<Statistics> {
        let mut sum = self.process.sum(self.thread, own);
        sum.subtract(&lock(&self.process.baseline).statistics);
        Some(sum)
    }

    fn reset(&mut self, own: &mut Statistics) {
        *lock(&self.process.baseline) = Baseline {
            statistics: self.process.sum(self.thread, own),
            connections_total: self.process.figures.connections_total(),
            connections_rejected: self.process.figures.connections_rejected(),
        };
    }

    fn started(&self) -> u32 {
        self.process.figures.started()
    }

    fn figures(&self) -> HostFigures {
        let figures = &self.process.figures;
        let baseline = *lock(&self.process.baseline);
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let time_us = |time: fn(&Usage) -> TimeVal| {
            usage.as_ref().map(time).map_or(0, |time| {
                time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64
            })
        };
        HostFigures {
            pid: process::id().into(),
            rusage_user_us: time_us(Usage::user_time),
            rusage_system_us: time_us(Usage::system_time),
            curr_connections: figures.connections() as u64,
            total_connections: figures
                .connections_total()
                .saturating_sub(baseline.connections_total),
            rejected_connections: figures
                .connections_rejected()
                .saturating_sub(baseline.connections_rejected),
            connection_structures: figures.connections() as u64,
            accepting_conns: figures.is_accepting(),
            conn_yields: 0,
            listen_disabled_num: 0,
            time_in_listen_disabled_us: 0,
        }
    }

    fn settings(&self) -> HostSettings<'_> {
        let process = &*self.process;
        let options = process.figures.options();
        HostSettings {
            maxconns: options.connections_max as u64,
            tcpport: process.port,
            inter: process.address.as_deref(),
            verbosity: process.verbosity.load(Ordering::Relaxed),
            domain_socket: process.socket.as_ref().map(|(path, _)| &**path),
            num_threads: options.threads as u64,
            tcp_backlog: options.backlog.into(),
            maxconns_fast: true,
            idle_timeout: options.idle_timeout.map_or(0, |timeout| timeout.as_secs()),
        }
    }

    fn set_verbosity(&mut self, level: u32) {
        self.process.verbosity.store(level, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain numbers are never left half changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
