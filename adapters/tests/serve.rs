//! `serve` over streams in memory: every cut of the input, every cut of the output, every way to end.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use memlet::std::{ServeError, serve};
use memlet_core::connection::CloseReason;
use memlet_core::engine::{Engine, EngineSettings};
use memlet_core::handler::{Outcome, Reply};
use memlet_core::store::{Store, StoreOptions};
use memlet_core::wire::{Opcode, Request, Status};

/// A peer that says what it is told to, piece by piece, and then closes.
#[derive(Default)]
struct Script {
    pieces: VecDeque<io::Result<Vec<u8>>>,
    heard: Vec<u8>,
    /// How many bytes it takes with one write; 0 for any number.
    write_max: usize,
}

impl Script {
    fn new(pieces: impl IntoIterator<Item = Vec<u8>>) -> Script {
        Script {
            pieces: pieces.into_iter().map(Ok).collect(),
            ..Script::default()
        }
    }

    fn cut(input: &[u8], piece_len: usize) -> Script {
        Script::new(input.chunks(piece_len).map(<[u8]>::to_vec))
    }
}

impl Read for &mut Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.pieces.pop_front() else {
            return Ok(0);
        };
        let mut piece = piece?;
        let len = piece.len().min(buffer.len());
        buffer[..len].copy_from_slice(&piece[..len]);
        if len < piece.len() {
            self.pieces.push_front(Ok(piece.split_off(len)));
        }
        Ok(len)
    }
}

impl Write for &mut Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let max = if self.write_max == 0 {
            usize::MAX
        } else {
            self.write_max
        };
        let len = bytes.len().min(max);
        self.heard.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn packet(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![0; request.encoded_len().unwrap()];
    request.emit(&mut bytes).unwrap();
    bytes
}

fn set(key: &[u8], value: &[u8]) -> Vec<u8> {
    packet(&Request {
        extras: &[0; 8],
        key,
        value,
        ..Request::new(Opcode::SET)
    })
}

fn append(key: &[u8], value: &[u8]) -> Vec<u8> {
    packet(&Request {
        key,
        value,
        ..Request::new(Opcode::APPEND)
    })
}

fn get(key: &[u8]) -> Vec<u8> {
    packet(&Request {
        key,
        ..Request::new(Opcode::GET)
    })
}

fn engine() -> Engine<Store<Vec<u8>>> {
    Engine::new(
        Store::new(vec![0; 16 << 20], StoreOptions::default()).unwrap(),
        EngineSettings::default(),
    )
}

fn noop(request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
    match request.opcode {
        Opcode::NOOP => reply.success(0).into(),
        Opcode::QUIT => Outcome::Close,
        _ => reply.error(Status::UNKNOWN_COMMAND).into(),
    }
}

/// A conversation with long and short values, a join that no buffer of fixed size takes, and a refusal.
fn conversation() -> Vec<u8> {
    let long: Vec<u8> = (0..300_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    [
        set(b"short", b"value"),
        set(b"long", &long),
        get(b"long"),
        append(b"long", &long[..200_000]),
        get(b"short"),
        get(b"long"),
        packet(&Request::new(Opcode(0x77))),
        get(b"missing"),
        packet(&Request::new(Opcode::NOOP)),
    ]
    .concat()
}

#[test]
fn the_cut_of_input_and_output_changes_nothing() {
    let input = conversation();
    let mut whole = Script::new([input.clone()]);
    serve(&mut whole, &mut engine()).unwrap();
    assert!(whole.heard.len() > 800_000);
    for piece_len in [1, 7, 24, 1000, 1448, 16_384, 65_536, 65_537] {
        let mut script = Script::cut(&input, piece_len);
        script.write_max = piece_len;
        serve(&mut script, &mut engine()).unwrap();
        assert!(
            script.heard == whole.heard,
            "differs for pieces of {piece_len}"
        );
    }
}

#[test]
fn quit_ends_it_in_order() {
    let quit = packet(&Request::new(Opcode::QUIT));
    let after = packet(&Request::new(Opcode::NOOP));
    let mut script = Script::new([[quit, after].concat()]);
    serve(&mut script, &mut noop).unwrap();
    assert!(script.heard.is_empty(), "what follows QUIT is not executed");
}

#[test]
fn what_was_wrong_is_said() {
    let end = |input: &[u8]| {
        let mut script = Script::new([input.to_vec()]);
        let end = serve(&mut script, &mut noop);
        (end, script.heard)
    };
    assert!(end(b"").0.is_ok());
    let (error, _) = end(&get(b"key")[..25]);
    assert!(matches!(
        error,
        Err(ServeError::Protocol(CloseReason::Truncated))
    ));
    let (error, heard) = end(b"get key\r\n");
    assert!(matches!(
        error,
        Err(ServeError::Protocol(CloseReason::Text))
    ));
    assert!(heard.starts_with(b"ERROR "));
    let mut response = packet(&Request::new(Opcode::NOOP));
    response.extend_from_slice(&[0x81; 24]);
    let (error, heard) = end(&response);
    assert!(matches!(
        error,
        Err(ServeError::Protocol(CloseReason::Magic))
    ));
    assert_eq!(heard.len(), 24, "what came before is answered");
}

#[test]
fn a_stream_that_fails_ends_it_with_its_error() {
    for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::ConnectionReset] {
        let mut script = Script::new([packet(&Request::new(Opcode::NOOP))]);
        script.pieces.push_back(Err(kind.into()));
        match serve(&mut script, &mut noop) {
            Err(ServeError::Transport(error)) => assert_eq!(error.kind(), kind),
            other => panic!("{other:?}"),
        }
        assert_eq!(script.heard.len(), 24);
    }
}

#[test]
fn an_interrupted_read_is_repeated() {
    let mut script = Script::default();
    script
        .pieces
        .push_back(Err(io::ErrorKind::Interrupted.into()));
    script
        .pieces
        .push_back(Ok(packet(&Request::new(Opcode::NOOP))));
    serve(&mut script, &mut noop).unwrap();
    assert_eq!(script.heard.len(), 24);
}

#[test]
fn a_panic_of_the_handler_ends_the_connection_alone() {
    let mut handler = |_: &Request<'_>, _: &mut Reply<'_>| -> Outcome { panic!("on purpose") };
    let mut script = Script::new([get(b"key")]);
    assert!(matches!(
        serve(&mut script, &mut handler),
        Err(ServeError::Panicked)
    ));
}

#[test]
fn errors_have_texts() {
    let error = serve(
        &mut Script::new([b"GET / HTTP/1.1\r\n".to_vec()]),
        &mut noop,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the peer does not speak the binary protocol"
    );
}
