//! The async client with the methods of the blocking one, so that both can be put to the same tests.
#![allow(dead_code, reason = "it has all of the methods")]

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use memlet::asynch;
use memlet::client::{
    Answer, Buffer, Change, ClientSettings, Command, Counter, Error, Features, Item, Mechanisms,
    Observed, OwnedItem, SaslAnswer, Touched, Update, UpdateStep,
};
use memlet_core::connection::client::ReplyError;
use memlet_core::counters::Tally;
use memlet_core::wire::{Request, Response, Status};

/// Runs a future to its end.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// A stream that blocks, as one that is awaited. Each step takes two polls.
pub(crate) struct Awaited<S>(pub(crate) S);

async fn pause() {
    let mut is_first = true;
    poll_fn(|_| match std::mem::take(&mut is_first) {
        true => Poll::Pending,
        false => Poll::Ready(()),
    })
    .await;
}

impl<S: embedded_io::ErrorType> embedded_io::ErrorType for Awaited<S> {
    type Error = S::Error;
}

impl<S: embedded_io::Read> embedded_io_async::Read for Awaited<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, S::Error> {
        pause().await;
        self.0.read(buffer)
    }
}

impl<S: embedded_io::Write> embedded_io_async::Write for Awaited<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, S::Error> {
        pause().await;
        self.0.write(bytes)
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        pause().await;
        self.0.flush()
    }
}

type Outcome<T, S> = Result<T, Error<<S as embedded_io::ErrorType>::Error>>;

/// The async client, waited for.
pub(crate) struct Client<S, B, T = (), const RUNS: usize = 64>(
    asynch::Client<Awaited<S>, B, T, RUNS>,
);

impl<S: embedded_io::Read + embedded_io::Write> Client<S, Vec<u8>> {
    pub(crate) fn new(stream: S) -> Self {
        Client(asynch::Client::new(Awaited(stream)))
    }
}

/// Methods that wait for those of the same name.
macro_rules! wait_for {
    ($(fn $name:ident $([$($generic:ident: $bound:path),*])? ($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        $(pub(crate) fn $name$(<$($generic: $bound),*>)?(
            &mut self, $($argument: $type),*
        ) -> Outcome<$output, S> {
            wait(self.0.$name($($argument),*))
        })*
    };
}

impl<S, B, T, const RUNS: usize> Client<S, B, T, RUNS>
where
    S: embedded_io::Read + embedded_io::Write,
    B: Buffer,
    T: Tally,
{
    pub(crate) fn with(stream: S, settings: ClientSettings, input: B, output: B, tally: T) -> Self {
        Client(asynch::Client::with(
            Awaited(stream),
            settings,
            input,
            output,
            tally,
        ))
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.0.is_healthy()
    }

    pub(crate) fn error(&self) -> Option<ReplyError> {
        self.0.error()
    }

    pub(crate) fn set_vbucket(&mut self, vbucket: u16) {
        self.0.set_vbucket(vbucket);
    }

    pub(crate) fn tally(&self) -> &T {
        self.0.tally()
    }

    pub(crate) fn stream(&self) -> &S {
        &self.0.stream().0
    }

    pub(crate) fn into_inner(self) -> S {
        self.0.into_inner().0
    }

    pub(crate) fn into_parts(self) -> (S, B, Range<usize>) {
        let (stream, input, unread) = self.0.into_parts();
        (stream.0, input, unread)
    }

    pub(crate) fn batch<'c>(
        &mut self,
        commands: impl IntoIterator<Item = Command<'c>>,
        each: impl FnMut(usize, Answer<'_>),
    ) -> Outcome<(), S> {
        wait(self.0.batch(commands, each))
    }

    pub(crate) fn store_many<'c>(
        &mut self,
        commands: impl IntoIterator<Item = Command<'c>>,
        failed: impl FnMut(usize, Status),
    ) -> Outcome<(), S> {
        wait(self.0.store_many(commands, failed))
    }

    wait_for! {
        fn add(key: &[u8], value: &[u8]) -> u64;
        fn append(key: &[u8], value: &[u8]) -> u64;
        fn authenticate(user: &[u8], password: &[u8]) -> ();
        fn count(command: &Command<'_>) -> Option<Counter>;
        fn decrement(key: &[u8], delta: u64) -> Option<u64>;
        fn delete(key: &[u8]) -> bool;
        fn delete_many[K: AsRef<[u8]>](keys: &[K]) -> usize;
        fn fetch(command: &Command<'_>) -> Option<Item<'_>>;
        fn flush(when: u32) -> ();
        fn get(key: &[u8]) -> Option<Item<'_>>;
        fn get_and_touch(key: &[u8], expiration: u32) -> Option<Item<'_>>;
        fn get_each[K: AsRef<[u8]>](keys: &[K], each: impl FnMut(usize, Item<'_>)) -> ();
        fn get_into(key: &[u8], target: &mut [u8]) -> Option<Touched>;
        fn get_many[K: AsRef<[u8]>](keys: &[K]) -> Vec<Option<OwnedItem>>;
        fn get_pieces(key: &[u8], each: impl FnMut(&[u8])) -> Option<Touched>;
        fn hello(agent: &[u8], features: &[u16]) -> Features<'_>;
        fn increment(key: &[u8], delta: u64) -> Option<u64>;
        fn noop() -> ();
        fn observe(vbucket: u16, key: &[u8]) -> Observed;
        fn prepend(key: &[u8], value: &[u8]) -> u64;
        fn quit() -> ();
        fn receive() -> Response<'_>;
        fn replace(key: &[u8], value: &[u8]) -> u64;
        fn sasl_mechanisms() -> Mechanisms<'_>;
        fn sasl_start(mechanism: &[u8], message: &[u8]) -> SaslAnswer<'_>;
        fn sasl_step(mechanism: &[u8], message: &[u8]) -> SaslAnswer<'_>;
        fn select_bucket(name: &[u8]) -> ();
        fn send(request: &Request<'_>) -> Response<'_>;
        fn set(key: &[u8], value: &[u8]) -> u64;
        fn set_many[K: AsRef<[u8]>, V: AsRef<[u8]>](
            items: &[(K, V)], failed: impl FnMut(usize, Status)
        ) -> ();
        fn stats(group: &[u8], each: impl FnMut(&[u8], &[u8])) -> ();
        fn stats_list(group: &[u8]) -> Vec<(String, String)>;
        fn stats_map(group: &[u8]) -> BTreeMap<String, String>;
        fn store(command: &Command<'_>) -> u64;
        fn touch(key: &[u8], expiration: u32) -> bool;
        fn transmit(request: &Request<'_>) -> u32;
        fn update[V: AsRef<[u8]>](
            update: Update<'_>, change: impl FnMut(Option<Item<'_>>) -> Change<V>
        ) -> memlet::client::Outcome;
        fn update_next[V: AsRef<[u8]>](
            update: &mut Update<'_>, change: &Change<V>
        ) -> UpdateStep<'_>;
        fn update_start(update: &mut Update<'_>) -> Option<Item<'_>>;
        fn verbosity(level: u32) -> ();
        fn version() -> &[u8];
    }
}
