//! Any bytes to a client that has asked something: it believes what a simple model believes, however the bytes are cut.
//!
//! The first byte chooses how the bytes are cut, the second how many requests there are, and one byte for each its opcode;
//! the rest is what the server sends. Opaques start at 0.

use std::collections::VecDeque;

use memlet_core::connection::client::{
    ClientConnection, ClientOptions, Received, ReplyError, StageError,
};
use memlet_core::wire::{Limits, Opcode, Request, Response, Status};

const RUNS: usize = 8;

/// What a client saw: each reply, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Opaque, opcode, value, how many were silent before, whether it was the last.
    replies: Vec<(u32, u8, Vec<u8>, u32, bool)>,
    ended: Option<Result<(), ReplyError>>,
}

pub(crate) fn run(data: &[u8]) {
    let Some((&[seed, count], rest)) = data.split_first_chunk() else {
        return;
    };
    let (opcodes, input) = rest.split_at(usize::from(count % 64).min(rest.len()));
    let whole = deliver(opcodes, &[input], false);
    let pieces = cut(input, seed);
    let mut cut_up = deliver(opcodes, &pieces, false);
    let mut heads = deliver(opcodes, &pieces, true);
    if let (Some(Err(error)), Some(Err(other))) = (whole.ended, &mut cut_up.ended) {
        // A first byte that is none is refused before the rest of its header can be found.
        other.found = error.found;
    }
    assert_eq!(whole, cut_up);
    // A reply whose value has not all come shows its head.
    heads.replies.truncate(whole.replies.len());
    assert_eq!(whole.replies, heads.replies);
}

/// Pieces of pseudo-random length.
fn cut(input: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed).wrapping_mul(2_654_435_761) | 1;
    let mut rest = input;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let (piece, behind) = rest.split_at((1 + (state >> 16) as usize % 40).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// Asks for all of `opcodes`, as far as the table has room, and takes what comes.
fn deliver(opcodes: &[u8], pieces: &[&[u8]], heads: bool) -> Seen {
    let mut options = ClientOptions::default();
    options.first_opaque = 0;
    options.limits = Limits {
        key_len_max: 250,
        body_len_max: 1 << 16,
    };
    let mut connection: ClientConnection<RUNS> = ClientConnection::new(options, ());
    let mut model = VecDeque::new();
    let mut output = [0; 24];
    for &opcode in opcodes {
        let opcode = Opcode(opcode);
        match connection.stage(&Request::new(opcode), &mut output) {
            Ok(staged) => model.push_back((staged.opaque, opcode)),
            Err(error) => assert_eq!(error, StageError::TableFull),
        }
    }
    let (mut seen, mut kept) = (Seen::default(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        if let Err(error) = take(&mut connection, &mut model, &mut kept, heads, &mut seen) {
            // It says so for ever, and shows nothing more.
            assert_eq!(connection.handle_input(&kept), Err(error));
            assert_eq!(connection.handle_end_of_input(kept.len()), Err(error));
            seen.ended = Some(Err(error));
            return seen;
        }
        assert_eq!(connection.in_flight() as usize, model.len());
    }
    seen.ended = Some(connection.handle_end_of_input(kept.len()));
    assert!(!connection.is_healthy());
    seen
}

fn take(
    connection: &mut ClientConnection<RUNS>,
    model: &mut VecDeque<(u32, Opcode)>,
    kept: &mut Vec<u8>,
    heads: bool,
    seen: &mut Seen,
) -> Result<(), ReplyError> {
    loop {
        let received = match heads {
            true => connection.handle_input_head(kept)?,
            false => connection.handle_input(kept)?,
        };
        let consumed = match received {
            Received::NeedMore { missing } => {
                assert!(missing > 0);
                return Ok(());
            }
            Received::Value(piece) => {
                let last = seen.replies.last_mut().expect("a value has a head");
                last.2.extend_from_slice(piece);
                piece.len()
            }
            Received::Reply(reply) => {
                let Response {
                    opaque,
                    opcode,
                    value,
                    ..
                } = reply.response;
                assert!(heads || value.len() == reply.value_len as usize);
                for _ in 0..reply.silent {
                    let (_, skipped) = model.pop_front().expect("a silent request");
                    assert!(skipped.is_quiet(), "{skipped} was not answered");
                }
                assert_eq!(model.front(), Some(&(opaque, opcode)));
                let goes_on = opcode == Opcode::STAT
                    && reply.response.status == Status::SUCCESS
                    && (reply.value_len > 0 || !reply.response.key.is_empty());
                assert_eq!(reply.is_last, !goes_on);
                if reply.is_last {
                    model.pop_front();
                }
                let (opcode, value) = (opcode.0, value.to_vec());
                seen.replies
                    .push((opaque, opcode, value, reply.silent, reply.is_last));
                reply.consumed
            }
        };
        assert!(consumed > 0);
        kept.drain(..consumed);
    }
}
