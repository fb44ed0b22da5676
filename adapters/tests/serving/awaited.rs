//! Over streams that are awaited, one connection at a time: futures are dropped at every poll.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embedded_io::ErrorKind;
use memlet::asynch::{Connection, serve};
use memlet::serve::ServeError;
use memlet_core::connection::CloseReason;
use memlet_core::wire::Opcode;

use crate::stream::{Fault, Script};
use crate::talk::{BUFFER_LEN, Uploads, cache, clock, expected, session, set, with_key};

/// A stream in memory that lets itself be waited for before each step; `pauses` says how often.
pub(crate) struct Awaited {
    pub(crate) script: Script,
    pub(crate) pauses: usize,
}

async fn pause(count: usize) {
    let mut left = count;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl embedded_io::ErrorType for Awaited {
    type Error = Fault;
}

impl embedded_io_async::Read for Awaited {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        pause(self.pauses).await;
        embedded_io::Read::read(&mut self.script, buffer)
    }
}

impl embedded_io_async::Write for Awaited {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        pause(self.pauses).await;
        embedded_io::Write::write(&mut self.script, bytes)
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        pause(self.pauses).await;
        embedded_io::Write::flush(&mut self.script)
    }
}

/// Polls so many times at most.
pub(crate) fn poll<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}

fn serve_script(script: Script) -> (Result<CloseReason, ServeError<Fault>>, Vec<u8>) {
    let mut stream = Awaited { script, pauses: 1 };
    let cache = RefCell::new(cache());
    let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
    let served = serve(&mut stream, &cache, &mut input, &mut output, clock);
    let served = poll(served, 1_000_000).expect("it comes to an end");
    (served, stream.script.heard)
}

#[test]
fn answers_do_not_depend_on_cuts_of_the_input_or_of_the_output() {
    let input = session();
    let (heard, reason) = expected(&input, BUFFER_LEN);
    for at in (0..input.len()).step_by(3) {
        let served = serve_script(Script::cut_at(&input, at));
        assert!(served == (Ok(reason), heard.clone()), "cut at {at}");
    }
    for step in 1..=BUFFER_LEN {
        let mut script = Script::cut(&input, step);
        script.write_max = step;
        assert!(
            serve_script(script) == (Ok(reason), heard.clone()),
            "{step}"
        );
    }
}

#[test]
fn nothing_is_lost_or_done_twice_when_futures_are_dropped_at_any_poll() {
    let input = session();
    let (heard, reason) = expected(&input, BUFFER_LEN);
    for pauses in 1..4 {
        // With fewer polls than pauses the stream itself never gets anywhere.
        for polls in pauses + 1..40 {
            let mut script = Script::cut(&input, 90);
            script.write_max = 70;
            let cache = RefCell::new(cache());
            let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
            let stream = Awaited { script, pauses };
            let mut connection =
                Connection::new(stream, &cache, &mut input, &mut output, clock).unwrap();
            let ended = loop {
                // Both of them, in turns.
                if let Some(ended) = poll(connection.run(), polls) {
                    break ended.unwrap();
                }
                if let Some(Some(ended)) = poll(connection.turn(), polls).transpose().unwrap() {
                    break ended;
                }
            };
            assert_eq!(ended, reason);
            let found = &connection.stream_mut().script.heard;
            assert!(*found == heard, "{polls} polls, {pauses} pauses");
        }
    }
}

#[test]
fn a_connection_dropped_at_any_poll_leaves_no_value_behind() {
    let input = [
        set(Opcode::SET, b"first", &[1; 600]),
        set(Opcode::SET, b"second", &[2; 600]),
    ]
    .concat();
    let mut most_forgotten = 0;
    for polls in 0.. {
        let uploads = RefCell::new(Uploads::default());
        let (mut buffer, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
        let stream = Awaited {
            script: Script::cut(&input, 100),
            pauses: 1,
        };
        let served = serve(stream, &uploads, &mut buffer, &mut output, clock);
        let is_over = poll(served, polls).is_some();
        let uploads = uploads.into_inner();
        assert_eq!(uploads.begun, uploads.kept + uploads.forgotten, "{polls}");
        most_forgotten = most_forgotten.max(uploads.forgotten);
        if is_over {
            assert_eq!(uploads.kept, 2);
            break;
        }
    }
    assert_eq!(most_forgotten, 1);
}

#[test]
fn the_end_within_a_value_garbage_and_text_end_it_as_they_do_when_blocking() {
    let value = set(Opcode::SET, b"key", &[7; 600]);
    for (input, reason, heard_len) in [
        (value[..550].to_vec(), CloseReason::Truncated, 0),
        (value[..20].to_vec(), CloseReason::Truncated, 0),
        (
            [value.clone(), vec![0x81; 30]].concat(),
            CloseReason::Magic,
            24,
        ),
        (b"stats\r\n".to_vec(), CloseReason::Text, 57),
        (with_key(Opcode::QUIT, b""), CloseReason::Requested, 24),
    ] {
        let (served, heard) = serve_script(Script::cut(&input, 64));
        assert_eq!(served, Ok(reason));
        assert_eq!(heard.len(), heard_len, "{reason}");
    }
}

#[test]
fn an_error_of_the_stream_is_given_as_it_is_and_can_be_got_over() {
    let fault = Fault(ErrorKind::NotConnected, 3);
    let mut script = Script::new([with_key(Opcode::NOOP, b"")]);
    script.pieces.push_front(Err(fault));
    script
        .pieces
        .push_front(Err(Fault(ErrorKind::Interrupted, 4)));
    let cache = RefCell::new(cache());
    let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
    let stream = Awaited { script, pauses: 0 };
    let mut connection = Connection::new(stream, &cache, &mut input, &mut output, clock).unwrap();
    assert_eq!(
        poll(connection.run(), 9),
        Some(Err(ServeError::Transport(fault)))
    );
    assert_eq!(poll(connection.run(), 9), Some(Ok(CloseReason::EndOfInput)));
    assert_eq!(connection.stream_mut().script.heard.len(), 24);

    let mut script = Script::new([with_key(Opcode::NOOP, b"")]);
    script.write_max = 0;
    assert_eq!(serve_script(script).0, Err(ServeError::WriteZero));
    let stream = Awaited {
        script: Script::default(),
        pauses: 0,
    };
    let (mut input, mut output) = ([0; 10], [0; 100]);
    let served = poll(serve(stream, &cache, &mut input, &mut output, clock), 1).unwrap();
    assert!(matches!(served, Err(ServeError::Buffer(_))), "{served:?}");
}

#[test]
fn futures_are_small_as_the_buffers_are_elsewhere() {
    let cache = RefCell::new(cache());
    let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
    let mut stream = Awaited {
        script: Script::default(),
        pauses: 0,
    };
    let own = size_of_val(&embedded_io_async::Read::read(&mut stream, &mut []));
    let served = serve(&mut stream, &cache, &mut input, &mut output, clock);
    // The stream's own future is in there once.
    let len = size_of_val(&served) - own;
    assert!(len <= 480, "{len} bytes");
}
