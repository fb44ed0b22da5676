//! Serving over a line that has no connections: a UART, RS-485, a pipe of bytes.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use embedded_io_async::{Read, Write};
use memlet_core::connection::CloseReason;
use memlet_core::handler::Handler;

use super::Connection;
use crate::serve::ServeError;

/// How long silence has to be on a line to say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SerialOptions {
    /// Milliseconds of silence in the middle of a request after which it is given up.
    ///
    /// Longer than any pause that a living host makes within a request, and shorter than its patience with an answer.
    pub gap_ms: u32,
    /// Milliseconds of silence after which the line is listened to again once its bytes have lost their meaning.
    ///
    /// Longer than a pause between two writes of a host that does not know yet that nobody listens; not longer than
    /// `gap_ms`, so that a host has one time to keep.
    pub quiet_ms: u32,
}

impl Default for SerialOptions {
    /// 500 ms in the middle of a request, 100 ms to begin anew.
    fn default() -> SerialOptions {
        SerialOptions {
            gap_ms: 500,
            quiet_ms: 100,
        }
    }
}

/// What has happened on a line since it is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SerialCounts {
    /// Sessions begun: one at the start, and one after each that ended.
    pub sessions: u32,
    /// Sessions that ended because a request was none: noise, a host that speaks another protocol, lost bytes.
    pub refused: u32,
    /// Sessions that ended because a request stopped halfway.
    pub gaps: u32,
    /// Sessions that ended because the stream reported an error: bytes lost or received wrong.
    pub faults: u32,
    /// Bytes dropped until the line was quiet.
    pub discarded_bytes: u32,
}

/// Serves a line that has no connections, for ever: a UART, with one host at its other end.
///
/// As [`serve`](super::serve), but what a transport with connections would say by closing one is told from silence:
///
/// ```text
///                         gap_ms of silence in the middle of a request
///            ┌──────────────────────────────────────────────────────────┐
///            ▼                                                          │
///    begin a session ──▶ answer requests ──QUIT──▶ begin a session with what follows
///            ▲                  │
///            │                  │ no request (noise, another protocol), or an error of the stream (overrun)
///            │ quiet_ms of      ▼
///            └── silence ── drop all input
/// ```
///
/// After bytes that make no sense nothing is taken for a request before the line has been silent: among what follows may be
/// the rest of a value, and a value can look like a request. A new session is not logged in.
///
/// A host that has just started, or that has missed an answer, is silent for [`gap_ms`](SerialOptions::gap_ms), drops what
/// it has received, and sends a NOOP; its answer shows that both sides begin anew. If there is none it tries again: what is
/// still on its way in some buffer takes the silence away. A host that does not keep silent may
/// complete a request that another has left half sent.
///
/// `line` returns an error from its `read` in place of bytes that it had to drop or has received wrong, after all bytes
/// before them. Then no request with a hole in it is ever executed; the protocol itself has no checksum. With a receive
/// buffer shorter than what a host sends in one go, the line needs flow control (RTS and CTS).
///
/// `sleep` waits for some milliseconds: `async |ms| embassy_time::Timer::after_millis(ms.into()).await`, or tokio's. What
/// has happened is in `counts`, for statistics. The other arguments are those of [`serve`](super::serve). A QUIT or a
/// session's end is not seen by the host, other than by the answer.
///
/// Returns when `line` does: when a read gives no bytes. Dropped, it makes the handler forget a value that was half
/// received.
///
/// # Errors
/// When a [buffer](crate::serve#buffers) is too short, or `line` takes no bytes. Errors of `line` end the session only.
#[expect(
    clippy::too_many_arguments,
    reason = "they are those of `serve`, and three of the line's"
)]
pub async fn serve_serial<S: Read + Write, H: Handler>(
    mut line: S,
    handler: &RefCell<H>,
    input: &mut [u8],
    output: &mut [u8],
    clock: impl Fn() -> u32,
    options: &SerialOptions,
    counts: &Cell<SerialCounts>,
    sleep: impl AsyncFn(u32),
) -> Result<(), ServeError<S::Error>> {
    let mut connection = Connection::new(&mut line, handler, input, output, clock)?;
    loop {
        count(counts, |counts| &mut counts.sessions, 1);
        match session(&mut connection, options.gap_ms, &sleep).await? {
            End::Line => return Ok(()),
            End::Asked => connection.restart(true).await,
            End::Gap => {
                log!(warn, "half a request, then silence: a new session begins");
                count(counts, |counts| &mut counts.gaps, 1);
                connection.restart(false).await;
            }
            End::Refused => {
                count(counts, |counts| &mut counts.refused, 1);
                connection.restart(false).await;
                discard(&mut connection, options.quiet_ms, counts, &sleep).await;
            }
            End::Fault => {
                log!(
                    warn,
                    "the line lost bytes: a new session begins once it is quiet"
                );
                count(counts, |counts| &mut counts.faults, 1);
                connection.restart(false).await;
                discard(&mut connection, options.quiet_ms, counts, &sleep).await;
            }
        }
    }
}

/// How a session ended.
enum End {
    /// With the line itself.
    Line,
    /// With a QUIT.
    Asked,
    /// With silence in the middle of a request.
    Gap,
    /// With bytes that are no request.
    Refused,
    /// With bytes that were lost.
    Fault,
}

/// Answers requests until the session ends.
async fn session<S: Read + Write, H: Handler>(
    connection: &mut Connection<'_, S, H, impl Fn() -> u32>,
    gap_ms: u32,
    sleep: &impl AsyncFn(u32),
) -> Result<End, ServeError<S::Error>> {
    loop {
        // While it waits for an answer the host has a reason to be silent.
        let turned = if connection.is_within_request() {
            within(connection.turn(), sleep(gap_ms)).await
        } else {
            Some(connection.turn().await)
        };
        return Ok(match turned {
            None => End::Gap,
            Some(Ok(None)) => continue,
            Some(Ok(Some(CloseReason::EndOfInput | CloseReason::Truncated))) => End::Line,
            Some(Ok(Some(CloseReason::Requested))) => End::Asked,
            Some(Ok(Some(_))) => End::Refused,
            Some(Err(ServeError::Transport(_))) => End::Fault,
            Some(Err(error)) => return Err(error),
        });
    }
}

/// Drops what comes until the line has been silent for so long.
async fn discard<S: Read + Write, H: Handler>(
    connection: &mut Connection<'_, S, H, impl Fn() -> u32>,
    quiet_ms: u32,
    counts: &Cell<SerialCounts>,
    sleep: &impl AsyncFn(u32),
) {
    loop {
        match within(connection.read_past(), sleep(quiet_ms)).await {
            // The end of the line is found again by the next session.
            None | Some(Ok(0)) => return,
            Some(Ok(len)) => {
                let len = u32::try_from(len).unwrap_or(u32::MAX);
                count(counts, |counts| &mut counts.discarded_bytes, len);
            }
            // A stream that has nothing but errors to give does not keep the executor to itself.
            Some(Err(_)) => sleep(quiet_ms).await,
        }
    }
}

fn count(counts: &Cell<SerialCounts>, which: fn(&mut SerialCounts) -> &mut u32, by: u32) {
    let mut now = counts.get();
    let figure = which(&mut now);
    *figure = figure.wrapping_add(by);
    counts.set(now);
}

/// What `future` gives, or `None` if `time` is over first.
async fn within<F: Future>(future: F, time: impl Future<Output = ()>) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut time = pin!(time);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        time.as_mut().poll(context).map(|()| None)
    })
    .await
}
