//! Over streams that block.

use embedded_io::{Error, ErrorKind};
use memlet::blocking::{Connection, serve};
use memlet::serve::{BufferError, ServeError};
use memlet_core::connection::CloseReason;
use memlet_core::wire::Opcode;

use crate::stream::{Fault, Script};
use crate::talk::{BUFFER_LEN, Uploads, cache, clock, expected, packet, session, set, with_key};

type Served = Result<CloseReason, ServeError<Fault>>;

/// Serves the script with a new cache and buffers of this length.
fn serve_script(script: &mut Script, buffer_len: usize) -> Served {
    let (mut input, mut output) = (vec![0xff; buffer_len], vec![0xff; buffer_len]);
    serve(script, &mut cache(), &mut input, &mut output, clock)
}

#[test]
fn answers_do_not_depend_on_where_the_input_is_cut() {
    let input = session();
    let (heard, reason) = expected(&input, BUFFER_LEN);
    assert_eq!(reason, CloseReason::EndOfInput);
    for at in 0..input.len() {
        let mut script = Script::cut_at(&input, at);
        assert_eq!(
            serve_script(&mut script, BUFFER_LEN),
            Ok(reason),
            "cut at {at}"
        );
        assert!(script.heard == heard, "cut at {at}");
    }
    for piece_len in 1..=BUFFER_LEN + 1 {
        let mut script = Script::cut(&input, piece_len);
        assert_eq!(serve_script(&mut script, BUFFER_LEN), Ok(reason));
        assert!(script.heard == heard, "in pieces of {piece_len}");
    }
}

#[test]
fn answers_do_not_depend_on_how_much_the_stream_takes_at_once() {
    let input = session();
    let (heard, reason) = expected(&input, BUFFER_LEN);
    for write_max in 1..=BUFFER_LEN {
        let mut script = Script::new([input.clone()]);
        script.write_max = write_max;
        assert_eq!(serve_script(&mut script, BUFFER_LEN), Ok(reason));
        assert!(script.heard == heard, "{write_max} bytes at once");
    }
}

#[test]
fn buffers_of_any_length_do() {
    let input = session();
    for buffer_len in (96..2048).step_by(7) {
        let (heard, reason) = expected(&input, buffer_len);
        let mut script = Script::cut(&input, 100);
        assert_eq!(serve_script(&mut script, buffer_len), Ok(reason));
        assert!(script.heard == heard, "buffers of {buffer_len}");
    }
}

#[test]
fn buffers_too_short_for_anything_are_refused() {
    let mut script = Script::new([session()]);
    let error = serve(&mut script, &mut cache(), &mut [0; 23], &mut [0; 96], clock).unwrap_err();
    let wanted = BufferError::Input {
        len: 23,
        needed: 24,
    };
    assert_eq!(error, ServeError::Buffer(wanted));
    let error = serve(&mut script, &mut cache(), &mut [0; 24], &mut [0; 95], clock).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the output buffer has 95 bytes, at least 96 are needed"
    );
    assert_eq!(script.pieces.len(), 1);
    assert!(script.heard.is_empty());
}

#[test]
fn requests_that_come_together_are_answered_with_one_write() {
    let noop = packet(&memlet_core::wire::Request::new(Opcode::NOOP));
    let mut script = Script::new([noop.repeat(17)]);
    assert_eq!(
        serve_script(&mut script, BUFFER_LEN),
        Ok(CloseReason::EndOfInput)
    );
    assert_eq!((script.writes, script.heard.len()), (1, 17 * 24));
}

#[test]
fn the_end_of_the_input_within_a_request_is_told_from_that_between_two() {
    let input = set(Opcode::SET, b"key", &[7; 600]);
    for len in 0..=input.len() {
        let mut script = Script::new([input[..len].to_vec()].into_iter().filter(|_| len > 0));
        let reason = match len {
            0 => CloseReason::EndOfInput,
            _ if len == input.len() => CloseReason::EndOfInput,
            _ => CloseReason::Truncated,
        };
        assert_eq!(serve_script(&mut script, BUFFER_LEN), Ok(reason), "{len}");
    }
}

#[test]
fn a_value_cut_short_is_forgotten_however_the_connection_ends() {
    let input = set(Opcode::SET, b"key", &[7; 600]);
    let mut fault = Script::new([input[..550].to_vec()]);
    fault
        .pieces
        .push_back(Err(Fault(ErrorKind::ConnectionReset, 1)));
    for mut script in [Script::new([input[..550].to_vec()]), fault] {
        let mut uploads = Uploads::default();
        let buffers = (&mut [0; BUFFER_LEN][..], &mut [0; BUFFER_LEN][..]);
        let _ = serve(&mut script, &mut uploads, buffers.0, buffers.1, clock);
        assert_eq!((uploads.begun, uploads.kept, uploads.forgotten), (1, 0, 1));
    }
}

#[test]
fn a_store_is_as_large_as_before_after_any_number_of_values_cut_short() {
    let mut cache = cache();
    let long = set(Opcode::SET, b"key", &[7; 7000]);
    for _ in 0..100 {
        let mut script = Script::cut(&long[..6500], 400);
        let buffers = (&mut [0; BUFFER_LEN][..], &mut [0; BUFFER_LEN][..]);
        let served = serve(&mut script, &mut cache, buffers.0, buffers.1, clock);
        assert_eq!(served, Ok(CloseReason::Truncated));
    }
    let mut script = Script::cut(&long, 400);
    let buffers = (&mut [0; BUFFER_LEN][..], &mut [0; BUFFER_LEN][..]);
    let served = serve(&mut script, &mut cache, buffers.0, buffers.1, clock);
    assert_eq!(served, Ok(CloseReason::EndOfInput));
    assert_eq!(script.heard[6..8], [0, 0]);
}

#[test]
fn garbage_ends_the_connection_after_the_answers_to_what_came_before() {
    let input = [set(Opcode::SET, b"a", b"b"), b"garbage".to_vec()].concat();
    let mut script = Script::new([input]);
    assert_eq!(
        serve_script(&mut script, BUFFER_LEN),
        Ok(CloseReason::Magic)
    );
    assert_eq!(script.heard.len(), 24);
}

#[test]
fn a_client_of_the_text_protocol_is_told_in_text() {
    let mut script = Script::new([b"get key\r\n".to_vec()]);
    assert_eq!(serve_script(&mut script, BUFFER_LEN), Ok(CloseReason::Text));
    assert!(script.heard.starts_with(b"ERROR "));
    assert!(script.heard.ends_with(b"\r\n"));
}

#[test]
fn quit_is_answered_before_the_connection_ends() {
    let input = [with_key(Opcode::QUIT, b""), with_key(Opcode::NOOP, b"")].concat();
    let mut script = Script::new([input]);
    assert_eq!(
        serve_script(&mut script, BUFFER_LEN),
        Ok(CloseReason::Requested)
    );
    assert_eq!(script.heard.len(), 24);
}

#[test]
fn an_error_of_the_stream_is_given_as_it_is() {
    let fault = Fault(ErrorKind::ConnectionAborted, 42);
    let mut script = Script::new([with_key(Opcode::NOOP, b"")]);
    script.pieces.push_back(Err(fault));
    let error = serve_script(&mut script, BUFFER_LEN).unwrap_err();
    assert_eq!(error, ServeError::Transport(fault));
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert_eq!(script.heard.len(), 24);

    let mut script = Script::new([with_key(Opcode::NOOP, b"")]);
    script.write_fault = Some(fault);
    assert_eq!(
        serve_script(&mut script, BUFFER_LEN),
        Err(ServeError::Transport(fault))
    );
}

#[test]
fn a_stream_that_takes_nothing_is_an_error() {
    let mut script = Script::new([with_key(Opcode::NOOP, b"")]);
    script.write_max = 0;
    let error = serve_script(&mut script, BUFFER_LEN).unwrap_err();
    assert_eq!(
        (error, error.kind()),
        (ServeError::WriteZero, ErrorKind::WriteZero)
    );
}

#[test]
fn after_a_timeout_the_connection_goes_on_and_interruptions_are_none() {
    let input = session();
    let (heard, reason) = expected(&input, BUFFER_LEN);
    for at in (1..input.len()).step_by(11) {
        let mut script = Script::cut_at(&input, at);
        let timeout = Fault(ErrorKind::TimedOut, 7);
        let interruption = Fault(ErrorKind::Interrupted, 8);
        script.pieces.insert(1, Err(timeout));
        script.pieces.insert(1, Err(interruption));
        let mut cache = cache();
        let (mut input, mut output) = ([0; BUFFER_LEN], [0; BUFFER_LEN]);
        let mut connection =
            Connection::new(script, &mut cache, &mut input, &mut output, clock).unwrap();
        assert_eq!(connection.run(), Err(ServeError::Transport(timeout)));
        connection.stream_mut().write_fault = Some(timeout);
        assert_eq!(connection.run(), Err(ServeError::Transport(timeout)));
        assert_eq!(connection.run(), Ok(reason));
        assert!(connection.stream_mut().heard == heard, "cut at {at}");
        assert!(connection.is_between_requests());
    }
}
