//! The task that keeps a connection to upstream and moves requests and answers over it.

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;

use embedded_io_async::{Read, Write};
use memlet_core::store::Shards;

use super::cache::NearCache;
use super::settings::UpstreamSettings;
use crate::asynch::Client;

/// How many changes of opcode may be on their way.
const RUNS: usize = 16;

type UpstreamClient<'b, S> = Client<S, &'b mut [u8], (), RUNS>;

/// Makes connections to upstream.
///
/// A closure that returns a future of a stream does. A device whose stream borrows its buffers implements it:
///
/// ```
/// # struct Socket<'b>(&'b mut [u8]);
/// # impl embedded_io::ErrorType for Socket<'_> { type Error = core::convert::Infallible; }
/// # impl embedded_io_async::Read for Socket<'_> {
/// #     async fn read(&mut self, _: &mut [u8]) -> Result<usize, core::convert::Infallible> { Ok(0) }
/// # }
/// # impl embedded_io_async::Write for Socket<'_> {
/// #     async fn write(&mut self, bytes: &[u8]) -> Result<usize, core::convert::Infallible> { Ok(bytes.len()) }
/// #     async fn flush(&mut self) -> Result<(), core::convert::Infallible> { Ok(()) }
/// # }
/// use memlet::near::Connect;
///
/// struct Upstream {
///     buffer: [u8; 1024],
/// }
///
/// impl Connect for Upstream {
///     type Stream<'a> = Socket<'a>;
///     type Error = core::convert::Infallible;
///
///     async fn connect(&mut self) -> Result<Socket<'_>, Self::Error> {
///         Ok(Socket(&mut self.buffer))
///     }
/// }
/// ```
pub trait Connect {
    /// A connection.
    type Stream<'a>: Read + Write
    where
        Self: 'a;
    /// Why there is none.
    type Error;

    /// Connects. Dropped when it takes longer than [`UpstreamSettings::connect_timeout`].
    ///
    /// # Errors
    /// When upstream cannot be reached.
    fn connect(&mut self) -> impl Future<Output = Result<Self::Stream<'_>, Self::Error>>;
}

impl<F, R, S, E> Connect for F
where
    F: FnMut() -> R,
    R: Future<Output = Result<S, E>>,
    S: Read + Write,
{
    type Stream<'a>
        = S
    where
        F: 'a;
    type Error = E;

    fn connect(&mut self) -> impl Future<Output = Result<S, E>> {
        self()
    }
}

/// Keeps a near cache connected to its upstream, for ever: sends what is asked of it and hands out the answers.
///
/// `input` holds an answer and has to be as long as the longest and its header, at least
/// [`Client::BUFFER_LEN_MIN`]; longer answers are passed over, and refused with 0x82. `output` holds the requests that
/// are sent together, the longest with its header at least. `clock` gives unix time in seconds, the same as the
/// connections'. `delay` is the executor's: `tokio::time::sleep`, or embassy's `Timer::after`.
///
/// All requests go over one connection, as many at a time as [`unread_len_max`] lets. When it is lost a new one is made
/// at once, then after growing pauses; see [what happens meanwhile](super#when-upstream-is-away).
///
/// Dropped, it lets go of the connection, and upstream is away until it is called again.
///
/// [`unread_len_max`]: crate::client::ClientSettings::unread_len_max
pub async fn keep_connected<S: Shards, C: Connect, D: Future<Output = ()>>(
    near: &RefCell<NearCache<'_, S>>,
    mut connect: C,
    input: &mut [u8],
    output: &mut [u8],
    settings: &UpstreamSettings<'_>,
    clock: impl Fn() -> u32,
    delay: impl Fn(Duration) -> D,
) -> ! {
    let task = Task {
        near,
        settings,
        clock,
        delay,
    };
    let mut backoff = settings.backoff_min;
    loop {
        task.with(NearCache::handle_opening);
        if task.serve(&mut connect, input, output).await {
            backoff = settings.backoff_min;
            continue;
        }
        log!(
            warn,
            "upstream is away: the next attempt follows in {} ms",
            backoff.as_millis() as u64
        );
        task.with(|near| near.handle_away((task.clock)()));
        (task.delay)(backoff).await;
        backoff = backoff.saturating_mul(2).min(settings.backoff_max);
    }
}

/// How a connection ended.
struct Ended {
    /// Upstream took too long.
    is_late: bool,
    /// It has answered something before.
    has_answered: bool,
}

/// What the task has all the time.
struct Task<'a, 'm, S: Shards, T: Fn() -> u32, W> {
    near: &'a RefCell<NearCache<'m, S>>,
    settings: &'a UpstreamSettings<'a>,
    clock: T,
    delay: W,
}

/// Whoever waits is told when nobody looks after upstream any more.
impl<S: Shards, T: Fn() -> u32, W> Drop for Task<'_, '_, S, T, W> {
    fn drop(&mut self) {
        let now = (self.clock)();
        self.with(|near| near.handle_away(now));
    }
}

impl<'m, S: Shards, T: Fn() -> u32, W> Task<'_, 'm, S, T, W> {
    /// Borrows the near cache. Nobody else does so over an await, so it is never borrowed already.
    fn with<R>(&self, f: impl FnOnce(&mut NearCache<'m, S>) -> R) -> Option<R> {
        self.near.try_borrow_mut().ok().map(|mut near| f(&mut near))
    }
}

impl<S: Shards, T: Fn() -> u32, W: Fn(Duration) -> D, D: Future<Output = ()>>
    Task<'_, '_, S, T, W>
{
    /// Makes a connection and serves over it until it ends; false if there was none, or none of use.
    async fn serve<C: Connect>(
        &self,
        connect: &mut C,
        input: &mut [u8],
        output: &mut [u8],
    ) -> bool {
        let output_len = output.len();
        let open = self.open(connect, input, output);
        let opened = within(
            pin!(open),
            pin!((self.delay)(self.settings.connect_timeout)),
        )
        .await;
        let Some(Some(mut client)) = opened else {
            self.with(NearCache::handle_refused);
            return false;
        };
        log!(info, "connected to upstream");
        self.with(NearCache::handle_up);
        let ended = self.converse(&mut client, output_len).await;
        if ended.is_late {
            log!(warn, "upstream is late: the connection is given up");
        }
        self.with(|near| near.handle_lost(ended.is_late, (self.clock)()));
        ended.has_answered
    }

    async fn open<'c, C: Connect>(
        &self,
        connect: &'c mut C,
        input: &'c mut [u8],
        output: &'c mut [u8],
    ) -> Option<UpstreamClient<'c, C::Stream<'c>>> {
        let stream = connect.connect().await.ok()?;
        let mut client = Client::with(stream, self.settings.client, input, output, ());
        if let Some(login) = &self.settings.login {
            client.authenticate(login.user, login.password).await.ok()?;
        }
        Some(client)
    }

    /// Moves requests and answers until the connection fails or is late.
    async fn converse<I: Read + Write>(
        &self,
        client: &mut UpstreamClient<'_, I>,
        output_len: usize,
    ) -> Ended {
        let mut ended = Ended {
            is_late: false,
            has_answered: false,
        };
        // From the last answer on, or from the first request after a pause.
        let mut timer = pin!(None);
        loop {
            loop {
                let machine = client.exchange.machine();
                let oldest = machine.next_opaque().wrapping_sub(machine.in_flight());
                match client.exchange.poll(oldest) {
                    Ok(Some(arrived)) => {
                        let now = (self.clock)();
                        self.with(|near| near.take(&client.exchange, &arrived, now));
                        ended.has_answered = true;
                        timer.set(None);
                    }
                    Ok(None) => break,
                    Err(_) => return ended,
                }
            }
            let now = (self.clock)();
            let exchange = &mut client.exchange;
            let handed_over = self.with(|near| near.hand_over(exchange, output_len, now));
            if !client.exchange.unsent().is_empty() {
                let late = pin!((self.delay)(self.settings.timeout));
                match within(pin!(client.flush_output()), late).await {
                    Some(Ok(())) => {}
                    Some(Err(_)) => return ended,
                    None => {
                        ended.is_late = true;
                        return ended;
                    }
                }
            }
            if client.exchange.machine().in_flight() > 0 && timer.is_none() {
                timer.set(Some((self.delay)(self.settings.timeout)));
            }
            match self
                .wait(client, timer.as_mut(), handed_over == Some(true))
                .await
            {
                Woken::Read | Woken::Asked => {}
                Woken::Failed => return ended,
                Woken::Late => {
                    ended.is_late = true;
                    return ended;
                }
            }
        }
    }

    /// Waits for an answer, for the time to be over, and if there is room for requests, for one of them.
    async fn wait<I: Read + Write>(
        &self,
        client: &mut UpstreamClient<'_, I>,
        mut timer: Pin<&mut Option<D>>,
        has_room: bool,
    ) -> Woken {
        let mut fill = pin!(client.fill());
        poll_fn(|context| {
            if let Poll::Ready(filled) = fill.as_mut().poll(context) {
                return Poll::Ready(match filled {
                    Ok(()) => Woken::Read,
                    Err(_) => Woken::Failed,
                });
            }
            let asked = || self.with(|near| near.poll_queued(context));
            if has_room && asked().is_some_and(|asked| asked.is_ready()) {
                return Poll::Ready(Woken::Asked);
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(context).map(|()| Woken::Late),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// What ended a wait.
enum Woken {
    /// Something has arrived.
    Read,
    /// A request waits to be sent.
    Asked,
    /// The connection has failed.
    Failed,
    /// The time is over.
    Late,
}

/// What a future gives, unless the time is over before.
async fn within<R>(
    mut future: Pin<&mut impl Future<Output = R>>,
    mut timer: Pin<&mut impl Future<Output = ()>>,
) -> Option<R> {
    poll_fn(|context| {
        if let Poll::Ready(result) = future.as_mut().poll(context) {
            return Poll::Ready(Some(result));
        }
        timer.as_mut().poll(context).map(|()| None)
    })
    .await
}
