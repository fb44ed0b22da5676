//! The threads of a run, each with an event loop over its connections.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use mio::{Events, Poll, Token};

use super::connection::Connection;
use super::packets::{Packets, Plan};
use super::report::LoadReport;
use super::{LoadError, LoadOptions, Stop};

/// Runs all threads to their end.
pub(super) fn run_all(options: &LoadOptions, plan: &Plan) -> Result<LoadReport, LoadError> {
    // No thread without a connection.
    let threads = options.threads.min(options.connections);
    let options = LoadOptions {
        threads,
        ..options.clone()
    };
    if threads == 1 {
        return Worker::new(&options, *plan, 0)?.run();
    }
    let outcomes: Vec<Result<LoadReport, LoadError>> = thread::scope(|scope| {
        let options = &options;
        let handles: Vec<_> = (0..threads)
            .map(|index| scope.spawn(move || Worker::new(options, *plan, index)?.run()))
            .collect();
        let gone = || {
            LoadError::Transport(std::io::Error::other(
                "a thread of the load generator failed",
            ))
        };
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|_| Err(gone())))
            .collect()
    });
    let mut total = LoadReport::new();
    for outcome in outcomes {
        total.add(&outcome?);
    }
    Ok(total)
}

struct Worker<'a> {
    options: &'a LoadOptions,
    packets: Packets,
    poll: Poll,
    connections: Vec<Connection>,
    /// Requests that may still be started; without a limit, and a time to stop at.
    quota: u64,
    deadline: Option<Instant>,
    started_at: Instant,
    report: LoadReport,
}

impl<'a> Worker<'a> {
    fn new(options: &'a LoadOptions, plan: Plan, index: usize) -> Result<Self, LoadError> {
        let packets = Packets::new(options, plan, index)
            .map_err(|_| LoadError::Options("the requests are too long"))?;
        let poll = Poll::new().map_err(LoadError::Transport)?;
        let mut connections = Vec::new();
        for number in 0..share(options.connections as u64, options.threads, index) as usize {
            let mut connection = Connection::open(options)?;
            connection
                .register(poll.registry(), Token(number))
                .map_err(LoadError::Transport)?;
            connections.push(connection);
        }
        let started_at = Instant::now();
        let (quota, deadline) = match options.stop {
            Stop::Requests(count) => (share(count, options.threads, index), None),
            Stop::After(time) => (u64::MAX, Some(started_at + time)),
        };
        Ok(Self {
            options,
            packets,
            poll,
            connections,
            quota,
            deadline,
            started_at,
            report: LoadReport::new(),
        })
    }

    fn run(mut self) -> Result<LoadReport, LoadError> {
        let mut buffer = vec![0; READ_LEN];
        let mut events = Events::with_capacity(self.connections.len().max(16));
        let mut busy = 0_usize;
        for number in 0..self.connections.len() {
            busy += usize::from(self.start(number)?);
        }
        while busy > 0 {
            self.poll
                .poll(&mut events, Some(self.options.patience))
                .or_else(ignore_interruption)?;
            if events.is_empty() && self.is_silent() {
                return Err(LoadError::Silent);
            }
            for event in &events {
                let Token(number) = event.token();
                let connection = &mut self.connections[number];
                if event.is_writable() {
                    connection.write()?;
                }
                if event.is_readable()
                    && connection.is_waiting()
                    && connection.read(&mut buffer, &mut self.report)?
                {
                    self.options.note_answered(connection.answered());
                    busy -= 1;
                    busy += usize::from(self.start(number)?);
                }
            }
        }
        self.report.elapsed = self.started_at.elapsed();
        Ok(self.report)
    }

    /// Starts the next batch of a connection; false when there is nothing more to do.
    fn start(&mut self, number: usize) -> Result<bool, LoadError> {
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            self.quota = 0;
        }
        let count = usize::try_from(self.quota)
            .unwrap_or(usize::MAX)
            .min(self.options.depth);
        self.quota -= count as u64;
        self.connections[number].start(
            &mut self.packets,
            count,
            self.options.writes,
            &mut self.report,
        )?;
        Ok(count > 0)
    }

    fn is_silent(&self) -> bool {
        let patience = self.options.patience;
        self.connections.iter().any(|connection| {
            connection.is_waiting() && connection.waits_since().elapsed() >= patience
        })
    }
}

impl LoadOptions {
    fn note_answered(&self, count: usize) {
        if let Some(progress) = &self.progress {
            progress.fetch_add(count as u64, Ordering::Relaxed);
        }
    }
}

/// The part of `total` that falls to one of `count`: they differ by one at most.
fn share(total: u64, count: usize, index: usize) -> u64 {
    let (count, index) = (count as u64, index as u64);
    total / count + u64::from(index < total % count)
}

fn ignore_interruption(error: std::io::Error) -> Result<(), LoadError> {
    if error.kind() == std::io::ErrorKind::Interrupted {
        Ok(())
    } else {
        Err(LoadError::Transport(error))
    }
}

/// Answers that are read at once, in bytes.
const READ_LEN: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_add_up() {
        assert_eq!((0..3).map(|index| share(10, 3, index)).sum::<u64>(), 10);
        assert_eq!(share(10, 3, 0), 4);
    }
}
