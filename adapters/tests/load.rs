//! The load generator against servers in this process: what it counts, and that it notices wrong answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use memlet::load::{self, LoadError, LoadOptions, LoadReport, Stop, Target, Writes};
use memlet::std::{Listen, Server, ServerOptions};
use memlet_core::engine::{Engine, EngineSettings};
use memlet_core::handler::{Handler, Outcome, Reply};
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{Opcode, Request, Status};

/// Runs `work` with options for a server of handlers that `make` makes.
fn with_server<H: Handler>(make: impl Fn() -> H + Sync, work: impl FnOnce(LoadOptions)) {
    let mut options = ServerOptions::default();
    options.listen = vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
    options.threads = 1;
    options.drain_timeout = Duration::ZERO;
    let server = Server::bind(options).unwrap();
    let address = server.addresses()[0].to_string().parse().unwrap();
    let handle = server.handle();
    thread::scope(|scope| {
        scope.spawn(|| server.run(&|_thread| make()).unwrap());
        let options = LoadOptions {
            connections: 5,
            keys: 500,
            ..LoadOptions::new(Target::Tcp(address))
        };
        // A failing test must end the server too, or the scope never ends.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(options)));
        handle.drain();
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn cache() -> impl Handler {
    let store = Store::new(vec![0; 4 << 20], StoreOptions::default()).unwrap();
    Engine::new(store, EngineSettings::default())
}

fn failure(options: &LoadOptions) -> LoadError {
    load::run(options)
        .map(|report: LoadReport| report.requests)
        .expect_err("the load must fail")
}

#[test]
fn hits_misses_and_stores_are_counted() {
    with_server(cache, |options| {
        let options = LoadOptions {
            stop: Stop::Requests(1001),
            ..options
        };
        let cold = load::run(&LoadOptions {
            gets_per_set: u32::MAX,
            ..options.clone()
        })
        .unwrap();
        assert_eq!(
            (cold.requests, cold.stored, cold.hits + cold.misses),
            (1001, 1, 1000)
        );

        let filled = load::preload(&options).unwrap();
        assert_eq!((filled.requests, filled.stored), (500, 500));
        let warm = load::run(&options).unwrap();
        assert_eq!(
            (
                warm.requests,
                warm.hits,
                warm.misses,
                warm.stored,
                warm.errors
            ),
            (1001, 910, 0, 91, 0)
        );
        assert_eq!(warm.latency.len(), 1001);
        assert_eq!(warm.bytes_written, 1001 * (24 + 18) + 91 * 108);
        assert_eq!(warm.bytes_read, 1001 * 24 + 910 * 104);
        let statistics = load::server_statistics(&options).unwrap();
        assert_eq!(statistics["curr_items"], "500");
    });
}

#[test]
fn every_shape_of_load_is_answered() {
    with_server(cache, |options| {
        let options = LoadOptions {
            value_len: (0, 3000),
            zipf_alpha: 0.99,
            ..options
        };
        load::preload(&options).unwrap();
        for (depth, writes, threads) in [
            (1, Writes::Batch, 1),
            (7, Writes::Each, 2),
            (200, Writes::Batch, 9),
        ] {
            let options = LoadOptions {
                depth,
                writes,
                threads,
                stop: Stop::Requests(3000),
                ..options.clone()
            };
            let report = load::run(&options).unwrap();
            assert_eq!(
                (report.requests, report.misses, report.errors),
                (3000, 0, 0),
                "depth {depth}"
            );
        }
        let timed = load::run(&LoadOptions {
            stop: Stop::After(Duration::from_millis(50)),
            ..options
        })
        .unwrap();
        assert!(timed.requests > 0 && timed.elapsed >= Duration::from_millis(50));
    });
}

#[test]
fn progress_counts_every_answer() {
    with_server(cache, |options| {
        let progress = Arc::new(AtomicU64::new(0));
        let options = LoadOptions {
            depth: 7,
            threads: 2,
            stop: Stop::Requests(1000),
            progress: Some(Arc::clone(&progress)),
            ..options
        };
        load::run(&options).unwrap();
        assert_eq!(progress.load(Ordering::Relaxed), 1000);
    });
}

#[test]
fn an_answer_of_the_wrong_length_is_noticed() {
    let short = || {
        |_: &Request<'_>, reply: &mut Reply<'_>| -> Outcome {
            reply.send(&[0; 4], b"", b"short", 1).into()
        }
    };
    with_server(short, |options| {
        let error = failure(&options);
        assert!(
            matches!(
                error,
                LoadError::Mismatch {
                    field: "body length",
                    expected: 0,
                    found: 9
                }
            ),
            "{error}"
        );
        let error = failure(&LoadOptions {
            gets_per_set: 0,
            ..options
        });
        assert!(error.to_string().contains("body length"), "{error}");
    });
}

#[test]
fn statuses_of_errors_are_counted_and_closes_are_failures() {
    let refuse = || {
        |request: &Request<'_>, reply: &mut Reply<'_>| -> Outcome {
            match request.opcode {
                Opcode::SET => reply.error(Status::ENOMEM).into(),
                _ => Outcome::Close,
            }
        }
    };
    with_server(refuse, |options| {
        let sets = LoadOptions {
            gets_per_set: 0,
            stop: Stop::Requests(100),
            ..options.clone()
        };
        let report = load::run(&sets).unwrap();
        assert_eq!((report.requests, report.errors), (100, 100));
        assert!(matches!(
            failure(&options),
            LoadError::Closed | LoadError::Transport(_)
        ));
    });
}

#[test]
fn a_silent_server_is_given_up() {
    let silent = || |_: &Request<'_>, _: &mut Reply<'_>| -> Outcome { Outcome::Done };
    with_server(silent, |options| {
        let options = LoadOptions {
            patience: Duration::from_millis(50),
            ..options
        };
        assert!(matches!(failure(&options), LoadError::Silent));
    });
}

#[test]
fn options_that_cannot_be_are_refused() {
    let options = LoadOptions::new(Target::Unix("nowhere".into()));
    for options in [
        LoadOptions {
            connections: 0,
            ..options.clone()
        },
        LoadOptions {
            key_len: 9,
            ..options.clone()
        },
        LoadOptions {
            value_len: (2, 1),
            ..options.clone()
        },
        LoadOptions {
            zipf_alpha: f64::NAN,
            ..options.clone()
        },
    ] {
        assert!(matches!(failure(&options), LoadError::Options(_)));
    }
    assert!(matches!(failure(&options), LoadError::Connect(_)));
}
